//! How many steps of a lane may go on side by side. Machines' jobs: few at first, more as they end well, fewer when they do not.
//!
//! A new network that gets twenty machines at once has been seen to refuse some of them and to give two the same address.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many the first ones are.
const FIRST: usize = 4;
/// It never falls below this.
const FEWEST: usize = 2;

/// Steps that only wait let so many times the lane's width go on beside them at most.
const RESTING: usize = 7;

/// The width of a lane.
#[derive(Debug)]
pub(super) struct Ramp {
    most: usize,
    width: AtomicUsize,
    /// Steps that hold a place and only wait for another attempt: they keep nobody else from going on.
    resting: AtomicUsize,
}

/// A step that only waits, as long as it lives.
#[derive(Debug)]
pub(super) struct Resting<'a>(&'a Ramp);

impl Ramp {
    /// At most so many; `gently` where new machines come into a network.
    pub(super) fn new(most: usize, gently: bool) -> Self {
        let width = if gently { FIRST.min(most) } else { most };
        Self { most, width: AtomicUsize::new(width), resting: AtomicUsize::new(0) }
    }

    pub(super) fn width(&self) -> usize {
        let resting = self.resting.load(Ordering::Relaxed).min(self.most.saturating_mul(RESTING));
        self.width.load(Ordering::Relaxed).saturating_add(resting)
    }

    /// One more ended well.
    pub(super) fn widen(&self) {
        self.change(|width| width.saturating_add(1).min(self.most));
    }

    /// The cloud has trouble with so many.
    pub(super) fn narrow(&self) {
        self.change(|width| (width / 2).max(FEWEST).min(self.most));
    }

    /// Lets another one go on meanwhile.
    pub(super) fn rest(&self) -> Resting<'_> {
        self.resting.fetch_add(1, Ordering::Relaxed);
        Resting(self)
    }

    fn change(&self, change: impl Fn(usize) -> usize) {
        let changed = |width| Some(change(width));
        // It is always given a new width, so it never fails.
        let _ = self.width.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.resting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_machines_come_few_at_first_and_then_twice_as_many_each_round() {
        let ramp = Ramp::new(20, true);
        let mut rounds = vec![ramp.width()];
        for _ in 0..3 {
            (0..ramp.width()).for_each(|_| ramp.widen());
            rounds.push(ramp.width());
        }
        assert_eq!(rounds, [4, 8, 16, 20]);
        assert_eq!(Ramp::new(20, false).width(), 20);
        assert_eq!(Ramp::new(1, true).width(), 1);
    }

    #[test]
    fn trouble_halves_it_and_whoever_rests_keeps_nobody_waiting() {
        let ramp = Ramp::new(8, false);
        (0..5).for_each(|_| ramp.narrow());
        assert_eq!(ramp.width(), FEWEST);
        let resting = ramp.rest();
        assert_eq!(ramp.width(), FEWEST + 1);
        drop(resting);
        assert_eq!(ramp.width(), FEWEST);
    }
}
