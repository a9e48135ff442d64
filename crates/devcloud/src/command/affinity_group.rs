//! Affinity groups.

use serde_json::{Value, json};

use super::answer::{Answer, OWNED, ZONED};
use super::call::{View, object};
use super::virtual_machine::MACHINE;
use super::{Begun, Call, Command, Entity, JobKind, Listing, Naming, Parameter, Reach};
use crate::error::ApiError;
use crate::faults::not_doomed;
use crate::job::Lane;
use crate::model::{AffinityGroup, AffinityType, MachineState};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createAffinityGroup",
        "Makes an affinity group",
        JobKind::new("user.affinitygroup.CreateAffinityGroupCmd"),
        &[
            Parameter::text("name").required(),
            Parameter::text("type").required(),
            Parameter::text("description"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        create,
    )
    .answering(&GROUP),
    Command::list(
        "listAffinityGroups",
        "Lists affinity groups",
        &[
            Parameter::id("id", Entity::AffinityGroup),
            Parameter::text("name"),
            Parameter::text("type"),
            Parameter::id("virtualmachineid", Entity::VirtualMachine),
        ],
        list,
    )
    .answering(&GROUP)
    .reaching(Reach::Owned),
    Command::list("listAffinityGroupTypes", "Lists types of affinity groups", &[], list_types)
        .answering(&TYPE)
        .reaching(Reach::Catalogue),
    Command::job(
        "deleteAffinityGroup",
        "Removes an affinity group, from its machines too",
        JobKind::new("user.affinitygroup.DeleteAffinityGroupCmd"),
        &[
            Parameter::id("id", Entity::AffinityGroup),
            Parameter::text("name"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        delete,
    ),
    Command::job(
        "updateVMAffinityGroup",
        "Puts a stopped machine into these affinity groups and no others",
        JobKind::new("user.affinitygroup.UpdateVMAffinityGroupCmd"),
        &[
            Parameter::id("id", Entity::VirtualMachine).required(),
            Parameter::ids("affinitygroupids", Entity::AffinityGroup),
            Parameter::texts("affinitygroupnames"),
        ],
        update_machine,
    )
    .answering(&MACHINE),
];

const GROUP: Answer = Answer::of(&[OWNED, &["id", "name", "description", "type", "virtualmachineIds"]]);

const TYPE: Answer = Answer::of(&[&["type"]]);

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let account = call.owner()?;
    let name = call.arguments.required_text("name")?.to_owned();
    let kind = call.arguments.required_text("type")?;
    let kind = AffinityType::of(kind).ok_or_else(|| {
        let valid: Vec<&str> = AffinityType::ALL.into_iter().map(AffinityType::name).collect();
        ApiError::invalid(format!(
            "Unable to create affinity group, invalid affinity group type: {kind}. Valid values are {}",
            valid.join(",")
        ))
    })?;
    if call.model.affinity_groups.iter().any(|group| group.account == account && group.name == name) {
        return Err(ApiError::invalid(format!(
            "Unable to create affinity group, a group with name {name} already exists."
        )));
    }
    let id = call.model.next_id();
    let group = AffinityGroup {
        number: call.model.next_number(),
        id,
        account,
        name,
        description: call.arguments.text("description").map(str::to_owned),
        kind,
    };
    let view = view(call.view(), &group);
    call.model.affinity_groups.insert(group);
    let mut begun = Begun::making(id, "AffinityGroup", Lane::Free, move |_| async move {
        Ok(json!({ "affinitygroup": view }))
    });
    begun.instance = Some(("AffinityGroup", None));
    Ok(begun)
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let machine = arguments.id("virtualmachineid").map(|id| call.model.virtual_machines.get(id));
    let found = call.model.affinity_groups.iter().filter(|group| {
        scope.includes(group.account)
            && call.wanted(group.id)
            && call.name_is(&group.name)
            && call.keyword_in(&[&group.name])
            && arguments.text("type").is_none_or(|kind| kind == group.kind.name())
            && machine.is_none_or(|machine| {
                machine.is_some_and(|machine| machine.affinity_groups.contains(&group.id))
            })
    });
    Listing::of("affinitygroup", arguments, found, |group| view(call.view(), group))
}

fn list_types(call: &Call<'_>) -> Result<Listing, ApiError> {
    Listing::of("affinityGroupType", call.arguments, AffinityType::ALL, |kind| json!({ "type": kind.name() }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let account = call.owner()?;
    let arguments = call.arguments.clone();
    // By its name it is not told: the server looks for it only in the job.
    let naming = if arguments.id("id").is_some() { Naming::Kind } else { Naming::Nothing };
    let begun = Begun::doing(Some(("AffinityGroup", None)), Lane::Free, move |running| async move {
        not_doomed()?;
        running
            .core
            .change(|model, _| {
                let found = model.affinity_groups.iter().find(|group| match arguments.id("id") {
                    Some(id) => group.id == id,
                    None => group.account == account && arguments.text("name") == Some(group.name.as_str()),
                });
                let Some(id) = found.map(|group| group.id) else {
                    let wanted = arguments
                        .text("name")
                        .map(str::to_owned)
                        .or(arguments.id("id").map(|id| id.to_string()));
                    let text = format!("Unable to find affinity group {}", wanted.unwrap_or_default());
                    return Err(ApiError::invalid(text));
                };
                let members: Vec<_> = model
                    .virtual_machines
                    .iter()
                    .filter(|machine| machine.affinity_groups.contains(&id))
                    .map(|machine| machine.id)
                    .collect();
                for member in members {
                    if let Some(machine) = model.virtual_machines.edit(member) {
                        machine.affinity_groups.retain(|group| *group != id);
                    }
                }
                model.affinity_groups.remove(id);
                Ok(json!({ "success": true }))
            })
            .await
    });
    Ok(Begun { naming, ..begun })
}

/// The groups a command names, by id or by name (not both), each the account's own.
pub(super) fn named(call: &Call<'_>, account: uuid::Uuid) -> Result<Vec<uuid::Uuid>, ApiError> {
    match (call.arguments.ids("affinitygroupids"), call.arguments.texts("affinitygroupnames")) {
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "affinitygroupids parameter is mutually exclusive with affinitygroupnames parameter",
        )),
        (Some(ids), None) => Ok(ids.to_vec()),
        (None, Some(names)) => names
            .iter()
            .map(|name| {
                let mut groups = call.model.affinity_groups.iter();
                groups
                    .find(|group| group.account == account && group.name == *name)
                    .map(|group| group.id)
                    .ok_or_else(|| ApiError::invalid(format!("Unable to find group by name {name}")))
            })
            .collect(),
        (None, None) => Ok(Vec::new()),
    }
}

fn update_machine(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let owner = call.model.virtual_machines.get(id).map_or(call.caller.account, |machine| machine.account);
    let groups = named(call, owner)?;
    let begun = Begun::doing(Some(("AffinityGroup", None)), Lane::Machine(id), move |running| async move {
        running
            .core
            .change(|model, _| {
                let gone = || ApiError::invalid("Unable to find the virtual machine");
                let machine = model.virtual_machines.edit(id).ok_or_else(gone)?;
                let state = machine.state;
                if state != MachineState::Stopped {
                    return Err(ApiError::invalid(format!(
                        "Unable update affinity groups of the virtual machine {} in state {}; make sure the virtual machine \
                         is stopped and not in an error state before updating.",
                        model.described(id),
                        state.name()
                    )));
                }
                machine.affinity_groups = groups;
                Ok(())
            })
            .await?;
        // The list tells more of the machine than this answer does.
        running.machine_answer(id).map(|answer| just(answer, WITH_GROUPS))
    });
    Ok(Begun { naming: Naming::Nothing, ..begun })
}

/// What is told of a machine whose groups were changed, besides whose it is and where.
const WITH_GROUPS: &[&str] = &[
    "id",
    "name",
    "displayname",
    "userid",
    "username",
    "created",
    "lastupdated",
    "state",
    "haenable",
    "guestosid",
    "ostypeid",
    "osdisplayname",
    "hypervisor",
    "securitygroup",
    "details",
    "keypairs",
    "affinitygroup",
    "isdynamicallyscalable",
    "deleteprotection",
    "pooltype",
    "receivedbytes",
    "sentbytes",
    "tags",
    "hasannotations",
];

/// The one object in an answer with these fields only, and those that say whose it is and where; without interfaces.
fn just(mut answer: Value, fields: &[&str]) -> Value {
    if let Some(machine) = answer["virtualmachine"].as_object_mut() {
        machine.retain(|name, _| {
            let name = name.as_str();
            fields.contains(&name) || OWNED.contains(&name) || ZONED.contains(&name)
        });
        machine.insert("nic".to_owned(), json!([]));
    }
    answer
}

fn view(view: View<'_>, group: &AffinityGroup) -> Value {
    let members: Vec<_> = view
        .model
        .virtual_machines
        .iter()
        .filter(|machine| machine.affinity_groups.contains(&group.id))
        .map(|machine| machine.id)
        .collect();
    object([
        json!({
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "type": group.kind.name(),
            "virtualmachineIds": (!members.is_empty()).then_some(members),
        }),
        view.ownership(group.account),
    ])
}
