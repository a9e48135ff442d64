//! One build under way: its calls, its waits and what it tells.
//!
//! Waits end at once when the operator wants it, at the deadline, or when what was waited for has come. A call that
//! changes something is always heard to its end, which is short: a create whose reply nobody hears could make
//! something after the cleaning up has looked.

use std::{future::Future, sync::Arc, time::Duration};

use cloudstack::{AsyncCommand, Client, Expect, ListCommand, Started, SyncCommand};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    events::{Event, Listener, Work, with_jobs_of},
    image::error::{Error, Result},
};

/// The name of the only phase.
pub(super) const PHASE: &str = "image";

/// What every part of a build works with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) client: &'a Client,
    pub(super) listener: &'a Arc<dyn Listener>,
    pub(super) stop: &'a CancellationToken,
    pub(super) deadline: Instant,
    pub(super) limit: Duration,
}

impl Run<'_> {
    /// Waits for `work`, but not longer than the operator or the deadline allow.
    pub(super) async fn until<T>(&self, doing: &str, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Error::Cancelled { doing: doing.to_owned() }),
            outcome = timeout_at(self.deadline, work) => {
                outcome.map_err(|_| Error::Deadline { waiting_for: doing.to_owned(), limit: self.limit })
            }
        }
    }

    /// A list, to its end.
    pub(super) async fn list<C: ListCommand>(&self, doing: &str, command: &C) -> Result<Vec<C::Item>> {
        self.until(doing, self.client.list(command)).await?.map_err(cloud(doing))
    }

    /// A change that is done when it answers.
    pub(super) async fn change<C: SyncCommand>(&self, doing: &str, command: &C) -> Result<C::Reply> {
        self.go_on(doing)?;
        self.client.call(command).await.map_err(cloud(doing))
    }

    /// Begins a change that ends as a job.
    pub(super) async fn begin<C: AsyncCommand>(&self, doing: &str, command: &C) -> Result<Started> {
        self.go_on(doing)?;
        self.client.start(command).await.map_err(cloud(doing))
    }

    /// Waits for the job's end.
    pub(super) async fn end<T: DeserializeOwned>(
        &self,
        doing: &str,
        started: &Started,
        expect: Expect,
    ) -> Result<T> {
        let wait = self.client.jobs().wait(started.job.clone(), expect, self.deadline);
        match self.until(doing, wait).await? {
            Err(cloudstack::Error::Deadline { .. }) => {
                Err(Error::Deadline { waiting_for: doing.to_owned(), limit: self.limit })
            }
            outcome => outcome.map_err(cloud(doing)),
        }
    }

    /// A change and its job's end.
    pub(super) async fn carry_out<C: AsyncCommand>(
        &self,
        doing: &str,
        command: &C,
        expect: Expect,
    ) -> Result<C::Outcome>
    where
        C::Outcome: DeserializeOwned,
    {
        let started = self.begin(doing, command).await?;
        self.end(doing, &started, expect).await
    }

    /// A piece of work, told from beginning to end. What it gives beside its result is told with its end.
    pub(super) async fn work<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<(T, Option<String>)>>,
    ) -> Result<T> {
        let (began, work_name) = (Instant::now(), Work::new(name));
        self.listener.hear(Event::Started { phase: PHASE.to_owned(), work: work_name.clone() });
        match with_jobs_of(self.listener.clone(), &work_name, work).await {
            Ok((result, detail)) => {
                self.listener.hear(Event::Done { work: work_name, detail, took: began.elapsed() });
                Ok(result)
            }
            Err(error) => {
                self.listener.hear(Event::Failed { work: work_name, error: error.to_string() });
                Err(error)
            }
        }
    }

    /// Tells what a piece of work waits for.
    pub(super) fn waiting(&self, name: &str, waits_for: impl Into<String>) {
        self.listener.hear(Event::Waiting { work: Work::new(name), node: None, waits_for: waits_for.into() });
    }

    fn go_on(&self, doing: &str) -> Result<()> {
        if self.stop.is_cancelled() {
            return Err(Error::Cancelled { doing: doing.to_owned() });
        }
        if Instant::now() >= self.deadline {
            return Err(Error::Deadline { waiting_for: doing.to_owned(), limit: self.limit });
        }
        Ok(())
    }
}

/// Says what was being done when the cloud refused.
pub(super) fn cloud(doing: &str) -> impl FnOnce(cloudstack::Error) -> Error + '_ {
    move |source| Error::Cloud { doing: doing.to_owned(), source: Box::new(source) }
}
