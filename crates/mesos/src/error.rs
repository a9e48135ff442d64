//! What can go wrong with a question, told with who was asked, what was asked, and what came back.

use std::fmt;
use std::io;

use crate::Address;

/// The kind of daemon asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// A ZooKeeper server.
    ZooKeeper,
    /// A Mesos master.
    Master,
    /// A Mesos agent.
    Agent,
    /// A Marathon instance.
    Marathon,
}

impl fmt::Display for Service {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::ZooKeeper => "ZooKeeper",
            Self::Master => "the Mesos master",
            Self::Agent => "the Mesos agent",
            Self::Marathon => "Marathon",
        })
    }
}

/// Who was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The kind of daemon.
    pub service: Service,
    /// Where it listens.
    pub address: Address,
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at {}", self.service, self.address)
    }
}

/// A question that got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection: the daemon is not up, or not reachable from here.
    #[error("could not connect to {peer} to ask {question}")]
    Connect {
        /// Who was to be asked.
        peer: Peer,
        /// What was to be asked.
        question: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No whole answer came before the deadline.
    #[error("{peer} did not answer {question} in time")]
    Deadline {
        /// Who was asked.
        peer: Peer,
        /// What was asked.
        question: String,
    },
    /// The connection broke, or what came was not the protocol.
    #[error("the answer of {peer} to {question} broke off")]
    Broken {
        /// Who was asked.
        peer: Peer,
        /// What was asked.
        question: String,
        /// How it broke.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An HTTP status that does not answer the question.
    #[error("{peer} answered {question} with status {status}: {text}")]
    Status {
        /// Who was asked.
        peer: Peer,
        /// What was asked.
        question: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the reply's body.
        text: String,
    },
    /// An answer came, but it does not read as one.
    #[error("the answer of {peer} to {question} could not be read: {reason}; it begins \"{text}\"")]
    Unreadable {
        /// Who was asked.
        peer: Peer,
        /// What was asked.
        question: String,
        /// What is wrong with it.
        reason: String,
        /// The beginning of the reply's body.
        text: String,
    },
}

impl Error {
    /// Whether the daemon could not even be connected to: it is down, or not there yet.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }
}

/// The beginning of a reply, fit to stand in one line of an error.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const LONGEST: usize = 160;
    let text = String::from_utf8_lossy(bytes.get(..4 * LONGEST).unwrap_or(bytes)).into_owned();
    let mut line: String =
        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if text.trim().chars().count() > LONGEST {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_excerpt_is_one_short_line(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let line = excerpt(&bytes);
            prop_assert!(line.chars().count() <= 161);
            prop_assert!(!line.contains(|c: char| c.is_control()));
        }
    }
}
