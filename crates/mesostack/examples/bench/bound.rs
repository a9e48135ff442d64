//! The least time a plan can take in a modelled zone, whoever carries it out: worked out from the plan's graph and the model
//! alone, not from a run.
//!
//! Each step takes its calls and what the cloud takes for them; nothing is added for noticing that a job has ended. A step
//! begins when the last of those it waits for is over. The cloud itself runs the jobs of one network one after another, so
//! those that a step waits for take their sum. Machines start side by side, as many as the cloud has workers for.

use std::time::Duration;

use mesostack::{cluster::Plan, events::GraphStep};

/// What things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// A call and its reply.
    pub(crate) trip: Duration,
    /// A job that is a record only.
    pub(crate) record: Duration,
    /// The router, once.
    pub(crate) router: Duration,
    /// A machine.
    pub(crate) machine: Duration,
    /// A node's set-up.
    pub(crate) node: Duration,
    /// Asking a node how it does.
    pub(crate) asking: Duration,
    /// How many machines the cloud starts at once.
    pub(crate) workers: usize,
}

impl Times {
    /// The least a step takes.
    fn of(&self, step: &GraphStep) -> Duration {
        match step.kind.as_str() {
            "written_down" => Duration::ZERO,
            "create_network" | "register_key_pair" => self.trip,
            // The first start waits for the router, and all others with it.
            "start" | "launch" => self.trip + self.machine,
            "set_up" => self.node,
            "await_health" => self.asking,
            _ => self.trip + self.record,
        }
    }
}

/// The least time of the whole: the look, of two round trips, and the plan.
pub(crate) fn least(plan: &Plan, times: &Times) -> Duration {
    let steps = plan.graph();
    let mut ends: Vec<Duration> = Vec::with_capacity(steps.len());
    let mut first_start = None;
    for step in &steps {
        let mut begin = step.after.iter().map(|before| ends[*before]).max().unwrap_or_default();
        // One network's jobs, one after another: the first can begin no earlier than any of them is ready.
        let queued = || step.after.iter().filter(|before| steps[**before].lane.as_deref() == Some("network"));
        if let Some(first) = queued().map(|before| ends[*before] - times.of(&steps[*before])).min() {
            begin = begin.max(first + queued().map(|before| times.of(&steps[*before])).sum::<Duration>());
        }
        if matches!(step.kind.as_str(), "start" | "launch") {
            let (since, started) = first_start.get_or_insert((begin, 0usize));
            // The router, then a wave of machines for each as many as there are workers.
            let wave = u32::try_from(*started / times.workers).unwrap_or(u32::MAX);
            begin = begin.max(*since + times.router + times.machine * wave);
            *started += 1;
        }
        ends.push(begin + times.of(step));
    }
    times.trip * 2 + ends.into_iter().max().unwrap_or_default()
}
