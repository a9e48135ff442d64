//! Groups of machines.

use serde_json::{Value, json};

use super::answer::{Answer, OWNED};
use super::call::{View, object, time};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::model::{Entity as _, InstanceGroup};

pub(super) const COMMANDS: &[Command] = &[
    Command::change(
        "createInstanceGroup",
        "Makes a group of machines",
        &[
            Parameter::text("name").required(),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        create,
    )
    .answering(&GROUP),
    Command::list(
        "listInstanceGroups",
        "Lists groups of machines",
        &[Parameter::id("id", Entity::InstanceGroup), Parameter::text("name")],
        list,
    )
    .answering(&GROUP)
    .reaching(Reach::Owned),
    Command::change(
        "updateInstanceGroup",
        "Gives a group another name",
        &[Parameter::id("id", Entity::InstanceGroup).required(), Parameter::text("name")],
        update,
    )
    .answering(&GROUP),
    Command::change(
        "deleteInstanceGroup",
        "Removes a group; its machines stay",
        &[Parameter::id("id", Entity::InstanceGroup).required()],
        delete,
    ),
];

const GROUP: Answer = Answer::of(&[OWNED, &["id", "name", "created", "hasannotations"]]);

fn gone() -> ApiError {
    ApiError::invalid("Unable to find the instance group")
}

fn taken(name: &str) -> ApiError {
    ApiError::invalid(format!(
        "Unable to create or rename an instance group, a group with name {name} already exists."
    ))
}

fn create(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.owner()?;
    let name = call.arguments.required_text("name")?.to_owned();
    if call.model.group_named(account, &name).is_some() {
        return Err(taken(&name));
    }
    let id = call.model.have_group(account, &name, call.now);
    let group = call.model.instance_groups.get(id).ok_or_else(gone)?;
    Ok(json!({ "instancegroup": view(call.view(), group) }))
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let found = call.model.instance_groups.iter().filter(|group| {
        scope.includes(group.account)
            && call.wanted(group.id)
            && call.name_is(&group.name)
            && call.keyword_in(&[&group.name])
    });
    Listing::of("instancegroup", call.arguments, found, |group| view(call.view(), group))
}

/// Has the machines of a group name another one, or none.
fn rename_in_machines(call: &mut Call<'_>, group: &InstanceGroup, name: Option<&str>) {
    let members = call.model.virtual_machines.iter().filter(|machine| {
        machine.account == group.account
            && machine.group.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(&group.name))
    });
    for id in members.map(|machine| machine.id).collect::<Vec<_>>() {
        if let Some(machine) = call.model.virtual_machines.edit(id) {
            machine.group = name.map(str::to_owned);
        }
    }
}

fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let group = call.model.instance_groups.get(id).cloned().ok_or_else(gone)?;
    let arguments = call.arguments;
    if let Some(name) = arguments.text("name").filter(|name| *name != group.name) {
        if call.model.group_named(group.account, name).is_some_and(|other| other.id != id) {
            return Err(taken(name));
        }
        rename_in_machines(call, &group, Some(name));
        name.clone_into(&mut call.model.instance_groups.edit(id).ok_or_else(gone)?.name);
    }
    let group = call.model.instance_groups.get(id).ok_or_else(gone)?;
    Ok(json!({ "instancegroup": view(call.view(), group) }))
}

fn delete(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let group = call.model.instance_groups.remove(id).ok_or_else(gone)?;
    rename_in_machines(call, &group, None);
    call.model.bury(id, InstanceGroup::KIND);
    Ok(json!({ "success": true }))
}

fn view(view: View<'_>, group: &InstanceGroup) -> Value {
    object([
        json!({ "id": group.id, "name": group.name, "created": time(group.created), "hasannotations": false }),
        view.ownership(group.account),
    ])
}
