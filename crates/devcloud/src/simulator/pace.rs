//! How long the API server itself takes: each call before it is answered, each job beyond what the driver takes for it.

use std::collections::BTreeMap;

use super::Latency;

/// The API server's own times, by command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// What every call takes that `calls` does not name.
    pub call: Latency,
    /// What calls of these commands take, by the command's name.
    pub calls: BTreeMap<String, Latency>,
    /// What every job takes that `jobs` does not name, within its turn in its queue.
    pub job: Latency,
    /// What jobs of these commands take, by the command's name.
    pub jobs: BTreeMap<String, Latency>,
}

impl Pace {
    /// No time at all.
    pub const NONE: Self =
        Self { call: Latency::NONE, calls: BTreeMap::new(), job: Latency::NONE, jobs: BTreeMap::new() };

    pub(crate) fn of_call(&self, command: &str) -> Latency {
        self.calls.get(command).copied().unwrap_or(self.call)
    }

    pub(crate) fn of_job(&self, command: &str) -> Latency {
        self.jobs.get(command).copied().unwrap_or(self.job)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::NONE
    }
}
