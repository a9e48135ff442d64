//! How a build ends: with its temporary things removed, or kept where the operator wants to look into a failure.

use std::time::Duration;

use cloudstack::{Expect, resource::DeleteNetwork};
use tokio::time::Instant;

use super::{Build, Finished, options::OnError, run::PHASE};
use crate::{
    events::{Event, Work},
    image::{
        error::{self, Error},
        leftover::{self, Gone, Removed},
    },
};

/// How long cleaning up may take, whatever the build's own deadline was.
const CLEANING: Duration = Duration::from_secs(10 * 60);

impl Build<'_> {
    /// Removes what only this build needed. The image is there already: what cannot be removed is told, and no failure.
    pub(super) async fn clean_up(&self, finished: &Finished) -> Option<String> {
        let deadline = Instant::now() + CLEANING;
        let work = Work::new("clean up");
        self.run.listener.hear(Event::Started { phase: PHASE.to_owned(), work: work.clone() });
        let began = Instant::now();
        let outcome = match self.clean_known(finished, deadline).await {
            Ok(Some(removed)) => Ok(removed),
            // Something was in the way, or goes later: look for all there is, again and again.
            Ok(None) | Err(_) => {
                leftover::remove(self.run.client, &self.options.build, deadline, |_| {}).await
            }
        };
        let (event, left) = ended(work, began, outcome);
        self.run.listener.hear(event);
        left
    }

    /// The short way, for a build whose things are all known. None when it does not lead to the end.
    async fn clean_known(
        &self,
        finished: &Finished,
        deadline: Instant,
    ) -> Result<Option<Removed>, cloudstack::Error> {
        let client = self.run.client;
        let site = &finished.site;
        // Before the machine goes: its description is what says which ports these are.
        if let Some(entrance) = site.entrance.as_ref().filter(|_| !site.own) {
            let (build, first_port) = (&self.options.build, entrance.first_port);
            leftover::close(client, build, entrance.address, first_port, deadline).await?;
        }
        let tried_on = leftover::destroy(client, &finished.tried_on, deadline).await?;
        if site.own {
            if [tried_on, finished.build_machine].contains(&Gone::Later) {
                return Ok(None);
            }
            client.run(&DeleteNetwork::new(&site.network), Expect::Long, deadline).await?;
        }
        Ok(Some(Removed::Everything))
    }

    pub(super) async fn after_failure(&self, failure: &Error) {
        let keep = match &self.options.on_error {
            OnError::Cleanup => false,
            OnError::Keep => true,
            OnError::Ask(_) if self.run.stop.is_cancelled() => false,
            OnError::Ask(operator) => operator.keep(failure).await,
        };
        if keep {
            self.tell_kept();
            return;
        }
        let work = Work::new("clean up");
        self.run.listener.hear(Event::Started { phase: PHASE.to_owned(), work: work.clone() });
        let began = Instant::now();
        let deadline = began + CLEANING;
        let removed = leftover::remove(self.run.client, &self.options.build, deadline, |thing| {
            self.run.listener.hear(Event::Output { work: work.clone(), line: format!("removing {thing}") });
        })
        .await;
        let (event, _) = ended(work, began, removed);
        self.run.listener.hear(event);
    }

    fn tell_kept(&self) {
        let build = &self.options.build;
        let mut message = format!("build {build} is kept as it is");
        if let Some(target) = self.reachable.get() {
            let path = build.key_file(&self.options.key_directory);
            match self.identity.save_new(&path) {
                Ok(()) => message.push_str(&format!(
                    "; log in with `ssh -i {} -p {} {}@{}` (host key {})",
                    path.display(),
                    target.port,
                    target.user,
                    target.host,
                    target.host_key.fingerprint()
                )),
                Err(error) => message.push_str(&format!("; its key could not be written: {error}")),
            }
        }
        message.push_str(&format!("; `mesostack image gc --build {build}` removes it"));
        self.run.listener.hear(Event::Warning { message });
    }
}

/// How cleaning up ended, and what is still there.
fn ended(work: Work, began: Instant, removed: error::Result<Removed>) -> (Event, Option<String>) {
    match removed {
        Ok(removed) => {
            let left = removed.remark();
            (Event::Done { work, detail: left.clone(), took: began.elapsed() }, left)
        }
        Err(error) => {
            let text = error.to_string();
            (Event::Failed { work, error: text.clone() }, Some(text))
        }
    }
}
