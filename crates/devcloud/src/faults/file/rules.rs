//! The rules of the file: `[[call]]`, `[[job]]` and `[[machine]]`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::FileProblem;
use super::read::{Span, Time, unknown_command};
use crate::faults::{Answered, CallFault, JobFault, MachineFault, Moment, Pattern, Rule, When};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCall {
    command: Spanned<String>,
    at: Option<Spanned<Positions>>,
    chance: Option<Spanned<f64>>,
    fault: CallKind,
    effect: Option<Spanned<String>>,
    status: Option<Spanned<u16>>,
    apart: Option<Spanned<Span>>,
    answered: Option<Spanned<AnsweredKind>>,
    by: Option<Spanned<Span>>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CallKind {
    Status,
    Reset,
    Silence,
    Twice,
    Lag,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AnsweredKind {
    First,
    Second,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJob {
    command: Spanned<String>,
    at: Option<Spanned<Positions>>,
    chance: Option<Spanned<f64>>,
    fault: JobKind,
    code: Option<Spanned<u16>>,
    text: Option<Spanned<String>>,
    done: Option<Spanned<bool>>,
    by: Option<Spanned<Time>>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum JobKind {
    Fail,
    Hang,
    Slow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMachine {
    name: String,
    at: Option<Spanned<Positions>>,
    chance: Option<Spanned<f64>>,
    fault: MachineKind,
    after: Option<Spanned<Time>>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MachineKind {
    Error,
    Dies,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a position is a number from 1, or a list of such numbers")]
enum Positions {
    One(u64),
    Many(BTreeSet<u64>),
}

type Problems = Vec<FileProblem>;

/// `at` or `chance`, or always.
fn when(at: Option<Spanned<Positions>>, chance: Option<Spanned<f64>>, problems: &mut Problems) -> When {
    match (at, chance) {
        (None, None) => When::Always,
        (Some(at), None) => {
            let span = at.span();
            let positions = match at.into_inner() {
                Positions::One(position) => BTreeSet::from([position]),
                Positions::Many(positions) => positions,
            };
            if positions.is_empty() || positions.contains(&0) {
                problems.push(FileProblem::new(span, "positions are counted from 1"));
            }
            When::At(positions)
        }
        (None, Some(chance)) => {
            if !(0.0..=1.0).contains(chance.get_ref()) {
                problems.push(FileProblem::new(chance.span(), "a chance is a number from 0 to 1"));
            }
            When::Chance(chance.into_inner())
        }
        (Some(_), Some(chance)) => {
            let problem =
                FileProblem::new(chance.span(), "a rule strikes by `at` or by `chance`, not by both");
            problems.push(problem.help("write two rules"));
            When::Always
        }
    }
}

/// A key that means nothing for the rule's fault.
fn idle<T>(value: &Option<Spanned<T>>, key: &str, fault: &str, problems: &mut Problems) {
    if let Some(value) = value {
        let message = format!("`{key}` says nothing of a fault that is not {fault}");
        problems.push(FileProblem::new(value.span(), message));
    }
}

/// A key that the rule's fault cannot do without.
fn needed<T>(
    value: Option<Spanned<T>>,
    key: &str,
    rule: &Range<usize>,
    problems: &mut Problems,
) -> Option<T> {
    if value.is_none() {
        problems.push(FileProblem::new(rule.clone(), format!("this fault needs `{key}`")));
    }
    value.map(Spanned::into_inner)
}

fn moment(effect: Option<Spanned<String>>, problems: &mut Problems) -> Moment {
    let Some(effect) = effect else { return Moment::After };
    let late = || effect.get_ref().parse::<jiff::SignedDuration>().ok();
    match effect.get_ref().as_str() {
        "before" => Moment::Before,
        "after" => Moment::After,
        _ => match late().and_then(|time| Duration::try_from(time).ok()) {
            Some(by) => Moment::Late(by),
            None => {
                let problem = FileProblem::new(effect.span(), "`effect` says when the call has its effect");
                let help =
                    "\"before\": never, \"after\": before it fails, or \"5s\": so long after it has failed";
                problems.push(problem.help(help));
                Moment::After
            }
        },
    }
}

impl RawCall {
    pub(super) fn read(raw: Spanned<Self>, problems: &mut Problems) -> Option<Rule<CallFault>> {
        let span = raw.span();
        let raw = raw.into_inner();
        problems.extend(unknown_command(raw.command.get_ref(), raw.command.span(), false));
        let when = when(raw.at, raw.chance, problems);
        let kind = raw.fault;
        if kind != CallKind::Status {
            idle(&raw.status, "status", "\"status\"", problems);
        }
        if kind != CallKind::Twice {
            idle(&raw.apart, "apart", "\"twice\"", problems);
            idle(&raw.answered, "answered", "\"twice\"", problems);
        }
        if kind != CallKind::Lag {
            idle(&raw.by, "by", "\"lag\"", problems);
        }
        if matches!(kind, CallKind::Twice | CallKind::Lag) {
            idle(&raw.effect, "effect", "\"status\", \"reset\" or \"silence\"", problems);
        }
        let fault = match kind {
            CallKind::Status => {
                let status = raw.status.map_or(503, |status| {
                    if !(400..600).contains(status.get_ref()) {
                        problems.push(FileProblem::new(status.span(), "a failure's status is 400 to 599"));
                    }
                    status.into_inner()
                });
                CallFault::Status(status, moment(raw.effect, problems))
            }
            CallKind::Reset => CallFault::Reset(moment(raw.effect, problems)),
            CallKind::Silence => CallFault::Silence(moment(raw.effect, problems)),
            CallKind::Twice => CallFault::Twice {
                apart: raw.apart.map_or(Duration::ZERO, |apart| apart.into_inner().0),
                answered: match raw.answered.map(Spanned::into_inner) {
                    Some(AnsweredKind::First) => Answered::First,
                    Some(AnsweredKind::Second) | None => Answered::Second,
                },
            },
            CallKind::Lag => {
                let matches_lists = Pattern::from(raw.command.get_ref().as_str());
                if !crate::command::all()
                    .any(|command| command.is_list() && matches_lists.matches(command.name))
                {
                    problems.push(FileProblem::new(raw.command.span(), "only lists can lag"));
                }
                CallFault::Lag(needed(raw.by, "by", &span, problems)?.0)
            }
        };
        Some(Rule { on: Pattern::from(raw.command.get_ref().as_str()), when, fault })
    }
}

impl RawJob {
    pub(super) fn read(raw: Spanned<Self>, problems: &mut Problems) -> Option<Rule<JobFault>> {
        let span = raw.span();
        let raw = raw.into_inner();
        problems.extend(unknown_command(raw.command.get_ref(), raw.command.span(), true));
        let when = when(raw.at, raw.chance, problems);
        if raw.fault != JobKind::Fail {
            idle(&raw.code, "code", "\"fail\"", problems);
            idle(&raw.text, "text", "\"fail\"", problems);
        }
        if raw.fault == JobKind::Slow {
            idle(&raw.done, "done", "\"fail\" or \"hang\"", problems);
        } else {
            idle(&raw.by, "by", "\"slow\"", problems);
        }
        let done = raw.done.is_some_and(Spanned::into_inner);
        let fault = match raw.fault {
            JobKind::Fail => JobFault::Fail {
                code: raw.code.map_or(530, Spanned::into_inner),
                text: raw.text.map_or_else(|| "This job was told to fail".to_owned(), Spanned::into_inner),
                done,
            },
            JobKind::Hang => JobFault::Hang { done },
            JobKind::Slow => JobFault::Slow(needed(raw.by, "by", &span, problems)?.0),
        };
        Some(Rule { on: Pattern::from(raw.command.get_ref().as_str()), when, fault })
    }
}

impl RawMachine {
    pub(super) fn read(raw: Spanned<Self>, problems: &mut Problems) -> Option<Rule<MachineFault>> {
        let span = raw.span();
        let raw = raw.into_inner();
        let when = when(raw.at, raw.chance, problems);
        let fault = match raw.fault {
            MachineKind::Error => {
                idle(&raw.after, "after", "\"dies\"", problems);
                MachineFault::Error
            }
            MachineKind::Dies => MachineFault::Dies(needed(raw.after, "after", &span, problems)?.0),
        };
        Some(Rule { on: Pattern::from(raw.name.as_str()), when, fault })
    }
}
