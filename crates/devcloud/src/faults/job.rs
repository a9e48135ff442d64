//! What can happen to jobs and machines, whoever called.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Faults, Schedule};
use crate::error::ApiError;
use crate::simulator::Latency;

/// What happens to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobFault {
    /// It fails with this code and text. What was written down for it is put back as after any failure: a rule is not
    /// there, a machine that was deployed is in `Error`. Or, `done`, all of it is there and the job says otherwise.
    Fail {
        /// The error code, such as 530.
        code: u16,
        /// The text.
        text: String,
        /// Whether it was done all the same.
        done: bool,
    },
    /// It never ends, and nothing queued behind it begins; before or, `done`, after doing what it had to do.
    Hang {
        /// Whether it was done.
        done: bool,
    },
    /// It takes so much longer.
    Slow(Latency),
}

impl JobFault {
    /// A job that does nothing but fail.
    pub fn fail(code: u16, text: &str) -> Self {
        Self::Fail { code, text: text.to_owned(), done: false }
    }
}

/// What happens to a machine that is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineFault {
    /// It does not start, and is left in `Error`, whether it was just deployed or had been stopped.
    Error,
    /// It starts, and so long after that it is off: the zone notices when it looks next.
    Dies(Latency),
}

/// The faults of a zone's jobs and machines, with what has been counted.
#[derive(Debug, Default)]
pub(crate) struct Mishaps(Mutex<Schedules>);

#[derive(Debug, Default)]
struct Schedules {
    jobs: Schedule<JobFault>,
    machines: Schedule<MachineFault>,
}

impl Mishaps {
    pub(crate) fn set(&self, faults: &Faults) {
        *self.schedules() = Schedules {
            jobs: Schedule::of(faults.seed, &faults.jobs),
            machines: Schedule::of(faults.seed, &faults.machines),
        };
    }

    /// What happens to the job this command has begun.
    pub(crate) fn of_job(&self, command: &str) -> Option<JobFault> {
        self.schedules().jobs.next(command)
    }

    /// What happens to the machine that is being started.
    pub(crate) fn of_machine(&self, name: &str) -> Option<MachineFault> {
        self.schedules().machines.next(name)
    }

    fn schedules(&self) -> MutexGuard<'_, Schedules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

tokio::task_local! {
    static DOOMED: ();
}

/// Has a job's work meet failure wherever it first touches what lies behind the records, so that it cleans up as it does
/// after any other failure.
pub(crate) async fn run_doomed<W: Future>(work: W) -> W::Output {
    DOOMED.scope((), work).await
}

/// Lets pass all jobs but those that are told to fail.
pub(crate) fn not_doomed() -> Result<(), ApiError> {
    if doomed() { Err(ApiError::internal("This job was told to fail")) } else { Ok(()) }
}

/// Whether whatever is done here has to fail.
pub(crate) fn doomed() -> bool {
    DOOMED.try_with(|()| ()).is_ok()
}
