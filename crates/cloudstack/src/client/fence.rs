//! Until when a client may change things. Whoever may do so only for a time (the holder of a lease) puts its client
//! behind a fence: after the fence's end no write leaves this machine, and one that is still on its way is refused by the
//! server, since its signature has expired by then. Reads, and looks at jobs, pass at any time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::time::Instant;

use super::Client;

/// The end of the time in which writes may be sent; it can be moved. Clones are the same fence.
#[derive(Clone, Debug)]
pub struct Fence(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    until: Until,
    cut_off: usize,
}

/// One moment, by the clocks of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until {
    /// By this machine's clock: no write is sent from then on.
    pub here: Instant,
    /// By the server's clock: no signature of a write is valid for longer. Servers compare whole seconds.
    pub there: Timestamp,
}

impl Fence {
    /// A fence that ends then.
    #[must_use]
    pub fn new(until: Until) -> Self {
        Self(Arc::new(Mutex::new(State { until, cut_off: 0 })))
    }

    /// Moves the end.
    pub fn set(&self, until: Until) {
        self.state().until = until;
    }

    /// Ends it now: no further write is sent.
    pub fn close(&self) {
        self.state().until.here = Instant::now();
    }

    /// The end.
    #[must_use]
    pub fn until(&self) -> Until {
        self.state().until
    }

    /// How many writes were given up before an answer came, by their caller (the future was dropped) or since it took too
    /// long: they may still arrive, until their signatures expire at the fence's end.
    #[must_use]
    pub fn cut_off(&self) -> usize {
        self.state().cut_off
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether writes may be sent no more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        Instant::now() >= self.until().here
    }
}

/// A write on its way; counted as cut off when it is dropped unanswered.
pub(super) struct UnderWay<'a>(Option<&'a Fence>);

impl<'a> UnderWay<'a> {
    pub(super) fn new(fence: Option<&'a Fence>) -> Self {
        Self(fence)
    }

    pub(super) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(fence) = self.0 {
            fence.state().cut_off += 1;
        }
    }
}

impl Client {
    /// What time it is by the clock that this client signs with.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.core.clock)()
    }

    /// The same client, whose writes end with the fence; see [`Error::Fenced`](crate::Error::Fenced). It shares
    /// everything else, and takes the place of a fence it had before.
    #[must_use]
    pub fn behind(&self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self.clone() }
    }
}
