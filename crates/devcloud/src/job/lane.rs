//! Whom a job queues behind. Jobs on one machine run one after another. Jobs on one network do too, but one that had to
//! wait is only picked up by the next heartbeat, as on the real server: many at once are slower than one by one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

/// Whom a job queues behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Nobody.
    Free,
    /// Jobs of the same network, paced by the heartbeat.
    Network(Uuid),
    /// Jobs of the same machine.
    Machine(Uuid),
    /// Jobs of the same disk, whichever machine has it or is to have it.
    Volume(Uuid),
}

/// All lanes that jobs run or wait in.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    heartbeat: Arc<Mutex<Duration>>,
    began: Instant,
    lanes: Arc<Mutex<BTreeMap<Lane, Queue>>>,
}

#[derive(Debug, Default)]
struct Queue {
    busy: bool,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    beat_set: bool,
}

/// A place in a lane.
#[derive(Debug)]
pub(crate) struct Ticket(Option<oneshot::Receiver<Turn>>);

/// A job's turn; the next one's comes after it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    lanes: Lanes,
    lane: Lane,
}

impl Lanes {
    pub(crate) fn new(heartbeat: Duration) -> Self {
        Self { heartbeat: Arc::new(Mutex::new(heartbeat)), began: Instant::now(), lanes: Arc::default() }
    }

    /// From now on queues look for their next jobs so often.
    pub(crate) fn set_heartbeat(&self, heartbeat: Duration) {
        *self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner) = heartbeat;
    }

    /// Takes the next place. The order of calls is the order of turns.
    pub(crate) fn join(&self, lane: Lane) -> Ticket {
        if lane == Lane::Free {
            return Ticket(None);
        }
        let (turn, ticket) = oneshot::channel();
        self.lock().entry(lane).or_default().waiting.push_back(turn);
        self.next(lane);
        Ticket(Some(ticket))
    }

    /// Whether a job runs or waits in this lane.
    pub(crate) fn is_busy(&self, lane: Lane) -> bool {
        self.lock().get(&lane).is_some_and(|queue| queue.busy || !queue.waiting.is_empty())
    }

    /// Gives the turn to whoever has waited longest, if nobody has it.
    fn next(&self, lane: Lane) {
        let mut lanes = self.lock();
        let Some(queue) = lanes.get_mut(&lane) else { return };
        if queue.busy {
            return;
        }
        let Some(waiting) = queue.waiting.pop_front() else {
            lanes.remove(&lane);
            return;
        };
        queue.busy = true;
        drop(lanes);
        // One that no longer waits gives its turn back by dropping it.
        drop(waiting.send(Turn { lanes: self.clone(), lane }));
    }

    fn leave(&self, lane: Lane) {
        let waits = {
            let mut lanes = self.lock();
            let Some(queue) = lanes.get_mut(&lane) else { return };
            queue.busy = false;
            if queue.waiting.is_empty() {
                lanes.remove(&lane);
                return;
            }
            let paced = matches!(lane, Lane::Network(_));
            let waits = paced && !queue.beat_set;
            queue.beat_set |= paced;
            if paced && !waits {
                return;
            }
            waits
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if waits => {
                let lanes = self.clone();
                let beat = self.next_beat();
                runtime.spawn(async move {
                    tokio::time::sleep_until(beat).await;
                    if let Some(queue) = lanes.lock().get_mut(&lane) {
                        queue.beat_set = false;
                    }
                    lanes.next(lane);
                });
            }
            // Without a runtime the zone is being dropped, and nobody waits any more.
            _ => self.next(lane),
        }
    }

    fn next_beat(&self) -> Instant {
        let period = *self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner);
        let period = period.max(Duration::from_millis(1));
        let beats = self.began.elapsed().as_nanos() / period.as_nanos() + 1;
        self.began + period.saturating_mul(u32::try_from(beats).unwrap_or(u32::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Lane, Queue>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Waits for the turn; none is needed in the free lane.
    pub(crate) async fn turn(self) -> Option<Turn> {
        self.0?.await.ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.lanes.leave(self.lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Lanes {
        Lanes::new(Duration::from_secs(2))
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_of_one_network_that_had_to_wait_are_picked_up_by_the_heartbeat() {
        let lanes = lanes();
        let lane = Lane::Network(Uuid::from_u128(1));
        let tickets: Vec<Ticket> = (0..5).map(|_| lanes.join(lane)).collect();
        let began = Instant::now();
        let mut ends = Vec::new();
        for ticket in tickets {
            let _turn = ticket.turn().await.expect("a turn");
            ends.push(began.elapsed().as_secs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(ends, [0, 2, 4, 6, 8]);
        assert!(!lanes.is_busy(lane));
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_of_one_network_sent_one_after_another_never_wait() {
        let lanes = lanes();
        let began = Instant::now();
        for _ in 0..20 {
            let _turn = lanes.join(Lane::Network(Uuid::from_u128(1))).turn().await.expect("a turn");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(began.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_of_one_machine_follow_each_other_at_once_and_other_machines_do_not_wait() {
        let lanes = lanes();
        let began = Instant::now();
        let mine = Lane::Machine(Uuid::from_u128(1));
        let first = lanes.join(mine).turn().await.expect("a turn");
        let second = lanes.join(mine);
        let _other = lanes.join(Lane::Machine(Uuid::from_u128(2))).turn().await.expect("a turn");
        drop(first);
        let _second = second.turn().await.expect("a turn");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_no_longer_waits_is_passed_over() {
        let lanes = lanes();
        let lane = Lane::Machine(Uuid::from_u128(1));
        let first = lanes.join(lane).turn().await.expect("a turn");
        drop(lanes.join(lane));
        let third = lanes.join(lane);
        drop(first);
        third.turn().await.expect("a turn");
        assert!(!lanes.is_busy(lane));
    }
}
