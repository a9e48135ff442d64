//! What is drawn of a run: rows of bars, before anybody decides on colours and widths.
//!
//! A small run has a row a step. Of a large one only the critical path's steps and those that failed have; others share
//! rows with their kind, laid side by side as far as they overlap.

use std::{collections::BTreeMap, time::Duration};

use super::{
    critical::{Link, critical_path},
    record::{Record, StepEnd},
};

/// Up to so many steps have a row each.
const ROWS: usize = 120;
/// Rows that steps of one kind share at most.
const TRACKS: usize = 12;

/// The rows of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) rows: Vec<Row>,
    pub(super) path: Vec<Link>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) label: String,
    /// The row is of one step alone, and that is on the critical path.
    pub(super) critical: bool,
    pub(super) bars: Vec<Bar>,
}

/// A step's place in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) step: usize,
    pub(super) from: Duration,
    pub(super) to: Duration,
}

impl Picture {
    pub(super) fn of(record: &Record) -> Self {
        let path = critical_path(record);
        let mut bars = bars(record);
        bars.sort_by_key(|bar| (bar.from, bar.step));
        let alone = |bar: &Bar| {
            let failed = matches!(record.steps[bar.step].end, StepEnd::Failed(_));
            failed || path.iter().any(|link| link.step == bar.step)
        };
        let (alone, shared): (Vec<_>, Vec<_>) =
            if bars.len() <= ROWS { (bars, Vec::new()) } else { bars.into_iter().partition(alone) };
        let mut rows: Vec<Row> = alone
            .into_iter()
            .map(|bar| Row {
                label: record.steps[bar.step].name.clone(),
                critical: path.iter().any(|link| link.step == bar.step),
                bars: vec![bar],
            })
            .collect();
        rows.extend(tracks(record, shared));
        rows.sort_by_key(|row| row.bars.first().map(|bar| (bar.from, bar.step)));
        Self { rows, path }
    }
}

fn bars(record: &Record) -> Vec<Bar> {
    let bar = |(at, step): (usize, &super::Step)| {
        Some(Bar { step: at, from: step.begun?, to: record.end_of(step).max(step.begun?) })
    };
    record.steps.iter().enumerate().filter_map(bar).collect()
}

/// Bars of a kind in as few rows as hold them without overlap; what is too much lies over others in the last.
fn tracks(record: &Record, bars: Vec<Bar>) -> Vec<Row> {
    let mut kinds: BTreeMap<&str, Vec<Vec<Bar>>> = BTreeMap::new();
    for bar in bars {
        let tracks = kinds.entry(&record.steps[bar.step].kind).or_default();
        let free = |track: &Vec<Bar>| track.last().is_none_or(|last| last.to <= bar.from);
        match tracks.iter().position(free) {
            Some(at) => tracks[at].push(bar),
            None if tracks.len() < TRACKS => tracks.push(vec![bar]),
            None => tracks[TRACKS - 1].push(bar),
        }
    }
    let rows = kinds.into_iter().flat_map(|(kind, tracks)| {
        let count: usize = tracks.iter().map(Vec::len).sum();
        tracks.into_iter().enumerate().map(move |(at, bars)| {
            let label = if at == 0 { format!("{} ({count})", kind.replace('_', " ")) } else { String::new() };
            Row { label, critical: false, bars }
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::critical::tests::{record, step};

    #[test]
    fn a_small_run_has_a_row_a_step_in_the_order_of_time() {
        let record = record(vec![step("b", None, &[], 5, Some(9)), step("a", None, &[], 0, Some(5))]);
        let picture = Picture::of(&record);
        let rows: Vec<_> = picture.rows.iter().map(|row| (&*row.label, row.critical)).collect();
        assert_eq!(rows, [("a", false), ("b", true)]);
    }

    #[test]
    fn a_large_run_keeps_the_critical_path_and_failures_apart_and_loses_no_step() {
        let mut steps: Vec<_> =
            (0..1000).map(|at| step("start", None, &[], at % 7, Some(at % 7 + 10))).collect();
        steps[3].end = StepEnd::Failed("no capacity".into());
        steps.push(step("await health", None, &[5], 20, Some(30)));
        let record = record(steps);
        let picture = Picture::of(&record);
        assert!(picture.rows.len() <= TRACKS + 3, "{}", picture.rows.len());
        let mut drawn: Vec<_> = picture.rows.iter().flat_map(|row| &row.bars).map(|bar| bar.step).collect();
        drawn.sort_unstable();
        assert_eq!(drawn, (0..1001).collect::<Vec<_>>());
        let alone =
            |step: usize| picture.rows.iter().any(|row| row.bars.len() == 1 && row.bars[0].step == step);
        assert!(alone(3) && alone(1000) && alone(5));
    }
}
