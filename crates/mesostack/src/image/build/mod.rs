//! Building an image: a machine from the base template, the recipe on it, a template of it, the template tried, and
//! nothing else left.
//!
//! The order is the one that waits least. Everything is written down before the network wakes; what does not depend on each
//! other runs side by side (the root disk is looked up while the machine boots; the build machine is destroyed and the
//! tags are written while the new template's first machine boots); nothing sleeps on a guess. With a network of its own
//! and a forward a build takes 21 calls beside looks at jobs.
//!
//! Nothing is remembered on disk: all that is made carries the build's id in its name, and the way back from any failure
//! is to look for that name ([`crate::image::leftover`]).

mod access;
mod attended;
mod ending;
mod graph;
mod machine;
mod options;
mod run;
mod site;
mod template;
mod temporary;
mod unattended;
mod user_data;

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use cloudstack::{Client, Id};
use remote::{Identity, Target};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use access::{Access, Failure, Hear, Ran, Shell, Ssh};
pub use options::{Ask, OnError, Options};
pub use temporary::{BuildId, InvalidBuildId, Purpose};

use self::{
    run::{PHASE, Run},
    site::Site,
};
use super::{
    error::Result,
    leftover::{self, Gone},
    lookup::{Place, look_up},
    manifest::{Head, Label, Manifest},
    recipe::Recipe,
    validate,
};
use crate::{
    events::{Event, Listener},
    spec::{BuildAccess, Spec},
};

/// Pieces of work beside the recipe's steps, for whoever draws a bar.
const OTHER_WORK: usize = 9;

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
    /// What temporary is still there and why, if anything is; `image gc` removes it later.
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
    /// What became of the machine it was built on.
    build_machine: Gone,
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
            listener: &self.listener,
            stop: &self.stop,
            deadline: began + options.lifetime,
            limit: options.lifetime,
        };
        validate::recipe(spec, recipe)?;
        let steps = self.count_steps(spec, recipe);
        self.listener.hear(graph::graph(spec.image.access, &recipe.step_names()));
        self.listener.hear(Event::PhaseStarted { phase: PHASE.to_owned(), steps });
        if let Some(message) = recipe.warning() {
            self.listener.hear(Event::Warning { message });
        }
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
        let (work, build) = ("prepare network", &self.options.build);
        self.run
            .work(work, async {
                let site =
                    Site::prepare(&self.run, self.spec, &self.place, build, &self.purpose, work).await?;
                let detail = site.entrance.as_ref().map(|entrance| entrance.address.to_string());
                Ok((site, detail))
            })
            .await
    }

    async fn make_template(&self, site: &Site, volume: &Id) -> Result<Id> {
        // It says what to close, too: there is a moment when it is all that is left of a build.
        let purpose = site.purpose(&self.purpose);
        self.run
            .work("make template", async {
                let template =
                    template::make(&self.run, &self.place, volume, &self.options.build, &purpose).await?;
                let detail = template.size.map(|bytes| format!("{} MiB", bytes >> 20));
                Ok((template.id, detail))
            })
            .await
    }

    async fn destroy_build_machine(&self, machine: &Id) -> Result<Gone> {
        self.run
            .work("destroy build machine", async {
                let gone = leftover::destroy(self.run.client, machine, self.run.deadline)
                    .await
                    .map_err(run::cloud("destroy the build machine"))?;
                Ok((gone, None))
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
}
