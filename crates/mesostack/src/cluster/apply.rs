//! Carries a plan out. This alone changes anything in the cloud.
//!
//! Every create is find-before-create: when a call's outcome is not known, or the thing is said to be there already, it
//! is looked for by its identity, and adopted when it is what was wanted. Nothing is kept on disk; a run that is killed
//! leaves in the cloud what the next one needs to go on.

mod act;
mod failure;
mod graph;
mod known;
mod machines;
mod network;
mod nodes;
pub(super) mod policy;
mod rules;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cloudstack::Client;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::failure::{Failure, StepError, Unfinished};
use self::{graph::Outcome, known::Known, policy::Verdict};
use super::{
    action::{Action, Lane, Phase},
    desired::Desired,
    observed::Observed,
    plan::Plan,
};
use crate::{
    events::{Event, GraphStep, Listener, Work, with_jobs_of},
    node::Nodes,
};

/// How long things may take, and how many may go on side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A job that takes a moment: a rule, an address, a tag, a machine that is only written down.
    pub brief: Duration,
    /// A job that takes its time: starting and destroying a machine.
    pub long: Duration,
    /// A network's router coming up or going down, and a network's removal.
    pub network: Duration,
    /// From a machine's start to its node's set-up.
    pub set_up: Duration,
    /// From the last set-up to a healthy cluster.
    pub health: Duration,
    /// What running steps get to end once the run is stopped.
    pub grace: Duration,
    /// Machines' jobs side by side.
    pub machines: usize,
    /// Nodes set up side by side.
    pub nodes: usize,
}

impl Limits {
    /// How many steps of each lane may go on side by side, as events tell it.
    pub fn lanes(&self) -> BTreeMap<String, usize> {
        let held = [Lane::NetworkQueue, Lane::Machines, Lane::Nodes];
        held.iter().filter_map(|lane| Some((lane.name()?.to_owned(), self.width(*lane)))).collect()
    }

    fn width(&self, lane: Lane) -> usize {
        match lane {
            Lane::NetworkQueue => 1,
            Lane::Machines => self.machines,
            Lane::Nodes => self.nodes,
            Lane::Free => usize::MAX,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            brief: Duration::from_secs(180),
            long: Duration::from_secs(900),
            network: Duration::from_secs(900),
            set_up: Duration::from_secs(600),
            health: Duration::from_secs(300),
            grace: Duration::from_secs(10),
            machines: 20,
            nodes: 32,
        }
    }
}

/// Everything a run needs beside its plan.
#[derive(Clone, Debug)]
pub struct Context {
    /// The cloud.
    pub client: Client,
    /// What the plan was made from. Its key is needed where the plan registers the key pair.
    pub desired: Desired,
    /// What the plan was made from.
    pub observed: Observed,
    /// The way to the nodes; needed where the plan sets nodes up.
    pub nodes: Option<Arc<dyn Nodes>>,
    /// Hears what happens.
    pub listener: Arc<dyn Listener>,
    /// Stops the run: no step is begun any more, running ones get a grace period.
    pub stop: CancellationToken,
    /// How long things may take.
    pub limits: Limits,
}

/// A run that reached its end.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// How many steps were done.
    pub steps: usize,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How many calls the cloud got, those that only asked for jobs' results included.
    pub calls: u64,
    /// How many of them asked for jobs' results.
    pub polls: u64,
    /// How many jobs they started.
    pub jobs: u64,
    /// Calls by command.
    pub calls_by_command: BTreeMap<String, u64>,
}

/// Carries a plan out, an apply's or a destroy's.
///
/// # Errors
/// A step failed, or the run was stopped. What was done stays done, and the next run goes on from there.
pub async fn apply(plan: &Plan, context: &Context) -> Result<Applied, Unfinished> {
    let began = Instant::now();
    let before = context.client.counts();
    let run = Run::new(plan, context);
    run.tell_graph();
    let nodes = plan
        .steps
        .iter()
        .map(|step| graph::Node {
            after: step.after.clone(),
            once_over: step.once_over.clone(),
            lane: step.action.lane(),
        })
        .collect::<Vec<_>>();
    let outcomes =
        graph::run(&nodes, |lane| run.width(lane), &run.halt, context.limits.grace, |at| run.step(at)).await;
    run.conclude(outcomes)?;
    let calls = context.client.counts().since(&before);
    Ok(Applied {
        steps: plan.steps.len(),
        seconds: began.elapsed().as_secs_f64(),
        calls: calls.total(),
        polls: calls.polls(),
        jobs: calls.jobs,
        calls_by_command: calls.by_command,
    })
}

/// One run of one plan.
struct Run<'a> {
    plan: &'a Plan,
    context: &'a Context,
    known: Mutex<Known>,
    phases: Mutex<BTreeMap<Phase, Progress>>,
    /// Stopped from outside, or from inside by a failure no other step would survive.
    halt: CancellationToken,
}

