//! How many calls were sent: what an operation costs the server.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Calls sent so far, every attempt counted, failed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Calls by command.
    pub by_command: BTreeMap<String, u64>,
    /// Jobs that were started.
    pub jobs: u64,
    /// Calls of other commands than those about jobs that only looked what jobs had made.
    pub looks: u64,
}

/// What tells of jobs.
const ABOUT_JOBS: [&str; 2] = ["queryAsyncJobResult", "listAsyncJobs"];

impl CallCounts {
    /// All calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_command.values().sum()
    }

    /// Calls of one command.
    #[must_use]
    pub fn of(&self, command: &str) -> u64 {
        self.by_command.get(command).copied().unwrap_or_default()
    }

    /// Calls that looked at jobs.
    #[must_use]
    pub fn polls(&self) -> u64 {
        ABOUT_JOBS.iter().map(|command| self.of(command)).sum::<u64>() + self.looks
    }

    /// What was added since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let by_command = self
            .by_command
            .iter()
            .map(|(command, count)| (command.clone(), count.saturating_sub(earlier.of(command))))
            .filter(|(_, count)| *count > 0)
            .collect();
        Self {
            by_command,
            jobs: self.jobs.saturating_sub(earlier.jobs),
            looks: self.looks.saturating_sub(earlier.looks),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter(Mutex<CallCounts>);

impl Counter {
    pub(super) fn call(&self, command: &str) {
        self.change(|counts| match counts.by_command.get_mut(command) {
            Some(count) => *count += 1,
            None => {
                counts.by_command.insert(command.to_owned(), 1);
            }
        });
    }

    pub(super) fn job(&self) {
        self.change(|counts| counts.jobs += 1);
    }

    pub(super) fn look(&self, command: &str) {
        self.change(|counts| counts.looks += u64::from(!ABOUT_JOBS.contains(&command)));
    }

    pub(super) fn read(&self) -> CallCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut CallCounts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
