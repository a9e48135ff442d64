//! Building an image: a machine from the base template, the recipe on it, a template of it, the template tried, and
//! nothing else left.
//!
//! The order is the one that waits least. Everything is written down before the network wakes; what does not depend on each
//! other runs side by side (the root disk is looked up while the machine boots; the build machine is destroyed and the
//! tags are written while the new template's first machine boots); nothing sleeps on a guess. With a network of its own
//! and a forward a build takes 22 calls beside looks at jobs.
//!
//! Nothing is remembered on disk: all that is made carries the build's id in its name, and the way back from any failure
//! is to look for that name ([`crate::image::leftover`]).

mod access;
mod attended;
mod machine;
mod run;
mod site;
mod template;
mod temporary;
mod unattended;
mod user_data;

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use cloudstack::{Client, Expect, Id, resource::DeleteNetwork};
use jiff::Timestamp;
use remote::{Identity, Target};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use access::{Access, Failure, Hear, Ran, Shell, Ssh};
pub use temporary::{BuildId, InvalidBuildId, Purpose};

use self::{
    run::{PHASE, Run},
    site::Site,
};
use super::{
    error::{Error, Result},
    leftover,
    lookup::{Place, look_up},
    manifest::{Head, Label, Manifest},
    recipe::Recipe,
    validate,
};
use crate::{
    events::{Event, Listener, Work},
    spec::{BuildAccess, Spec},
};

/// How long cleaning up may take, whatever the build's own deadline was.
const CLEANING: Duration = Duration::from_secs(10 * 60);

/// Pieces of work beside the recipe's steps, for whoever draws a bar.
const OTHER_WORK: usize = 9;

/// How a build is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest the build may take; an hour unless given. Whatever it left is taken for dead after that.
    pub lifetime: Duration,
    /// What becomes of what was made when the build fails.
    pub on_error: OnError,
    /// Where the key of a kept machine is written.
    pub key_directory: PathBuf,
    /// Who builds, as others see it: `user@host`.
    pub holder: String,
    /// The build's id.
    pub build: BuildId,
    /// When it began, by this machine's clock.
    pub began: Timestamp,
}

impl Options {
    /// The defaults, for a build that begins now.
    pub fn new(holder: impl Into<String>) -> Self {
        let now = Timestamp::now();
        Self {
            lifetime: Duration::from_secs(3600),
            on_error: OnError::Cleanup,
            key_directory: PathBuf::from("."),
            holder: holder.into(),
            build: BuildId::random(),
            // To the second: that is what a reader wants.
            began: Timestamp::from_second(now.as_second()).unwrap_or(now),
        }
    }
}

/// What becomes of what was made when a build fails.
#[derive(Clone, Debug)]
pub enum OnError {
    /// It is removed.
    Cleanup,
    /// It stays, and how to get into the machine is told.
    Keep,
    /// The operator is asked; a cancelled build is always cleaned up.
    Ask(Arc<dyn Ask>),
}

/// Asks the operator.
#[async_trait]
pub trait Ask: Send + Sync + std::fmt::Debug {
    /// Whether to keep what a failed build has made, to look into it.
    async fn keep(&self, failure: &Error) -> bool;
}

/// A finished image.
#[derive(Clone, Debug)]
pub struct Built {
    /// The template.
    pub template: Id,
    /// What stands beside the template as tags.
    pub label: Label,
    /// What stands inside; none when nobody could reach the machine.
    pub manifest: Option<Manifest>,
    /// How long it took, cleaning up included.
    pub took: Duration,
    /// Why something temporary is still there, if it is; `image gc` removes it later.
    pub left: Option<String>,
}

/// Builds images.
#[derive(Clone, Debug)]
pub struct Builder {
    /// The cloud.
    pub client: Client,
    /// The way into machines.
    pub access: Arc<dyn Access>,
    /// Who hears what happens.
    pub listener: Arc<dyn Listener>,
    /// Ends the build early, with cleaning up.
    pub stop: CancellationToken,
}

/// What the parts of one build share.
#[derive(Debug)]
struct Build<'a> {
    run: Run<'a>,
    access: &'a dyn Access,
    spec: &'a Spec,
    recipe: &'a Recipe,
    options: &'a Options,
    place: Place,
    purpose: Purpose,
    identity: Identity,
    /// The machine that an operator may want to look into after a failure.
    reachable: OnceLock<Target>,
}

