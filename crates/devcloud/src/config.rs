//! What a zone is like: its address ranges, offerings, limits and habits. Everything here is chosen before the zone is
//! opened and can be changed between two openings; what has to survive is in the records.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use crate::faults::Faults;
use crate::simulator::Pace;

/// A zone's settings. [`ZoneConfig::default`] is the zone that `mesostack zone up` makes.
#[derive(Clone, Debug)]
pub struct ZoneConfig {
    /// The zone's name, as `listZones` shows it and as guests see it in their metadata (`availability-zone`).
    pub name: String,
    /// Addresses that routers take towards the outside.
    pub public: PublicRange,
    /// The guest range of a network that is made without one.
    pub guest_range: Ipv4Net,
    /// The shortest prefix that a normal user's network may have (`network.guest.cidr.limit`; CloudStack: 22).
    pub shortest_guest_prefix: u8,
    /// The name server that `listNetworks` and (to root admins) `listZones` show.
    pub dns: Ipv4Addr,
    /// Sizes of machines.
    pub service_offerings: Vec<ServiceOffering>,
    /// How many hosts the zone says it has. A machine is put on one of them when it starts, so that host anti-affinity
    /// can be kept or broken; with the machines driver they are all this host.
    pub hosts: u32,
    /// How much an account may have, unless `updateResourceLimit` said otherwise for it.
    pub limits: Limits,
    /// Whether normal users may expunge and recover machines (`allow.user.expunge.recover.vm`; CloudStack: no).
    pub users_may_expunge: bool,
    /// The longest user-data accepted, in characters of its base64 form (`vm.userdata.max.length`).
    pub user_data_limit: usize,
    /// Whether only signatures computed exactly as CloudStack computes them are taken. Otherwise the slightly different
    /// escaping of older Go, Python and libcloud clients is taken too.
    pub strict_signatures: bool,
    /// How often a network's queue looks for the next job when another one was running as it arrived.
    pub heartbeat: Duration,
    /// How often the driver is asked which machines run, to notice those that stopped by themselves; none means never.
    pub watch: Option<Duration>,
    /// How long after its last machine stopped a network's router is taken down (CloudStack: 600 s); none means never.
    pub network_gc: Option<Duration>,
    /// How long a destroyed machine can be recovered before it is expunged (`expunge.delay`).
    pub expunge_delay: Duration,
    /// How long a finished job's result can be asked for (`job.expire.minutes`).
    pub job_retention: Duration,
    /// Normal user accounts to make besides the ready-made `mesostack` and the root admin `admin`.
    pub accounts: Vec<String>,
    /// Where times come from.
    pub clock: ClockSource,
    /// Makes all ids and keys the same in every run; for tests only, since keys can then be guessed.
    pub seed: Option<u64>,
    /// How long calls and jobs take beyond what the driver takes.
    pub pace: Pace,
    /// How many calls an account may make in a time; none is without limit, as in a stock CloudStack.
    pub throttle: Option<Throttle>,
    /// What goes wrong. Chances and latencies are drawn from its seed.
    pub faults: Faults,
}

/// How many calls an account may make (`api.throttling`); root admins are exempt. Time is cut into windows, each of which
/// begins with the account's first call after the last one; a call too many is answered with 429, and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Calls in a window (CloudStack: 25; it counts a call with an API key twice, so half of that).
    pub calls: u32,
    /// How long a window is (CloudStack: 1 s).
    pub window: Duration,
}

/// How long a zone waits before it does what nobody asks for. [`Delays::default`] are those of a zone of which nothing else
/// is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// See [`ZoneConfig::network_gc`].
    pub network_gc: Option<Duration>,
    /// See [`ZoneConfig::expunge_delay`].
    pub expunge: Duration,
    /// See [`ZoneConfig::job_retention`].
    pub job_results: Duration,
    /// See [`ZoneConfig::heartbeat`].
    pub heartbeat: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        let ZoneConfig { network_gc, expunge_delay, job_retention, heartbeat, .. } = ZoneConfig::default();
        Self { network_gc, expunge: expunge_delay, job_results: job_retention, heartbeat }
    }
}

/// Where a zone's times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// The host's clock.
    System,
    /// The host's clock at opening, and tokio's clock from there on: time then stands still and jumps with a paused
    /// runtime.
    Runtime,
}

