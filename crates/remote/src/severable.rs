//! A stream that can be cut off from afar.
//!
//! russh reads its connection in a task of its own, which does not end as long as a silent peer keeps the connection
//! open in the middle of a handshake. We cut its stream when the session is given up, so that no task and no socket
//! outlives it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// `stream`, until the token is cancelled; from then on reads and writes fail.
pub(crate) struct Severable<S> {
    stream: S,
    severed: Pin<Box<WaitForCancellationFutureOwned>>,
    token: CancellationToken,
}

impl<S> Severable<S> {
    pub(crate) fn new(stream: S, token: CancellationToken) -> Self {
        Self { stream, severed: Box::pin(token.clone().cancelled_owned()), token }
    }
}

fn severed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the session was given up")
}

impl<S: AsyncRead + Unpin> AsyncRead for Severable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The reader waits most of the time, so that this side has to wake it; a writer is woken by its own failure.
        if self.severed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(severed()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Severable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.token.is_cancelled() {
            return Poll::Ready(Err(severed()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
