//! Events: pages from the newest on.

use jiff::{SignedDuration, Timestamp};
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
            Parameter::integer("entrytime").about("with duration: at most so many seconds ago"),
            Parameter::integer("duration").about("with entrytime: at least so many seconds ago"),
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
    Command::read("listEventTypes", "Lists the types that events can have", &[], list_types).answering(&TYPE),
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

fn list_types(_: &Call<'_>) -> Result<Value, ApiError> {
    let types: std::collections::BTreeSet<&str> = super::deed::kinds().chain([LOGIN, LOGOUT]).collect();
    let types: Vec<Value> = types.into_iter().map(|name| json!({ "name": name })).collect();
    Ok(json!({ "count": types.len(), "eventtype": types }))
}

/// Of a user who came in.
pub(crate) const LOGIN: &str = "USER.LOGIN";
/// Of a user who went out.
pub(crate) const LOGOUT: &str = "USER.LOGOUT";

const EVENT: Answer = Answer::of(&[
    OWNED,
    &["id", "username", "type", "level:string", "description", "resourceid", "resourcetype", "resourcename"],
    &["created", "state:state", "parentid"],
]);

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let span = span(call)?;
    let found = call.model.events.iter().rev().filter(|event| {
        span.is_none_or(|(from, to)| (from..=to).contains(&event.created))
            && scope.includes(event.account)
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

/// The time that `entrytime` and `duration`, both seconds before now, enclose, if both are given.
fn span(call: &Call<'_>) -> Result<Option<(Timestamp, Timestamp)>, ApiError> {
    let (entry, duration) = (call.arguments.integer("entrytime"), call.arguments.integer("duration"));
    let Some((entry, duration)) = entry.zip(duration) else { return Ok(None) };
    if entry <= duration {
        return Err(ApiError::invalid("Entry time must be greater than duration"));
    }
    let before = |seconds: i64| call.now.saturating_sub(SignedDuration::from_secs(seconds));
    let span = before(entry).ok().zip(before(duration).ok());
    Ok(Some(span.unwrap_or((Timestamp::MIN, call.now))))
}

fn level(event: &Event) -> &'static str {
    if event.error { "ERROR" } else { "INFO" }
}

fn view(view: View<'_>, event: &Event) -> Value {
    let account = view.model.accounts.get(event.account);
    let user = event.user.and_then(|user| Some(view.model.user(user)?.1));
    let user = user.or_else(|| account?.first_user());
    // What left no row is told by its kind alone.
    let known = event.resource_kind.as_deref().zip(event.resource);
    let known = known.is_some_and(|(kind, id)| view.model.still_known(kind, id));
    object([
        json!({
            "id": event.id,
            "username": user.map(|user| &user.name),
            "type": event.kind,
            "level": level(event),
            "description": event.description,
            "resourceid": event.resource.filter(|_| known),
            "resourcetype": event.resource_kind,
            "resourcename": event.resource_name.as_deref().filter(|_| known),
            "created": time(event.created),
            "state": event.state,
            "parentid": event.parent,
        }),
        view.ownership(event.account),
    ])
}