/// The zone's public addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicRange {
    /// The range, with its netmask.
    pub range: Ipv4Net,
    /// The way out: the host's end.
    pub gateway: Ipv4Addr,
    /// The first address a router may take.
    pub first: Ipv4Addr,
    /// The last address a router may take.
    pub last: Ipv4Addr,
}

/// A size of machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOffering {
    /// Its name, unique in the zone.
    pub name: String,
    /// Number of virtual processors.
    pub processors: u32,
    /// Speed of each in MHz; said, not enforced.
    pub speed_mhz: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
}

impl ServiceOffering {
    fn of(name: &str, processors: u32, speed_mhz: u32, memory_mib: u64) -> Self {
        Self { name: name.to_owned(), processors, speed_mhz, memory_mib }
    }
}

/// How much an account may have of each resource; `-1` is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Machines, running or stopped.
    pub machines: i64,
    /// Public addresses.
    pub public_addresses: i64,
    /// Volumes.
    pub volumes: i64,
    /// Snapshots.
    pub snapshots: i64,
    /// Templates and ISOs.
    pub templates: i64,
    /// Projects it leads.
    pub projects: i64,
    /// Networks.
    pub networks: i64,
    /// Virtual processors of all machines.
    pub processors: i64,
    /// MiB of memory of all machines.
    pub memory_mib: i64,
    /// GiB of all volumes.
    pub primary_storage_gib: i64,
    /// GiB of all templates, ISOs and snapshots.
    pub secondary_storage_gib: i64,
}

impl Limits {
    /// What a stock CloudStack gives a new account (`max.account.*`).
    pub const CLOUDSTACK: Self = Self {
        machines: 20,
        public_addresses: 20,
        volumes: 20,
        snapshots: 20,
        templates: 20,
        projects: 10,
        networks: 20,
        processors: 40,
        memory_mib: 40_960,
        primary_storage_gib: 200,
        secondary_storage_gib: 400,
    };

    /// No limit at all.
    pub const NONE: Self = Self {
        machines: -1,
        public_addresses: -1,
        volumes: -1,
        snapshots: -1,
        templates: -1,
        projects: -1,
        networks: -1,
        processors: -1,
        memory_mib: -1,
        primary_storage_gib: -1,
        secondary_storage_gib: -1,
    };
}

impl Default for ZoneConfig {
    fn default() -> Self {
        Self {
            name: "devcloud".to_owned(),
            public: PublicRange {
                range: Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 24),
                gateway: Ipv4Addr::new(198, 18, 0, 1),
                first: Ipv4Addr::new(198, 18, 0, 10),
                last: Ipv4Addr::new(198, 18, 0, 254),
            },
            guest_range: Ipv4Net::new_assert(Ipv4Addr::new(10, 1, 1, 0), 24),
            shortest_guest_prefix: 22,
            dns: Ipv4Addr::new(198, 18, 0, 1),
            service_offerings: vec![
                ServiceOffering::of("Small Instance", 1, 500, 512),
                ServiceOffering::of("Medium Instance", 1, 1000, 1024),
                ServiceOffering::of("t1.small", 1, 1000, 512),
                ServiceOffering::of("t1.medium", 2, 1000, 1024),
            ],
            hosts: 8,
            limits: Limits::CLOUDSTACK,
            users_may_expunge: true,
            user_data_limit: 32_768,
            strict_signatures: false,
            heartbeat: Duration::from_secs(2),
            watch: Some(Duration::from_secs(5)),
            network_gc: None,
            expunge_delay: Duration::from_secs(86_400),
            job_retention: Duration::from_secs(86_400),
            accounts: Vec::new(),
            clock: ClockSource::System,
            seed: None,
            pace: Pace::NONE,
            throttle: None,
            faults: Faults::default(),
        }
    }
}

impl ZoneConfig {
    /// The same with these delays.
    #[must_use]
    pub fn with_delays(self, delays: Delays) -> Self {
        let Delays { network_gc, expunge: expunge_delay, job_results: job_retention, heartbeat } = delays;
        Self { network_gc, expunge_delay, job_retention, heartbeat, ..self }
    }

    /// A zone for tests on a paused clock: times from the runtime, ids from a fixed seed, no limits.
    pub fn simulated_time() -> Self {
        Self { clock: ClockSource::Runtime, seed: Some(1), limits: Limits::NONE, ..Self::default() }
    }
}
