//! Questions to daemons through an SSH connection, so that none of their ports need be open.

use std::{io, time::Duration};

use async_trait::async_trait;
use mesos::{Connect, Stream};
use remote::Session;
use tokio::time::Instant;

/// The asker's own deadline ends an attempt sooner.
const LONGEST: Duration = Duration::from_secs(60);

/// Connects as if from the machine at the session's other end.
#[derive(Clone, Debug)]
pub(super) struct ThroughSession(pub(super) Session);

#[async_trait]
impl Connect for ThroughSession {
    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let stream =
            self.0.open_stream(host, port, Instant::now() + LONGEST).await.map_err(io::Error::other)?;
        Ok(Box::new(stream))
    }
}
