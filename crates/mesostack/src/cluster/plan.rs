//! What will happen, in which order, and what stands in the way: shown before anything is done.

use std::{fmt, net::Ipv4Addr};

use serde::Serialize;

use super::action::{Action, Phase, Sign};
use crate::spec::{Error, Problem, Source};

/// A graph of steps from what is there to what is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The cluster.
    pub cluster: String,
    /// The address the cluster is reached at, when it has one already.
    pub public_address: Option<Ipv4Addr>,
    /// What will be done. A step only ever waits for earlier ones.
    pub steps: Vec<Step>,
    /// What is there and was not asked for, or is not as asked for. It is left alone.
    pub drift: Vec<Drift>,
    /// Why the plan cannot be carried out. Nothing is done while there is one.
    pub obstacles: Vec<Obstacle>,
    /// What could not be seen, and is no reason to stop.
    pub remarks: Vec<String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Steps that have to end well before.
    pub after: Vec<usize>,
    /// Steps that have to be over before, well or not.
    pub once_over: Vec<usize>,
    /// Why, where it does not go without saying.
    pub why: Option<String>,
}

impl Step {
    /// The line a plan shows for it, with the reason; see [`Action::line`].
    pub fn line(&self) -> Option<(Sign, String)> {
        let (sign, text) = self.action.line()?;
        Some((sign, self.why.iter().fold(text, |text, why| format!("{text}, since {why}"))))
    }
}

/// Something that is not as the file says, and is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// `?` for what nobody asked for, `~` for what is there and is not as the file says.
    pub sign: Sign,
    /// What it is.
    pub what: String,
    /// Why it is left alone, or what it would take.
    pub note: String,
    /// Whether something the file asks for is not done because of it: the cluster is not as the file says until it is
    /// mended, which takes more than an apply.
    pub holds_up: bool,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.sign.as_char(), self.what, self.note)
    }
}

/// Something that has to be put right first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// The key of the file it has to do with, such as `cloud.zone`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Obstacle {
    pub(crate) fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same, told at the file's line.
    pub fn at(&self, source: &Source) -> Problem {
        let problem = source.problem(&self.path, &self.message);
        match &self.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

/// All of them, told at the file's lines; none when there is none.
pub fn refusal(obstacles: &[Obstacle], source: &Source) -> Option<Error> {
    let problems = obstacles.iter().map(|obstacle| obstacle.at(source)).collect::<Vec<_>>();
    (!problems.is_empty()).then(|| source.refuse(problems))
}

/// How many things a plan adds, changes and removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Added.
    pub add: usize,
    /// Changed.
    pub change: usize,
    /// Removed.
    pub remove: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to add, {} to change, {} to remove", self.add, self.change, self.remove)
    }
}

impl Plan {
    /// Whether everything is as the file says, and nothing is done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The lines a reader is shown, in the order of the steps.
    pub fn lines(&self) -> Vec<(Sign, String)> {
        self.steps.iter().filter_map(Step::line).collect()
    }

    /// How many things are added, changed and removed.
    pub fn totals(&self) -> Totals {
        self.lines().into_iter().fold(Totals::default(), |mut totals, (sign, _)| {
            match sign {
                Sign::Add => totals.add += 1,
                Sign::Change => totals.change += 1,
                Sign::Remove => totals.remove += 1,
                // Only drift is foreign, and no step of a plan.
                Sign::Foreign => {}
            }
            totals
        })
    }

    /// How many steps a phase has.
    pub(crate) fn steps_of(&self, phase: Phase) -> usize {
        self.steps.iter().filter(|step| step.action.phase() == phase).count()
    }

    /// The plan without what happens on the nodes.
    #[must_use]
    pub fn only_infrastructure(self) -> Self {
        // Steps on nodes wait for earlier ones and nothing waits for them, so they are the graph's end.
        let kept = self.steps.into_iter().filter(|step| step.action.phase() != Phase::Nodes);
        Self { steps: kept.collect(), ..self }
    }

    pub(crate) fn add(
        &mut self,
        action: Action,
        after: impl IntoIterator<Item = usize>,
        once_over: impl IntoIterator<Item = usize>,
    ) -> usize {
        let (after, once_over) = (after.into_iter().collect(), once_over.into_iter().collect());
        self.steps.push(Step { action, after, once_over, why: None });
        self.steps.len() - 1
    }

    /// Says why a step is done.
    pub(crate) fn explain(&mut self, step: usize, why: Option<String>) {
        self.steps[step].why = why;
    }

    /// What keeps the plan from making the cluster as the file says, and is in nobody else's way.
    pub fn remains(&self) -> impl Iterator<Item = &Drift> {
        self.drift.iter().filter(|drift| drift.holds_up)
    }

    /// Notes what nobody asked for.
    pub(crate) fn foreign(&mut self, what: impl Into<String>, note: impl Into<String>) {
        self.note(Sign::Foreign, what.into(), note.into(), false);
    }

    /// Notes what is there, and is not as the file says.
    pub(crate) fn changed(&mut self, what: impl Into<String>, note: impl Into<String>) {
        self.note(Sign::Change, what.into(), note.into(), false);
    }

    /// Notes what keeps something from being done that the file asks for.
    pub(crate) fn held_up(&mut self, what: impl Into<String>, note: impl Into<String>) {
        self.note(Sign::Change, what.into(), note.into(), true);
    }

    fn note(&mut self, sign: Sign, what: String, note: String, holds_up: bool) {
        self.drift.push(Drift { sign, what, note, holds_up });
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sign, line) in self.lines() {
            writeln!(f, "  {} {line}", sign.as_char())?;
        }
        for drift in &self.drift {
            writeln!(f, "  {drift}")?;
        }
        for remark in &self.remarks {
            writeln!(f, "  {remark}")?;
        }
        for obstacle in &self.obstacles {
            writeln!(f, "  ✗ {}", obstacle.message)?;
        }
        match (self.obstacles.len(), self.is_empty()) {
            (0, true) => write!(f, "cluster {}: no changes", self.cluster)?,
            (0, false) => write!(f, "cluster {}: {}", self.cluster, self.totals())?,
            (many, _) => {
                return write!(f, "cluster {}: nothing can be changed ({many} in the way)", self.cluster);
            }
        }
        match self.remains().count() {
            0 => Ok(()),
            left => write!(f, ", {left} left as it is that an apply does not mend"),
        }
    }
}
