//! When to look at which jobs. Pure: it is told the time and the jobs, and decides.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Expect;
use crate::id::JobId;

/// From this many jobs on, one list of pending jobs is cheaper than asking for each.
const MANY: usize = 5;
/// At most this many bounded looks begin in [`WINDOW`].
const LOOKS: usize = 5;
const WINDOW: Duration = Duration::from_secs(1);
/// A job that was thought brief is no longer after this.
const BRIEF_UNTIL: Duration = Duration::from_secs(2);
/// The longest time between two looks at a job.
const LONGEST: Duration = Duration::from_secs(5);

/// A job that is waited for.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    expect: Expect,
    since: Instant,
    /// When to look next; `None` while a look is under way.
    next: Option<Instant>,
    /// Looks in a row that failed for a passing reason.
    failures: u32,
    /// The list of pending jobs does not show it though it is pending: it has to be asked for.
    unlisted: bool,
}

impl Watched {
    pub(super) fn new(expect: Expect, now: Instant, jitter: f64) -> Self {
        let first = match expect {
            Expect::Brief => Duration::from_millis(50),
            Expect::Long => Duration::from_millis(400),
        };
        Self { expect, since: now, next: Some(now + jittered(first, jitter)), failures: 0, unlisted: false }
    }

    /// A look begins.
    pub(super) fn looking(&mut self) {
        self.next = None;
    }

    /// A look found it pending.
    pub(super) fn pending(&mut self, now: Instant, jitter: f64) {
        self.failures = 0;
        self.next = Some(now + jittered(self.interval(now), jitter));
    }

    /// It was asked for because the list did not show it, and is pending all the same.
    pub(super) fn not_in_list(&mut self) {
        self.unlisted = true;
    }

    /// A look failed for a passing reason.
    pub(super) fn failed(&mut self, now: Instant, jitter: f64) {
        self.failures += 1;
        let wait = Duration::from_millis(250).saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.next = Some(now + jittered(wait.max(self.interval(now)), jitter));
    }

    fn is_brief(&self, now: Instant) -> bool {
        self.expect == Expect::Brief && now.duration_since(self.since) < BRIEF_UNTIL
    }

    /// The older, the rarer: a look comes late by a part of the job's age, by a second at most in the first half minute.
    fn interval(&self, now: Instant) -> Duration {
        let age = now.duration_since(self.since);
        let (shortest, part) = match self.is_brief(now) {
            true => (Duration::from_millis(50), age / 2),
            false => (Duration::from_millis(200), age / 4),
        };
        let longest = (age / 30).clamp(Duration::from_secs(1), LONGEST);
        part.clamp(shortest, longest)
    }
}

/// `wait`, more or less: clients that began together must not stay together.
fn jittered(wait: Duration, jitter: f64) -> Duration {
    wait.mul_f64(0.85 + 0.3 * jitter.clamp(0.0, 1.0))
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for the results of these jobs.
    Ask(Vec<JobId>),
    /// List what is pending: it tells which of these jobs have ended.
    List(Vec<JobId>),
    /// Nothing until then; `None` while all jobs are being looked at.
    Wait(Option<Instant>),
}

/// Keeps looks apart: no more than [`LOOKS`] in any [`WINDOW`].
#[derive(Debug, Default)]
pub(super) struct Bound(VecDeque<Instant>);

impl Bound {
    /// When the next look may begin.
    fn free_at(&self, now: Instant) -> Instant {
        match self.0.len() {
            LOOKS.. => (self.0[self.0.len() - LOOKS] + WINDOW).max(now),
            _ => now,
        }
    }

    fn take(&mut self, now: Instant) {
        self.0.push_back(now);
        if self.0.len() > LOOKS {
            self.0.pop_front();
        }
    }
}

/// Decides what to do at `now`. Looks that it decides on are taken from the bound.
pub(super) fn decide<'a>(
    jobs: impl Iterator<Item = (&'a JobId, &'a Watched)>,
    may_list: bool,
    bound: &mut Bound,
    now: Instant,
) -> Step {
    let idle: Vec<(&JobId, &Watched, Instant)> =
        jobs.filter_map(|(id, watched)| watched.next.map(|next| (id, watched, next))).collect();
    let Some(earliest) = idle.iter().map(|(.., next)| *next).min() else { return Step::Wait(None) };
    if earliest > now {
        return Step::Wait(Some(earliest));
    }
    let free = bound.free_at(now);
    let listed: Vec<JobId> =
        idle.iter().filter(|(_, watched, _)| !watched.unlisted).map(|(id, ..)| (*id).clone()).collect();
    let due = |(.., next): &&(&JobId, &Watched, Instant)| *next <= now;
    let any_listed_due = idle.iter().filter(due).any(|(_, watched, _)| !watched.unlisted);
    if may_list && listed.len() >= MANY && any_listed_due {
        if free > now {
            return Step::Wait(Some(free));
        }
        bound.take(now);
        return Step::List(listed);
    }
    ask(idle.iter().filter(due).copied(), bound, now, free)
}

/// Asks for brief jobs at once, and for the others as far as the bound lets, those due longest first.
fn ask<'a>(
    due: impl Iterator<Item = (&'a JobId, &'a Watched, Instant)>,
    bound: &mut Bound,
    now: Instant,
    free: Instant,
) -> Step {
    let (brief, mut long): (Vec<_>, Vec<_>) = due.partition(|(_, watched, _)| watched.is_brief(now));
    long.sort_by_key(|(.., next)| *next);
    let mut ids: Vec<JobId> = brief.into_iter().map(|(id, ..)| id.clone()).collect();
    for (id, ..) in long {
        if bound.free_at(now) > now {
            break;
        }
        bound.take(now);
        ids.push(id.clone());
    }
    if ids.is_empty() { Step::Wait(Some(free)) } else { Step::Ask(ids) }
}
