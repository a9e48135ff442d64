//! What happens while mesostack works, told as it happens.
//!
//! The engine and the image builder report by events only; the command line alone turns them into a live tree, plain
//! lines or JSON. So a run can be watched, recorded and tested without a terminal.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

/// Names one piece of work within a run, such as `start master-1`. Unique within the run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Work(pub Arc<str>);

impl Work {
    /// Names a piece of work.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(Arc::from(name.as_ref()))
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A phase of the run began, such as `image`, `infrastructure`, `nodes`; `steps` pieces of work are expected.
    PhaseStarted { phase: String, steps: usize },
    /// A phase ended well.
    PhaseDone {
        phase: String,
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// A piece of work began.
    Started { phase: String, work: Work },
    /// It waits, and for what: a job, a port, a quorum.
    Waiting { work: Work, waits_for: String },
    /// It ended well; `detail` is what a reader wants to know of it (an address, a version), if anything.
    Done {
        work: Work,
        detail: Option<String>,
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// It failed.
    Failed { work: Work, error: String },
    /// Output of a command on a machine, a line at a time.
    Output { work: Work, line: String },
    /// Something a reader should know that is no failure.
    Warning { message: String },
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// Takes events as they happen. Must not block.
pub trait Listener: Send + Sync + std::fmt::Debug {
    /// One event.
    fn hear(&self, event: Event);
}

/// Hears nothing; for tests and one-call commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Listener for Silent {
    fn hear(&self, _: Event) {}
}
