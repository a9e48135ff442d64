//! The critical path: the chain of steps that a run took as long as it did for.
//!
//! From the step that ended last, back to what it waited for last: the step it needs that ended last or, where it was
//! ready before it began, the step whose place in the lane it took.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::record::{Record, Step};

/// One step of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The step, by its place in the record.
    pub step: usize,
    /// Why it did not begin earlier.
    pub why: Why,
}

/// Why a step did not begin earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is the path's first.
    First,
    /// It needs the one before.
    Needs,
    /// The one before had the place in their lane.
    Lane,
}

/// The path, in the order of time. A pure function of the record.
pub fn critical_path(record: &Record) -> Vec<Link> {
    let lanes = Lanes::of(record);
    let begun = |(_, step): &(usize, &Step)| step.begun.is_some();
    let last = record.steps.iter().enumerate().filter(begun).max_by_key(|(_, step)| record.end_of(step));
    let Some((mut at, _)) = last else { return Vec::new() };
    let mut path = Vec::new();
    loop {
        let (before, why) = match before(record, &lanes, at) {
            Some((before, why)) => (Some(before), why),
            None => (None, Why::First),
        };
        path.push(Link { step: at, why });
        match before {
            Some(before) => at = before,
            None => break,
        }
    }
    path.reverse();
    path
}

/// How much of the run the path's steps took; never more than the run.
pub fn length_of(record: &Record, path: &[Link]) -> Duration {
    let steps = path.iter().filter_map(|link| record.steps.get(link.step));
    steps.filter_map(|step| record.end_of(step).checked_sub(step.begun?)).sum()
}

fn before(record: &Record, lanes: &Lanes<'_>, at: usize) -> Option<(usize, Why)> {
    let step = &record.steps[at];
    let begun = step.begun?;
    let over = |before: &usize| -> Option<Duration> {
        let (before_at, before) = (*before, &record.steps[*before]);
        let earlier = (before.begun?, before_at) < (begun, at);
        before.ended.filter(|ended| earlier && *ended <= begun)
    };
    let needed = step.after.iter().filter_map(|before| Some((over(before)?, *before))).max();
    let mate = lanes.last_over(step, begun).filter(|mate| over(mate).is_some());
    let mate = mate.and_then(|mate| Some((record.steps[mate].ended?, mate)));
    match (needed, mate) {
        (Some((needed_until, _)), Some((held_until, mate))) if held_until > needed_until => {
            Some((mate, Why::Lane))
        }
        (Some((_, needed)), _) => Some((needed, Why::Needs)),
        (None, Some((_, mate))) => Some((mate, Why::Lane)),
        (None, None) => None,
    }
}

/// The steps of each lane that holds only so many, by their ends.
struct Lanes<'a>(BTreeMap<&'a str, Vec<(Duration, usize)>>);

impl<'a> Lanes<'a> {
    fn of(record: &'a Record) -> Self {
        let mut lanes: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (at, step) in record.steps.iter().enumerate() {
            if let (Some(lane), Some(ended), Some(_)) = (&step.lane, step.ended, step.begun) {
                lanes.entry(lane).or_default().push((ended, at));
            }
        }
        lanes.retain(|lane, steps| record.lanes.get(*lane).is_some_and(|width| steps.len() > *width));
        lanes.values_mut().for_each(|steps| steps.sort_unstable());
        Self(lanes)
    }

