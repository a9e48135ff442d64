//! How a question reaches a daemon: plainly over TCP, or however the caller connects.

use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream to a daemon.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Opens streams to daemons. Deadlines are the asker's business: an implementation may wait as long as it likes
/// and is dropped when time is up.
#[async_trait]
pub trait Connect: Send + Sync {
    /// A fresh stream to `host`, `port`.
    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>>;
}

/// Straight over TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpConnect;

#[async_trait]
impl Connect for TcpConnect {
    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
