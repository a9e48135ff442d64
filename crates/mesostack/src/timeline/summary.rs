//! A run in numbers: what it took, along which steps, and what each kind of step took.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    critical::{Why, critical_path, length_of},
    record::{Ended, Record, StepEnd},
};
use crate::events::{Run, seconds};

/// A run in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// What it was about.
    #[serde(flatten)]
    pub run: Run,
    /// When it began.
    pub began: Option<Timestamp>,
    /// How it ended; none when it still runs or was killed.
    pub ended: Option<Ended>,
    /// How long it took.
    #[serde(with = "seconds")]
    pub took: Duration,
    /// Steps that were promised or begun.
    pub steps: usize,
    /// Steps that ended well.
    pub done: usize,
    /// Jobs in the cloud.
    pub jobs: usize,
    /// How much of the time the critical path's steps took.
    #[serde(with = "seconds")]
    pub critical: Duration,
    /// The critical path.
    pub path: Vec<OnPath>,
    /// What each kind of step took, the longest in all first.
    pub kinds: Vec<Kind>,
    /// Steps that failed, and why.
    pub failed: Vec<(String, String)>,
    /// Steps that were begun, and whose end was not heard of.
    pub unknown: Vec<String>,
}

/// A step of the critical path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnPath {
    /// The step.
    pub work: String,
    /// Why it did not begin earlier.
    pub why: Why,
    /// When it began.
    #[serde(with = "seconds")]
    pub from: Duration,
    /// How long it took.
    #[serde(with = "seconds")]
    pub took: Duration,
    /// What most of that was spent on, where that is known.
    pub spent_on: Option<String>,
}

/// All steps of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// The kind.
    pub kind: String,
    /// How many of them ended well.
    pub count: usize,
    /// What the one in the middle took.
    #[serde(with = "seconds")]
    pub middle: Duration,
    /// What the longest took.
    #[serde(with = "seconds")]
    pub longest: Duration,
    /// Which that was.
    pub longest_work: String,
}

impl Summary {
    /// A record's summary. A pure function.
    pub fn of(record: &Record) -> Self {
        let path = critical_path(record);
        let done = record.steps.iter().filter(|step| matches!(step.end, StepEnd::Done(_))).count();
        let failed = record.steps.iter().filter_map(|step| match &step.end {
            StepEnd::Failed(error) => Some((step.name.clone(), error.clone())),
            _ => None,
        });
        let unknown = record.steps.iter().filter(|step| step.begun.is_some() && step.ended.is_none());
        Self {
            run: record.run.clone(),
            began: record.began,
            ended: record.ended,
            took: record.length,
            steps: record.steps.len(),
            done,
            jobs: record.jobs(),
            critical: length_of(record, &path),
            path: path
                .iter()
                .map(|link| {
                    let step = &record.steps[link.step];
                    let from = step.begun.unwrap_or_default();
                    OnPath {
                        work: step.name.clone(),
                        why: link.why,
                        from,
                        took: record.end_of(step).saturating_sub(from),
                        spent_on: spent_on(step),
                    }
                })
                .collect(),
            kinds: kinds(record),
            failed: failed.collect(),
            unknown: unknown.map(|step| step.name.clone()).collect(),
        }
    }
}

/// The longest of a step's jobs and waits.
fn spent_on(step: &super::Step) -> Option<String> {
    let jobs = step.jobs.iter().map(|job| (job.to.saturating_sub(job.from), job.command.clone()));
    let waits = step.waits.iter().map(|wait| {
        let node = wait.node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default();
        (wait.to.saturating_sub(wait.from), format!("{node}{}", wait.waits_for))
    });
    jobs.chain(waits).max_by_key(|(took, _)| *took).map(|(_, what)| what)
}

fn kinds(record: &Record) -> Vec<Kind> {
    let mut kinds: BTreeMap<&str, Vec<(Duration, &str)>> = BTreeMap::new();
    for (at, step) in record.steps.iter().enumerate() {
        if let (StepEnd::Done(_), Some(took)) = (&step.end, record.took(at)) {
            kinds.entry(&step.kind).or_default().push((took, &step.name));
        }
    }
    let mut kinds: Vec<_> = kinds
        .into_iter()
        .filter_map(|(kind, mut took)| {
            took.sort_unstable();
            let (longest, longest_work) = *took.last()?;
            Some(Kind {
                kind: kind.to_owned(),
                count: took.len(),
                middle: took[took.len() / 2].0,
                longest,
                longest_work: longest_work.to_owned(),
            })
        })
        .collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.longest));
    kinds
}
