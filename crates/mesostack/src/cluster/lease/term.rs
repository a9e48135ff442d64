//! How long a lease lasts, for who holds it and for who waits. Pure: nothing here asks a clock.
//!
//! What must hold: when anybody may close a lease, its holder's last write can no longer be accepted by the server,
//! whatever both machines' clocks say, and however long calls and replies were under way.

use std::time::Duration;

use cloudstack::Until;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::record::later;

/// How much later than its end a lease is closed.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// Dates of jobs are whole seconds.
const SECOND: Duration = Duration::from_secs(1);
/// How far this machine's clock may be off before what it wrote is made good.
const TOLERANCE: Duration = Duration::from_secs(5);

/// What the server's time is, known from one of our jobs: it was made between a call's sending and its reply, and is
/// dated in whole seconds. Carried on by this machine's steady clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerTime {
    created: Timestamp,
    sent: Instant,
    heard: Instant,
}

impl ServerTime {
    pub(super) fn new(created: Timestamp, sent: Instant, heard: Instant) -> Self {
        Self { created, sent, heard }
    }

    /// What it surely is by now, or later.
    pub(super) fn earliest(&self, now: Instant) -> Timestamp {
        later(self.created, now.saturating_duration_since(self.heard))
    }

    /// The last moment here that is surely before that moment there.
    fn surely_before(&self, there: Timestamp) -> Instant {
        let length = Duration::try_from(there.duration_since(self.created)).unwrap_or_default();
        self.sent + length.saturating_sub(SECOND)
    }
}

/// How long the holder may work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    /// The end that others know of, by the server's time.
    pub(super) end: Timestamp,
    /// What the server's time is.
    time: ServerTime,
    length: Duration,
}

impl Grant {
    /// Of the lease as it was made: written by this machine's clock, and counted by whoever saw it from when it was made.
    pub(super) fn first(written: Timestamp, length: Duration, time: ServerTime) -> Self {
        Self { end: written.min(later(time.created, length)), time, length }
    }

    /// After a renewal.
    pub(super) fn renewed(self, end: Timestamp) -> Self {
        Self { end, ..self }
    }

    /// What a renewal at this moment says.
    pub(super) fn next_end(&self, now: Instant) -> Timestamp {
        super::record::second(later(self.time.earliest(now), self.length))
    }

    /// Whether what was written by this machine's clock is far from what the server's clock makes of it.
    pub(super) fn is_off(&self, written: Timestamp) -> bool {
        let meant = later(self.time.created, self.length);
        written.duration_since(meant).unsigned_abs() > TOLERANCE
    }

    /// From when on no write is sent, and none is accepted.
    pub(super) fn fence(&self) -> Until {
        let margin = SignedDuration::try_from(self.margin()).unwrap_or_default();
        let there = self.end.saturating_sub(margin).unwrap_or(Timestamp::MIN);
        Until { here: self.time.surely_before(there), there }
    }

    /// When it is to be renewed: early enough for several tries.
    pub(super) fn renew_at(&self) -> Instant {
        let fence = self.fence().here;
        fence.checked_sub(self.length / 2).unwrap_or(fence)
    }

    /// When a run that could not renew it stops, so that what it has begun can end before the fence.
    pub(super) fn stop_at(&self) -> Instant {
        let fence = self.fence().here;
        fence.checked_sub(self.margin()).unwrap_or(fence)
    }

    /// What a write may take from being accepted to being visible to others, and running steps to end.
    pub(super) fn margin(&self) -> Duration {
        (self.length / 6).min(Duration::from_secs(10))
    }
}

