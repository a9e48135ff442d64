//! How a run can fail: which steps did not end well, and why.

use std::fmt;

use miette::Diagnostic;

use crate::node;

/// Why one step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A call to the cloud.
    #[error(transparent)]
    Cloud(#[from] cloudstack::Error),
    /// Something on a node.
    #[error(transparent)]
    Node(#[from] node::Error),
    /// Something is there already, and is not what was wanted.
    #[error("{what} is there already, and is not what was wanted: {problem}")]
    Clash {
        /// What.
        what: String,
        /// How it differs.
        problem: String,
    },
    /// Something did not happen in time.
    #[error("{what} within {seconds} s")]
    TooLate {
        /// What did not happen.
        what: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Something an earlier step makes is not known: it was made by nobody.
    #[error("{what} is not known; plan again")]
    Unknown {
        /// What.
        what: String,
    },
}

impl StepError {
    pub(super) fn unknown(what: impl Into<String>) -> Self {
        Self::Unknown { what: what.into() }
    }
}

/// One step that failed.
#[derive(Debug, Diagnostic)]
pub struct Failure {
    /// The step.
    pub step: String,
    /// Why.
    pub error: StepError,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.error)
    }
}

impl std::error::Error for Failure {}

/// A run that did not reach its end. What was done stays done; a run from here on takes up where this one ended.
#[derive(Debug, Diagnostic)]
#[diagnostic(
    code(mesostack::cluster::apply),
    help("nothing is lost: the same command takes up where this one ended")
)]
pub struct Unfinished {
    /// Steps that failed.
    #[related]
    pub failures: Vec<Failure>,
    /// How many steps ended well.
    pub done: usize,
    /// How many were not begun, or were left to the cloud.
    pub left: usize,
    /// Whether it was stopped from outside.
    pub interrupted: bool,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failures, done, left, interrupted } = self;
        if *interrupted {
            write!(f, "interrupted: {done} steps done, {left} left")?;
        } else {
            write!(f, "{done} steps done, {left} left",)?;
        }
        match failures.len() {
            0 => Ok(()),
            1 => write!(f, ", one failed"),
            many => write!(f, ", {many} failed"),
        }
    }
}

impl std::error::Error for Unfinished {}
