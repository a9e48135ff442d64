//! How many calls are under way at once, and how close together they begin.
//!
//! A server that throttles counts an account's calls in windows of a second, and refuses all further ones (429). The first
//! refusal is taken as told to every caller: nobody begins a call before the window is over, and from then on no more begin
//! in a second than the server took, looks at jobs included. That holds for a minute; then it may take more again.
//!
//! Calls begin in the order in which they came. A few go first: what a whole run depends on, such as its lease, must not wait
//! behind hundreds of others where only one begins in a second.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turns, Semaphore, SemaphorePermit};
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
    /// Where calls wait that do not go first: one of them at a time is at the gate.
    line: Turns<()>,
    /// Whoever has it is the next to begin.
    gate: Turns<Spacing>,
    throttle: Mutex<Throttle>,
}

/// Whether a call waits for those that came before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rank {
    /// As all do.
    #[default]
    InLine,
    /// It is the next to begin, or the one after that, and counts as none of those that are under way.
    First,
}

/// How far apart calls begin.
#[derive(Debug)]
struct Spacing {
    /// None: as close as they come.
    between: Option<Duration>,
    next: Option<Instant>,
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
        let rate = per_second.filter(|rate| rate.is_finite() && *rate > 0.0);
        let between = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        Self {
            calls: Semaphore::new(concurrent),
            looks: Semaphore::new(LOOKS),
            line: Turns::default(),
            gate: Turns::new(Spacing { between, next: None }),
            throttle: Mutex::default(),
        }
    }

    /// Waits until one more call may be under way; it may as long as the permit is held.
    pub(super) async fn admit(&self, rank: Rank) -> Option<SemaphorePermit<'_>> {
        match rank {
            // The semaphore is never closed, so there always is a permit.
            Rank::InLine => self.calls.acquire().await.ok(),
            Rank::First => None,
        }
    }

    /// Waits until one more look at a job may be under way.
    pub(super) async fn admit_look(&self) -> Option<SemaphorePermit<'_>> {
        self.looks.acquire().await.ok()
    }

    /// Waits until one more call may begin.
    pub(super) async fn begin(&self, rank: Rank) {
        let came = Instant::now();
        let _line = match rank {
            Rank::InLine => Some(self.line.lock().await),
            Rank::First => None,
        };
        let mut spacing = self.gate.lock().await;
        if let Some(between) = spacing.between {
            // One that has waited takes the place it waited for, however late it is called up: the rate is kept.
            let turn = spacing.next.map_or(came, |next| next.max(came));
            sleep_until(turn).await;
            spacing.next = Some(turn + between);
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

    #[tokio::test(start_paused = true)]
    async fn who_goes_first_waits_for_no_more_than_a_moment_and_the_others_keep_their_pace() {
        let (pace, began) = (Pace::new(4, Some(1.0)), Instant::now());
        let call = async |rank| {
            let _permit = pace.admit(rank).await;
            pace.begin(rank).await;
            began.elapsed()
        };
        let all = futures::future::join_all((0..150).map(|_| call(Rank::InLine)));
        let renewals = async {
            let mut waited = Vec::new();
            for _ in 0..3 {
                tokio::time::sleep(SECOND * 20 + SECOND / 2).await;
                let came = began.elapsed();
                waited.push(call(Rank::First).await - came);
            }
            waited
        };
        let (all, waited) = tokio::join!(all, renewals);
        assert!(waited.iter().all(|waited| *waited <= 2 * SECOND), "{waited:?}");
        // Three of the places were the renewals'.
        assert_eq!(all.last().copied(), Some(152 * SECOND));
        assert!(all.is_sorted());
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_server_throttles_one_goes_first_as_well() {
        let (pace, began) = (Pace::new(200, None), Instant::now());
        pace.begin(Rank::InLine).await;
        pace.too_many(SECOND);
        let others = futures::future::join_all((0..100).map(|_| pace.begin(Rank::InLine)));
        let first = async {
            tokio::time::sleep(SECOND * 5 + SECOND / 2).await;
            pace.begin(Rank::First).await;
            began.elapsed()
        };
        let (_, first) = tokio::join!(others, first);
        assert!(first <= 8 * SECOND, "{first:?}");
    }
}
