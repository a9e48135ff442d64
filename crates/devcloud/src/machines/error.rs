//! What can go wrong on the host, in words that say what was tried.

use std::path::{Path, PathBuf};

use crate::driver::DriverError;

/// Why something on the host could not be done.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A program could not be started, mostly because it is not installed.
    #[error("could not run {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("`{command}` failed ({status}): {output}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// What it wrote to its standard error.
        output: String,
    },
    /// A file, directory or mount could not be handled.
    #[error("could not {action} {}: {source}", path.display())]
    Path {
        /// What was tried, as a verb.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Anything else: what was tried and what happened.
    #[error("{0}")]
    Other(String),
}

impl From<HostError> for DriverError {
    fn from(error: HostError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The result of doing something on the host.
pub(crate) type Result<T, E = HostError> = std::result::Result<T, E>;

/// Names the path in an input/output error.
pub(crate) trait At<T> {
    /// Says that `action` (a verb) was tried with `path`.
    fn at(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> At<T> for std::result::Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| HostError::Path { action, path: path.to_owned(), source: source.into() })
    }
}
