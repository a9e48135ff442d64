//! When to look at which jobs. Pure: it is told the time and the jobs, and decides.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Expect;
use crate::id::JobId;

/// From this many brief jobs on, one list of pending jobs is cheaper than asking for each: most have ended, and those have
/// to be asked for as well.
const MANY: usize = 5;
/// From this many long jobs on: most are pending.
const MANY_LONG: usize = 2;
/// At most this many bounded looks begin in [`WINDOW`].
const LOOKS: usize = 5;
const WINDOW: Duration = Duration::from_secs(1);
/// A job that was thought brief is no longer after this.
const BRIEF_UNTIL: Duration = Duration::from_secs(2);
/// Jobs due within this are looked at together with the one that is due now.
const SLACK: Duration = Duration::from_millis(15);
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
            Expect::Long => Duration::from_millis(500),
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

    /// The older, the rarer: a look comes late by the job's age at most, and by less than a second in the first half minute,
    /// however it is jittered. So a job takes about a look for each second that it lasts.
    fn interval(&self, now: Instant) -> Duration {
        let age = now.duration_since(self.since);
        let shortest = match self.is_brief(now) {
            true => Duration::from_millis(100),
            false => Duration::from_millis(750),
        };
        let longest = (age / 30).clamp(Duration::from_millis(850), LONGEST);
        age.clamp(shortest, longest)
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
///
/// A few brief jobs are asked for one by one, at once. Many jobs are looked at by one list. Lists, and single looks at
/// long jobs, are held back when there were too many in the last second.
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
    let due = idle.iter().filter(|(.., next)| *next <= now + SLACK);
    let (brief, mut long): (Vec<_>, Vec<_>) = due.partition(|(_, watched, _)| watched.is_brief(now));
    let listable = |(_, watched, _): &&(&JobId, &Watched, Instant)| may_list && !watched.unlisted;
    let all_brief = idle.iter().filter(listable).filter(|(_, watched, _)| watched.is_brief(now)).count();
    let many_brief = all_brief >= MANY && brief.iter().copied().any(|job| listable(&job));
    let all_long = idle.iter().filter(listable).filter(|(_, watched, _)| !watched.is_brief(now)).count();
    let many_long = all_long >= MANY_LONG && long.iter().copied().any(|job| listable(&job));
    if (many_brief || many_long) && bound.free_at(now) <= now {
        bound.take(now);
        return Step::List(idle.iter().filter(listable).map(|(id, ..)| (*id).clone()).collect());
    }
    let mut ask: Vec<JobId> = Vec::new();
    if !many_brief {
        ask.extend(brief.iter().map(|(id, ..)| (*id).clone()));
    }
    if !many_long {
        long.sort_by_key(|(.., next)| *next);
        for (id, ..) in long {
            if bound.free_at(now) > now {
                break;
            }
            bound.take(now);
            ask.push((*id).clone());
        }
    }
    if !ask.is_empty() {
        return Step::Ask(ask);
    }
    // Whatever is due is held back until the bound is free; something brief may come due before.
    let later = idle.iter().map(|(.., next)| *next).filter(|next| *next > now);
    Step::Wait(later.chain([bound.free_at(now)]).min())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// What became of simulated jobs.
    struct Run {
        /// When a bounded look began: a list, or a single look at a long job.
        bounded: Vec<Duration>,
        /// How late each job's end was noticed.
        late: Vec<(Duration, Duration)>,
        single: usize,
    }

    /// Plays jobs (when begun, how long, which kind) against the schedule; looks take no time.
    fn run(jobs: &[(u64, u64, Expect)], may_list: bool, mut jitter: impl FnMut() -> f64) -> Run {
        let zero = Instant::now();
        let milliseconds = Duration::from_millis;
        let id = |n: usize| JobId::new(format!("j{n}"));
        let mut run = Run { bounded: Vec::new(), late: Vec::new(), single: 0 };
        let mut watched: HashMap<JobId, (Watched, Instant, Duration)> = HashMap::new();
        let mut coming: Vec<usize> = (0..jobs.len()).collect();
        coming.sort_by_key(|n| std::cmp::Reverse(jobs[*n].0));
        let mut bound = Bound::default();
        let mut now = zero;
        loop {
            while let Some(n) = coming.last().copied().filter(|n| zero + milliseconds(jobs[*n].0) <= now) {
                coming.pop();
                let (_, takes, expect) = jobs[n];
                let entry =
                    (Watched::new(expect, now, jitter()), now + milliseconds(takes), milliseconds(takes));
                watched.insert(id(n), entry);
            }
            let step =
                decide(watched.iter().map(|(id, (watched, ..))| (id, watched)), may_list, &mut bound, now);
            let looked = match step {
                Step::Wait(until) => {
                    let next = coming.last().map(|n| zero + milliseconds(jobs[*n].0));
                    let Some(then) = until.into_iter().chain(next).min() else { return run };
                    assert!(then > now, "a wait goes forward");
                    now = then;
                    continue;
                }
                Step::List(ids) => {
                    run.bounded.push(now - zero);
                    ids
                }
                Step::Ask(ids) => {
                    run.single += ids.len();
                    let long = ids.iter().filter(|id| !watched[*id].0.is_brief(now)).count();
                    run.bounded.extend(std::iter::repeat_n(now - zero, long));
                    ids
                }
            };
            for id in looked {
                let (job, ends, took) = watched.get_mut(&id).unwrap();
                if *ends <= now {
                    run.late.push((now - *ends, *took));
                    watched.remove(&id);
                } else {
                    job.looking();
                    job.pending(now, jitter());
                }
            }
        }
    }

    fn job() -> impl Strategy<Value = (u64, u64, Expect)> {
        (0..20_000u64, 0..90_000u64, prop_oneof![Just(Expect::Brief), Just(Expect::Long)])
    }

    proptest! {
        #[test]
        fn bounded_looks_never_come_more_than_five_a_second_and_every_job_s_end_is_noticed(
            jobs in prop::collection::vec(job(), 1..40), may_list in any::<bool>(), seed in any::<u64>()
        ) {
            let mut state = seed | 1;
            let run = run(&jobs, may_list, || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1u64 << 53) as f64
            });
            prop_assert_eq!(run.late.len(), jobs.len());
            for looks in run.bounded.windows(LOOKS + 1) {
                prop_assert!(looks[LOOKS] - looks[0] >= WINDOW, "{:?}", looks);
            }
            if may_list {
                for (late, took) in run.late {
                    let bound = (took / 20).max(Duration::from_secs(1)).mul_f64(1.15) + WINDOW;
                    prop_assert!(late <= bound, "{:?} late after {:?}", late, took);
                }
            }
        }
    }

    #[test]
    fn a_brief_job_is_asked_for_directly_however_many_long_ones_there_are() {
        let mut jobs = vec![(0, 60_000, Expect::Long); 50];
        jobs.push((10_000, 40, Expect::Brief));
        let run = run(&jobs, true, || 0.5);
        let (late, _) = run.late.iter().find(|(_, took)| *took == Duration::from_millis(40)).unwrap();
        assert!(*late <= Duration::from_millis(20), "{late:?}");
    }

    #[test]
    fn brief_jobs_begun_together_are_looked_at_by_one_list() {
        let jobs = vec![(0, 500, Expect::Brief); 20];
        let mut jitter = 0.0;
        let run = run(&jobs, true, || {
            jitter = (jitter + 0.37) % 1.0;
            jitter
        });
        assert!(run.bounded.len() <= 8, "{:?}", run.bounded);
        assert!(run.single <= 4, "{}", run.single);
    }
}
