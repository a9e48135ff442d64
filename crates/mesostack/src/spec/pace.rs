//! The sections `[deadlines]` and `[parallel]`: how long things may take, and how many may go on side by side.

use std::time::Duration;

use super::{
    problem::Problem,
    section::{Findings, Section},
};

/// What a deadline may be at most: nobody waits for longer, and the cloud forgets its jobs after a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// What may go on side by side at most.
const MOST: u32 = 1000;

/// How long things may take before they are no longer waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// A job that only writes something down: a rule, an address, a tag, a machine that is not started; 3 min.
    pub record: Duration,
    /// A machine's start or end; 15 min.
    pub machine: Duration,
    /// The network's router coming up, and the network's end; 15 min.
    pub network: Duration,
    /// From a machine's start to its node's set-up; 10 min.
    pub set_up: Duration,
    /// From the last set-up to a healthy cluster; 5 min.
    pub health: Duration,
    /// From the request to drain an agent until its machine goes, whatever is left on it; 5 min.
    pub drain: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self {
            record: minutes(3),
            machine: minutes(15),
            network: minutes(15),
            set_up: minutes(10),
            health: minutes(5),
            drain: minutes(5),
        }
    }
}

/// How many things may go on side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parallel {
    /// Machines' jobs; 150. New machines come few at first, and more as they turn out well.
    pub machines: u16,
    /// Nodes that are set up; 128.
    pub nodes: u16,
}

impl Default for Parallel {
    fn default() -> Self {
        // A stock CloudStack works on 125 jobs at once (half of its 250 connections to its database). Fewer would leave it
        // idle, and so would as many, until we notice that one has ended; many more would wait against their deadlines.
        // A node takes a connection and a key exchange, and is set up in less time than a machine takes to start.
        Self { machines: 150, nodes: 128 }
    }
}

pub(super) fn read_deadlines(mut section: Section<'_>, found: &mut Findings) -> Deadlines {
    let usual = Deadlines::default();
    let deadlines = Deadlines {
        record: duration_or(&mut section, found, "record", usual.record),
        machine: duration_or(&mut section, found, "machine", usual.machine),
        network: duration_or(&mut section, found, "network", usual.network),
        set_up: duration_or(&mut section, found, "set_up", usual.set_up),
        health: duration_or(&mut section, found, "health", usual.health),
        drain: duration_or(&mut section, found, "drain", usual.drain),
    };
    section.finish(found);
    deadlines
}

pub(super) fn read_parallel(mut section: Section<'_>, found: &mut Findings) -> Parallel {
    let usual = Parallel::default();
    let mut number = |key, usual: u16| {
        let number = section.number_or(found, key, 1..=MOST, usual.into()).value;
        u16::try_from(number).unwrap_or(usual)
    };
    let parallel =
        Parallel { machines: number("machines", usual.machines), nodes: number("nodes", usual.nodes) };
    section.finish(found);
    parallel
}

fn duration_or(
    section: &mut Section<'_>,
    found: &mut Findings,
    key: &'static str,
    usual: Duration,
) -> Duration {
    let Some(text) = section.text(found, key) else { return usual };
    let duration =
        text.value.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    match duration {
        Some(duration) if (Duration::from_secs(1)..=LONGEST).contains(&duration) => duration,
        Some(_) => {
            let message =
                format!("`{}` is from one second to a day, not {}", section.path_of(key), text.value);
            found.refuse(Problem::new(text.span, message));
            usual
        }
        None => {
            let message = format!("`{}` is not a duration: {}", section.path_of(key), text.value);
            let problem = Problem::new(text.span, message);
            found.refuse(problem.help("write a number and a unit, such as \"90s\", \"15m\" or \"1h30m\""));
            usual
        }
    }
}
