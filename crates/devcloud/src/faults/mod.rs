//! What goes wrong, when it is told to: calls that get lost on their way, jobs that fail or hang, machines that die.
//!
//! [`Faults`] are plain data: rules, each with whom it is about (a [`Pattern`] of names), when it strikes ([`When`]: at
//! exact positions, or with a chance) and what happens then. The same seed and the same calls give the same faults,
//! whatever else goes on. Of several rules that strike at once, the first one does; each counts all it is about.
//!
//! # In a test, in process
//!
//! A [`Wire`] is a transport for [`cloudstack::Client`]. It carries calls to a zone in this process and has the faults of
//! `calls`; one wire stands for one run of a program. The faults of `jobs` and `machines` are the zone's, whoever calls:
//! [`Zone::set_faults`](crate::Zone::set_faults), or `faults` of its configuration. All of it takes tokio's time.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::time::pause();
//! use std::{sync::Arc, time::Duration};
//! use devcloud::faults::{CallFault, Faults, JobFault, MachineFault, Moment, When, Wire};
//! use devcloud::{MemoryRecords, Records, Zone, ZoneConfig, simulator::Simulator};
//!
//! let records = Records::memory(MemoryRecords::default());
//! let zone = Zone::open(ZoneConfig::simulated_time(), Arc::new(Simulator::default()), records).await?;
//! zone.set_faults(
//!     &Faults::seeded(7)
//!         .job("start*", When::chance(0.1), JobFault::fail(533, "Insufficient capacity"))
//!         .machine("mesos-agent-2", When::nth(1), MachineFault::Error),
//! );
//! // The caller is killed at its 12th call, which has its effect all the same.
//! let faults = Faults::seeded(7).call("*", When::nth(12), CallFault::Kill(Moment::After));
//! let wire = Wire::with(&zone, &faults).round_trip(Duration::from_millis(100));
//!
//! let keys = zone.credentials("mesostack").ok_or("no account")?;
//! let credentials = cloudstack::Credentials { api_key: keys.api_key.into(), secret_key: keys.secret_key };
//! let client = cloudstack::Client::builder("http://zone.invalid/client/api".parse()?, credentials)
//!     .transport(Arc::new(wire.clone()))
//!     .build()?;
//! let run = async { /* whatever uses the client */ };
//! tokio::select! {
//!     () = run => {}
//!     () = wire.killed() => {} // the run is dropped where it stood; nothing more of it comes through this wire
//! }
//! // Where and what has struck; a test in which nothing has struck proves nothing.
//! let struck = wire.struck();
//! # let _ = (client, struck); Ok(()) }
//! ```
//!
//! For every call a kill point: run once over `Wire::to(&zone)`, ask it how many calls were [`sent`](Wire::sent), then
//! run anew with `When::nth(n)` for each of them, killed [`Before`](Moment::Before) and [`After`](Moment::After). A call
//! that [comes late](Moment::Late) arrives when its caller has been dead for a while.
//!
//! # Over HTTP
//!
//! `mesostack zone up --simulator --faults FILE` reads a [`FaultsFile`]; the zone's socket then has the faults of `calls`.
//! While it is served, [`Zone::take_up`](crate::Zone::take_up) has another one take its place.

mod call;
mod deliver;
mod file;
mod job;
mod rule;
mod schedule;
mod socket;
mod wire;

use std::time::Duration;

pub use self::call::{Answered, CallFault, Moment};
pub(crate) use self::deliver::{Delivery, deliver};

pub use self::file::{FaultsFile, FileProblem};
pub use self::job::{JobFault, MachineFault};
pub(crate) use self::job::{Mishaps, doomed, not_doomed, run_doomed};
pub use self::rule::{Pattern, Rule, When};
pub(crate) use self::schedule::Schedule;
pub(crate) use self::socket::Socket;
pub use self::wire::{Struck, Wire};

/// All that is to go wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// What chances are drawn from.
    pub seed: u64,
    /// What happens to calls on their way, by command.
    pub calls: Vec<Rule<CallFault>>,
    /// What happens to jobs, by the command that began them.
    pub jobs: Vec<Rule<JobFault>>,
    /// What happens to machines when they are started, by host name.
    pub machines: Vec<Rule<MachineFault>>,
}

impl Faults {
    /// No faults yet; chances will be drawn from this seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// And this, to calls of these commands.
    #[must_use]
    pub fn call(mut self, commands: impl Into<Pattern>, when: When, fault: CallFault) -> Self {
        self.calls.push(Rule { on: commands.into(), when, fault });
        self
    }

    /// And this, to jobs begun by these commands.
    #[must_use]
    pub fn job(mut self, commands: impl Into<Pattern>, when: When, fault: JobFault) -> Self {
        self.jobs.push(Rule { on: commands.into(), when, fault });
        self
    }

    /// And this, to starts of machines with these host names.
    #[must_use]
    pub fn machine(mut self, names: impl Into<Pattern>, when: When, fault: MachineFault) -> Self {
        self.machines.push(Rule { on: names.into(), when, fault });
        self
    }

    /// How far back lists have to be able to look.
    pub(crate) fn longest_lag(&self) -> Duration {
        let lags = self.calls.iter().map(|rule| match rule.fault {
            CallFault::Lag(lag) => lag,
            _ => Duration::ZERO,
        });
        lags.max().unwrap_or_default()
    }
}