/// Whether a lease is over, for whoever waits: by the server's time, or since it was watched unchanged for its whole
/// length (its holder's clock may have run ahead when it was written).
pub(super) fn is_over(end: Timestamp, length: Duration, now: Timestamp, watched: Duration) -> bool {
    now > later(end, GRACE) || watched > length + GRACE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The server's true time at a moment of this machine.
    #[derive(Clone, Copy, Debug)]
    struct World {
        origin: Instant,
        server: Timestamp,
    }

    impl World {
        fn there(&self, here: Instant) -> Timestamp {
            later(self.server, here - self.origin)
        }

        /// What a machine learns from a job made at `made`, with the delays of its call.
        fn told(&self, made: Duration, there: Duration, back: Duration) -> ServerTime {
            let at = self.origin + Duration::from_secs(3_600) + made;
            ServerTime::new(super::super::record::second(self.there(at)), at - there, at + back)
        }
    }

    prop_compose! {
        fn world()(seconds in 0_i64..1_000_000, nanos in 0_i32..1_000_000_000) -> World {
            World { origin: Instant::now(), server: Timestamp::new(1_790_000_000 + seconds, nanos).unwrap() }
        }
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    proptest! {
        #[test]
        fn the_servers_time_is_never_over_and_the_fence_never_underestimated(
            world in world(), made in 0_u64..100_000, there in 0_u64..120_000, back in 0_u64..120_000, after in 0_u64..1_000_000,
            ahead in 0_u64..1_000_000,
        ) {
            let time = world.told(ms(made), ms(there), ms(back));
            let now = time.heard + ms(after);
            prop_assert!(time.earliest(now) <= world.there(now));
            let moment = later(world.there(time.heard), ms(ahead));
            prop_assert!(world.there(time.surely_before(moment)) <= moment.max(world.there(time.sent)));
        }

        /// A holder with any clock and any delays, and one who waits with any other: nothing of the holder's is accepted
        /// once the other may close.
        #[test]
        fn who_may_close_comes_after_the_holders_last_write(
            world in world(), length in 15_u64..600, skew in -100_000_i64..100_000, made in 0_u64..100_000,
            delays in prop::array::uniform4(0_u64..60_000), seen in 0_u64..600_000, looks in 0_u64..1_200_000, renewed in 0_u64..600_000, renews: bool,
        ) {
            let length = Duration::from_secs(length);
            let time = world.told(ms(made), ms(delays[0]), ms(delays[1]));
            let created = time.created;
            let written = super::super::record::second(created.saturating_add(SignedDuration::from_millis(skew)).unwrap());
            let written = later(written, length);
            let first = Grant::first(written, length, time);
            let (shown, grant, born) = if renews {
                let now = time.heard + ms(renewed);
                let end = first.next_end(now);
                (end, first.renewed(end), now)
            } else {
                (written, first, time.sent + ms(delays[0]))
            };
            // The last write leaves by the fence, and its signature expires by it: the server accepts none later.
            let fence = grant.fence();
            let accepted = fence.there.min(world.there(fence.here) + SignedDuration::from_secs(60));
            // The other has seen it at some time after it was made, and looks again.
            let other = world.told(ms(made), ms(delays[2]), ms(delays[3]));
            let first_seen = born + ms(seen);
            let looks = first_seen.max(other.heard) + ms(looks);
            if is_over(shown, length, other.earliest(looks), looks - first_seen) {
                prop_assert!(world.there(looks) > accepted, "{} {accepted}", world.there(looks));
            }
        }

        #[test]
        fn a_lease_is_renewed_and_a_run_stopped_before_the_fence(world in world(), made in 0_u64..100_000, length in 15_u64..600) {
            let length = Duration::from_secs(length);
            let time = world.told(ms(made), ms(100), ms(100));
            let grant = Grant::first(later(time.created, length), length, time);
            prop_assert!(grant.renew_at() < grant.stop_at() && grant.stop_at() < grant.fence().here);
            prop_assert!(world.there(grant.fence().here) < grant.end);
            prop_assert!(!grant.is_off(later(time.created, length + Duration::from_secs(1))));
        }
    }

    #[test]
    fn a_clock_that_is_off_is_noticed() {
        let now = Instant::now();
        let created: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let length = Duration::from_secs(180);
        let grant = |written| Grant::first(written, length, ServerTime::new(created, now, now));
        for (written, off) in
            [("12:03:01", false), ("12:02:58", false), ("12:13:00", true), ("11:50:00", true)]
        {
            let written: Timestamp = format!("2026-11-25T{written}Z").parse().unwrap();
            assert_eq!(grant(written).is_off(written), off, "{written}");
            assert!(grant(written).end <= later(created, length));
        }
    }
}
