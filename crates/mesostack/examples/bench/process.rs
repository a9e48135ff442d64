//! What the system says of a process: Linux's /proc.

use std::{fs, time::Duration};

use crate::Outcome;

/// A process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Status {
    /// The most memory that it had, in KiB.
    most: u64,
}

impl Status {
    /// This process.
    pub(crate) fn own() -> Outcome<Self> {
        Self::of("self")
    }

    /// The process of that number, or an error when there is none.
    pub(crate) fn of(process: &str) -> Outcome<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let most = most.and_then(|most| most.trim().strip_suffix(" kB")).ok_or("no VmHWM")?;
        Ok(Self { most: most.trim().parse()? })
    }

    /// The most memory that it had, in MB.
    pub(crate) fn most_mb(self) -> u64 {
        self.most * 1024 / 1_000_000
    }
}

/// The processor time of this thread so far.
pub(crate) fn thread_time() -> Outcome<Duration> {
    nanoseconds("/proc/thread-self/schedstat")
}

/// The processor time of a process's main thread and of all others that still run.
pub(crate) fn process_time(process: u32) -> Outcome<Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task"))?;
    threads.map(|thread| nanoseconds(&format!("{}/schedstat", thread?.path().display()))).sum()
}

fn nanoseconds(path: &str) -> Outcome<Duration> {
    let text = fs::read_to_string(path)?;
    let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
    Ok(Duration::from_nanos(first.parse()?))
}
