//! From text to [`FaultsFile`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::rules::{RawCall, RawJob, RawMachine};
use super::{FaultsFile, FileProblem};
use crate::config::{Delays, Limits, Throttle};
use crate::faults::Faults;
use crate::simulator::{Capacity, Latencies, Latency, Pace};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    latency: RawLatency,
    #[serde(default)]
    capacity: RawCapacity,
    #[serde(default)]
    limits: RawLimits,
    throttle: Option<RawThrottle>,
    #[serde(default)]
    delays: RawDelays,
    #[serde(default)]
    call: Vec<Spanned<RawCall>>,
    #[serde(default)]
    job: Vec<Spanned<RawJob>>,
    #[serde(default)]
    machine: Vec<Spanned<RawMachine>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLatency {
    router: Option<Time>,
    rule: Option<Time>,
    router_down: Option<Time>,
    start: Option<Time>,
    stop: Option<Time>,
    capture: Option<Time>,
    volume: Option<Time>,
    call: Option<Time>,
    job: Option<Time>,
    #[serde(default)]
    calls: BTreeMap<Spanned<String>, Time>,
    #[serde(default)]
    jobs: BTreeMap<Spanned<String>, Time>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCapacity {
    memory_mib: Option<u64>,
    machines: Option<usize>,
    workers: Option<Spanned<usize>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    machines: Option<i64>,
    public_addresses: Option<i64>,
    volumes: Option<i64>,
    snapshots: Option<i64>,
    templates: Option<i64>,
    projects: Option<i64>,
    networks: Option<i64>,
    processors: Option<i64>,
    memory_mib: Option<i64>,
    primary_storage_gib: Option<i64>,
    secondary_storage_gib: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawThrottle {
    calls: u32,
    window: Option<Span>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDelays {
    network_gc: Option<Span>,
    expunge: Option<Span>,
    job_results: Option<Span>,
    heartbeat: Option<Spanned<Span>>,
}

/// A length of time: `"250ms"`, `"2s"`, `"1m 30s"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
        time.map(Self).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no length of time, such as \"250ms\" or \"2s\""))
        })
    }
}

/// A fixed time or a spread of times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) Latency);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Spread {
            from: Span,
            to: Span,
            #[serde(default)]
            long_tail: bool,
        }
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a time is \"2s\", { from = \"1s\", to = \"5s\" }, or that with long_tail = true"
        )]
        enum Raw {
            Fixed(Span),
            Spread(Spread),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Fixed(Span(time)) => Ok(Self(Latency::Fixed(time))),
            Raw::Spread(Spread { from: Span(from), to: Span(to), long_tail }) => {
                if from > to {
                    return Err(D::Error::custom("`from` is longer than `to`"));
                }
                if long_tail && from.is_zero() {
                    return Err(D::Error::custom(
                        "a long tail begins with more than nothing: give `from` some time",
                    ));
                }
                Ok(Self(if long_tail {
                    Latency::LongTail { from, to }
                } else {
                    Latency::Uniform { from, to }
                }))
            }
        }
    }
}

pub(super) fn read(text: &str) -> Result<FaultsFile, Vec<FileProblem>> {
    let raw: RawFile = toml::from_str(text)
        .map_err(|error| vec![FileProblem::new(error.span().unwrap_or(0..0), error.message())])?;
    let mut problems = Vec::new();
    let (latencies, pace) = raw.latency.read(&mut problems);
    let capacity = raw.capacity.read(&mut problems);
    let delays = raw.delays.read(&mut problems);
    let faults = Faults {
        seed: raw.seed,
        calls: raw.call.into_iter().filter_map(|rule| RawCall::read(rule, &mut problems)).collect(),
        jobs: raw.job.into_iter().filter_map(|rule| RawJob::read(rule, &mut problems)).collect(),
        machines: raw.machine.into_iter().filter_map(|rule| RawMachine::read(rule, &mut problems)).collect(),
    };
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.span.start);
        return Err(problems);
    }
    let window =
        |throttle: &RawThrottle| throttle.window.map_or(Duration::from_secs(1), |Span(window)| window);
    Ok(FaultsFile {
        text: text.to_owned(),
        latencies,
        pace,
        capacity,
        limits: raw.limits.read(),
        delays,
        throttle: raw.throttle.map(|throttle| Throttle { calls: throttle.calls, window: window(&throttle) }),
        faults,
    })
}

