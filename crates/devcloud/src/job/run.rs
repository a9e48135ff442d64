//! A job from its beginning to its end: what the command wrote down and the job itself are one transaction; the end is
//! another one, and its result stays.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::command::{Begun, Caller, Command, History, JobKind, Naming, Running, Work};
use crate::error::ApiError;
use crate::faults::{JobFault, run_doomed};
use crate::model::{Job, JobStatus, Model};
use crate::zone::Core;

impl Core {
    /// Begins a job: what the command wrote down and the job itself are one transaction. Answers the job's id and that of
    /// what is being made.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        caller: &Caller,
        command: &'static Command,
        kind: JobKind,
        begin: impl FnOnce(&mut Model, Timestamp) -> Result<Begun, ApiError>,
    ) -> Result<(Uuid, Option<Uuid>), ApiError> {
        let (begun, place) = self.transact(|model, now| {
            let begun = begin(model, now)?;
            if let Some(error) = begun.refused {
                return Ok(Err(error));
            }
            let id = model.next_id();
            let (instance_kind, instance) = begun.instance.unzip();
            let (instance_kind, instance) = (instance_kind.map(str::to_owned), instance.flatten());
            let class = kind.admin_class.filter(|_| caller.root_admin).unwrap_or(kind.class);
            let number = model.next_number();
            model.jobs.insert(Job {
                number,
                id,
                account: caller.account,
                user: Some(caller.user),
                class: class.to_owned(),
                instance_kind: instance_kind.clone().filter(|_| begun.naming != Naming::Nothing),
                instance: instance.filter(|_| begun.naming == Naming::Thing),
                created: now,
                completed: None,
                status: JobStatus::Pending,
            });
            let history = command.deed.and_then(|deed| {
                let mut history = History::of(model, deed, caller, instance_kind.as_deref(), instance)?;
                history.accepted(model, now, begun.made.is_some());
                Some(history).filter(|_| !begun.untold)
            });
            if let Some(instance) = instance {
                model.under_way.insert(instance, id);
            }
            // Given its place under the lock, so that the order of lanes is the order of records.
            let tickets = [begun.lane, begun.beside].map(|lane| self.lanes().join(lane));
            Ok(Ok((id, begun.made, instance, history, tickets, begun.work)))
        })?;
        let (id, made, instance, history, tickets, work) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.durable_up_to(place).await?;
                return Err(error);
            }
        };
        // Counted in the order of beginnings, whatever each then waits for.
        let fault = self.mishaps().of_job(command.name);
        let core = Arc::clone(self);
        let running = Running { core: Arc::clone(self), caller: caller.clone() };
        // Not bound to whoever waits for the answer: once it is written down, it is run.
        drop(self.spawn(async move {
            let [first, second] = tickets;
            let _turns = (first.turn().await, second.turn().await);
            core.note_start(history.as_ref());
            let result = match core.durable_up_to(place).await {
                Ok(()) => {
                    let work = core.carry_out(command.name, fault, work, running);
                    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(ApiError::defect()))
                }
                Err(error) => Err(error),
            };
            core.end(id, kind, instance, history.as_ref(), result).await;
        }));
        self.durable_up_to(place).await?;
        Ok((id, made))
    }

    /// Nobody waits for this to be durable: it tells nothing that an answer relies on.
    fn note_start(&self, history: Option<&History>) {
        let Some(history) = history.filter(|history| history.begins()) else { return };
        let noted = self.transact(|model, now| {
            history.begun(model, now);
            Ok(())
        });
        if let Err(error) = noted {
            tracing::error!(%error, "the start of a job could not be noted");
        }
    }

    /// Does a job's work, in its time and with what happens to it.
    async fn carry_out(
        &self,
        command: &'static str,
        fault: Option<JobFault>,
        work: Work,
        running: Running,
    ) -> Result<Value, ApiError> {
        self.take_time(&format!("job {command}"), self.settings().config.pace.of_job(command)).await;
        match fault {
            None => work(running).await,
            Some(JobFault::Slow(more)) => {
                self.take_time("slow job", more).await;
                work(running).await
            }
            Some(JobFault::Hang { done }) => {
                if done {
                    drop(work(running).await);
                }
                std::future::pending().await
            }
            Some(JobFault::Fail { code, text, done }) => {
                if done {
                    drop(work(running).await);
                } else {
                    drop(run_doomed(work(running)).await);
                }
                Err(ApiError::told(code, text))
            }
        }
    }

    async fn end(
        &self,
        id: Uuid,
        kind: JobKind,
        instance: Option<Uuid>,
        history: Option<&History>,
        result: Result<Value, ApiError>,
    ) {
        let ended = self
            .change(|model, now| {
                if let Err(error) = &result {
                    tracing::info!(job = %id, class = kind.class, code = error.code, text = %error.text, "a job failed");
                }
                if let Some(instance) = instance
                    && model.under_way.get(&instance) == Some(&id)
                {
                    model.under_way.remove(&instance);
                }
                if let Some(history) = history {
                    history.ended(model, now, result.is_ok());
                }
                if let Some(job) = model.jobs.edit(id) {
                    job.completed = Some(now);
                    job.status = match result {
                        Ok(result) => JobStatus::Succeeded(result),
                        Err(error) => JobStatus::Failed { code: job_code(&error), text: error.text },
                    };
                }
                Ok(())
            })
            .await;
        if let Err(error) = ended {
            tracing::error!(job = %id, %error, "the end of a job could not be written down");
        }
    }
}

/// What a job's failure is called: permissions and conflicts that show only in a job are internal errors there.
fn job_code(error: &ApiError) -> u16 {
    match error.code {
        531 => 530,
        code => code,
    }
}
