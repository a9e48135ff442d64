//! The engine's only way to nodes, and its real form: SSH.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    Configuration, Drained, Health, SetUp, SshNodes, Status, Whereabouts, connect::ThroughSession, health,
};
use crate::spec::Node;

/// How long to wait before a node that went away is reached again.
const PAUSE: Duration = Duration::from_millis(300);

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
    /// It is reached through the masters, and none of them is there.
    #[error("{node} is reached through a master, and there is none; `mesostack apply` makes what is missing")]
    NoMaster {
        /// The node, by its short name.
        node: String,
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
    /// Waits until the node answers.
    ///
    /// # Errors
    /// When it is not reached by `deadline`.
    async fn answers(&self, at: &Whereabouts, deadline: Instant) -> Result<(), Error>;

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

    /// Asks a node once whether it does what its role asks of it: a master's ZooKeeper serves, its Mesos master and Marathon
    /// know their leaders, and its gateway leads there; an agent is registered. A master needs the others for that, so all
    /// have to be set up before the first is asked. One that does not answer by `deadline` lacks that.
    ///
    /// # Errors
    /// When asking again would not help: it shows another host key, or has refused ours for half a minute.
    async fn check(&self, at: &Whereabouts, deadline: Instant) -> Result<Health, Error>;

    /// Asks all masters how they do and which agents they know. Takes until `deadline` at most.
    async fn status(&self, masters: &[Whereabouts], agents: &[Node], deadline: Instant) -> Status;

    /// Takes an agent out of service, through whichever of the masters leads, until no task is left on it or `limit` has
    /// passed since it was asked for. It does not come back.
    async fn drain(&self, masters: &[Whereabouts], agent: &Node, limit: Duration, tell: &Tell<'_>)
    -> Drained;
}

#[async_trait]
impl Nodes for SshNodes {
    async fn answers(&self, at: &Whereabouts, deadline: Instant) -> Result<(), Error> {
        self.reach(at, deadline).await.map(drop)
    }

    async fn set_up(
        &self,
        at: &Whereabouts,
        configuration: &Configuration,
        deadline: Instant,
    ) -> Result<SetUp, Error> {
        loop {
            let session = self.reach(at, deadline).await?;
            match super::set_up(&session, configuration, deadline).await {
                Ok(done) => {
                    self.done_with(at).await;
                    return Ok(done);
                }
                // A machine that restarts in the middle of it: begin again, on a new connection.
                Err(remote::Error::Closed { .. }) if Instant::now() + PAUSE < deadline => {
                    self.forget(at).await;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(source) => return Err(Error::Remote { node: at.node.name(), source }),
            }
        }
    }

    async fn check(&self, at: &Whereabouts, deadline: Instant) -> Result<Health, Error> {
        let session = match self.reach(at, deadline).await {
            Err(Error::Remote { source, .. }) if source.may_pass() => {
                return Ok(Health::Lacks("SSH to answer".to_owned()));
            }
            // A machine that boots turns users away. The time given may be too short to tell.
            Err(Error::Remote { source: remote::Error::Unreachable { last, .. }, .. })
                if last.is_authentication() =>
            {
                return Ok(Health::Lacks("SSH to accept our key".to_owned()));
            }
            reached => reached?,
        };
        let connect = Arc::new(ThroughSession(session));
        let checked = tokio::time::timeout_at(deadline, health::check(connect, &at.node)).await;
        // Also where it has to be asked again: of those that ail there may be any number.
        self.done_with(at).await;
        Ok(match checked {
            Ok(Ok(())) => Health::Well,
            Ok(Err(lacks)) => Health::Lacks(lacks),
            Err(_) => Health::Lacks("its services to answer".to_owned()),
        })
    }

    async fn status(&self, masters: &[Whereabouts], agents: &[Node], deadline: Instant) -> Status {
        super::status(self, masters, agents, deadline).await
    }

    async fn drain(
        &self,
        masters: &[Whereabouts],
        agent: &Node,
        limit: Duration,
        tell: &Tell<'_>,
    ) -> Drained {
        super::drain::drain(self, &self.drainings, masters, agent, limit, tell).await
    }
}
