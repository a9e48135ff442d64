//! How a build ends: with its temporary things removed, or kept where the operator wants to look into a failure.

use std::time::Duration;

use cloudstack::{Expect, resource::DeleteNetwork};
use tokio::time::Instant;

use super::{Build, Finished, options::OnError, run::PHASE};
use crate::{
    events::{Event, Work},
    image::{error::Error, leftover},
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
            Ok(()) => Ok(()),
            // Something was in the way: look for all there is, again and again.
            Err(_) => leftover::remove(self.run.client, &self.options.build, deadline, |_| {}).await,
        };
        match outcome {
            Ok(()) => {
                self.run.listener.hear(Event::Done { work, detail: None, took: began.elapsed() });
                None
            }
            Err(error) => {
                let text = error.to_string();
                self.run.listener.hear(Event::Failed { work, error: text.clone() });
                Some(text)
            }
        }
    }

    async fn clean_known(&self, finished: &Finished, deadline: Instant) -> Result<(), cloudstack::Error> {
        let client = self.run.client;
        let site = &finished.site;
        let rule = async {
            match &site.entrance {
                Some(entrance) if !site.own => {
                    leftover::close(client, entrance.address, entrance.first_port, deadline).await
                }
                _ => Ok(()),
            }
        };
        let machine = leftover::destroy(client, &finished.tried_on, deadline);
        let (rule, machine) = tokio::join!(rule, machine);
        rule.and(machine)?;
        if site.own {
            client.run(&DeleteNetwork::new(&site.network), Expect::Long, deadline).await?;
        }
        Ok(())
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
        self.run.listener.hear(match removed {
            Ok(()) => Event::Done { work, detail: None, took: began.elapsed() },
            Err(error) => Event::Failed { work, error: error.to_string() },
        });
    }

    fn tell_kept(&self) {
        let build = &self.options.build;
        let mut message = format!("build {build} is kept as it is");
        if let Some(target) = self.reachable.get() {
            let path = self.options.key_directory.join(format!("{}.key", build.name()));
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
