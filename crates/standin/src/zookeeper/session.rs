//! A session with the ensemble: waited for as long as it takes, and told about when it is lost.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};
use zookeeper_client::{Acl, Acls, Client, CreateMode, Error, Permission, SessionState};

use super::Ensemble;
use crate::host;

/// The session ended: its ephemeral nodes are gone or will be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ZooKeeper session is lost: {0}")]
pub(crate) struct SessionLost(pub(crate) String);

/// A session with the ensemble.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    client: Client,
    access: Access,
}

/// Who may do what with the nodes made in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// No credentials: everybody everything.
    Open,
    /// Mesos with credentials: everybody reads, the creator does everything.
    CreatorAndReaders,
    /// Marathon with credentials: the creator alone.
    Creator,
}

static CREATOR_AND_READERS: [Acl; 2] =
    [Acl::new_const(Permission::READ, "world", "anyone"), Acl::new_const(Permission::ALL, "auth", "")];

impl Access {
    fn acls(self) -> Acls<'static> {
        match self {
            Self::Open => Acls::anyone_all(),
            Self::CreatorAndReaders => Acls::new(&CREATOR_AND_READERS),
            Self::Creator => Acls::creator_all(),
        }
    }
}

/// Whether any server takes connections. The client tries refused addresses again without a pause, for as long as a
/// session may take: on a machine that is still starting its ZooKeeper that would cost a whole processor.
async fn listening(servers: &[String], patience: Duration) -> Result<(), String> {
    let mut refusal = "there is no server".to_owned();
    for server in servers {
        match tokio::time::timeout(patience / 5, TcpStream::connect(server)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => refusal = format!("{server}: {error}"),
            Err(_) => refusal = format!("{server}: no answer"),
        }
    }
    Err(refusal)
}

impl Session {
    /// Tries until there is a session.
    pub(crate) async fn open(ensemble: &Ensemble, timeout: Duration, readable: bool) -> Self {
        loop {
            match Self::try_open(ensemble, timeout, readable).await {
                Ok(session) => return session,
                Err(error) => tracing::warn!("No session with {ensemble} yet: {error}; trying again"),
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Tries once, for about as long as `timeout`.
    pub(crate) async fn try_open(
        ensemble: &Ensemble,
        timeout: Duration,
        readable: bool,
    ) -> Result<Self, String> {
        let mut servers = Vec::new();
        for (name, port) in ensemble.servers() {
            let address = host::resolve_socket(name, *port).map_err(|unknown| unknown.to_string())?;
            servers.push(address.to_string());
        }
        listening(&servers, timeout).await?;
        // Short enough to try two dead servers and still reach the third before the session expires.
        let idle = (timeout / 5).max(Duration::from_millis(400));
        let mut connector = Client::connector().with_session_timeout(timeout).with_connection_timeout(idle);
        if let Some(credentials) = ensemble.credentials() {
            connector = connector.with_auth("digest", credentials.as_bytes());
        }
        let client = connector.connect(&servers.join(",")).await.map_err(|error| error.to_string())?;
        let access = match (ensemble.credentials(), readable) {
            (None, _) => Access::Open,
            (Some(_), true) => Access::CreatorAndReaders,
            (Some(_), false) => Access::Creator,
        };
        tracing::info!(
            "Session {} with {ensemble}, time-out {:?}",
            client.session_id(),
            client.session_timeout()
        );
        Ok(Self { client, access })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Ends when the session is lost: when the server says so, or when no server has been reached for as long as the
    /// session lives, as in Mesos: by then another may lead.
    pub(crate) async fn lost(&self) -> SessionLost {
        let mut states = self.client.state_watcher();
        let mut state = self.client.state();
        let mut expires: Option<Instant> = None;
        loop {
            match state {
                SessionState::Expired => return SessionLost("it has expired".into()),
                SessionState::Closed => return SessionLost("it was closed".into()),
                SessionState::AuthFailed => return SessionLost("authentication failed".into()),
                SessionState::Disconnected if expires.is_none() => {
                    tracing::warn!("Disconnected from ZooKeeper, reconnecting");
                    expires = Some(Instant::now() + self.client.session_timeout());
                }
                SessionState::Disconnected => {}
                _ => expires = None,
            }
            let expired = async {
                match expires {
                    Some(instant) => sleep_until(instant).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = states.changed() => state = changed,
                () = expired => return SessionLost("it must have expired, ZooKeeper is not reached".into()),
            }
        }
    }

    /// Makes a directory and its parents; those that are there stay as they are.
    pub(crate) async fn make_directory(&self, path: &str) -> Result<(), SessionLost> {
        let options = CreateMode::Persistent.with_acls(self.access.acls());
        self.persist(|| self.client.mkdir(path, &options)).await
    }

    /// An ephemeral sequential node: the number it got.
    pub(super) async fn make_member(&self, prefix: &str, data: &[u8]) -> Result<u64, SessionLost> {
        let options = CreateMode::EphemeralSequential.with_acls(self.access.acls());
        let (_, sequence) = self.persist(|| self.client.create(prefix, data, &options)).await?;
        u64::try_from(sequence.into_i64()).map_err(|error| SessionLost(error.to_string()))
    }

    /// A node's data; none when it is not there.
    pub(crate) async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, SessionLost> {
        self.persist(|| async {
            match self.client.get_data(path).await {
                Ok((data, _)) => Ok(Some(data)),
                Err(Error::NoNode) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Writes a node that stays, made if need be.
    pub(crate) async fn write(&self, path: &str, data: &[u8]) -> Result<(), SessionLost> {
        let options = CreateMode::Persistent.with_acls(self.access.acls());
        self.persist(|| async {
            match self.client.set_data(path, data, None).await {
                Err(Error::NoNode) => self.client.create(path, data, &options).await.map(drop),
                other => other.map(drop),
            }
        })
        .await
    }

    /// Repeats what a broken connection interrupted, for as long as the session lives. Not exactly once: a node made
    /// by a call whose answer was lost is made again, so only what may be repeated goes through here.
    pub(super) async fn persist<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, SessionLost>
    where
        F: Future<Output = Result<T, Error>>,
    {
        loop {
            match attempt().await {
                Err(Error::ConnectionLoss | Error::Throttled) => sleep(Duration::from_millis(100)).await,
                result => return result.map_err(|error| SessionLost(error.to_string())),
            }
        }
    }
}
