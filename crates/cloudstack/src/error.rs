//! What can go wrong with a call, told apart by what the caller has to do about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::command::Effect;
use crate::id::{Id, JobId};

/// A failed call.
///
/// The question that matters after a failed *write* is whether it was done: [`Error::is_outcome_unknown`] answers it.
/// Where it says yes, look for what the write would have made before sending it again.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server understood the request and refused it, or failed at it and said so.
    #[error("{0}")]
    Api(ApiError),

    /// A write was sent and no answer of the API came back: the connection broke, time ran out, or something between
    /// answered with a 5xx. It may have been done.
    #[error(
        "{command} was sent, but its outcome is unknown: {cause}; look whether it was done before sending it again"
    )]
    UnknownOutcome {
        /// The command.
        command: String,
        /// What happened instead of an answer.
        cause: Failure,
    },

    /// A read failed, or a write never left this machine. Nothing was changed.
    #[error("{command} failed: {source}")]
    Transport {
        /// The command.
        command: String,
        /// How it failed.
        source: TransportError,
    },

    /// A write was not sent: the time in which this client may change things was over ([`Fence`](crate::Fence)).
    #[error("{command} was not sent: the time in which this run may change anything is over")]
    Fenced {
        /// The command.
        command: String,
    },

    /// Something that is no CloudStack API answered, and the request was not acted on: an error page of a web server
    /// (URI too long, body too large, not found), a proxy's refusal.
    #[error("{command} was answered with HTTP status {status} by something that is not the API: {excerpt}")]
    NotTheApi {
        /// The command.
        command: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the page's text.
        excerpt: String,
    },

    /// The answer could not be understood. A write behind it was most likely done.
    #[error("the answer to {command} cannot be understood at `{path}`: {problem}")]
    Decode {
        /// The command.
        command: String,
        /// Whether it changes anything.
        effect: Effect,
        /// The path of the field that did not decode, such as `virtualmachine[3].nic[0].ipaddress`; `.` is the whole.
        path: String,
        /// What is wrong there.
        problem: String,
    },

    /// A job ended in failure.
    #[error("the job of {command} failed with code {code}: {text} (job {job})")]
    Job {
        /// The command that started the job; the server's name of it when only the job was known.
        command: String,
        /// CloudStack's error code, such as 530.
        code: u16,
        /// The server's words.
        text: String,
        /// The job.
        job: JobId,
    },

    /// A job had not ended when the deadline came. It goes on without anybody waiting.
    #[error(
        "the job of {command} had not ended after {} (job {job}); it goes on in the cloud",
        seconds(waited)
    )]
    Deadline {
        /// The command that started the job, when known.
        command: String,
        /// The job: its result can still be asked for.
        job: JobId,
        /// How long was waited.
        waited: Duration,
    },
}

