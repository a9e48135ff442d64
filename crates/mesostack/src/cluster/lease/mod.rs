//! Two runs never work on one cluster at the same time: the one that works holds a lease, which is kept in the cloud.
//!
//! A lease is an affinity group without members: its name is unique in its account, so that making it is a
//! test-and-set, whether the cluster's network exists or not. Nothing in the cloud can be written anew in place; so a
//! lease is a chain of such groups, each of which is made once:
//!
//! | name | made by | says |
//! | --- | --- | --- |
//! | `CLUSTER.lease` | the holder, to take the lease | who holds it (a run of its own number), since when, until when |
//! | `CLUSTER.lease.RUN.1`, `.2` … | the holder, to renew it | until when |
//! | the next of these | whoever finds it expired, to close it | that RUN's time is over |
//! | `CLUSTER.lease.RUN.ask` | whoever waits | nothing: the job that makes it tells the server's time |
//!
//! Renewing and closing make the same name, so one of them fails: a lease that was renewed is not closed, a closed one is
//! not renewed. Who has closed a lease removes it by its id, and makes `CLUSTER.lease` anew like everyone else. No number
//! is ever used twice, as each is within its run's own.
//!
//! Times are the server's. A run learns them from its own jobs, as bounds (`term`), and carries them on by this
//! machine's steady clock. Only when it makes `CLUSTER.lease` it does not know the time yet, and writes what its clock
//! says; the job tells it right after, and a clock that is off is made good by a renewal before anything else is done.
//! What a clock that runs ahead wrote holds up nobody longer than the lease's length, counted from when it was first seen.
//!
//! From some seconds before the end no write is sent, and one that is under way is not accepted any more: its signature
//! expires ([`cloudstack::Fence`]). So a holder that slept, was cut off or is unlucky cannot do harm afterwards.

mod groups;
mod keep;
mod record;
mod sight;
mod take;
mod term;

use std::time::Duration;

use jiff::Timestamp;
use miette::Diagnostic;
use serde::Serialize;

pub use self::{
    keep::{Lease, Released},
    record::Holder,
    take::take,
};

/// The shortest a lease can be: there has to be time for a few calls, and for a renewal that fails.
pub const SHORTEST: Duration = Duration::from_secs(10);
/// How long a lease is usually.
pub const USUAL: Duration = Duration::from_secs(180);

/// How a lease is asked for.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The cluster.
    pub cluster: String,
    /// Who asks.
    pub holder: Holder,
    /// How long it lasts without being renewed; at least [`SHORTEST`].
    pub length: Duration,
    /// How long to wait for a holder before giving up.
    pub patience: Duration,
    /// Makes the run's number, and pauses that differ from another's.
    pub seed: u64,
}

/// The lease another run has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Whose.
    #[serde(flatten)]
    pub holder: Holder,
    /// Since when, by the server's time, as far as the holder knew it then.
    pub since: Timestamp,
    /// Until when, by the server's time, if it is not renewed.
    pub until: Timestamp,
}

/// What happens while a lease is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum News {
    /// Another run has it, and is waited for.
    Waiting(Held),
    /// Another run's has expired, and is taken over.
    Expired(Held),
}

/// Why there is no lease (any more).
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum LeaseError {
    /// Another run has it.
    #[error(
        "{} (process {}) works on cluster {cluster}, since {}, until {} at least",
        held.holder.name, held.holder.process, clock(held.since), clock(held.until)
    )]
    #[diagnostic(
        code(mesostack::cluster::lease::held),
        help(
            "--wait waits for its end. A run that works goes on renewing its lease; one that was killed keeps it until {}, \
             and is succeeded then without further ado",
            clock(held.until)
        )
    )]
    Held {
        /// The cluster.
        cluster: String,
        /// Its lease.
        held: Held,
    },
    /// Other runs were quicker, again and again.
    #[error("the lease of cluster {cluster} goes from hand to hand, and was not to be had in time")]
    #[diagnostic(code(mesostack::cluster::lease::busy), help("run the command again, with --wait"))]
    Busy {
        /// The cluster.
        cluster: String,
    },
    /// What has the lease's name is none.
    #[error("the affinity group {name} is not a lease: its description says nothing of a run")]
    #[diagnostic(
        code(mesostack::cluster::lease::foreign),
        help(
            "mesostack needs that name to keep two runs apart; remove the group, or call the cluster something else"
        )
    )]
    Foreign {
        /// The group.
        name: String,
    },
    /// A call failed.
    #[error("could not take the lease of the cluster: {0}")]
    #[diagnostic(code(mesostack::cluster::lease::cloud))]
    Cloud(#[source] cloudstack::Error),
    /// The server does not date its jobs.
    #[error("the cloud does not say what time it is: the job {0} has no date")]
    #[diagnostic(code(mesostack::cluster::lease::time))]
    NoTime(cloudstack::JobId),
    /// Stopped while it waited.
    #[error("stopped while waiting for the lease")]
    #[diagnostic(code(mesostack::cluster::lease::stopped))]
    Stopped,
    /// It could not be renewed in time, or was closed by another run.
    #[error("the lease of cluster {cluster} was lost: {why}; the run has stopped where it was")]
    #[diagnostic(
        code(mesostack::cluster::lease::lost),
        help("nothing is lost but the lease: the same command takes up where this one ended")
    )]
    Lost {
        /// The cluster.
        cluster: String,
        /// How.
        why: String,
    },
}

impl LeaseError {
    /// Whether another run works on the cluster.
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Busy { .. })
    }
}

/// A moment as messages tell it.
pub fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M:%S UTC").to_string()
}
