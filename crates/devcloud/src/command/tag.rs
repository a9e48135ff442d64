//! Tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, OWNED};
use super::call::{View, object};
use super::{Begun, Call, Command, JobKind, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Format, Model, TagSet, TaggedKind};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createTags",
        "Gives things tags; a key can be on a thing once",
        JobKind::new("user.tag.CreateTagsCmd"),
        &[
            Parameter::texts("resourceids").required(),
            Parameter::text("resourcetype").required(),
            Parameter::map("tags").required(),
            Parameter::text("customer"),
        ],
        create,
    ),
    Command::job(
        "deleteTags",
        "Takes tags from things",
        JobKind::new("user.tag.DeleteTagsCmd"),
        &[
            Parameter::texts("resourceids").required(),
            Parameter::text("resourcetype").required(),
            Parameter::map("tags"),
        ],
        delete,
    ),
    Command::list(
        "listTags",
        "Lists tags",
        &[
            Parameter::text("resourcetype"),
            Parameter::text("resourceid"),
            Parameter::text("key"),
            Parameter::text("value"),
            Parameter::text("customer"),
        ],
        list,
    )
    .answering(&TAG)
    .reaching(Reach::Owned),
];

/// What is told of a tag.
pub(super) const TAG: Answer = Answer::of(&[OWNED, &["key", "value", "resourcetype", "resourceid"]]);

/// The kind of thing that `resourcetype` names.
pub(super) fn kind(call: &Call<'_>) -> Result<TaggedKind, ApiError> {
    let name = call.arguments.required_text("resourcetype")?;
    TaggedKind::of(name).ok_or_else(|| ApiError::invalid(format!("Invalid resource type {name}")))
}

/// A thing by its id, the caller's to change, and its owner.
pub(super) fn resource(call: &Call<'_>, kind: TaggedKind, text: &str) -> Result<(Uuid, Uuid), ApiError> {
    let found = text.parse().ok().and_then(|id| Some((id, owner(call.model, kind, id)?)));
    let (id, owner) = found.ok_or_else(|| {
        ApiError::invalid(format!("Unable to find resource by id {text} and type {}", kind.name()))
    })?;
    call.must_be_mine(owner)?;
    Ok((id, owner))
}

/// What a tag is to be put on or taken from, found and the caller's.
fn resources(call: &Call<'_>) -> Result<Vec<(Uuid, TaggedKind, Uuid)>, ApiError> {
    let kind = kind(call)?;
    let ids = call.arguments.texts("resourceids").unwrap_or_default();
    ids.iter().map(|text| resource(call, kind, text).map(|(id, owner)| (id, kind, owner))).collect()
}

pub(super) fn owner(model: &Model, kind: TaggedKind, id: Uuid) -> Option<Uuid> {
    match kind {
        TaggedKind::UserVm => model.virtual_machines.get(id).map(|machine| machine.account),
        TaggedKind::Template | TaggedKind::Iso => {
            let template = model.templates.get(id)?;
            let iso = template.format == Format::Iso;
            template.account.filter(|_| iso == (kind == TaggedKind::Iso))
        }
        TaggedKind::Snapshot => model.snapshots.get(id).map(|snapshot| snapshot.account),
        TaggedKind::Project => model.projects.get(id).map(|project| project.account),
        TaggedKind::Account => model.accounts.get(id).map(|account| account.id),
        TaggedKind::User => model.user(id).map(|(account, _)| account.id),
        TaggedKind::Nic => super::virtual_machine::nic::holder(model, id).map(|machine| machine.account),
        TaggedKind::Volume => model.volumes.get(id).map(|volume| volume.account),
        TaggedKind::Network => model.networks.get(id).map(|network| network.account),
        TaggedKind::LoadBalancer => model.load_balancer_rules.get(id).map(|rule| rule.account),
        TaggedKind::PortForwardingRule => model.port_forwarding_rules.get(id).map(|rule| rule.account),
        TaggedKind::FirewallRule => model.firewall_rules.get(id).map(|rule| rule.account),
        TaggedKind::PublicIpAddress => model.public_ip_addresses.get(id).and_then(|address| address.account),
    }
}

