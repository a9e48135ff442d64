//! How long a run will take: its graph, filled with what steps of each kind took before.
//!
//! The steps are laid out in the plan's order, each as soon as what it needs is over and its lane has a place. Durations are
//! given out in one fixed order, so that a longer step never makes the whole shorter.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    fmt,
    time::Duration,
};

use serde::Serialize;

use super::record::{Record, StepEnd};
use crate::events::{GraphStep, Outcome};

/// What is left of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It is over.
    Nothing,
    /// It runs, and has so much left.
    Running(Duration),
    /// It has not begun.
    All(Duration),
}

/// How long it takes until every step is over. A pure function.
pub fn remaining(
    steps: &[GraphStep],
    lanes: &BTreeMap<String, usize>,
    left: impl Fn(usize) -> Left,
) -> Duration {
    let mut places = Places::of(steps, lanes);
    let mut ends = vec![Duration::ZERO; steps.len()];
    // Those that run have their places already.
    for (at, step) in steps.iter().enumerate() {
        if let Left::Running(rest) = left(at) {
            ends[at] = places.take(step, Duration::ZERO, rest);
        }
    }
    for (at, step) in steps.iter().enumerate() {
        if let Left::All(takes) = left(at) {
            let before = step.after.iter().filter_map(|before| ends.get(*before)).max();
            ends[at] = places.take(step, before.copied().unwrap_or_default(), takes);
        }
    }
    ends.into_iter().max().unwrap_or_default()
}

/// When each place of each lane is free.
struct Places<'a>(BTreeMap<&'a str, BinaryHeap<Reverse<Duration>>>);

impl<'a> Places<'a> {
    fn of(steps: &[GraphStep], lanes: &'a BTreeMap<String, usize>) -> Self {
        let free =
            |width: &usize| (0..(*width).clamp(1, steps.len().max(1))).map(|_| Reverse(Duration::ZERO));
        Self(lanes.iter().map(|(lane, width)| (lane.as_str(), free(width).collect())).collect())
    }

    /// Puts a step into the place of its lane that is free first; gives its end.
    fn take(&mut self, step: &GraphStep, ready: Duration, takes: Duration) -> Duration {
        let Some(lane) = step.lane.as_deref().and_then(|lane| self.0.get_mut(lane)) else {
            return ready.saturating_add(takes);
        };
        let free = lane.pop().map_or(Duration::ZERO, |Reverse(free)| free);
        let end = ready.max(free).saturating_add(takes);
        lane.push(Reverse(end));
        end
    }
}

/// What steps take when nothing is known of the cloud: a rough middle of what CloudStack zones show.
const BUILT_IN: &[(&str, u64)] = &[
    ("create_network", 500),
    ("write_tags", 500),
    ("written_down", 0),
    ("deploy", 1000),
    ("launch", 30_000),
    ("start", 30_000),
    ("set_up", 20_000),
    ("await_health", 15_000),
    ("drain", 15_000),
    ("check_quorum", 2_000),
    ("roll_out", 60_000),
    ("await_network", 30_000),
    ("stop", 10_000),
    ("discard", 10_000),
    ("destroy", 10_000),
    ("delete_network", 15_000),
    // An image.
    ("start_build_machine", 60_000),
    ("reach_build_machine", 20_000),
    ("install_zookeeper,_haproxy_and_java", 60_000),
    ("install_mesos_and_marathon", 60_000),
    ("let_the_machine_build_itself", 240_000),
    ("stop_build_machine", 10_000),
    ("make_template", 60_000),
    ("start_a_machine_from_the_template", 30_000),
    ("reach_the_machine_from_the_template", 20_000),
    ("try_the_template", 10_000),
];

/// And all others: a call and a job that takes a moment.
const BUILT_IN_ELSE: Duration = Duration::from_millis(300);

/// What a kind of step takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    known: BTreeMap<String, Duration>,
    runs: usize,
}

