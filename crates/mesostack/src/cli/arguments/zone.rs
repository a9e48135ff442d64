//! What may be typed about a zone of this host, and the rehearsal in one.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use devcloud::host;
use serde::Serialize;

/// `mesostack zone …`
#[derive(Debug, Subcommand)]
pub(crate) enum Zone {
    /// Raise the zone, or find it running
    Up(ZoneUp),
    /// Show whether it runs, where, and what it holds
    Status(ZoneName),
    /// Remove the zone and everything in it from this host
    Down(ZoneName),
    /// Print the ready-made user's API keys for the shell
    Credentials {
        #[command(flatten)]
        zone: ZoneName,
        /// Write them as a profile of this name to ~/.cmk/config instead
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
    },
    /// List the CloudStack commands that a zone answers; with --json what its listApis tells a root admin
    Apis,
    /// Set, clear or show what goes wrong in the zone while it is served
    Faults(ZoneFaults),
    /// Show the zone's clock, or move it ahead: what is due by then is done at once
    Clock(ZoneClock),
    /// Run a command in a machine of the zone, as its root
    Exec {
        #[command(flatten)]
        zone: ZoneName,
        /// The machine, by its name or id
        machine: String,
        /// The command
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Print the end of what a machine of the zone has said on its console
    Console {
        #[command(flatten)]
        zone: ZoneName,
        /// The machine, by its name or id
        machine: String,
    },
    /// Print the end of the log of the process that serves the zone
    Logs {
        #[command(flatten)]
        zone: ZoneName,
        /// How many lines
        #[arg(long, default_value_t = 100, value_name = "NUMBER")]
        lines: usize,
    },
    /// Keep a simulated zone as it is at this moment, under a name
    Snapshot {
        #[command(flatten)]
        zone: ZoneName,
        /// The snapshot's name
        #[arg(value_name = "SNAPSHOT")]
        snapshot: host::SnapshotName,
    },
    /// Have a simulated zone be as it was at a snapshot, or when it was new; its keys stay the same
    Reset {
        #[command(flatten)]
        zone: ZoneName,
        /// The snapshot's name; without one, everything is removed
        #[arg(value_name = "SNAPSHOT")]
        snapshot: Option<host::SnapshotName>,
    },
    /// Serve the zone in the foreground; what `up` runs
    #[command(hide = true)]
    Serve(ZoneUp),
}

/// Which zone of this host.
#[derive(Args, Clone, Debug)]
pub(crate) struct ZoneName {
    /// The zone's name
    #[arg(long, default_value = "devcloud")]
    pub(crate) name: host::ZoneName,
}

/// `mesostack zone up`
#[derive(Args, Clone, Debug)]
pub(crate) struct ZoneUp {
    #[command(flatten)]
    pub(crate) zone: ZoneName,
    /// The port its API listens on, on loopback
    #[arg(long, default_value_t = 8880)]
    pub(crate) port: u16,
    /// The range its public addresses come from
    #[arg(long, default_value = "198.18.0.0/24", value_name = "RANGE")]
    pub(crate) public_range: ipnet::Ipv4Net,
    /// Keep records only, without machines; for hosts where machines cannot run
    #[arg(long)]
    pub(crate) simulator: bool,
    /// How quick the simulated zone is, what its limits are and what goes wrong in it
    #[arg(long, value_name = "FILE", requires = "simulator")]
    pub(crate) faults: Option<PathBuf>,
}

/// `mesostack zone faults`
#[derive(Args, Clone, Debug)]
pub(crate) struct ZoneFaults {
    #[command(flatten)]
    pub(crate) zone: ZoneName,
    #[command(flatten)]
    pub(crate) what: FaultsAction,
}

/// `mesostack zone clock`
#[derive(Args, Clone, Debug)]
pub(crate) struct ZoneClock {
    #[command(flatten)]
    pub(crate) zone: ZoneName,
    /// Move it ahead by so long (`25h`, `10m`), and wait until what fell due by it is done
    #[arg(long, value_name = "TIME")]
    pub(crate) forward: Option<jiff::SignedDuration>,
    /// Signatures expire by it, too; otherwise they keep to this host's clock
    #[arg(long, requires = "forward")]
    pub(crate) signatures: bool,
}

/// What is done about a zone's faults.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct FaultsAction {
    /// From now on the zone is as this file says; counted anew
    #[arg(long, value_name = "FILE")]
    pub(crate) set: Option<PathBuf>,
    /// From now on nothing goes wrong on purpose
    #[arg(long)]
    pub(crate) clear: bool,
    /// Print the file in force
    #[arg(long)]
    pub(crate) show: bool,
}

/// `mesostack demo`
#[derive(Args, Clone, Debug)]
pub(crate) struct Demo {
    /// Take the rehearsal down again
    #[arg(long)]
    pub(crate) down: bool,
    /// Where its files are kept
    #[arg(long, value_name = "FOLDER", default_value = ".mesostack/demo")]
    pub(crate) folder: PathBuf,
    /// The zone's name
    #[arg(long, default_value = "demo")]
    pub(crate) zone: host::ZoneName,
    /// The port the zone's API listens on, on loopback
    #[arg(long, default_value_t = 8881)]
    pub(crate) port: u16,
    /// The range the zone's public addresses come from
    #[arg(long, default_value = "198.18.1.0/24", value_name = "RANGE")]
    pub(crate) public_range: ipnet::Ipv4Net,
    /// Keep records only, without machines
    #[arg(long)]
    pub(crate) simulator: bool,
    /// Where Mesos comes from; found out by asking the package host when absent
    #[arg(long, value_enum)]
    pub(crate) packages: Option<DemoPackages>,
}

/// Where the rehearsal's Mesos comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DemoPackages {
    /// The living Mesos distribution; needs the internet
    Clusterd,
    /// Stand-ins with the real programs' flags, ports and endpoints
    Standin,
}
