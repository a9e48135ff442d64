//! Why the cloud could not be looked at.

use miette::Diagnostic;

/// Why the cloud could not be looked at.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// The cloud does not accept the keys.
    #[error("the cloud does not accept the keys: {0}")]
    #[diagnostic(
        code(mesostack::cluster::keys),
        help("compare the keys with the cloud's user page, and this machine's clock with the right time")
    )]
    Keys(#[source] cloudstack::Error),
    /// A list could not be read.
    #[error("cannot see what the cloud has: {0}")]
    #[diagnostic(code(mesostack::cluster::look))]
    Look(#[source] cloudstack::Error),
    /// Two networks carry the cluster's tag.
    #[error("two networks are tagged as the cluster {cluster}'s: {first} and {second}")]
    #[diagnostic(
        code(mesostack::cluster::twice),
        help("delete the one that has no machines, or remove its tag mesostack.cluster")
    )]
    Twice {
        /// The cluster.
        cluster: String,
        /// One network's id.
        first: cloudstack::Id,
        /// The other's.
        second: cloudstack::Id,
    },
}

impl From<cloudstack::Error> for Error {
    fn from(error: cloudstack::Error) -> Self {
        if error.is_unauthorized() { Self::Keys(error) } else { Self::Look(error) }
    }
}
