//! Zones on this host: raised, found running, and taken away again, each by its name.
//!
//! `up` prepares what a zone needs and leaves a process behind that serves it (`serve`); `down` removes the zone with all
//! that is in it. Both work from whatever an earlier one has left, killed at any instant. Several zones can stand side by
//! side: each has a name, a port on loopback and a public range of its own.

mod down;
mod exec;
mod lock;
mod own;
mod places;
mod requirements;
mod serve;
mod snapshot;
mod status;
mod up;
mod zone_name;

use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::faults::FaultsFile;

pub use self::down::down;
pub use self::exec::exec;
pub use self::own::{clock, console, faults, forward, set_faults};
pub use self::places::Places;
pub use self::requirements::{can_run_machines, missing_packages};
pub use self::serve::serve;
pub use self::snapshot::{InvalidSnapshotName, SnapshotName, reset, snapshot};
pub use self::status::{Credentials, Status, credentials, log, status};
pub use self::up::up;
pub use self::zone_name::{InvalidZoneName, ZoneName};

/// What a zone is raised with.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The zone's name, on this host and in its own API.
    pub name: ZoneName,
    /// The port of its API on loopback.
    pub port: u16,
    /// The range of its public addresses, /29 or larger; the host has the first address.
    pub public_range: Ipv4Net,
    /// Whether it keeps records only, without machines.
    pub simulator: bool,
    /// What a simulated zone is like and what goes wrong in it.
    pub faults: Option<FaultsFile>,
}

/// What is written down of a zone before anything of it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    port: u16,
    public_range: Ipv4Net,
    simulator: bool,
    /// The text of its file of faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    faults: Option<String>,
}

impl Options {
    fn settings(&self) -> Settings {
        Settings {
            port: self.port,
            public_range: self.public_range,
            simulator: self.simulator,
            faults: self.faults.as_ref().map(|file| file.text.clone()),
        }
    }

    /// Where the zone's API answers.
    pub fn url(&self) -> String {
        url(self.port)
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/client/api")
}

/// Why a zone could not be raised, served, looked at or taken down.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Machines cannot run here.
    #[error("machines cannot run on this host: {0}; `--simulator` keeps records only and runs everywhere")]
    CannotRun(String),
    /// The host lacks programs.
    #[error("this host lacks what machines need: run `apt-get install --yes {}`", .0.join(" "))]
    Missing(Vec<&'static str>),
    /// An option is not usable.
    #[error("{0}")]
    Option(String),
    /// There is no zone of that name.
    #[error("there is no zone {0} on this host; `mesostack zone up --name {0}` raises it")]
    NoZone(ZoneName),
    /// The zone stands, but no process serves it.
    #[error("zone {0} is not served at the moment; `mesostack zone up --name {0}` serves it again")]
    NotServed(ZoneName),
    /// The zone is served already, by this process.
    #[error("zone {name} is already served by process {process}")]
    Served {
        /// The zone.
        name: ZoneName,
        /// The process.
        process: u32,
    },
    /// Another up or down of the same zone goes on.
    #[error(
        "another `mesostack zone up` or `down` of zone {0} has been going on for a minute; try again later"
    )]
    Busy(ZoneName),
    /// The process that was to serve the zone ended or said nothing.
    #[error("zone {name} did not come up: {what}; its log {} ends with:\n{tail}", log.display())]
    NotUp {
        /// The zone.
        name: ZoneName,
        /// What happened.
        what: String,
        /// The log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The port is taken.
    #[error("port {port} of loopback cannot be used: {source}; choose another with --port")]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or directory could not be handled.
    #[error("could not {action} {}: {source}", path.display())]
    Path {
        /// What was tried, as a verb.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The zone could not be opened.
    #[error(transparent)]
    Zone(#[from] crate::ZoneError),
    /// The zone's records could not be opened.
    #[error(transparent)]
    Records(#[from] crate::RecordsError),
    /// The host refused something.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Host(#[from] crate::machines::HostError),
    /// There is no base template.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Base(#[from] crate::base::BaseError),
    /// Something that was left to another thread did not end.
    #[error("cut off: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

/// The result of handling a zone on this host.
type Result<T, E = Error> = std::result::Result<T, E>;

/// Names the path in an input/output error.
trait At<T> {
    fn at(self, action: &'static str, path: &std::path::Path) -> Result<T>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, action: &'static str, path: &std::path::Path) -> Result<T> {
        self.map_err(|source| Error::Path { action, path: path.to_owned(), source })
    }
}
