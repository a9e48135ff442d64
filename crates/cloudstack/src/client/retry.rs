//! Whether to send a failed call again, and after how long.
//!
//! Reads are sent again when they failed for a passing reason, a bounded number of times, each time after a random part
//! of a doubling wait, so that many clients do not come back at once. Writes are sent again only when they certainly
//! were not acted on: no connection was made, or the server turned the call away for coming too fast.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::command::Effect;
use crate::error::{ApiError, Error, TransportFailure};

/// The first wait's bound.
const BASE: Duration = Duration::from_millis(200);
/// The longest wait's bound.
const LONGEST: Duration = Duration::from_secs(5);
/// The window over which a throttling server counts (`api.throttling.interval`).
pub(super) const THROTTLE_WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Policy {
    attempts: u32,
    random: Mutex<StdRng>,
}

impl Policy {
    pub(super) fn new(attempts: u32, seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(rand::random);
        Self { attempts, random: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// How long to wait before sending a call again whose `attempt`th sending (from 1) failed with `error`.
    pub(super) fn wait(&self, effect: Effect, attempt: u32, error: &Error) -> Option<Duration> {
        (attempt < self.attempts && may_repeat(effect, attempt, error))
            .then(|| backoff(error, attempt, self.jitter()))
    }

    /// A number from 0 to 1.
    pub(super) fn jitter(&self) -> f64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}

/// Whether sending again can do no harm and may help.
fn may_repeat(effect: Effect, attempt: u32, error: &Error) -> bool {
    let was_not_acted_on = match error {
        Error::Api(error) => error.code == 429,
        Error::NotTheApi { status, .. } => *status == 429,
        Error::Transport { source, .. } => source.kind == TransportFailure::NotSent,
        _ => false,
    };
    match effect {
        Effect::Write => was_not_acted_on,
        // An internal error of a read is seldom passing: once more, not four times.
        Effect::Read if error.code() == Some(530) => attempt == 1,
        Effect::Read => error.is_transient(),
    }
}

/// The wait after the `attempt`th sending: between half of a doubling bound and all of it.
fn backoff(error: &Error, attempt: u32, jitter: f64) -> Duration {
    let bound = BASE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST);
    let wait = bound.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
    throttled(error).map_or(wait, |window| window + wait)
}

/// How long a server that takes no more calls for now takes none, when that is what `error` says.
pub(super) fn throttled(error: &Error) -> Option<Duration> {
    match error {
        Error::Api(ApiError { code: 429, text, .. }) => {
            Some(retry_after(text).unwrap_or(THROTTLE_WINDOW).min(LONGEST))
        }
        Error::NotTheApi { status: 429, .. } => Some(THROTTLE_WINDOW),
        _ => None,
    }
}

/// The wait a throttling server asks for in its text: "…, please retry after 700 ms."
fn retry_after(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once("retry after ")?;
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    number.parse().ok().map(Duration::from_millis)
}
