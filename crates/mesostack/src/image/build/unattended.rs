//! The build without a way into the machine: user-data does the work.
//!
//! All that can be seen from outside is whether a machine runs. The build machine powers itself off when, and only when,
//! the recipe came to its end. But a machine can also stop because something else stopped it, so that alone is not believed:
//! a machine made from the template has to say the same, by powering itself off after it has found the recipe's
//! own manifest and every program inside. A failed step leaves its machine running; the deadline finds that.

use cloudstack::{Expect, Id, UserData, resource::VirtualMachine};

use super::{Build, Finished, machine, machine::Order, site::Site, template, user_data, user_data::TooLong};
use crate::image::{
    error::{Error, Result},
    manifest::Label,
    recipe::Circumstances,
};

impl Build<'_> {
    pub(super) async fn unattended(&self) -> Result<Finished> {
        let too_long = |error: TooLong| Error::Invalid { problems: vec![error.to_string()] };
        let circumstances = Circumstances { head: self.head(), build_key: None };
        let steps = self.recipe.steps(&circumstances);
        let work =
            user_data::unattended(self.recipe.files(), &steps, self.options.lifetime).map_err(too_long)?;
        let name = self.options.build.try_name();
        let check = user_data::unattended_check(&self.recipe.smoke_check(&name), self.options.lifetime)
            .map_err(too_long)?;
        let (work, check) = (UserData::new(&*work), UserData::new(&*check));

        let site = self.prepare_site().await?;
        let machine = self.let_work(&site, false, &self.place.base.id, &work).await?;
        let volume = template::root_volume(&self.run, &machine).await?;
        let template = self.make_template(&site, &volume).await?;
        let label = Label::of_head(self.head());
        let (tried_on, destroyed, labelled) = tokio::join!(
            self.let_work(&site, true, &template, &check),
            self.destroy_build_machine(&machine),
            template::label(&self.run, &template, &label)
        );
        let tried_on = tried_on?;
        labelled?;
        let build_machine = destroyed?;
        self.publish(&template, &label).await?;
        Ok(Finished { template, label, manifest: None, site, tried_on, build_machine })
    }

    /// Makes and starts a machine, and waits until it has done its work and powered itself off.
    async fn let_work(&self, site: &Site, trying: bool, template: &Id, user_data: &UserData) -> Result<Id> {
        let run = &self.run;
        let build = &self.options.build;
        let (work, name, waits_for) = if trying {
            (
                "try the template",
                build.try_name(),
                "a machine from the template to check itself and power off",
            )
        } else {
            ("let the machine build itself", build.name(), "the machine to do the recipe and power off")
        };
        run.work(work, async {
            let description = site.purpose(&self.purpose).to_string();
            let order = Order { name: &name, description: &description, template, user_data, start: true };
            let (machine, started) = machine::deploy(run, &self.place, site, order).await?;
            let _: VirtualMachine =
                run.end(&format!("start the machine {name}"), &started, Expect::Long).await?;
            run.waiting(work, waits_for);
            machine::wait_for_power_off(run, &machine, waits_for).await?;
            Ok((machine, None))
        })
        .await
    }
}
