//! Carries a plan out. This alone changes anything in the cloud.
//!
//! Every create is find-before-create: when a call's outcome is not known, or the thing is said to be there already, it
//! is looked for by its identity, and adopted when it is what was wanted. Nothing is kept on disk; a run that is killed
//! leaves in the cloud what the next one needs to go on.

mod act;
mod deploy;
mod failure;
mod graph;
mod in_flight;
mod known;
mod limits;
mod machines;
mod network;
mod nodes;
pub(super) mod policy;
mod quorum;
mod ramp;
mod removal;
mod roll_call;
mod rules;
mod settle;
mod start;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cloudstack::{AsyncCommand, Client, Expect};
use serde::Serialize;
use tokio::{
    sync::{Mutex as Turns, Notify, Semaphore},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub use self::{
    failure::{Detached, Failure, Missing, StepError, Unfinished},
    limits::Limits,
};
use self::{
    graph::Outcome,
    in_flight::{InFlight, Remembering},
    known::Known,
    policy::Verdict,
    ramp::Ramp,
    roll_call::RollCall,
};
use super::{
    action::{Action, Lane, Phase},
    desired::Desired,
    observed::Observed,
    plan::Plan,
};
use crate::{
    events::{Event, GraphStep, Listener, Stop, Work, with_jobs_of},
    node::Nodes,
};

/// How long a job is waited for in a network's queue that stands still.
const STANDS: Duration = Duration::from_secs(20);

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
    /// When the run as a whole is stopped; none: it goes on as long as its steps do, each of which has its own limit.
    pub deadline: Option<Instant>,
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
    let ways = graph::Ways {
        width: |lane| run.width(lane),
        widened: &run.widened,
        stop: &run.halt,
        grace: context.limits.grace,
    };
    let carried_out = graph::run(&nodes, ways, |at| run.step(at));
    let outcomes = tokio::select! {
        outcomes = carried_out => outcomes,
        never = run.tell_of_a_stop() => match never {},
    };
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
    /// With the nodes the plan was made for.
    desired: Desired,
    known: Mutex<Known>,
    phases: Mutex<BTreeMap<Phase, Progress>>,
    in_flight: Arc<InFlight>,
    ramp: Ramp,
    nodes_side_by_side: Ramp,
    /// Told when a lane holds more than before.
    widened: Notify,
    /// Places for nodes that are asked how they do.
    asked_side_by_side: Semaphore,
    /// How machines' jobs ended, of many at once.
    roll_call: RollCall,
    /// Whoever writes rules of the network has it: one at a time, also where a step mends what others made.
    network_queue: Turns<()>,
    /// The last job in the network's queue did not end in time.
    queue_stands: AtomicBool,
    /// Stopped from outside, by its deadline, or by a failure no other step would survive.
    halt: CancellationToken,
    /// It was the deadline.
    late: AtomicBool,
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
        let deploys = |action: &Action| matches!(action, Action::Deploy { .. } | Action::Launch { .. });
        let deploys = plan.steps.iter().any(|step| deploys(&step.action));
        Self {
            plan,
            context,
            desired: context.desired.given(&context.observed),
            known: Mutex::new(Known::of(&context.observed)),
            phases: Mutex::default(),
            in_flight: Arc::default(),
            ramp: Ramp::new(context.limits.machines, deploys),
            nodes_side_by_side: Ramp::new(context.limits.nodes, false),
            widened: Notify::new(),
            asked_side_by_side: Semaphore::new(context.limits.nodes.max(1)),
            roll_call: RollCall::default(),
            network_queue: Turns::default(),
            queue_stands: AtomicBool::new(false),
            halt: context.stop.child_token(),
            late: AtomicBool::new(false),
        }
    }

    fn width(&self, lane: Lane) -> usize {
        match lane {
            Lane::Machines => self.ramp.width(),
            Lane::Nodes => self.nodes_side_by_side.width(),
            other => self.context.limits.width(other),
        }
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
        self.in_flight.begin(&work);
        let hears =
            Remembering { in_flight: Arc::clone(&self.in_flight), listener: self.context.listener.clone() };
        let acts = async {
            let _turn = match action.lane() {
                Lane::NetworkQueue => Some(self.network_queue.lock().await),
                _ => None,
            };
            self.act(&work, action).await
        };
        let result = with_jobs_of(Arc::new(hears), &work, acts).await;
        self.in_flight.end(&work);
        if action.lane() == Lane::Machines {
            if result.is_ok() { self.ramp.widen() } else { self.ramp.narrow() }
        }
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

    /// Stops the run when its deadline passes; says what is still under way once it is stopped. Never ends.
    async fn tell_of_a_stop(&self) -> Infallible {
        let deadline = async {
            match self.context.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.halt.cancelled() => {}
            () = deadline => {
                self.late.store(true, Ordering::Relaxed);
                self.halt.cancel();
            }
        }
        let why = match (self.late(), self.context.stop.is_cancelled()) {
            (true, _) => Stop::DeadlinePassed,
            (false, true) => Stop::Interrupted,
            (false, false) => Stop::Failed,
        };
        let running = self.in_flight.steps();
        self.tell(Event::Stopping { why, running, grace: self.context.limits.grace });
        std::future::pending().await
    }

    fn late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    fn conclude(&self, outcomes: Vec<Outcome<StepError>>) -> Result<(), Unfinished> {
        let deadline_passed = self.late();
        let interrupted = self.context.stop.is_cancelled() && !deadline_passed;
        let mut unfinished = Unfinished {
            interrupted,
            deadline_passed,
            detached: self.in_flight.jobs(),
            ..Unfinished::default()
        };
        for (step, outcome) in self.plan.steps.iter().zip(outcomes) {
            let action = &step.action;
            match outcome {
                Outcome::Done => unfinished.done += 1,
                Outcome::Failed(StepError::Forgone { .. }) | Outcome::Skipped | Outcome::Abandoned => {
                    unfinished.left += 1;
                }
                Outcome::Failed(error) => {
                    let failure = Failure { step: action.name(), error };
                    unfinished.lack(action.host_name(), &failure);
                    unfinished.detached.extend(failure.detached());
                    unfinished.failures.push(failure);
                }
            }
        }
        if unfinished.failures.is_empty() && unfinished.left == 0 { Ok(()) } else { Err(unfinished) }
    }

    fn brief(&self) -> Instant {
        Instant::now() + self.context.limits.brief
    }

    /// Runs what goes through the network's queue: behind a job that did not end in time nothing else does either, until that
    /// one ends. Only a job that has ended tells that the queue goes on.
    async fn run_queued<C: AsyncCommand>(&self, command: &C) -> Result<C::Outcome, cloudstack::Error> {
        let deadline = match self.queue_stands.load(Ordering::Relaxed) {
            true => Instant::now() + self.context.limits.brief.min(STANDS),
            false => self.brief(),
        };
        let ended = self.context.client.run(command, Expect::Brief, deadline).await;
        match &ended {
            Ok(_) | Err(cloudstack::Error::Job { .. }) => self.queue_stands.store(false, Ordering::Relaxed),
            Err(cloudstack::Error::Deadline { .. }) => self.queue_stands.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        ended
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
                Action::RegisterKeyPair { .. }
                    | Action::SetUp { .. }
                    | Action::RollOut { .. }
                    | Action::Drain { .. }
                    | Action::CheckQuorum { .. }
                    | Action::AwaitHealth { .. }
            )
        })
    }
}
