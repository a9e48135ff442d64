//! Waiting for jobs. All jobs that are waited for, by whomever, are looked at by one poller a client: a look at many
//! costs one call, and the server sees a steady, bounded stream of looks instead of one a job.

mod news;
mod poller;
mod schedule;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::client::Core;
use crate::command::Effect;
use crate::envelope;
use crate::error::Error;
use crate::id::JobId;

pub(crate) use news::tell;
pub use news::{JobNews, hearing_of_jobs};
use schedule::Watched;

/// How long a job is expected to take: decides when it is first looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expect {
    /// A moment: rules, addresses, tags, a machine that is only written down. First looked at after about 50 ms.
    Brief,
    /// Seconds or more: starting, stopping and destroying machines, templates. First looked at after about half a second, and
    /// all such jobs together no more than 5 times a second.
    Long,
}

/// The jobs a client waits for. Clones are the same jobs.
#[derive(Clone)]
pub struct Jobs {
    core: Arc<Core>,
    watch: Arc<Watch>,
}

/// What waiters and the poller share.
#[derive(Default)]
struct Watch {
    registry: Mutex<Registry>,
    changed: Notify,
}

#[derive(Default)]
struct Registry {
    jobs: HashMap<JobId, Entry>,
    polling: bool,
    /// The server does not let us list jobs; each has to be asked for.
    no_list: bool,
}

struct Entry {
    watched: Watched,
    /// Somebody wants its result; else it is enough to know that it is not pending any more.
    asked_for: bool,
    waiters: Vec<oneshot::Sender<Result<Option<Value>, Error>>>,
}

/// How a job ended, as far as its result was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over<T> {
    /// Well, with this result.
    Well(T),
    /// A list of pending jobs does not show it any more. How it ended shows in what it was to make, or
    /// [`Jobs::wait`] tells.
    Unlisted,
}

impl Watch {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("waited_for", &self.watch.registry().jobs.len()).finish_non_exhaustive()
    }
}

impl Jobs {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, watch: Arc::default() }
    }

    /// Waits for a job's end and gives its result: what is inside the result's only member
    /// (`{"virtualmachine": {…}}`), or else the whole ([`Success`](crate::Success) for `{"success": true}`).
    ///
    /// Dropping the future ends the wait, not the job. Reads that fail for a passing reason are borne until the
    /// deadline.
    ///
    /// ```no_run
    /// # async fn example(client: &cloudstack::Client) -> Result<(), cloudstack::Error> {
    /// use cloudstack::{Expect, JobId};
    /// use cloudstack::resource::VirtualMachine;
    /// use std::time::Duration;
    /// use tokio::time::Instant;
    ///
    /// let job = JobId::from("ff40b474-019c-4e72-b213-7b8dd146f922");
    /// let deadline = Instant::now() + Duration::from_secs(300);
    /// let machine: VirtualMachine = client.jobs().wait(job, Expect::Long, deadline).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Job`] when the job failed, [`Error::Deadline`] when it had not ended in time, [`Error::Api`] when the
    /// server does not know the job (any more), [`Error::Decode`] when its result has another shape.
    pub async fn wait<T: DeserializeOwned>(
        &self,
        job: JobId,
        expect: Expect,
        deadline: Instant,
    ) -> Result<T, Error> {
        self.wait_named("", job, expect, deadline).await
    }

    /// Waits for a job whose command is known, so that errors can name it.
    pub(crate) async fn wait_named<T: DeserializeOwned>(
        &self,
        command: &str,
        job: JobId,
        expect: Expect,
        deadline: Instant,
    ) -> Result<T, Error> {
        loop {
            // Where the result is asked for, the poller asks for it.
            if let Over::Well(result) = self.over(command, job.clone(), expect, deadline, true).await? {
                return Ok(result);
            }
        }
    }

    /// Waits until a job is over. Its result is asked for only where that costs no call more than a list does: whoever waits
    /// for many jobs at once learns by a call of their own what all of them made.
    pub(crate) async fn wait_until_over<T: DeserializeOwned>(
        &self,
        command: &str,
        job: JobId,
        expect: Expect,
        deadline: Instant,
    ) -> Result<Over<T>, Error> {
        self.over(command, job, expect, deadline, false).await
    }

    async fn over<T: DeserializeOwned>(
        &self,
        command: &str,
        job: JobId,
        expect: Expect,
        deadline: Instant,
        ask: bool,
    ) -> Result<Over<T>, Error> {
        let result = self.result(command, job.clone(), expect, deadline, ask).await;
        let result = result.map_err(|error| named(error, command));
        tell(JobNews::Ended { job: &job, error: result.as_ref().err() });
        let Some(value) = result? else { return Ok(Over::Unlisted) };
        let command = if command.is_empty() { "a job" } else { command };
        let (name, value) = match value {
            Value::Object(members) => envelope::content(members),
            value => (String::new(), value),
        };
        envelope::decode(command, Effect::Write, &name, value).map(Over::Well)
    }

    async fn result(
        &self,
        command: &str,
        job: JobId,
        expect: Expect,
        deadline: Instant,
        ask: bool,
    ) -> Result<Option<Value>, Error> {
        let since = Instant::now();
        loop {
            let receiver = self.register(&job, expect, ask);
            match timeout_at(deadline, receiver).await {
                Ok(Ok(result)) => return result,
                // The poller went down with the runtime it ran on; this one can run it as well.
                Ok(Err(_)) => {}
                Err(_) => {
                    return Err(Error::Deadline {
                        command: command.to_owned(),
                        job,
                        waited: since.elapsed(),
                    });
                }
            }
        }
    }

    fn register(
        &self,
        job: &JobId,
        expect: Expect,
        ask: bool,
    ) -> oneshot::Receiver<Result<Option<Value>, Error>> {
        let (sender, receiver) = oneshot::channel();
        let mut registry = self.watch.registry();
        let entry = registry.jobs.entry(job.clone()).or_insert_with(|| Entry {
            watched: Watched::new(expect, Instant::now(), self.core.jitter()),
            asked_for: false,
            waiters: Vec::new(),
        });
        entry.asked_for |= ask;
        entry.waiters.push(sender);
        if registry.polling {
            self.watch.changed.notify_one();
        } else {
            registry.polling = true;
            tokio::spawn(poller::poll(Arc::clone(&self.core), Arc::clone(&self.watch)));
        }
        receiver
    }
}

/// The poller knows a job by the server's name of its command only; the waiter may know better.
fn named(mut error: Error, known: &str) -> Error {
    if let Error::Job { command, .. } = &mut error
        && !known.is_empty()
    {
        known.clone_into(command);
    }
    error
}
