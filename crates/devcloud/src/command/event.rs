//! Events: pages from the newest on.

use serde_json::{Value, json};

use super::answer::{Answer, OWNED};
use super::call::{View, object, time};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::model::Event;

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listEvents",
        "Lists what was done, newest first",
        &[
            Parameter::id("id", Entity::Event),
            Parameter::text("type"),
            Parameter::text("level"),
            Parameter::time("startdate"),
            Parameter::time("enddate"),
            Parameter::text("resourceid"),
            Parameter::text("resourcetype"),
            Parameter::id("startid", Entity::Event),
            Parameter::text("state"),
            Parameter::boolean("archived"),
        ],
        list,
    )
    .answering(&EVENT)
    .reaching(Reach::Owned),
    Command::change(
        "archiveEvents",
        "Puts events away: they are listed no more unless asked for",
        &[
            Parameter::ids("ids", Entity::Event),
            Parameter::time("startdate"),
            Parameter::time("enddate"),
            Parameter::text("type"),
        ],
        archive,
    ),
    Command::change(
        "deleteEvents",
        "Removes events",
        &[
            Parameter::ids("ids", Entity::Event),
            Parameter::time("startdate"),
            Parameter::time("enddate"),
            Parameter::text("type"),
        ],
        delete,
    ),
    Command::read("listEventTypes", "Lists the kinds of events that there were", &[], list_types)
        .answering(&TYPE),
];

const TYPE: Answer = Answer::of(&[&["name"]]);

/// The events that the arguments name, the caller's to remove.
fn named(call: &Call<'_>) -> Result<Vec<uuid::Uuid>, ApiError> {
    let arguments = call.arguments;
    let (ids, kind) = (arguments.ids("ids"), arguments.text("type"));
    let (start, end) = (arguments.time("startdate"), arguments.time("enddate"));
    if ids.is_none() && kind.is_none() && start.is_none() && end.is_none() {
        return Err(ApiError::invalid("either ids, type or enddate must be specified"));
    }
    let found = call.model.events.iter().filter(|event| {
        call.may_use(event.account)
            && ids.is_none_or(|ids| ids.contains(&event.id))
            && kind.is_none_or(|kind| kind.eq_ignore_ascii_case(&event.kind))
            && start.is_none_or(|start| event.created >= start)
            && end.is_none_or(|end| event.created <= end)
    });
    Ok(found.map(|event| event.id).collect())
}

fn archive(call: &mut Call<'_>) -> Result<Value, ApiError> {
    for id in named(call)? {
        if let Some(event) = call.model.events.edit(id) {
            event.archived = true;
        }
    }
    Ok(json!({ "success": true }))
}

fn delete(call: &mut Call<'_>) -> Result<Value, ApiError> {
    for id in named(call)? {
        call.model.events.remove(id);
    }
    Ok(json!({ "success": true }))
}

fn list_types(call: &Call<'_>) -> Result<Value, ApiError> {
    let types: std::collections::BTreeSet<&str> =
        call.model.events.iter().map(|event| event.kind.as_str()).collect();
    let types: Vec<Value> = types.into_iter().map(|name| json!({ "name": name })).collect();
    Ok(json!({ "count": types.len(), "eventtype": types }))
}

const EVENT: Answer = Answer::of(&[
    OWNED,
    &["id", "username", "type", "level:string", "description", "resourceid", "resourcetype", "resourcename"],
    &["created", "state:state", "parentid", "archived"],
]);

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.events.iter().rev().filter(|event| {
        scope.includes(event.account)
            && (!event.archived || arguments.boolean("archived") == Some(true))
            && call.wanted(event.id)
            && call.text_is("type", &event.kind)
            && call.text_is("level", level(event))
            && call.text_is("state", &event.state)
            && call.text_is("resourcetype", event.resource_kind.as_deref().unwrap_or_default())
            && call.text_is("resourceid", &event.resource.map(|id| id.to_string()).unwrap_or_default())
            && arguments.time("startdate").is_none_or(|start| event.created >= start)
            && arguments.time("enddate").is_none_or(|end| event.created <= end)
            && arguments.id("startid").is_none_or(|start| event.id == start || event.parent == Some(start))
            && call.keyword_in(&[&event.kind, &event.description, level(event)])
    });
    let mut listing = Listing::of("event", arguments, found, |event| view(call.view(), event))?;
    // The newest are on the first page, and on each page the oldest comes first.
    listing.items.reverse();
    Ok(listing)
}

fn level(event: &Event) -> &'static str {
    if event.error { "ERROR" } else { "INFO" }
}

fn view(view: View<'_>, event: &Event) -> Value {
    let account = view.model.accounts.get(event.account);
    let user = event.user.and_then(|user| Some(view.model.user(user)?.1));
    let user = user.or_else(|| account?.first_user());
    object([
        json!({
            "id": event.id,
            "username": user.map(|user| &user.name),
            "type": event.kind,
            "level": level(event),
            "description": event.description,
            "resourceid": event.resource,
            "resourcetype": event.resource_kind,
            "created": time(event.created),
            "state": event.state,
            "parentid": event.parent,
            "archived": event.archived.then_some(true),
        }),
        view.ownership(event.account),
    ])
}
