//! The images that are there: what they are made of, who uses them, and how to be rid of one.

use std::collections::BTreeMap;

use cloudstack::{
    Client, Expect, Id,
    resource::{DeleteTemplate, ListTemplates, ListVirtualMachines, Template, TemplateFilter},
};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    error::{Error, Result},
    manifest::Label,
};

/// An image built by mesostack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// The template's id.
    pub id: Id,
    /// The template's name.
    pub name: String,
    /// When the template was made, by the server's clock.
    pub created: Option<Timestamp>,
    /// Whether machines can be made from it.
    pub ready: bool,
    /// What its tags tell.
    pub label: Label,
    /// Names of the machines that were made from it and are still there.
    pub machines: Vec<String>,
}

/// All images of the zone that carry mesostack's tags, newest first: two calls.
///
/// # Errors
/// When the cloud cannot be asked.
pub async fn list(client: &Client, zone: &str) -> Result<Vec<Image>> {
    let (templates, machines) = (ListTemplates::new(TemplateFilter::OwnOnly), ListVirtualMachines::new());
    let (templates, machines) = tokio::try_join!(client.list(&templates), client.list(&machines))
        .map_err(|source| Error::Cloud { doing: "list images".to_owned(), source: Box::new(source) })?;
    let mut users: BTreeMap<Id, Vec<String>> = BTreeMap::new();
    for machine in machines {
        users.entry(machine.template_id).or_default().push(machine.name);
    }
    let in_zone = |it: &Template| it.zone_name.eq_ignore_ascii_case(zone) || it.zone_id.as_str() == zone;
    let mut images: Vec<Image> = templates
        .into_iter()
        .filter(in_zone)
        .filter_map(|template| {
            let tags = template.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
            let label = Label::of_tags(tags)?;
            // A template that is tagged and still called after its build was never finished.
            if super::build::BuildId::of_name(&template.name).is_some() {
                return None;
            }
            let machines = users.remove(&template.id).unwrap_or_default();
            let Template { id, name, created, is_ready: ready, .. } = template;
            Some(Image { id, name, created, ready, label, machines })
        })
        .collect();
    images.sort_by(|one, other| other.created.cmp(&one.created).then_with(|| one.id.cmp(&other.id)));
    Ok(images)
}

/// The image that `wanted` (an id, or a name that only one has) means.
///
/// # Errors
/// [`Error::NoSuchImage`], [`Error::Ambiguous`].
pub fn pick<'a>(images: &'a [Image], wanted: &str, zone: &str) -> Result<&'a Image> {
    if let Some(image) = images.iter().find(|image| image.id.as_str() == wanted) {
        return Ok(image);
    }
    let called: Vec<&Image> = images.iter().filter(|image| image.name.eq_ignore_ascii_case(wanted)).collect();
    match called[..] {
        [image] => Ok(image),
        [] => Err(Error::NoSuchImage { image: wanted.to_owned(), zone: zone.to_owned() }),
        _ => Err(Error::Ambiguous {
            image: wanted.to_owned(),
            ids: called.iter().map(|image| image.id.to_string()).collect(),
        }),
    }
}

/// Deletes an image that no machine uses.
///
/// # Errors
/// [`Error::InUse`], naming the machines; the server's own refusal when it knows of others (of another account, or
/// destroyed and not yet gone).
pub async fn delete(client: &Client, image: &Image, deadline: Instant) -> Result<()> {
    if !image.machines.is_empty() {
        return Err(Error::InUse { image: image.name.clone(), machines: image.machines.clone() });
    }
    client.run(&DeleteTemplate::new(&image.id), Expect::Brief, deadline).await.map(|_| ()).map_err(|source| {
        Error::Cloud { doing: format!("delete image {}", image.name), source: Box::new(source) }
    })
}

/// Those of `images` that a newer ready one of the same name has replaced and that no machine uses.
pub fn outdated(images: &[Image]) -> Vec<&Image> {
    let newest =
        |name: &str| images.iter().find(|image| image.ready && image.name.eq_ignore_ascii_case(name));
    images
        .iter()
        .filter(|image| image.machines.is_empty())
        .filter(|image| {
            newest(&image.name).is_some_and(|newest| newest.id != image.id && newest.created > image.created)
        })
        .collect()
}
