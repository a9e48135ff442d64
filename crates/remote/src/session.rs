//! One authenticated connection, on which everything else runs.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use russh::{
    Channel, ChannelOpenFailure, Disconnect,
    client::{self, AuthResult, Msg},
    keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Semaphore, oneshot},
    time::Instant,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Error, HostKey, Identity, error::within, severable::Severable};

/// How often a silent server is asked whether it is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How many such questions may stay without an answer.
const KEEPALIVE_MAX: usize = 3;
/// How many commands run side by side on one connection; sshd allows 10 by default (MaxSessions), and frees a place only
/// some time after a command was given up.
const COMMANDS_AT_ONCE: usize = 8;
/// How long a server without a free place is asked again.
const LONGEST_WAIT_FOR_A_PLACE: Duration = Duration::from_secs(20);

/// A machine to log in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name or address.
    pub host: String,
    /// Its SSH port.
    pub port: u16,
    /// Whom to log in as.
    pub user: String,
    /// The key it has to show.
    pub host_key: HostKey,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.host, self.port)
    }
}

/// An authenticated connection. Clones share it; it is closed when the last clone, and the last stream through it, is
/// dropped.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    handle: client::Handle<Pinned>,
    target: Target,
    commands: Semaphore,
    /// The session this one goes through.
    _through: Option<Session>,
    /// Ends russh's own task and the socket with us.
    _sever: DropGuard,
}