/// How far a phase is.
#[derive(Debug)]
struct Progress {
    since: Instant,
    left: usize,
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("plan", &self.plan.cluster).finish_non_exhaustive()
    }
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, context: &'a Context) -> Self {
        Self {
            plan,
            context,
            known: Mutex::new(Known::of(&context.observed)),
            phases: Mutex::default(),
            halt: context.stop.child_token(),
        }
    }

    fn width(&self, lane: Lane) -> usize {
        self.context.limits.width(lane)
    }

    /// Never held across a wait.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: Event) {
        self.context.listener.hear(event);
    }

    /// What is going to be done, for whoever draws or remembers it.
    fn tell_graph(&self) {
        self.tell(Event::Graph { lanes: self.context.limits.lanes(), steps: self.plan.graph() });
    }

    fn waiting(&self, work: &Work, waits_for: impl Into<String>) {
        self.tell(Event::Waiting { work: work.clone(), node: None, waits_for: waits_for.into() });
    }

    /// One step, with its events.
    async fn step(&self, at: usize) -> Result<(), StepError> {
        let action = &self.plan.steps[at].action;
        let phase = action.phase();
        self.enter(phase);
        let work = Work::new(action.name());
        let began = Instant::now();
        self.tell(Event::Started { phase: phase.name().to_owned(), work: work.clone() });
        let result = with_jobs_of(self.context.listener.clone(), &work, self.act(&work, action)).await;
        match &result {
            Ok(detail) => self.tell(Event::Done { work, detail: detail.clone(), took: began.elapsed() }),
            Err(error) => {
                self.tell(Event::Failed { work, error: error.to_string() });
                if let StepError::Cloud(error) = error
                    && policy::verdict(error, 1) == Verdict::Halt
                {
                    self.halt.cancel();
                }
            }
        }
        self.leave(phase);
        result.map(|_| ())
    }

    fn enter(&self, phase: Phase) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.entry(phase).or_insert_with(|| {
            let steps = self.plan.steps_of(phase);
            self.tell(Event::PhaseStarted { phase: phase.name().to_owned(), steps });
            Progress { since: Instant::now(), left: steps }
        });
    }

    fn leave(&self, phase: Phase) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(progress) = phases.get_mut(&phase) else { return };
        progress.left = progress.left.saturating_sub(1);
        if progress.left == 0 {
            self.tell(Event::PhaseDone { phase: phase.name().to_owned(), took: progress.since.elapsed() });
        }
    }

    fn conclude(&self, outcomes: Vec<Outcome<StepError>>) -> Result<(), Unfinished> {
        let interrupted = self.context.stop.is_cancelled();
        let mut unfinished = Unfinished { failures: Vec::new(), done: 0, left: 0, interrupted };
        for (step, outcome) in self.plan.steps.iter().zip(outcomes) {
            match outcome {
                Outcome::Done => unfinished.done += 1,
                Outcome::Failed(error) => {
                    unfinished.failures.push(Failure { step: step.action.name(), error })
                }
                Outcome::Skipped | Outcome::Abandoned => unfinished.left += 1,
            }
        }
        if unfinished.failures.is_empty() && unfinished.left == 0 { Ok(()) } else { Err(unfinished) }
    }

    /// Makes something, whatever it takes within the policy: `look` finds it by its identity (and fails when what is
    /// found is not what was wanted), `make` makes it.
    async fn settle<T>(
        &self,
        work: &Work,
        look: impl AsyncFn() -> Result<Option<T>, StepError>,
        make: impl AsyncFn() -> Result<T, cloudstack::Error>,
    ) -> Result<T, StepError> {
        let mut attempt = 1;
        loop {
            let error = match make().await {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            let verdict = policy::verdict(&error, attempt);
            if let Verdict::Adopt | Verdict::LookThenAgain(_) = verdict
                && let Some(found) = look().await?
            {
                return Ok(found);
            }
            match verdict {
                Verdict::LookThenAgain(pause) | Verdict::Again(pause) => {
                    self.waiting(work, format!("another attempt: {error}"));
                    tokio::time::sleep(pause).await;
                }
                Verdict::Adopt | Verdict::GiveUp | Verdict::Halt => return Err(error.into()),
            }
            attempt += 1;
        }
    }

    fn brief(&self) -> Instant {
        Instant::now() + self.context.limits.brief
    }

    fn long(&self) -> Instant {
        Instant::now() + self.context.limits.long
    }

    fn network(&self) -> Result<cloudstack::Id, StepError> {
        self.known().network.clone().ok_or_else(|| StepError::unknown("the network"))
    }
}

impl Plan {
    /// The steps as events tell them: their names, kinds, lanes, and what each waits for.
    pub fn graph(&self) -> Vec<GraphStep> {
        let steps = self.steps.iter().map(|step| GraphStep {
            work: Work::new(step.action.name()),
            kind: step.action.kind().to_owned(),
            phase: step.action.phase().name().to_owned(),
            lane: step.action.lane().name().map(str::to_owned),
            node: step.action.host_name().map(str::to_owned),
            after: step.after.iter().chain(&step.once_over).copied().collect(),
        });
        steps.collect()
    }

    /// Whether carrying it out takes the operator's private key to exist.
    pub fn needs_key(&self) -> bool {
        self.steps.iter().any(|step| {
            matches!(
                step.action,
                Action::RegisterKeyPair { .. } | Action::SetUp { .. } | Action::AwaitHealth { .. }
            )
        })
    }
}
