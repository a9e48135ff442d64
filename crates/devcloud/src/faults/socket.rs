//! What happens to calls that come in by the zone's socket.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{CallFault, Faults, Schedule};

/// The faults of calls in force, with what has been counted; none while there are no rules, so that a zone without
/// faults need not even know a call's name.
#[derive(Debug, Default)]
pub(crate) struct Socket(Mutex<Option<Schedule<CallFault>>>);

impl Socket {
    /// From now on these are in force, counted anew.
    pub(crate) fn set(&self, faults: &Faults) {
        *self.schedule() = (!faults.calls.is_empty()).then(|| Schedule::of(faults.seed, &faults.calls));
    }

    /// What happens to the next call.
    pub(crate) fn next(&self, command: impl FnOnce() -> String) -> Option<CallFault> {
        let mut schedule = self.schedule();
        schedule.as_mut()?.next(&command())
    }

    fn schedule(&self) -> MutexGuard<'_, Option<Schedule<CallFault>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