impl Session {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`Error::HostKeyMismatch`] before anything about us was sent, [`Error::Authentication`], or no connection by
    /// `deadline`.
    pub async fn connect(target: &Target, identity: &Identity, deadline: Instant) -> Result<Self, Error> {
        within(deadline, target, "connect", async {
            let connect_error = |source| Error::Connect { target: target.to_string(), source };
            let stream =
                TcpStream::connect((target.host.as_str(), target.port)).await.map_err(connect_error)?;
            stream.set_nodelay(true).map_err(connect_error)?;
            Self::over(stream, None, target, identity).await
        })
        .await
    }

    /// Connects and logs in to a machine that `jump` can reach.
    ///
    /// # Errors
    /// As [`Session::connect`]; [`Error::StreamRefused`] when `jump` cannot reach it.
    pub async fn connect_through(
        jump: &Session,
        target: &Target,
        identity: &Identity,
        deadline: Instant,
    ) -> Result<Self, Error> {
        within(deadline, target, "connect", async {
            let stream = jump.open_stream(&target.host, target.port, deadline).await?;
            Self::over(stream, Some(jump.clone()), target, identity).await
        })
        .await
    }

    async fn over<S>(
        stream: S,
        through: Option<Session>,
        target: &Target,
        identity: &Identity,
    ) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let sever = CancellationToken::new();
        let guard = sever.clone().drop_guard();
        let pinned = Pinned { host_key: target.host_key.clone() };
        let mut handle =
            client::connect_stream(Arc::new(config(&target.host_key)), Severable::new(stream, sever), pinned)
                .await
                .map_err(|refusal| refusal.tell(target))?;
        log_in(&mut handle, target, identity).await?;
        tracing::debug!(%target, "logged in");
        Ok(Self {
            inner: Arc::new(Inner {
                handle,
                target: target.clone(),
                commands: Semaphore::new(COMMANDS_AT_ONCE),
                _through: through,
                _sever: guard,
            }),
        })
    }

    /// The machine.
    pub fn target(&self) -> &Target {
        &self.inner.target
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.inner.handle.is_closed()
    }

    /// Says goodbye to the server. Dropping the session does as well, without the word.
    pub async fn close(self) {
        // A connection that is gone already needs no goodbye.
        let _ = self.inner.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }

    pub(crate) fn handle(&self) -> &client::Handle<Pinned> {
        &self.inner.handle
    }

    pub(crate) fn commands(&self) -> &Semaphore {
        &self.inner.commands
    }

    /// A channel for a command or shell. A command that was given up keeps its place on the server until it has really
    /// ended, so a server without a free place is asked again for a while.
    pub(crate) async fn open_channel(&self, doing: &'static str) -> Result<Channel<Msg>, Error> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            let session = self.clone();
            match opened(async move { session.handle().channel_open_session().await }).await {
                Ok(channel) => return Ok(channel),
                Err(russh::Error::ChannelOpenFailure(
                    ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage,
                )) if began.elapsed() < LONGEST_WAIT_FOR_A_PLACE => {}
                Err(source) => return Err(Error::from_russh(self.target(), doing, source)),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

/// Sees the opening of a channel through, even when the caller no longer waits for it: a channel that comes too late is
/// closed, else it would keep its place on the server as long as the connection lasts.
pub(crate) async fn opened(
    opening: impl Future<Output = Result<Channel<Msg>, russh::Error>> + Send + 'static,
) -> Result<Channel<Msg>, russh::Error> {
    let (hand_over, wait) = oneshot::channel();
    tokio::spawn(async move {
        if let Err(Ok(late)) = hand_over.send(opening.await) {
            let _ = late.close().await;
        }
    });
    wait.await.unwrap_or(Err(russh::Error::RecvError))
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("target", &self.inner.target)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

async fn log_in(
    handle: &mut client::Handle<Pinned>,
    target: &Target,
    identity: &Identity,
) -> Result<(), Error> {
    let failed = |source| Error::from_russh(target, "log in", source);
    let key = identity.key();
    let hash = if key.algorithm().is_rsa() {
        // Servers of our day refuse RSA with SHA-1. Asking may take a second, so it is done for RSA alone.
        Some(handle.best_supported_rsa_hash().await.map_err(failed)?.flatten().unwrap_or(HashAlg::Sha512))
    } else {
        None
    };
    let key = PrivateKeyWithHashAlg::new(key, hash);
    match handle.authenticate_publickey(&target.user, key).await.map_err(failed)? {
        AuthResult::Success => Ok(()),
        // A connection that broke looks like a refusal that leaves no other way to log in.
        AuthResult::Failure { remaining_methods, .. }
            if remaining_methods.is_empty() && handle.is_closed() =>
        {
            Err(Error::Closed { target: target.to_string(), doing: "log in" })
        }
        AuthResult::Failure { .. } => {
            Err(Error::Authentication { target: target.to_string(), identity: identity.fingerprint() })
        }
    }
}

fn config(host_key: &HostKey) -> client::Config {
    let mut preferred = russh::Preferred::DEFAULT;
    // A server with several keys shows the first kind we ask for: ask for the pinned one, but let it show another rather
    // than fail without a word about keys.
    let mut kinds = preferred.key.to_vec();
    kinds.sort_by_key(|kind| !host_key.is_of(kind));
    preferred.key = Cow::Owned(kinds);
    client::Config {
        preferred,
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVE_MAX,
        // Messages one slow reader may leave lying before the whole connection waits for it.
        channel_buffer_size: 1024,
        nodelay: true,
        ..client::Config::default()
    }
}

/// Accepts one host key.
pub(crate) struct Pinned {
    host_key: HostKey,
}

impl client::Handler for Pinned {
    type Error = Refusal;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Refusal> {
        let found = HostKey::of(shown.public_key());
        if found == self.host_key {
            Ok(true)
        } else {
            Err(Refusal::HostKey { expected: self.host_key.fingerprint(), found: found.fingerprint() })
        }
    }
}

/// Why a handshake ended.
#[derive(Debug)]
pub(crate) enum Refusal {
    HostKey { expected: String, found: String },
    Ssh(russh::Error),
}

impl From<russh::Error> for Refusal {
    fn from(source: russh::Error) -> Self {
        Self::Ssh(source)
    }
}

impl Refusal {
    fn tell(self, target: &Target) -> Error {
        match self {
            Self::HostKey { expected, found } => {
                Error::HostKeyMismatch { target: target.to_string(), expected, found }
            }
            Self::Ssh(source) => Error::from_russh(target, "agree on a secure connection", source),
        }
    }
}
