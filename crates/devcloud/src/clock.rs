//! The zone's clock: the host's, or the runtime's in tests, and as far ahead of it as it was moved. It never stands still and
//! never goes back. What is written down is dated by it, and whatever the zone does after a while (expunging, taking down
//! routers, forgetting jobs) is due by it, so that a test need not wait. What takes its time on its own (a router, a machine,
//! a job under way) takes no less for it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::ClockSource;

/// As far as it can be moved in all: what lies further on is no date.
pub(crate) const FURTHEST: Duration = Duration::from_secs(100 * 366 * 86_400);

#[derive(Debug)]
pub(crate) struct Clock {
    source: ClockSource,
    opened: Timestamp,
    began: Instant,
    ahead: watch::Sender<Ahead>,
}

/// How far the clock was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// In all.
    pub(crate) all: Duration,
    /// For the expiry of signatures: clients date them by their own host's clock, so only when that is wanted.
    pub(crate) signatures: Duration,
}

impl Clock {
    pub(crate) fn new(source: ClockSource, ahead: Duration) -> Self {
        let ahead = Ahead { all: ahead, ..Ahead::default() };
        Self { source, opened: Timestamp::now(), began: Instant::now(), ahead: watch::Sender::new(ahead) }
    }

    /// The clock that this one is ahead of.
    fn unmoved(&self) -> Timestamp {
        match self.source {
            ClockSource::System => Timestamp::now(),
            ClockSource::Runtime => later(self.opened, self.began.elapsed()),
        }
    }

    /// The zone's time.
    pub(crate) fn now(&self) -> Timestamp {
        later(self.unmoved(), self.ahead().all)
    }

    /// The time that signatures expire by.
    pub(crate) fn for_signatures(&self) -> Timestamp {
        later(self.unmoved(), self.ahead().signatures)
    }

    /// A moment, to measure by.
    pub(crate) fn instant(&self) -> Instant {
        Instant::now() + self.ahead().all
    }

    pub(crate) fn ahead(&self) -> Ahead {
        *self.ahead.borrow()
    }

    /// Moves it.
    pub(crate) fn move_to(&self, ahead: Ahead) {
        self.ahead.send_replace(ahead);
    }

    /// Waits so long, or until the clock is moved so far.
    pub(crate) async fn pass(&self, time: Duration) {
        let due = self.instant() + time;
        let mut moved = self.ahead.subscribe();
        loop {
            let left = due.saturating_duration_since(self.instant());
            if left.is_zero() {
                return;
            }
            // The sender is the clock's own: it is there as long as this is.
            let _ = tokio::time::timeout(left, moved.changed()).await;
        }
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_is_due_when_the_clock_was_moved_that_far() {
        let clock = Clock::new(ClockSource::Runtime, Duration::ZERO);
        let began = Instant::now();
        let moved = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            clock.move_to(Ahead { all: HOUR / 2, ..Ahead::default() });
            tokio::time::sleep(Duration::from_secs(60)).await;
            clock.move_to(Ahead { all: HOUR, ..Ahead::default() });
        };
        tokio::join!(clock.pass(HOUR), moved);
        assert_eq!(began.elapsed(), Duration::from_secs(120));
        clock.pass(HOUR).await;
        assert_eq!(began.elapsed(), Duration::from_secs(120) + HOUR, "without a move it takes its time");
    }

    #[tokio::test(start_paused = true)]
    async fn signatures_keep_to_the_host_s_clock_unless_they_are_meant_too() {
        let clock = Clock::new(ClockSource::Runtime, HOUR);
        assert_eq!(clock.now().duration_since(clock.for_signatures()), SignedDuration::from_hours(1));
        clock.move_to(Ahead { all: HOUR * 2, signatures: HOUR });
        assert_eq!(clock.now().duration_since(clock.for_signatures()), SignedDuration::from_hours(1));
    }
}
