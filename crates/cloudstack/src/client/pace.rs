//! How many calls are under way at once, and how close together they begin.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// How many looks at jobs may be under way at once.
const LOOKS: usize = 8;

#[derive(Debug)]
pub(super) struct Pace {
    calls: Semaphore,
    looks: Semaphore,
    spacing: Option<Spacing>,
}

#[derive(Debug)]
struct Spacing {
    between: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(concurrent: usize, per_second: Option<f64>) -> Self {
        let spacing = per_second
            .filter(|rate| rate.is_finite() && *rate > 0.0)
            .map(|rate| Spacing { between: Duration::from_secs_f64(1.0 / rate), next: Mutex::new(None) });
        Self { calls: Semaphore::new(concurrent), looks: Semaphore::new(LOOKS), spacing }
    }

    /// Waits until one more call may be under way; it may as long as the permit is held.
    pub(super) async fn admit(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed, so there always is a permit.
        self.calls.acquire().await.ok()
    }

    /// Waits until one more look at a job may be under way.
    pub(super) async fn admit_look(&self) -> Option<SemaphorePermit<'_>> {
        self.looks.acquire().await.ok()
    }

    /// Waits until one more call may begin.
    pub(super) async fn begin(&self) {
        let Some(spacing) = &self.spacing else { return };
        let turn = {
            let mut next = spacing.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = next.map_or_else(Instant::now, |next| next.max(Instant::now()));
            *next = Some(turn + spacing.between);
            turn
        };
        sleep_until(turn).await;
    }
}
