//! Connections that a server opens on our behalf.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use russh::{ChannelOpenFailure, ChannelStream, client::Msg};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{Error, Session, error::within, session::opened};

/// A connection from a machine to somewhere, carried by the session with that machine. Closed when dropped.
pub struct Stream {
    channel: ChannelStream<Msg>,
    // Declared after the channel: the session may end only when the channel was told to.
    _session: Session,
}

impl Session {
    /// Lets the server connect to `host`:`port` as it sees them.
    ///
    /// # Errors
    /// [`Error::StreamRefused`] when the server could not, or may not; [`Error::Deadline`].
    pub async fn open_stream(&self, host: &str, port: u16, deadline: Instant) -> Result<Stream, Error> {
        let target = self.target();
        within(deadline, target, "connect onwards", async {
            let (session, to) = (self.clone(), host.to_owned());
            let opening = async move {
                session.handle().channel_open_direct_tcpip(to, u32::from(port), "127.0.0.1", 0).await
            };
            match opened(opening).await {
                Ok(channel) => Ok(Stream { channel: channel.into_stream(), _session: self.clone() }),
                Err(russh::Error::ChannelOpenFailure(reason)) => Err(Error::StreamRefused {
                    target: target.to_string(),
                    to: format!("{host}:{port}"),
                    reason: reason_text(&reason),
                }),
                Err(source) => Err(Error::from_russh(target, "connect onwards", source)),
            }
        })
        .await
    }
}

fn reason_text(reason: &ChannelOpenFailure) -> String {
    match reason {
        ChannelOpenFailure::ConnectFailed => "it could not be connected to".to_owned(),
        ChannelOpenFailure::AdministrativelyProhibited => {
            "the server forbids forwarding (AllowTcpForwarding)".to_owned()
        }
        ChannelOpenFailure::UnknownChannelType => "the server knows no forwarding".to_owned(),
        ChannelOpenFailure::ResourceShortage => "the server is short of resources".to_owned(),
        ChannelOpenFailure::Other { reason, .. } => reason.clone(),
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.channel).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_shutdown(cx)
    }
}
