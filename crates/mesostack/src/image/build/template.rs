//! From a stopped machine to a template that others may use.
//!
//! The template is made under the build's name, tried, labelled, and only then given its own: whoever looks for the newest
//! image of a name never finds one that was not finished.

use std::time::Duration;

use cloudstack::{
    Expect, Id, TagList,
    resource::{
        CreateTags, CreateTemplate, ListTemplates, ListVolumes, Template, TemplateFilter, UpdateTemplate,
    },
};
use tokio::time::sleep;

use super::{
    run::Run,
    temporary::{BuildId, Purpose},
};
use crate::image::{
    error::{Error, Result},
    lookup::Place,
    manifest::Label,
};

/// How often a template is looked at that is not ready when its job has ended.
const LOOK: Duration = Duration::from_secs(2);

/// The machine's root disk.
pub(super) async fn root_volume(run: &Run<'_>, machine: &Id) -> Result<Id> {
    let doing = "find the machine's root disk";
    let volumes = run.list(doing, &ListVolumes::new().virtual_machine_id(machine).type_("ROOT")).await?;
    match &volumes[..] {
        [volume] => Ok(volume.id.clone()),
        other => Err(Error::Invalid {
            problems: vec![format!("the build machine has {} root disks", other.len())],
        }),
    }
}

/// Makes the template and waits until machines can be made from it.
pub(super) async fn make(
    run: &Run<'_>,
    place: &Place,
    volume: &Id,
    build: &BuildId,
    purpose: &Purpose,
) -> Result<Template> {
    let doing = "make the template";
    let command = CreateTemplate::new(build.name(), &place.base.os_type_id)
        .display_text(purpose.to_string())
        .volume_id(volume)
        .is_public(false)
        .password_enabled(place.base.password_enabled);
    let mut template: Template = run.carry_out(doing, &command, Expect::Long).await?;
    // The job can end before the store has the last of it.
    while !template.is_ready {
        run.waiting("make template", "the template to be ready");
        run.until(doing, sleep(LOOK)).await?;
        let found = run.list(doing, &ListTemplates::new(TemplateFilter::OwnOnly).id(&template.id)).await?;
        template = found.into_iter().next().ok_or_else(|| Error::Invalid {
            problems: vec!["the template vanished before it was ready".to_owned()],
        })?;
    }
    Ok(template)
}

/// Writes the label beside the template.
pub(super) async fn label(run: &Run<'_>, template: &Id, label: &Label) -> Result<()> {
    let command =
        CreateTags::new([template.clone()], "Template", label.tags().into_iter().collect::<TagList>());
    run.carry_out("write the template's tags", &command, Expect::Brief).await?;
    Ok(())
}

/// Gives the template its name: from now on it is the newest image of it.
pub(super) async fn publish(run: &Run<'_>, template: &Id, label: &Label) -> Result<()> {
    let head = &label.head;
    let text = format!(
        "{} from {}, packages {}, by mesostack {}",
        head.image, head.base, head.source, head.mesostack
    );
    let command = UpdateTemplate::new(template).name(&head.image).display_text(text);
    let doing = "give the template its name";
    let Err(error) = run.change(doing, &command).await else { return Ok(()) };
    // The last step of all: a reply that got lost must not cost a finished image.
    let lost = matches!(&error, Error::Cloud { source, .. } if source.is_outcome_unknown());
    let named = lost
        && run
            .list(doing, &ListTemplates::new(TemplateFilter::OwnOnly).id(template))
            .await?
            .iter()
            .any(|found| found.name == head.image);
    if named { Ok(()) } else { Err(error) }
}