/// A template that has passed everything.
struct Finished {
    template: Id,
    label: Label,
    manifest: Option<Manifest>,
    site: Site,
    /// The machine it was tried on.
    tried_on: Id,
}

impl Builder {
    /// Builds the image that `spec` describes by `recipe`. A new template is made in any case; older ones of the same name
    /// stay, and the newest is what a cluster uses.
    ///
    /// Dropping the future leaves things behind, as a kill does: cancel by [`Builder::stop`] instead.
    ///
    /// # Errors
    /// Whatever failed first. What was made is then removed, or kept, as the options say.
    pub async fn build(&self, spec: &Spec, recipe: &Recipe, options: &Options) -> Result<Built> {
        let began = Instant::now();
        let run = Run {
            client: &self.client,
            listener: &*self.listener,
            stop: &self.stop,
            deadline: began + options.lifetime,
            limit: options.lifetime,
        };
        validate::recipe(spec, recipe)?;
        let steps = self.count_steps(spec, recipe);
        self.listener.hear(Event::PhaseStarted { phase: PHASE.to_owned(), steps });
        let place = run
            .work("look up", async {
                let place = run.until("look up what the file names", look_up(&self.client, spec)).await??;
                let base = place.base.name.clone();
                Ok((place, Some(format!("base {base}"))))
            })
            .await?;
        let build = Build {
            run,
            access: &*self.access,
            spec,
            recipe,
            options,
            place,
            purpose: Purpose { holder: options.holder.clone(), lifetime: options.lifetime, opened: None },
            identity: Identity::generate(),
            reachable: OnceLock::new(),
        };
        match build.finish().await {
            Ok(finished) => {
                let left = build.clean_up(&finished).await;
                let took = began.elapsed();
                self.listener.hear(Event::PhaseDone { phase: PHASE.to_owned(), took });
                let Finished { template, label, manifest, .. } = finished;
                Ok(Built { template, label, manifest, took, left })
            }
            Err(failure) => {
                build.after_failure(&failure).await;
                Err(failure)
            }
        }
    }

    fn count_steps(&self, spec: &Spec, recipe: &Recipe) -> usize {
        match spec.image.access {
            BuildAccess::None => OTHER_WORK,
            BuildAccess::Forward | BuildAccess::Guest => OTHER_WORK + recipe.step_count(),
        }
    }
}

impl Build<'_> {
    async fn finish(&self) -> Result<Finished> {
        match self.spec.image.access {
            BuildAccess::None => self.unattended().await,
            BuildAccess::Forward | BuildAccess::Guest => self.attended().await,
        }
    }

    fn head(&self) -> Head {
        Head {
            mesostack: env!("CARGO_PKG_VERSION").to_owned(),
            image: self.spec.image.name.clone(),
            build: self.options.build.to_string(),
            built: self.options.began,
            recipe: self.recipe.digest().to_owned(),
            source: self.recipe.source().to_owned(),
            base_id: self.place.base.id.to_string(),
            base: self.place.base.name.clone(),
        }
    }

    async fn prepare_site(&self) -> Result<Site> {
        self.run
            .work("prepare network", async {
                let site =
                    Site::prepare(&self.run, self.spec, &self.place, &self.options.build, &self.purpose)
                        .await?;
                let detail = site.entrance.as_ref().map(|entrance| entrance.address.to_string());
                Ok((site, detail))
            })
            .await
    }

    async fn make_template(&self, volume: &Id) -> Result<Id> {
        self.run
            .work("make template", async {
                let template =
                    template::make(&self.run, &self.place, volume, &self.options.build, &self.purpose)
                        .await?;
                let detail = template.size.map(|bytes| format!("{} MiB", bytes >> 20));
                Ok((template.id, detail))
            })
            .await
    }

    async fn destroy_build_machine(&self, machine: &Id) -> Result<()> {
        self.run
            .work("destroy build machine", async {
                leftover::destroy(self.run.client, machine, self.run.deadline)
                    .await
                    .map_err(run::cloud("destroy the build machine"))?;
                Ok(((), None))
            })
            .await
    }

    async fn publish(&self, template: &Id, label: &Label) -> Result<()> {
        self.run
            .work("publish", async {
                template::publish(&self.run, template, label).await?;
                Ok(((), Some(format!("{} {template}", label.head.image))))
            })
            .await
    }

    /// Removes what only this build needed. The image is there already: what cannot be removed is told, and no failure.
    async fn clean_up(&self, finished: &Finished) -> Option<String> {
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

    async fn after_failure(&self, failure: &Error) {
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
