//! The usual build: step by step over SSH, with everything heard that the machine says.

use cloudstack::{
    Expect, Id, UserData,
    resource::{StopVirtualMachine, VirtualMachine},
};
use remote::{HostKeyPair, Target};

use super::{Build, Finished, access::Shell, machine, machine::Order, site::Site, template, user_data};
use crate::{
    events::{Event, Work},
    image::{
        error::{Error, Result},
        manifest::Manifest,
        recipe::{Circumstances, MANIFEST, Step},
    },
};

/// The build machine's port is the site's first, the other machine's the second.
const BUILD: u16 = 0;
const TRY: u16 = 1;

impl Build<'_> {
    pub(super) async fn attended(&self) -> Result<Finished> {
        let site = self.prepare_site().await?;
        let (machine, volume, shell) = self.raise(&site).await?;
        let manifest = self.carry_out_recipe(&*shell).await?;
        drop(shell);
        self.stop(&machine).await?;
        let template = self.make_template(&site, &volume).await?;
        let label = manifest.label();
        let (tried_on, destroyed, labelled) = tokio::join!(
            self.try_out(&site, &template),
            self.destroy_build_machine(&machine),
            template::label(&self.run, &template, &label)
        );
        let tried_on = tried_on?;
        labelled?;
        let build_machine = destroyed?;
        self.publish(&template, &label).await?;
        Ok(Finished { template, label, manifest: Some(manifest), site, tried_on, build_machine })
    }

    /// A running build machine with its root disk and a shell on it.
    async fn raise(&self, site: &Site) -> Result<(Id, Id, Box<dyn Shell>)> {
        let run = &self.run;
        let host_key = HostKeyPair::generate();
        let name = self.options.build.name();
        let work = "start build machine";
        let (machine, volume, target) = run
            .work(work, async {
                let open = site.open(run, &self.spec.access.allow, work);
                let order = self.write_down(site, &name, &self.place.base.id, &host_key);
                let machine = if site.own {
                    let (opened, ordered) = tokio::join!(open, order);
                    opened?;
                    let machine = ordered?;
                    machine::forward(run, site, &machine, BUILD, work).await?;
                    machine
                } else {
                    // In this order, so that whatever is left behind says what to close, and whose it is.
                    let machine = order.await?;
                    machine::forward(run, site, &machine, BUILD, work).await?;
                    open.await?;
                    machine
                };
                run.waiting(work, "the network's router and the machine");
                let (started, volume) =
                    tokio::join!(machine::start(run, &machine), template::root_volume(run, &machine));
                let target = self.target(site, &started?, BUILD, &host_key)?;
                let detail = Some(format!("{}:{}", target.host, target.port));
                Ok(((machine, volume?, target), detail))
            })
            .await?;
        let _ = self.reachable.set(target.clone());
        let shell = self.reach("reach build machine", &target).await?;
        Ok((machine, volume, shell))
    }

    /// Orders a machine without starting it, and waits until it is written down.
    async fn write_down(&self, site: &Site, name: &str, template: &Id, host_key: &HostKeyPair) -> Result<Id> {
        let run = &self.run;
        let user = &self.spec.image.user;
        let key = self.identity.public_openssh();
        let packed = user_data::attended(host_key, &key, user, self.options.lifetime)
            .map_err(|error| Error::Invalid { problems: vec![error.to_string()] })?;
        let description = site.purpose(&self.purpose).to_string();
        let order = Order {
            name,
            description: &description,
            template,
            user_data: &UserData::new(&*packed),
            start: false,
        };
        let (machine, started) = machine::deploy(run, &self.place, site, order).await?;
        let _: VirtualMachine = run.end(&format!("make the machine {name}"), &started, Expect::Brief).await?;
        Ok(machine)
    }

    fn target(
        &self,
        site: &Site,
        machine: &VirtualMachine,
        offset: u16,
        key: &HostKeyPair,
    ) -> Result<Target> {
        machine::target(site, machine, offset, &self.spec.image.user, &key.public)
    }

    async fn reach(&self, work: &str, target: &Target) -> Result<Box<dyn Shell>> {
        let run = &self.run;
        run.work(work, async {
            run.waiting(work, format!("SSH at {}:{}", target.host, target.port));
            let reached = self.access.reach(target, &self.identity, run.deadline);
            let shell = run
                .until(work, reached)
                .await?
                .map_err(|source| Error::Machine { doing: work.to_owned(), source })?;
            Ok((shell, None))
        })
        .await
    }

    async fn carry_out_recipe(&self, shell: &dyn Shell) -> Result<Manifest> {
        let run = &self.run;
        run.work("deliver files", async {
            let doing = "deliver the recipe's files";
            run.until(doing, shell.deliver(self.recipe.files(), run.deadline))
                .await?
                .map_err(|source| Error::Machine { doing: doing.to_owned(), source })?;
            Ok(((), Some(format!("{} files", self.recipe.files().len()))))
        })
        .await?;
        let key = self.identity.public_openssh();
        let circumstances =
            Circumstances { head: self.head(), build_key: key.split(' ').nth(1).map(str::to_owned) };
        let mut manifest = None;
        for step in self.recipe.steps(&circumstances) {
            let said = run.work(step.name, async { Ok((self.run_step(shell, &step).await?, None)) }).await?;
            if step.name == MANIFEST {
                let text = said.lines().last().unwrap_or_default();
                manifest = Some(Manifest::parse(text).map_err(|source| Error::Manifest { source })?);
            }
        }
        manifest.ok_or_else(|| Error::Invalid { problems: vec!["the recipe writes no manifest".to_owned()] })
    }

    async fn run_step(&self, shell: &dyn Shell, step: &Step) -> Result<String> {
        let (run, work) = (&self.run, Work::new(step.name));
        let mut hear = |line: &str| {
            run.listener.hear(Event::Output { work: work.clone(), line: line.to_owned() });
        };
        let ran = run
            .until(step.name, shell.run(&step.script, run.deadline, &mut hear))
            .await?
            .map_err(|source| Error::Machine { doing: step.name.to_owned(), source })?;
        if ran.success {
            Ok(ran.stdout)
        } else {
            Err(Error::Step { step: step.name.to_owned(), status: ran.status, said: ran.last_words })
        }
    }

    async fn stop(&self, machine: &Id) -> Result<()> {
        self.run
            .work("stop build machine", async {
                let doing = "stop the build machine";
                self.run.carry_out(doing, &StopVirtualMachine::new(machine), Expect::Long).await?;
                Ok(((), None))
            })
            .await
    }

    /// A machine from the new template: it has to come up as itself, with everything there.
    async fn try_out(&self, site: &Site, template: &Id) -> Result<Id> {
        let run = &self.run;
        let (host_key, name) = (HostKeyPair::generate(), self.options.build.try_name());
        let work = "start a machine from the template";
        let (machine, target) = run
            .work(work, async {
                let machine = self.write_down(site, &name, template, &host_key).await?;
                machine::forward(run, site, &machine, TRY, work).await?;
                let started = machine::start(run, &machine).await?;
                let target = self.target(site, &started, TRY, &host_key)?;
                Ok(((machine, target), None))
            })
            .await?;
        let shell = self.reach("reach the machine from the template", &target).await?;
        let step = Step { name: "try the template", script: self.recipe.smoke_check(&name) };
        run.work(step.name, async { Ok((self.run_step(&*shell, &step).await?, None)) }).await?;
        Ok(machine)
    }
}
