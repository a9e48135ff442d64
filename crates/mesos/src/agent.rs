//! A Mesos agent, asked directly. Healthy does not mean registered: only its metrics, and the leading master's list,
//! tell that.

use std::sync::Arc;

use tokio::time::Instant;

use crate::http::Daemon;
use crate::{Address, Connect, Error, Metrics, Service};

/// A client for one Mesos agent.
#[derive(Debug, Clone)]
pub struct Agent {
    daemon: Daemon,
}

impl Agent {
    /// The agent at `address` (port 5051 unless configured otherwise).
    pub fn new(connect: Arc<dyn Connect>, address: Address) -> Self {
        Self { daemon: Daemon::new(Service::Agent, connect, address) }
    }

    /// Whether it runs and answers; an error tells why not.
    ///
    /// # Errors
    /// It could not be asked, or answered with anything but 200.
    pub async fn health(&self, deadline: Instant) -> Result<(), Error> {
        self.daemon.get("/health", deadline).await?.ok().map(drop)
    }

    /// Its metrics; see [`Metrics::registered`].
    ///
    /// # Errors
    /// It could not be asked, or its answer not be read.
    pub async fn metrics(&self, deadline: Instant) -> Result<Metrics, Error> {
        let answer = self.daemon.get("/metrics/snapshot", deadline).await?.ok()?;
        Metrics::parse(&answer.body).map_err(|reason| answer.unreadable(reason))
    }
}