impl Figures {
    /// What earlier runs in the same cloud and zone took; the middle of all that ended well, for each kind.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>, cloud: &str, zone: &str) -> Self {
        let mut seen: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        let mut runs = 0;
        for record in records {
            if record.run.cloud != cloud || record.run.zone != zone {
                continue;
            }
            // A run that was stopped says as much of the steps that it did; one that did none says nothing.
            let mut any = false;
            for (at, step) in record.steps.iter().enumerate() {
                if let (StepEnd::Done(_), Some(took)) = (&step.end, record.took(at)) {
                    seen.entry(step.kind.clone()).or_default().push(took);
                    any = true;
                }
            }
            let ended = record.ended.is_some_and(|ended| ended.outcome == Outcome::Done);
            runs += usize::from(any && ended);
        }
        let middle = |mut took: Vec<Duration>| {
            took.sort_unstable();
            took[took.len() / 2]
        };
        Self { known: seen.into_iter().map(|(kind, took)| (kind, middle(took))).collect(), runs }
    }

    /// What a step of a kind takes.
    pub fn takes(&self, kind: &str) -> Duration {
        let built_in = || BUILT_IN.iter().find(|(known, _)| *known == kind);
        match self.known.get(kind) {
            Some(took) => *took,
            None => built_in().map_or(BUILT_IN_ELSE, |(_, millis)| Duration::from_millis(*millis)),
        }
    }

    /// How long all of it takes.
    pub fn estimate(&self, steps: &[GraphStep], lanes: &BTreeMap<String, usize>) -> Estimate {
        let takes = remaining(steps, lanes, |at| Left::All(self.takes(&steps[at].kind)));
        let kinds: BTreeSet<&str> = steps.iter().map(|step| &*step.kind).collect();
        let known = kinds.iter().filter(|kind| self.known.contains_key(**kind)).count();
        let runs = if known == 0 { 0 } else { self.runs.max(1) };
        Estimate { takes, runs, partly: runs > 0 && known < kinds.len() }
    }
}

/// How long a run is expected to take, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// So long.
    #[serde(rename = "seconds", with = "crate::events::seconds")]
    pub takes: Duration,
    /// How many earlier runs it is known from; none: built-in figures.
    pub runs: usize,
    /// Some kinds of steps were in none of the runs; built-in figures stand in.
    pub partly: bool,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "about {}, from ", Rough(self.takes))?;
        match (self.runs, self.partly) {
            (0, _) => f.write_str("built-in figures"),
            (1, _) => f.write_str("an earlier run"),
            (runs, _) => write!(f, "{runs} earlier runs"),
        }?;
        if self.partly { f.write_str(" and built-in figures") } else { Ok(()) }
    }
}