// Everything is checked when the job runs, as on the real server: whether a key is free can be told only then.
fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let wanted = tags_of(call.arguments.map("tags"));
    let arguments = call.arguments.clone();
    Ok(Begun::doing(None, Lane::Free, move |running| async move {
        let put_all = |call: &mut Call<'_>| {
            for (resource, kind, account) in resources(call)? {
                for (key, value) in &wanted {
                    put(call.model, resource, kind, account, key, value)?;
                }
            }
            Ok(json!({ "success": true }))
        };
        running.change_as_caller(&arguments, put_all).await
    }))
}

fn put(
    model: &mut Model,
    resource: Uuid,
    kind: TaggedKind,
    account: Uuid,
    key: &str,
    value: &str,
) -> Result<(), ApiError> {
    if !model.tags.contains(resource) {
        let number = model.next_number();
        model.tags.insert(TagSet { number, resource, kind, account, tags: Vec::new() });
    }
    let set = model.tags.edit(resource).ok_or_else(|| ApiError::internal("Failed to create tags"))?;
    if set.tags.iter().any(|(old, _)| old == key) {
        return Err(ApiError::internal(format!("tag {key} already on {} with id {resource}", kind.name())));
    }
    set.tags.push((key.to_owned(), value.to_owned()));
    Ok(())
}

/// Gives something new the tags that its command names.
pub(super) fn put_all(
    call: &mut Call<'_>,
    resource: Uuid,
    kind: TaggedKind,
    account: Uuid,
) -> Result<(), ApiError> {
    for (key, value) in tags_of(call.arguments.map("tags")) {
        put(call.model, resource, kind, account, &key, &value)?;
    }
    Ok(())
}

/// Pairs from `tags[0].key=…&tags[0].value=…`.
pub(super) fn tags_of(maps: &[BTreeMap<String, String>]) -> Vec<(String, String)> {
    let field = |map: &BTreeMap<String, String>, name: &str| map.get(name).cloned();
    maps.iter()
        .filter_map(|map| Some((field(map, "key")?, field(map, "value").unwrap_or_default())))
        .collect()
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments.clone();
    Ok(Begun::doing(None, Lane::Free, move |running| async move {
        let take_all = |call: &mut Call<'_>| {
            let wanted = call.arguments.map("tags");
            let mut taken = 0;
            for (resource, ..) in resources(call)? {
                taken += take(call.model, resource, wanted);
            }
            if taken == 0 {
                return Err(ApiError::internal("Failed to delete tags"));
            }
            Ok(json!({ "success": true }))
        };
        running.change_as_caller(&arguments, take_all).await
    }))
}

/// Takes the wanted tags, or all when none are named, from a thing; how many there were.
fn take(model: &mut Model, resource: Uuid, wanted: &[BTreeMap<String, String>]) -> usize {
    let Some(set) = model.tags.edit(resource) else { return 0 };
    let before = set.tags.len();
    set.tags.retain(|(key, value)| {
        let named = wanted.iter().any(|tag| {
            tag.get("key").is_some_and(|wanted| wanted == key)
                && tag.get("value").is_none_or(|wanted| wanted == value)
        });
        !(named || wanted.is_empty())
    });
    let (taken, none_left) = (before - set.tags.len(), set.tags.is_empty());
    if none_left {
        model.tags.remove(resource);
    }
    taken
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let kind = arguments.text("resourcetype").map(TaggedKind::of);
    let is = |name: &str, value: &str| arguments.text(name).is_none_or(|wanted| wanted == value);
    let found = call
        .model
        .tags
        .iter()
        .filter(|set| {
            scope.includes(set.account)
                && kind.is_none_or(|kind| kind == Some(set.kind))
                && is("resourceid", &set.resource.to_string())
        })
        .flat_map(|set| set.tags.iter().map(move |(key, value)| (set, key, value)))
        .filter(|(_, key, value)| is("key", key) && is("value", value) && call.keyword_in(&[key, value]));
    Listing::of("tag", arguments, found, |(set, key, value)| view(call.view(), set, key, value))
}

pub(super) fn view(view: View<'_>, set: &TagSet, key: &str, value: &str) -> Value {
    object([
        json!({ "key": key, "value": value, "resourcetype": set.kind.name(), "resourceid": set.resource }),
        view.ownership(set.account),
    ])
}
