//! What is under way: which steps run, and which jobs of theirs the cloud has not ended yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Detached;
use crate::events::{Event, Listener, Work};

/// Steps and jobs under way, as events tell of them.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<UnderWay>);

#[derive(Debug, Default)]
struct UnderWay {
    steps: BTreeSet<Work>,
    jobs: BTreeMap<String, Detached>,
}

impl InFlight {
    pub(super) fn begin(&self, work: &Work) {
        self.lock().steps.insert(work.clone());
    }

    /// A step is over; jobs it did not hear the end of stay.
    pub(super) fn end(&self, work: &Work) {
        self.lock().steps.remove(work);
    }

    /// The steps that run.
    pub(super) fn steps(&self) -> Vec<Work> {
        self.lock().steps.iter().cloned().collect()
    }

    /// Jobs that nobody has heard the end of.
    pub(super) fn jobs(&self) -> Vec<Detached> {
        self.lock().jobs.values().cloned().collect()
    }

    fn hear(&self, event: &Event) {
        match event {
            Event::JobStarted { work, command, job } => {
                let detached =
                    Detached { step: work.0.to_string(), command: command.clone(), job: job.clone() };
                self.lock().jobs.insert(job.clone(), detached);
            }
            Event::JobDone { job, .. } => drop(self.lock().jobs.remove(job)),
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes events on, and remembers the jobs among them.
#[derive(Debug)]
pub(super) struct Remembering {
    pub(super) in_flight: Arc<InFlight>,
    pub(super) listener: Arc<dyn Listener>,
}

impl Listener for Remembering {
    fn hear(&self, event: Event) {
        self.in_flight.hear(&event);
        self.listener.hear(event);
    }
}