/// A duration that is not known better: `3 s`, `40 s`, `3 min`, `2 h`.
#[derive(Clone, Copy, Debug)]
pub struct Rough(pub Duration);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let (one, unit) = match seconds {
            ..10.0 => return write!(f, "{:.0} s", seconds.ceil().max(1.0)),
            ..90.0 => (seconds, "s"),
            ..5400.0 => return write!(f, "{:.0} min", seconds / 60.0),
            _ => return write!(f, "{:.1} h", seconds / 3600.0),
        };
        write!(f, "{:.0} {unit}", (one / 5.0).round() * 5.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        events::Work,
        timeline::critical::tests::{record, step},
    };

    fn graph_step(at: usize, lane: Option<&str>, after: Vec<usize>) -> GraphStep {
        GraphStep {
            work: Work::new(format!("step {at}")),
            kind: "start".into(),
            phase: "infrastructure".into(),
            lane: lane.map(str::to_owned),
            node: None,
            after,
        }
    }

    fn graph() -> impl Strategy<Value = (Vec<GraphStep>, Vec<Duration>, BTreeMap<String, usize>)> {
        let edges = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
        let one = (0u64..1000, 0usize..3, edges);
        (prop::collection::vec(one, 1..40), 1usize..4).prop_map(|(steps, width)| {
            let takes = steps.iter().map(|(takes, ..)| Duration::from_millis(*takes)).collect();
            let steps = steps.into_iter().enumerate().map(|(at, (_, lane, edges))| {
                let after = edges.into_iter().filter(|_| at > 0).map(|edge| edge.index(at)).collect();
                graph_step(at, [None, Some("one"), Some("some")][lane], after)
            });
            let lanes = BTreeMap::from([("one".to_owned(), 1), ("some".to_owned(), width)]);
            (steps.collect(), takes, lanes)
        })
    }

    proptest! {
        #[test]
        fn it_is_no_shorter_than_any_chain_nor_than_what_a_lane_holds((steps, takes, lanes) in graph()) {
            let whole = remaining(&steps, &lanes, |at| Left::All(takes[at]));
            let mut chains = vec![Duration::ZERO; steps.len()];
            for (at, step) in steps.iter().enumerate() {
                let before = step.after.iter().map(|before| chains[*before]).max().unwrap_or_default();
                chains[at] = before + takes[at];
            }
            prop_assert!(whole >= *chains.iter().max().unwrap());
            for (lane, width) in &lanes {
                let in_lane = steps.iter().zip(&takes).filter(|(step, _)| step.lane.as_ref() == Some(lane));
                let sum: Duration = in_lane.map(|(_, takes)| *takes).sum();
                prop_assert!(whole >= sum / u32::try_from(*width).unwrap());
            }
            prop_assert!(whole <= takes.iter().sum());
        }

        #[test]
        fn a_longer_step_never_makes_it_shorter(
            (steps, takes, lanes) in graph(),
            which in any::<prop::sample::Index>(),
            more in 0u64..1000,
        ) {
            let which = which.index(steps.len());
            let mut longer = takes.clone();
            longer[which] += Duration::from_millis(more);
            let before = remaining(&steps, &lanes, |at| Left::All(takes[at]));
            prop_assert!(remaining(&steps, &lanes, |at| Left::All(longer[at])) >= before);
        }

        #[test]
        fn what_is_over_or_half_done_takes_no_longer_than_all_of_it((steps, takes, lanes) in graph()) {
            let all = remaining(&steps, &lanes, |at| Left::All(takes[at]));
            prop_assert_eq!(remaining(&steps, &lanes, |_| Left::Nothing), Duration::ZERO);
            let first = |at: usize| if at == 0 { Left::Running(takes[0] / 2) } else { Left::All(takes[at]) };
            prop_assert!(remaining(&steps, &lanes, first) <= all);
        }
    }

    fn earlier(took: u64) -> Record {
        let mut record = record(vec![step("start", None, &[], 0, Some(took))]);
        record.ended = Some(crate::timeline::Ended { outcome: Outcome::Done, calls: 1 });
        record.run.zone = "here".into();
        record
    }

    #[test]
    fn figures_are_the_middle_of_earlier_runs_in_the_same_zone_and_built_in_elsewhere() {
        let records = [earlier(9000), earlier(8000), earlier(70_000)];
        let steps = [graph_step(0, None, vec![])];
        let here = Figures::of(&records, "", "here").estimate(&steps, &BTreeMap::new());
        assert_eq!(here.to_string(), "about 9 s, from 3 earlier runs");
        let elsewhere = Figures::of(&records, "", "there").estimate(&steps, &BTreeMap::new());
        assert_eq!(elsewhere.to_string(), "about 30 s, from built-in figures");
        let mut steps = steps.to_vec();
        steps.push(GraphStep { kind: "set_up".into(), ..graph_step(1, None, vec![0]) });
        let partly = Figures::of(&records[..1], "", "here").estimate(&steps, &BTreeMap::new());
        assert_eq!(partly.to_string(), "about 30 s, from an earlier run and built-in figures");
    }

    #[test]
    fn a_rough_duration_claims_no_more_than_is_known() {
        let cases = [(200, "1 s"), (7400, "8 s"), (38_000, "40 s"), (125_000, "2 min"), (7_000_000, "1.9 h")];
        for (millis, expected) in cases {
            assert_eq!(Rough(Duration::from_millis(millis)).to_string(), expected);
        }
    }
}
