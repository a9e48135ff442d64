//! How many calls are under way at once, and how close together they begin.
//!
//! A server that throttles counts an account's calls in windows of a second, and refuses all further ones (429). The first
//! refusal is taken as told to every caller: nobody begins a call before the window is over, and from then on no more begin
//! in a second than the server took, looks at jobs included. That holds for a minute; then it may take more again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::retry::THROTTLE_WINDOW;

/// How many looks at jobs may be under way at once.
const LOOKS: usize = 8;
/// How long a rate holds that a server has shown to be the most it takes.
const HOLDS: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Pace {
    calls: Semaphore,
    looks: Semaphore,
    spacing: Option<Spacing>,
    throttle: Mutex<Throttle>,
}

#[derive(Debug)]
struct Spacing {
    between: Duration,
    next: Mutex<Option<Instant>>,
}

/// What is known of a server's throttle. Pure: it is told the time.
#[derive(Debug, Default)]
struct Throttle {
    /// Calls of the last window.
    begun: VecDeque<Instant>,
    /// No call begins before.
    closed_until: Option<Instant>,
    /// How many calls a window takes, and until when that is held to.
    most: Option<(usize, Instant)>,
}

impl Throttle {
    /// Begins a call, or says when to ask again.
    fn begin(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.closed_until.filter(|until| *until > now) {
            return Err(until);
        }
        self.forget(now);
        if let Some((most, _)) = self.most
            && self.begun.len() >= most
        {
            return Err(self.begun[self.begun.len() - most] + THROTTLE_WINDOW);
        }
        self.begun.push_back(now);
        Ok(())
    }

    /// The server refused a call; it takes none for `window`.
    fn too_many(&mut self, window: Duration, now: Instant) {
        self.forget(now);
        let again = now + window;
        let most = match (self.most, self.closed_until) {
            // Others that were under way are refused as well: that says nothing new.
            (Some((most, _)), Some(until)) if until > now => most,
            (Some((most, _)), _) => (most * 3 / 4).max(1),
            (None, _) => self.begun.len().saturating_sub(1).max(1),
        };
        self.most = Some((most, again + HOLDS));
        self.closed_until = self.closed_until.max(Some(again));
    }

    fn forget(&mut self, now: Instant) {
        while self.begun.front().is_some_and(|begun| *begun + THROTTLE_WINDOW <= now) {
            self.begun.pop_front();
        }
        self.most = self.most.filter(|(_, until)| *until > now);
    }
}

impl Pace {
    pub(super) fn new(concurrent: usize, per_second: Option<f64>) -> Self {
        let spacing = per_second
            .filter(|rate| rate.is_finite() && *rate > 0.0)
            .map(|rate| Spacing { between: Duration::from_secs_f64(1.0 / rate), next: Mutex::new(None) });
        Self {
            calls: Semaphore::new(concurrent),
            looks: Semaphore::new(LOOKS),
            spacing,
            throttle: Mutex::default(),
        }
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
        if let Some(spacing) = &self.spacing {
            let turn = {
                let mut next = spacing.next.lock().unwrap_or_else(PoisonError::into_inner);
                let turn = next.map_or_else(Instant::now, |next| next.max(Instant::now()));
                *next = Some(turn + spacing.between);
                turn
            };
            sleep_until(turn).await;
        }
        loop {
            let begun = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).begin(Instant::now());
            let Err(again) = begun else { return };
            sleep_until(again).await;
        }
    }

    /// The server took no more calls: nobody sends one for so long.
    pub(super) fn too_many(&self, window: Duration) {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner).too_many(window, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Begins as many calls as may at `now`.
    fn burst(throttle: &mut Throttle, now: Instant, most: usize) -> usize {
        (0..most).take_while(|_| throttle.begin(now).is_ok()).count()
    }

    #[test]
    fn a_refusal_closes_the_window_for_all_and_sets_the_rate() {
        let (mut throttle, zero) = (Throttle::default(), Instant::now());
        assert_eq!(burst(&mut throttle, zero, 11), 11, "nothing is known yet");
        throttle.too_many(SECOND, zero);
        throttle.too_many(SECOND, zero);
        assert_eq!(throttle.begin(zero + SECOND / 2), Err(zero + SECOND));
        assert_eq!(burst(&mut throttle, zero + SECOND, 100), 10, "what it took");
        assert_eq!(throttle.begin(zero + SECOND), Err(zero + 2 * SECOND));
        throttle.too_many(SECOND, zero + 2 * SECOND);
        assert_eq!(burst(&mut throttle, zero + 3 * SECOND, 100), 7, "somebody else calls too");
        let calm = zero + 3 * SECOND + HOLDS;
        assert_eq!(burst(&mut throttle, calm, 100), 100);
    }
}