impl RawLatency {
    fn read(self, problems: &mut Vec<FileProblem>) -> (Latencies, Pace) {
        let usual = Latencies::default();
        let or = |time: Option<Time>, usual| time.map_or(usual, |Time(time)| time);
        let latencies = Latencies {
            raise: or(self.router, usual.raise),
            program: or(self.rule, usual.program),
            lower: or(self.router_down, usual.lower),
            start: or(self.start, usual.start),
            stop: or(self.stop, usual.stop),
            capture: or(self.capture, usual.capture),
            volume: or(self.volume, usual.volume),
        };
        let mut named = |times: BTreeMap<Spanned<String>, Time>, jobs: bool| -> BTreeMap<String, Latency> {
            let mut known = BTreeMap::new();
            for (name, Time(time)) in times {
                if let Some(problem) = unknown_command(name.get_ref(), name.span(), jobs) {
                    problems.push(problem);
                }
                known.insert(name.into_inner(), time);
            }
            known
        };
        let (calls, jobs) = (named(self.calls, false), named(self.jobs, true));
        let pace = Pace { call: or(self.call, Latency::NONE), calls, job: or(self.job, Latency::NONE), jobs };
        (latencies, pace)
    }
}

/// What is wrong with a command's name or pattern, where jobs are meant if so told.
pub(super) fn unknown_command(
    pattern: &str,
    span: std::ops::Range<usize>,
    jobs: bool,
) -> Option<FileProblem> {
    let meant = crate::faults::Pattern::from(pattern);
    let mut found = crate::command::all().filter(|command| meant.matches(command.name)).peekable();
    if found.peek().is_none() {
        let problem = FileProblem::new(span, format!("`{pattern}` is no command of this zone"));
        return Some(
            problem
                .help("names are those of the API, such as createTags; create* is every one that begins so"),
        );
    }
    (jobs && !found.any(crate::command::Command::is_job))
        .then(|| FileProblem::new(span, format!("`{pattern}` begins no job: it is done when it is answered")))
}

impl RawCapacity {
    fn read(self, problems: &mut Vec<FileProblem>) -> Capacity {
        if let Some(workers) = self.workers.as_ref().filter(|workers| *workers.get_ref() == 0) {
            problems.push(FileProblem::new(workers.span(), "without a worker no machine ever starts"));
        }
        Capacity {
            memory_mib: self.memory_mib,
            machines: self.machines,
            workers: self.workers.map(Spanned::into_inner),
        }
    }
}

impl RawDelays {
    fn read(self, problems: &mut Vec<FileProblem>) -> Delays {
        if let Some(heartbeat) = self.heartbeat.as_ref().filter(|beat| beat.get_ref().0.is_zero()) {
            problems.push(FileProblem::new(
                heartbeat.span(),
                "a heartbeat takes some time: \"1ms\" is the least",
            ));
        }
        let usual = Delays::default();
        let or = |time: Option<Span>, usual| time.map_or(usual, |Span(time)| time);
        Delays {
            network_gc: self.network_gc.map(|Span(time)| time).or(usual.network_gc),
            expunge: or(self.expunge, usual.expunge),
            job_results: or(self.job_results, usual.job_results),
            heartbeat: or(self.heartbeat.map(Spanned::into_inner), usual.heartbeat),
        }
    }
}

impl RawLimits {
    fn read(self) -> Limits {
        let usual = Limits::CLOUDSTACK;
        Limits {
            machines: self.machines.unwrap_or(usual.machines),
            public_addresses: self.public_addresses.unwrap_or(usual.public_addresses),
            volumes: self.volumes.unwrap_or(usual.volumes),
            snapshots: self.snapshots.unwrap_or(usual.snapshots),
            templates: self.templates.unwrap_or(usual.templates),
            projects: self.projects.unwrap_or(usual.projects),
            networks: self.networks.unwrap_or(usual.networks),
            processors: self.processors.unwrap_or(usual.processors),
            memory_mib: self.memory_mib.unwrap_or(usual.memory_mib),
            primary_storage_gib: self.primary_storage_gib.unwrap_or(usual.primary_storage_gib),
            secondary_storage_gib: self.secondary_storage_gib.unwrap_or(usual.secondary_storage_gib),
        }
    }
}
