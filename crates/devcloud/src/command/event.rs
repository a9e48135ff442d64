//! Events, newest first.

use serde_json::{Value, json};

use super::call::{View, object, time};
use super::{Call, Command, Entity, Listing, Parameter};
use crate::error::ApiError;
use crate::model::Event;

pub(super) const COMMANDS: &[Command] = &[Command::list(
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
    ],
    list,
)];

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let is = |name: &str, value: &str| {
        arguments.text(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let found = call.model.events.iter().rev().filter(|event| {
        scope.includes(event.account)
            && call.wanted(event.id)
            && is("type", &event.kind)
            && is("level", level(event))
            && is("state", &event.state)
            && is("resourcetype", event.resource_kind.as_deref().unwrap_or_default())
            && is("resourceid", &event.resource.map(|id| id.to_string()).unwrap_or_default())
            && arguments.time("startdate").is_none_or(|start| event.created >= start)
            && arguments.time("enddate").is_none_or(|end| event.created <= end)
            && arguments.id("startid").is_none_or(|start| event.id == start || event.parent == Some(start))
            && call.keyword_in(&[&event.kind, &event.description, level(event)])
    });
    Listing::of("event", arguments, found, |event| view(call.view(), event))
}

fn level(event: &Event) -> &'static str {
    if event.error { "ERROR" } else { "INFO" }
}

fn view(view: View<'_>, event: &Event) -> Value {
    let account = view.model.accounts.get(event.account);
    object([
        json!({
            "id": event.id,
            "username": account.map(|account| &account.user.name),
            "type": event.kind,
            "level": level(event),
            "description": event.description,
            "resourceid": event.resource,
            "resourcetype": event.resource_kind,
            "created": time(event.created),
            "state": event.state,
            "parentid": event.parent,
        }),
        view.ownership(event.account),
    ])
}
