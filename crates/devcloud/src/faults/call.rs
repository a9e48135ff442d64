//! What can happen to a call on its way.

use std::time::Duration;

/// When a call that fails on its way has its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Never: it was lost before it arrived.
    Before,
    /// It had it, and then it failed.
    After,
    /// It fails at once, and arrives so much later.
    Late(Duration),
}

/// Which of the replies to a call delivered twice its caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The first one; the call arrives again behind the caller's back.
    First,
    /// The second one, as from a proxy that repeated a call whose reply it had lost.
    Second,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// Something in between answers with this HTTP status and a page.
    Status(u16, Moment),
    /// The connection breaks.
    Reset(Moment),
    /// Nothing is ever answered.
    Silence(Moment),
    /// No connection can be made, and the caller can tell. On a [`Wire`](super::Wire) only.
    Refused,
    /// It is delivered twice, so far apart.
    Twice {
        /// The time between the two.
        apart: Duration,
        /// Which reply the caller gets.
        answered: Answered,
    },
    /// A list shows what was there so long ago; ids that are newer are unknown to it.
    Lag(Duration),
    /// The caller is killed. On a [`Wire`](super::Wire) only.
    Kill(Moment),
}
