//! What can go wrong between here and a node.

use std::{fmt, io, time::Duration};

use tokio::time::Instant;

/// A failure to reach a machine or to do something on it. Each names the machine as `user@host:port`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No TCP connection came about.
    #[error("cannot connect to {target}: {source}")]
    Connect {
        /// The machine.
        target: String,
        /// What the network said.
        source: io::Error,
    },
    /// The server showed another key than the one pinned. Somebody may be in between; nothing was sent to it.
    #[error(
        "{target} showed the host key {found}, but {expected} was expected; refused before logging in: either the \
         machine was replaced, or somebody answers in its place"
    )]
    HostKeyMismatch {
        /// The machine.
        target: String,
        /// The fingerprint of the key that was pinned.
        expected: String,
        /// The fingerprint of the key it showed.
        found: String,
    },
    /// The server does not accept our key for this user.
    #[error(
        "{target} does not accept the key {identity}; check the user name, and that this key is among its authorized \
         keys"
    )]
    Authentication {
        /// The machine.
        target: String,
        /// The fingerprint of the key that was offered.
        identity: String,
    },
    /// The connection ended while something was under way.
    #[error("the connection to {target} was closed while trying to {doing}")]
    Closed {
        /// The machine.
        target: String,
        /// What was under way.
        doing: &'static str,
    },
    /// The other side, or the protocol, did not allow it.
    #[error("cannot {doing} on {target}: {source}")]
    Protocol {
        /// The machine.
        target: String,
        /// What was tried.
        doing: &'static str,
        /// What SSH said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It took too long.
    #[error("no time left to {doing} on {target}")]
    Deadline {
        /// The machine.
        target: String,
        /// What was under way.
        doing: &'static str,
    },
    /// The machine was not reached in the time given.
    #[error("{target} could not be reached within {} s; the last attempt: {last}", .waited.as_secs())]
    Unreachable {
        /// The machine.
        target: String,
        /// How long it was tried.
        waited: Duration,
        /// How the last attempt ended.
        last: Box<Error>,
    },
    /// The server could not open a connection on our behalf.
    #[error("{target} could not connect to {to}: {reason}")]
    StreamRefused {
        /// The machine that was asked to connect.
        target: String,
        /// Where to.
        to: String,
        /// What it answered.
        reason: String,
    },
    /// Files did not arrive.
    #[error("cannot deliver files to {target}: {detail}")]
    Delivery {
        /// The machine.
        target: String,
        /// What the machine said.
        detail: String,
    },
    /// A command ended with another status than 0, and the caller wanted 0.
    #[error("{doing} failed on {target} ({status}): {detail}")]
    Failed {
        /// The machine.
        target: String,
        /// What the command was for.
        doing: String,
        /// How it ended.
        status: crate::ExitStatus,
        /// The end of what it wrote to standard error, or else to standard output.
        detail: String,
    },
    /// A path that cannot be delivered to.
    #[error("{path:?} is not an absolute, plain path of a file")]
    InvalidPath {
        /// The path.
        path: String,
    },
    /// The local terminal did not do as it was told.
    #[error("cannot use the local terminal: {source}")]
    Terminal {
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether another attempt may well succeed: the machine is not up yet, or was just going down.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Closed { .. } | Self::Deadline { .. } | Self::StreamRefused { .. }
        )
    }

    /// Whether the machine was not reached, and may well be at another time.
    pub fn may_pass(&self) -> bool {
        self.is_transient() || matches!(self, Self::Unreachable { last, .. } if last.is_transient())
    }

    /// Whether the machine refused our key.
    pub fn is_authentication(&self) -> bool {
        matches!(self, Self::Authentication { .. })
    }

    /// Tells a broken connection from a refusal, in what russh reports.
    pub(crate) fn from_russh(target: impl fmt::Display, doing: &'static str, source: russh::Error) -> Self {
        use russh::Error as Ssh;
        let target = target.to_string();
        match source {
            Ssh::HUP
            | Ssh::Disconnect
            | Ssh::SendError
            | Ssh::RecvError
            | Ssh::KeepaliveTimeout
            | Ssh::InactivityTimeout
            | Ssh::ConnectionTimeout
            | Ssh::Join(_)
            | Ssh::IO(_) => Self::Closed { target, doing },
            other => Self::Protocol { target, doing, source: Box::new(other) },
        }
    }
}

/// Runs `work` until `deadline`.
pub(crate) async fn within<T>(
    deadline: Instant,
    target: impl fmt::Display,
    doing: &'static str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout_at(deadline, work)
        .await
        .unwrap_or_else(|_| Err(Error::Deadline { target: target.to_string(), doing }))
}
