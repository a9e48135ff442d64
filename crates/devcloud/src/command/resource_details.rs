//! Details of things: those that machines and templates have themselves, and further ones on everything else.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, OWNED};
use super::call::object;
use super::{Begun, Call, Command, JobKind, Listing, Parameter, Reach, tag};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Model, ResourceDetails, TaggedKind};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "addResourceDetail",
        "Gives a thing details, in place of those with the same keys",
        JobKind::new("user.volume.AddResourceDetailCmd"),
        &[
            Parameter::map("details").required(),
            Parameter::text("resourceid").required(),
            Parameter::text("resourcetype").required(),
            Parameter::boolean("fordisplay"),
        ],
        add,
    )
    .for_admins(),
    Command::job(
        "removeResourceDetail",
        "Takes a detail from a thing, or all",
        JobKind::new("user.volume.RemoveResourceDetailCmd"),
        &[
            Parameter::text("resourceid").required(),
            Parameter::text("resourcetype").required(),
            Parameter::text("key"),
        ],
        remove,
    )
    .for_admins(),
    Command::list(
        "listResourceDetails",
        "Lists a thing's details",
        &[
            Parameter::text("resourcetype").required(),
            Parameter::text("resourceid"),
            Parameter::text("key"),
            Parameter::text("value"),
            Parameter::boolean("fordisplay"),
        ],
        list,
    )
    .answering(&DETAIL)
    .reaching(Reach::Owned),
];

const DETAIL: Answer = Answer::of(&[OWNED, &["resourceid", "resourcetype", "key", "value"]]);

/// The thing that is named, the caller's to change, and its kind.
fn named(call: &Call<'_>) -> Result<(Uuid, TaggedKind), ApiError> {
    let kind = tag::kind(call)?;
    let (id, _) = tag::resource(call, kind, call.arguments.required_text("resourceid")?)?;
    Ok((id, kind))
}

fn of(model: &Model, kind: TaggedKind, id: Uuid) -> Option<&BTreeMap<String, String>> {
    match kind {
        TaggedKind::UserVm => Some(&model.virtual_machines.get(id)?.details),
        TaggedKind::Template | TaggedKind::Iso => Some(&model.templates.get(id)?.details),
        _ => Some(&model.resource_details.get(id)?.details),
    }
}

fn edit(model: &mut Model, kind: TaggedKind, id: Uuid) -> Option<&mut BTreeMap<String, String>> {
    match kind {
        TaggedKind::UserVm => Some(&mut model.virtual_machines.edit(id)?.details),
        TaggedKind::Template | TaggedKind::Iso => Some(&mut model.templates.edit(id)?.details),
        _ => {
            if !model.resource_details.contains(id) {
                let number = model.next_number();
                let details = BTreeMap::new();
                model.resource_details.insert(ResourceDetails { number, resource: id, kind, details });
            }
            Some(&mut model.resource_details.edit(id)?.details)
        }
    }
}

fn add(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    named(call)?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(None, Lane::Free, move |running| async move {
        running
            .change_as_caller(&arguments, |call| {
                let (id, kind) = named(call)?;
                let pairs = tag::tags_of(call.arguments.map("details"));
                let details = edit(call.model, kind, id);
                details.ok_or_else(|| ApiError::internal("The resource is gone"))?.extend(pairs);
                Ok(json!({ "success": true }))
            })
            .await
    }))
}

fn remove(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    named(call)?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(None, Lane::Free, move |running| async move {
        running
            .change_as_caller(&arguments, |call| {
                let (id, kind) = named(call)?;
                let key = call.arguments.text("key");
                let details = edit(call.model, kind, id);
                let details = details.ok_or_else(|| ApiError::internal("The resource is gone"))?;
                details.retain(|name, _| key.is_some_and(|key| key != name));
                Ok(json!({ "success": true }))
            })
            .await
    }))
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let kind = tag::kind(call)?;
    let arguments = call.arguments;
    if arguments.text("resourceid").is_none() && !call.caller.root_admin {
        return Err(ApiError::invalid("resourceid must be specified"));
    }
    let ids: Vec<Uuid> = match arguments.text("resourceid") {
        Some(text) => text.parse().ok().into_iter().collect(),
        None => call
            .model
            .resource_details
            .iter()
            .filter(|set| set.kind == kind)
            .map(|set| set.resource)
            .collect(),
    };
    let is = |name: &str, value: &str| arguments.text(name).is_none_or(|wanted| wanted == value);
    let found = ids
        .into_iter()
        .filter_map(|id| Some((id, tag::owner(call.model, kind, id)?, of(call.model, kind, id)?)))
        .filter(|(_, owner, _)| scope.includes(*owner) || call.may_use(*owner))
        .flat_map(|(id, owner, details)| details.iter().map(move |(key, value)| (id, owner, key, value)))
        .filter(|(_, _, key, value)| is("key", key) && is("value", value));
    Listing::of("resourcedetail", arguments, found, |(id, owner, key, value)| -> Value {
        object([
            json!({
                "resourceid": id,
                "resourcetype": kind.name(),
                "key": key,
                "value": value,
            }),
            call.view().ownership(owner),
        ])
    })
}