/// A refusal by the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The command.
    pub command: String,
    /// CloudStack's error code: 401 identity, 429 too many calls, 430 and 431 parameters, 432 command not allowed,
    /// 530 internal, 531 permission, 533 capacity, 534 unavailable, 535 limit of the account, 536 in use, 537 rule
    /// conflict.
    pub code: u16,
    /// The number of the exception's class (`cserrorcode`), such as 4360 for a rule conflict. Absent for identity.
    pub cs_code: Option<u32>,
    /// The server's words. For users without root rights codes 530, 533 and 534 may carry a general sentence only.
    pub text: String,
    /// The HTTP status; nearly always the code again.
    pub http_status: u16,
    /// Things the server names in connection with the failure: a refused deployment may leave a machine in state
    /// `Error` and name it here.
    pub ids: Vec<Id>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was refused with code {}", self.command, self.code)?;
        if let Some(cs_code) = self.cs_code {
            write!(f, "/{cs_code}")?;
        }
        write!(f, ": {}", self.text)?;
        if self.code == 401 {
            f.write_str(
                " (a wrong key, a clock more than some minutes wrong, or a command this server does not have)",
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

/// What came instead of an answer of the API.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The request or the reply got lost.
    #[error("{0}")]
    Transport(TransportError),
    /// Something else answered: a proxy or the servlet container.
    #[error("HTTP status {status} from something that is not the API: {excerpt}")]
    NotTheApi {
        /// The HTTP status.
        status: u16,
        /// The beginning of the page's text.
        excerpt: String,
    },
}

/// Why no reply came back.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}{}", because(source))]
pub struct TransportError {
    /// How far the request came.
    pub kind: TransportFailure,
    /// The cause, without addresses that could carry keys.
    #[source]
    pub source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TransportFailure {
    /// No connection: refused, no such host, TLS not agreed. Nothing of the request was sent.
    #[error("no connection to the cloud")]
    NotSent,
    /// The connection broke after sending had begun.
    #[error("the connection broke")]
    Broken,
    /// No reply in time.
    #[error("no reply in time")]
    TimedOut,
}

impl TransportError {
    /// A failure with its cause.
    pub fn new(kind: TransportFailure, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(Arc::from(source.into())) }
    }

    /// A failure that needs no more words.
    #[must_use]
    pub fn bare(kind: TransportFailure) -> Self {
        Self { kind, source: None }
    }
}

impl Error {
    /// The command that failed.
    #[must_use]
    pub fn command(&self) -> &str {
        match self {
            Self::Api(ApiError { command, .. })
            | Self::UnknownOutcome { command, .. }
            | Self::Transport { command, .. }
            | Self::Fenced { command }
            | Self::NotTheApi { command, .. }
            | Self::Decode { command, .. }
            | Self::Job { command, .. }
            | Self::Deadline { command, .. } => command,
        }
    }

    /// CloudStack's error code, of a refusal or of a failed job.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api(error) => Some(error.code),
            Self::Job { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The server's words, of a refusal or of a failed job.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Api(error) => Some(&error.text),
            Self::Job { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether what the call would have changed may or may not be changed: look before doing anything else.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::UnknownOutcome { .. } | Self::Deadline { .. } => true,
            Self::Decode { effect, .. } => *effect == Effect::Write,
            _ => false,
        }
    }

    /// Whether an id or name of the request names nothing (any more).
    ///
    /// CloudStack has no code for this, only 431 with one of a few texts.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(431) && self.says(&["does not exist", "doesn't exist", "unable to find"])
    }

    /// Whether the same thing, or one that excludes it, is there already: a rule on the same ports (537), a name that
    /// is taken (431), a tag whose key is set (a job's 530).
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self.code() {
            Some(537) => true,
            Some(431) => self.says(&["already exists", "conflicts with", "is already mapped"]),
            Some(530) => self.says(&["already on ", "already exists", "is already mapped"]),
            _ => false,
        }
    }

    /// Whether the request was not let in: wrong keys or signature, or a clock too far off (401).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.code() == Some(401)
    }

    /// Whether the caller may not do this: to this thing (531), at all (432), or as a job found out (530).
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        match self.code() {
            Some(531 | 432) => true,
            Some(530) => self.says(&["does not have permission", "can only be done by an admin"]),
            _ => false,
        }
    }

    /// Whether a limit of the account was reached (535, or 532 from old servers).
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self.code(), Some(535 | 532))
    }

    /// Whether the cloud has no room or no means at the moment (533, 534).
    #[must_use]
    pub fn is_capacity(&self) -> bool {
        matches!(self.code(), Some(533 | 534))
    }

    /// Whether something else still uses the thing (536; for a template that machines use 431).
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.code() == Some(536) || (self.code() == Some(431) && self.says(&["instances using it"]))
    }

    /// Whether waiting and asking again may help a read: no connection, a broken one, too many calls (429), a server
    /// that is not ready (503) or met an internal error (530).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api(error) => matches!(error.code, 429 | 503 | 530),
            Self::Transport { .. } => true,
            Self::NotTheApi { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// Whether the server's words hold one of these, given in lower case.
    fn says(&self, words: &[&str]) -> bool {
        self.text().is_some_and(|text| {
            let text = text.to_lowercase();
            words.iter().any(|words| text.contains(words))
        })
    }
}

fn because(source: &Option<Arc<dyn std::error::Error + Send + Sync>>) -> String {
    let mut text = String::new();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = match source {
        Some(source) => Some(source.as_ref()),
        None => None,
    };
    let mut last = String::new();
    while let Some(error) = cause {
        let words = error.to_string();
        // Wrappers like to repeat what they wrap.
        if !last.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
            last = words;
        }
        cause = error.source();
    }
    text
}

fn seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