    /// The one of its lane that ended last before `begun`.
    fn last_over(&self, step: &Step, begun: Duration) -> Option<usize> {
        let mates = self.0.get(step.lane.as_deref()?)?;
        let over = mates.partition_point(|(ended, _)| *ended <= begun);
        mates[..over].last().map(|(_, at)| *at)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timeline::record::StepEnd;

    pub(crate) fn step(name: &str, lane: Option<&str>, after: &[usize], from: u64, to: Option<u64>) -> Step {
        Step {
            name: name.into(),
            kind: name.into(),
            phase: "infrastructure".into(),
            lane: lane.map(str::to_owned),
            node: None,
            after: after.to_vec(),
            begun: Some(Duration::from_millis(from)),
            ended: to.map(Duration::from_millis),
            end: to.map_or(StepEnd::Unknown, |_| StepEnd::Done(None)),
            waits: Vec::new(),
            jobs: Vec::new(),
            ready: Vec::new(),
        }
    }

    pub(crate) fn record(steps: Vec<Step>) -> Record {
        let ends = steps.iter().flat_map(|step| [step.begun, step.ended]).flatten();
        let length = ends.max().unwrap_or_default();
        Record { steps, length, lanes: [("network".to_owned(), 1)].into(), ..Record::default() }
    }

    fn names(record: &Record) -> Vec<(&str, Why)> {
        critical_path(record).into_iter().map(|link| (&*record.steps[link.step].name, link.why)).collect()
    }

    #[test]
    fn the_path_goes_back_from_the_last_end_over_what_ended_last() {
        let record = record(vec![
            step("network", None, &[], 0, Some(100)),
            step("quick", None, &[0], 100, Some(200)),
            step("slow", None, &[0], 100, Some(900)),
            step("start", None, &[1, 2], 901, Some(2000)),
            step("aside", None, &[], 0, Some(1500)),
        ]);
        assert_eq!(names(&record), [("network", Why::First), ("slow", Why::Needs), ("start", Why::Needs)]);
        assert_eq!(length_of(&record, &critical_path(&record)), Duration::from_millis(100 + 800 + 1099));
    }

    #[test]
    fn a_step_that_was_ready_earlier_waited_for_its_lane() {
        let record = record(vec![
            step("address", Some("network"), &[], 0, Some(10)),
            step("rule 1", Some("network"), &[0], 10, Some(20)),
            step("rule 2", Some("network"), &[0], 20, Some(30)),
        ]);
        assert_eq!(names(&record), [("address", Why::First), ("rule 1", Why::Needs), ("rule 2", Why::Lane)]);
    }

    #[test]
    fn a_run_that_was_killed_has_a_path_up_to_then() {
        let record = record(vec![step("a", None, &[], 0, Some(10)), step("b", None, &[0], 12, None)]);
        assert_eq!(names(&record), [("a", Why::First), ("b", Why::Needs)]);
        assert_eq!(critical_path(&Record::default()), []);
    }

    pub(crate) fn any_record() -> impl Strategy<Value = Record> {
        let times = (0u64..50, prop::option::weighted(0.9, 0u64..20), any::<bool>());
        let edges = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
        prop::collection::vec((times, edges), 0..30).prop_map(|steps| {
            let steps = steps.into_iter().enumerate().map(|(at, ((from, took, laned), edges))| {
                let after: Vec<_> = edges.into_iter().filter(|_| at > 0).map(|edge| edge.index(at)).collect();
                let lane = laned.then_some("network");
                step(&format!("step {at}"), lane, &after, from, took.map(|took| from + took))
            });
            record(steps.collect())
        })
    }

    proptest! {
        #[test]
        fn the_path_is_a_chain_in_the_graph_and_never_longer_than_the_run(record in any_record()) {
            let path = critical_path(&record);
            prop_assert_eq!(path.is_empty(), record.steps.is_empty());
            prop_assert!(length_of(&record, &path) <= record.length);
            for pair in path.windows(2) {
                let (one, next) = (&record.steps[pair[0].step], &record.steps[pair[1].step]);
                prop_assert!(one.ended.unwrap() <= next.begun.unwrap());
                match pair[1].why {
                    Why::Needs => prop_assert!(next.after.contains(&pair[0].step)),
                    Why::Lane => prop_assert!(next.lane.is_some() && one.lane == next.lane),
                    Why::First => prop_assert!(false, "only one is the first"),
                }
            }
            if let Some(last) = path.last() {
                let ends = record.steps.iter().map(|step| record.end_of(step));
                prop_assert_eq!(record.end_of(&record.steps[last.step]), ends.max().unwrap());
            }
        }
    }
}
