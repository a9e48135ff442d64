//! The one task that looks at jobs. It runs while anybody waits, and ends when nobody does.

use std::collections::HashSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::schedule::{Bound, Step, decide};
use super::{Registry, Watch};
use crate::client::{Core, Way};
use crate::command::Effect;
use crate::envelope;
use crate::error::Error;
use crate::id::JobId;
use crate::parameters::Parameters;
use crate::resource::{AsyncJob, JobStatus};

/// What a look found out.
enum Seen {
    /// Of one job; whether it was asked for because the list did not show it.
    One { job: JobId, after_list: bool, result: Result<AsyncJob, Error> },
    /// Of many jobs: which of all jobs are pending.
    Many { jobs: Vec<JobId>, pending: Result<HashSet<JobId>, Error> },
}

type Looks = FuturesUnordered<BoxFuture<'static, Seen>>;

/// Looks at the registered jobs until nobody waits for any.
pub(super) async fn poll(core: Arc<Core>, watch: Arc<Watch>) {
    let mut down = WhenDown { watch: Arc::clone(&watch), orderly: false };
    let mut bound = Bound::default();
    let mut looks = Looks::new();
    loop {
        let step = {
            let mut registry = watch.registry();
            registry.forget_abandoned();
            if registry.jobs.is_empty() {
                registry.polling = false;
                down.orderly = true;
                return;
            }
            let may_list = !registry.no_list;
            let jobs = registry.jobs.iter().map(|(id, entry)| (id, &entry.watched));
            let step = decide(jobs, may_list, &mut bound, Instant::now());
            if let Step::Ask(jobs) | Step::List(jobs) = &step {
                registry.looking(jobs);
            }
            step
        };
        let until = match step {
            Step::Ask(jobs) => {
                looks.extend(jobs.into_iter().map(|job| ask(Arc::clone(&core), job, false)));
                continue;
            }
            Step::List(jobs) => {
                looks.push(list(Arc::clone(&core), jobs));
                continue;
            }
            Step::Wait(until) => until,
        };
        let time_comes = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(seen) = looks.next(), if !looks.is_empty() => {
                let mut seen = Some(seen);
                // Many looks may have ended at the same moment: take them in before deciding anew.
                while let Some(now) = seen {
                    let further = watch.registry().note(now, &core);
                    looks.extend(further.into_iter().map(|job| ask(Arc::clone(&core), job, true)));
                    seen = looks.next().now_or_never().flatten();
                }
            }
            () = watch.changed.notified() => {}
            () = time_comes => {}
        }
    }
}

/// Lets waiters know when the poller goes down with its runtime: their channels close, and each goes on by itself.
struct WhenDown {
    watch: Arc<Watch>,
    /// Nobody was left; another poller may be running already.
    orderly: bool,
}

impl Drop for WhenDown {
    fn drop(&mut self) {
        if !self.orderly {
            let mut registry = self.watch.registry();
            registry.polling = false;
            registry.jobs.clear();
        }
    }
}

fn ask(core: Arc<Core>, job: JobId, after_list: bool) -> BoxFuture<'static, Seen> {
    async move {
        const NAME: &str = "queryAsyncJobResult";
        let parameters = Parameters::new().with("jobid", job.clone());
        let result = core
            .look(NAME, &parameters)
            .await
            .and_then(|inner| envelope::decode(NAME, Effect::Read, "", Value::Object(inner)));
        Seen::One { job, after_list, result }
    }
    .boxed()
}

fn list(core: Arc<Core>, jobs: Vec<JobId>) -> BoxFuture<'static, Seen> {
    async move {
        const NAME: &str = "listAsyncJobs";
        let pending = core.list(NAME, &Parameters::new(), Way::Look, 0).await.and_then(|(name, rows)| {
            let rows: Vec<AsyncJob> = envelope::decode(NAME, Effect::Read, &name, Value::Array(rows))?;
            Ok(rows.into_iter().filter(|row| row.status == JobStatus::Pending).map(|row| row.id).collect())
        });
        Seen::Many { jobs, pending }
    }
    .boxed()
}

