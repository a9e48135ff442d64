//! The engine's only way to nodes, and its real form: SSH.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc, time::Duration};

use async_trait::async_trait;
use remote::{HostKey, Identity, Session, Target, wait_until_reachable};
use tokio::{sync::Mutex, time::Instant};

use super::{Configuration, SetUp, connect::ThroughSession, health};
use crate::spec::Node;

/// How long to wait before asking a node again how it does.
const PAUSE: Duration = Duration::from_millis(300);

/// Where a node is, and how it proves that it is the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// The node; its `ssh_port` is forwarded to it on the public address.
    pub node: Node,
    /// The cluster's public address.
    pub public_address: Ipv4Addr,
    /// The key the node has to show.
    pub host_key: HostKey,
}

/// A node that could not be reached, configured, or brought to health.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection to it, or something done over it, failed.
    #[error("{node}: {source}")]
    Remote {
        /// The node, by its short name.
        node: String,
        /// What failed.
        source: remote::Error,
    },
    /// It was reached, but did not become healthy in time.
    #[error(
        "{node} did not become healthy within {} s; it was still waiting for {lacks}; see `mesostack ssh {node} -- \
         journalctl -b`", .waited.as_secs()
    )]
    Unhealthy {
        /// The node, by its short name.
        node: String,
        /// How long it was waited for.
        waited: Duration,
        /// What it still lacked.
        lacks: String,
    },
}

/// Hears what is being waited for.
pub type Tell<'a> = dyn Fn(&str) + Send + Sync + 'a;

/// What the engine does with nodes. Calls for different nodes are made side by side.
#[async_trait]
pub trait Nodes: Send + Sync + std::fmt::Debug {
    /// Reaches the node as soon as it answers, and brings it to the configuration.
    ///
    /// # Errors
    /// When it is not reached or not configured by `deadline`.
    async fn set_up(
        &self,
        at: &Whereabouts,
        configuration: &Configuration,
        deadline: Instant,
    ) -> Result<SetUp, Error>;

    /// Waits until the node does what its role asks of it: a master's ZooKeeper serves, its Mesos master and Marathon know
    /// their leaders, and its gateway leads there; an agent is registered. A master needs the others for that, so all have to
    /// be set up before the first is waited for. `tell` hears what is being waited for, whenever that changes.
    ///
    /// # Errors
    /// When it is not reached or not healthy by `deadline`.
    async fn wait_until_healthy(
        &self,
        at: &Whereabouts,
        deadline: Instant,
        tell: &Tell<'_>,
    ) -> Result<(), Error>;
}

/// Nodes reached over SSH, at their forwarded ports on the public address. Connections are kept and shared.
#[derive(Debug)]
pub struct SshNodes {
    user: String,
    identity: Identity,
    /// A place for each node's session, so that nodes are reached side by side but none of them twice at once.
    sessions: Mutex<HashMap<(Ipv4Addr, u16), Place>>,
}

/// Where a node's session is kept; locked while the node is being reached.
type Place = Arc<Mutex<Option<Session>>>;

impl SshNodes {
    /// Logs in to all nodes as `user` with `identity`.
    pub fn new(user: impl Into<String>, identity: Identity) -> Self {
        Self { user: user.into(), identity, sessions: Mutex::default() }
    }

    /// A session with the node: the one there is, or a new one as soon as the node answers.
    ///
    /// # Errors
    /// When it is not reached by `deadline`, or shows another host key.
    pub async fn reach(&self, at: &Whereabouts, deadline: Instant) -> Result<Session, Error> {
        let target = Target {
            host: at.public_address.to_string(),
            port: at.node.ssh_port,
            user: self.user.clone(),
            host_key: at.host_key.clone(),
        };
        let place = {
            let mut sessions = self.sessions.lock().await;
            Arc::clone(sessions.entry((at.public_address, at.node.ssh_port)).or_default())
        };
        let mut place = place.lock().await;
        if let Some(session) =
            place.as_ref().filter(|session| !session.is_closed() && *session.target() == target)
        {
            return Ok(session.clone());
        }
        let session = wait_until_reachable(&target, &self.identity, deadline)
            .await
            .map_err(|source| Error::Remote { node: at.node.name(), source })?;
        *place = Some(session.clone());
        Ok(session)
    }

    async fn forget(&self, at: &Whereabouts) {
        self.sessions.lock().await.remove(&(at.public_address, at.node.ssh_port));
    }
}

#[async_trait]
impl Nodes for SshNodes {
    async fn set_up(
        &self,
        at: &Whereabouts,
        configuration: &Configuration,
        deadline: Instant,
    ) -> Result<SetUp, Error> {
        loop {
            let session = self.reach(at, deadline).await?;
            match super::set_up(&session, configuration, deadline).await {
                Ok(done) => return Ok(done),
                // A machine that restarts in the middle of it: begin again, on a new connection.
                Err(remote::Error::Closed { .. }) if Instant::now() + PAUSE < deadline => {
                    self.forget(at).await;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(source) => return Err(Error::Remote { node: at.node.name(), source }),
            }
        }
    }

    async fn wait_until_healthy(
        &self,
        at: &Whereabouts,
        deadline: Instant,
        tell: &Tell<'_>,
    ) -> Result<(), Error> {
        let began = Instant::now();
        let mut told = String::new();
        loop {
            let session = self.reach(at, deadline).await?;
            let connect = Arc::new(ThroughSession(session));
            let checked = tokio::time::timeout_at(deadline, health::check(connect, &at.node)).await;
            match checked {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(lacks)) if lacks != told => {
                    tell(&lacks);
                    told = lacks;
                }
                Ok(Err(_)) => {}
                Err(_) if told.is_empty() => told = "its services to answer".to_owned(),
                Err(_) => {}
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(Error::Unhealthy { node: at.node.name(), waited: began.elapsed(), lacks: told });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
