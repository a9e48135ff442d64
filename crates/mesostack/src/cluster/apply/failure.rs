//! How a run can fail: which steps did not end well, and why.

use std::fmt;

use miette::Diagnostic;
use serde::{Serialize, Serializer};

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
    /// Nodes did not become healthy in time.
    #[error("{} of {of} nodes: {}", lacking.len(), listed(lacking.iter().map(|(node, lacks)| format!("{node}: {lacks}"))))]
    Unhealthy {
        /// The nodes, each with what it lacks.
        lacking: Vec<(String, String)>,
        /// How many were waited for.
        of: usize,
    },
    /// Too few masters are there for one to be elected.
    #[error("not waited for: {there} of {masters} masters are set up, and it takes {needed} for one to lead")]
    NoQuorum {
        /// Masters that are there.
        there: usize,
        /// Masters that are wanted.
        masters: usize,
        /// How many it takes.
        needed: usize,
    },
    /// There was nothing left to do: everything it is about failed before.
    #[error("left out: {why}")]
    Forgone {
        /// What failed before.
        why: &'static str,
    },
    /// A master would be taken away from a quorum that needs it.
    #[error("{node} is left as it is: {why}; see `mesostack status`")]
    Quorum {
        /// The master, by its short name.
        node: String,
        /// What would become of the quorum.
        why: String,
    },
    /// A master that is to be one more does not answer.
    #[error(
        "{node} is not taken in: {source}; nobody was told of it, and the cluster has {masters} masters as before"
    )]
    NotTakenIn {
        /// The master, by its short name.
        node: String,
        /// How many masters the cluster has.
        masters: u16,
        /// Why it is not reached.
        source: Box<node::Error>,
    },
    /// The cloud keeps a destroyed machine's name and address for some time.
    #[error(
        "{host_name} is left as it is: this cloud does not let its users remove machines for good, and keeps their names \
         and addresses until it does so itself (`allow.user.expunge.recover.vm`, `expunge.delay`); destroy it in the cloud \
         at a time when it can be missed, and apply again when it is gone"
    )]
    CannotExpunge {
        /// The machine.
        host_name: String,
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
#[derive(Debug, Diagnostic, Serialize)]
pub struct Failure {
    /// The step.
    pub step: String,
    /// Why.
    #[serde(serialize_with = "as_text")]
    pub error: StepError,
}

impl Failure {
    /// The job it does not wait for any longer, when that is why.
    pub(super) fn detached(&self) -> Option<Detached> {
        match &self.error {
            StepError::Cloud(cloudstack::Error::Deadline { command, job, .. }) => {
                let (step, command, job) = (self.step.clone(), command.clone(), job.to_string());
                Some(Detached { step, command, job })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.error)
    }
}

impl std::error::Error for Failure {}

fn as_text<S: Serializer>(error: &StepError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

/// A node that the cluster is without, or that does not do its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The node's machine.
    pub node: String,
    /// Why: the first thing that failed.
    pub why: String,
}

/// A job that goes on in the cloud though nobody waits for it any longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detached {
    /// The step that began it.
    pub step: String,
    /// The command it carries out.
    pub command: String,
    /// Its id.
    pub job: String,
}

impl fmt::Display for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, job {})", self.step, self.command, self.job)
    }
}

/// A run that did not reach its end. What was done stays done; a run from here on takes up where this one ended.
#[derive(Debug, Default, Serialize)]
pub struct Unfinished {
    /// Steps that failed.
    pub failures: Vec<Failure>,
    /// Nodes that the cluster is without because of them.
    pub missing: Vec<Missing>,
    /// Jobs that go on in the cloud; the next run finds what they make, and waits for what they are at.
    pub detached: Vec<Detached>,
    /// How many steps ended well.
    pub done: usize,
    /// How many were not begun, or were left to the cloud.
    pub left: usize,
    /// Whether it was stopped from outside.
    pub interrupted: bool,
    /// Whether it was stopped because its deadline passed.
    pub deadline_passed: bool,
}

impl Unfinished {
    /// Notes the nodes that are not there, or not at work, because of a failure.
    pub(super) fn lack(&mut self, host_name: Option<&str>, failure: &Failure) {
        let lacking = match (&failure.error, host_name) {
            (StepError::Unhealthy { lacking, .. }, _) => lacking.clone(),
            (_, Some(name)) => vec![(name.to_owned(), failure.to_string())],
            (_, None) => Vec::new(),
        };
        for (node, why) in lacking {
            if !self.missing.iter().any(|missing| missing.node == node) {
                self.missing.push(Missing { node, why });
            }
        }
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failures, missing, detached, done, left, interrupted, deadline_passed } = self;
        if *deadline_passed {
            f.write_str("the deadline has passed: ")?;
        } else if *interrupted {
            f.write_str("interrupted: ")?;
        }
        write!(f, "{done} steps done, {left} left")?;
        match failures.len() {
            0 => {}
            1 => f.write_str(", one failed")?,
            many => write!(f, ", {many} failed")?,
        }
        if !missing.is_empty() {
            write!(f, "; without {}", listed(missing.iter().map(|missing| &missing.node)))?;
        }
        if !detached.is_empty() {
            write!(f, "; still under way in the cloud: {}", listed(detached))?;
        }
        Ok(())
    }
}

impl std::error::Error for Unfinished {}

impl Diagnostic for Unfinished {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("mesostack::cluster::apply"))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(match self.deadline_passed {
            true => {
                "nothing is lost: the same command takes up where this one ended; give it a longer --deadline, or none"
            }
            false => "nothing is lost: the same command takes up where this one ended",
        }))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let failures = self.failures.iter().map(|failure| -> &dyn Diagnostic { failure });
        (!self.failures.is_empty()).then(|| Box::new(failures) as Box<_>)
    }
}

/// The first few, and how many more there are.
fn listed<T: fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    const FEW: usize = 5;
    let all = all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>();
    let few = all.iter().take(FEW).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(FEW) {
        0 => few,
        more => format!("{few} and {more} more"),
    }
}