impl Registry {
    /// Forgets jobs whose waiters have all gone.
    fn forget_abandoned(&mut self) {
        self.jobs.retain(|_, entry| {
            entry.waiters.retain(|waiter| !waiter.is_closed());
            !entry.waiters.is_empty()
        });
    }

    fn looking(&mut self, jobs: &[JobId]) {
        for job in jobs {
            if let Some(entry) = self.jobs.get_mut(job) {
                entry.watched.looking();
            }
        }
    }

    /// Takes in what a look found, and gives the jobs that have to be asked for at once because they have ended.
    fn note(&mut self, seen: Seen, core: &Core) -> Vec<JobId> {
        let now = Instant::now();
        match seen {
            Seen::One { job, after_list, result } => {
                self.note_one(&job, after_list, result, now, core.jitter());
                Vec::new()
            }
            Seen::Many { jobs, pending } => match pending {
                Ok(pending) => self.note_many(jobs, &pending, now, core),
                Err(error) => {
                    if !error.is_transient() {
                        tracing::debug!(%error, "jobs cannot be listed and are asked for one by one");
                        self.no_list = true;
                    }
                    for job in jobs {
                        if let Some(entry) = self.jobs.get_mut(&job) {
                            entry.watched.failed(now, core.jitter());
                        }
                    }
                    Vec::new()
                }
            },
        }
    }

    fn note_many(
        &mut self,
        jobs: Vec<JobId>,
        pending: &HashSet<JobId>,
        now: Instant,
        core: &Core,
    ) -> Vec<JobId> {
        let mut ended = Vec::new();
        for job in jobs {
            let Some(entry) = self.jobs.get_mut(&job) else { continue };
            if pending.contains(&job) {
                entry.watched.pending(now, core.jitter());
            } else if entry.asked_for {
                ended.push(job);
            } else {
                self.settle(&job, &Ok(None));
            }
        }
        ended
    }

    fn note_one(
        &mut self,
        job: &JobId,
        after_list: bool,
        result: Result<AsyncJob, Error>,
        now: Instant,
        jitter: f64,
    ) {
        let Some(entry) = self.jobs.get_mut(job) else { return };
        let result = match result {
            Ok(seen) if seen.status == JobStatus::Pending => {
                if after_list {
                    entry.watched.not_in_list();
                }
                entry.watched.pending(now, jitter);
                return;
            }
            Err(error) if error.is_transient() => {
                tracing::debug!(%job, %error, "a look at a job failed and is made again");
                entry.watched.failed(now, jitter);
                return;
            }
            Ok(seen) => ended(job, seen),
            Err(error) => Err(error),
        };
        self.settle(job, &result.map(Some));
    }

    /// Tells everybody who waits for a job that it is over.
    fn settle(&mut self, job: &JobId, result: &Result<Option<Value>, Error>) {
        if let Some(entry) = self.jobs.remove(job) {
            for waiter in entry.waiters {
                // A waiter may have gone in this very moment.
                let _ = waiter.send(result.clone());
            }
        }
    }
}

/// The result of a job that is no longer pending.
fn ended(job: &JobId, seen: AsyncJob) -> Result<Value, Error> {
    if seen.status == JobStatus::Succeeded {
        return Ok(seen.result);
    }
    let command = seen.command.rsplit('.').next().unwrap_or_default().to_owned();
    let text = match &seen.result {
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let body = envelope::error_body(seen.result);
    let text = match (body.text.is_empty(), text.is_empty(), &seen.status) {
        (false, ..) => body.text,
        (true, false, _) => text,
        (true, true, JobStatus::Cancelled) => "it was cancelled".to_owned(),
        _ => "the server gives no reason".to_owned(),
    };
    let code = body.code.or(seen.code).unwrap_or(530);
    Err(Error::Job { command, code, text, job: job.clone() })
}
