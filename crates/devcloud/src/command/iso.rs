//! ISOs: discs that are attached to machines. They are kept among the templates.

use serde_json::{Value, json};
use uuid::Uuid;

use super::template::{TEMPLATE, delete, list, update, usable};
use super::virtual_machine::MACHINE;
use super::{Begun, Call, Command, Entity, JobKind, Parameter};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Format, MachineState};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listIsos",
        "Lists ISOs",
        &[
            Parameter::text("isofilter").about(
                "featured, self, selfexecutable (the default), shared, sharedexecutable, executable, community or all",
            ),
            Parameter::id("id", Entity::Template),
            Parameter::text("name"),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::text("hypervisor"),
            Parameter::boolean("bootable"),
            Parameter::boolean("ispublic"),
            Parameter::boolean("isready"),
            Parameter::boolean("showunique"),
            Parameter::boolean("showremoved"),
        ],
        |call| list(call, true),
    )
    .answering(&TEMPLATE),
    Command::change(
        "updateIso",
        "Changes what is said about an ISO",
        &[
            Parameter::id("id", Entity::Template).required(),
            Parameter::text("name"),
            Parameter::text("displaytext").length(4096),
            Parameter::id("ostypeid", Entity::OsType),
            Parameter::boolean("bootable"),
            Parameter::boolean("passwordenabled"),
            Parameter::boolean("isdynamicallyscalable"),
            Parameter::integer("sortkey"),
            Parameter::map("details"),
            Parameter::boolean("cleanupdetails"),
        ],
        |call| update(call, "iso"),
    )
    .answering(&TEMPLATE),
    Command::job(
        "deleteIso",
        "Removes an ISO that no machine has attached",
        JobKind::new("user.iso.DeleteIsoCmd"),
        &[Parameter::id("id", Entity::Template).required().of_anyone(), Parameter::id("zoneid", Entity::Zone)],
        |call| delete(call, "Iso"),
    ),
    Command::job(
        "attachIso",
        "Puts an ISO into a machine's drive",
        JobKind::new("user.iso.AttachIsoCmd")
            .with_admin_class("admin.iso.AttachIsoCmdByAdmin"),
        &[
            Parameter::id("id", Entity::Template).required().of_anyone(),
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::boolean("forced"),
        ],
        attach,
    )
    .answering(&MACHINE),
    Command::job(
        "detachIso",
        "Takes the ISO from a machine's drive",
        JobKind::new("user.iso.DetachIsoCmd")
            .with_admin_class("admin.iso.DetachIsoCmdByAdmin"),
        &[
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::id("id", Entity::Template).of_anyone(),
            Parameter::boolean("forced"),
        ],
        detach,
    )
    .answering(&MACHINE),
];

fn put(call: &mut Call<'_>, machine: Uuid, isos: Vec<Uuid>) -> Result<(), ApiError> {
    let machine = call.model.virtual_machines.edit(machine);
    let machine = machine.ok_or_else(|| ApiError::invalid("Unable to find the machine"))?;
    if !matches!(machine.state, MachineState::Running | MachineState::Stopped) {
        return Err(ApiError::invalid("Please specify a VM that is either Stopped or Running."));
    }
    machine.isos = isos;
    Ok(())
}

fn attach(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let machine = call.arguments.required_id("virtualmachineid")?;
    let iso = call.model.templates.get(id).filter(|iso| iso.format == Format::Iso);
    let iso = iso.ok_or_else(|| ApiError::invalid("Unable to find an ISO with the id"))?;
    if !usable(call, iso) {
        return Err(ApiError::not_yours());
    }
    if !iso.ready {
        return Err(ApiError::invalid(format!(
            "Unable to attach the ISO {}: it is not fetched yet",
            iso.name
        )));
    }
    let arguments = call.arguments.clone();
    let forced = arguments.boolean("forced") == Some(true);
    Ok(Begun::doing(
        Some(("VirtualMachine", Some(machine))),
        Lane::Machine(machine),
        move |running| async move {
            running
                .change_as_caller(&arguments, |call| {
                    let there = call.model.virtual_machines.get(machine).map(|machine| machine.isos.clone());
                    if there.unwrap_or_default().iter().any(|other| *other != id) && !forced {
                        return Err(ApiError::invalid(
                            "There is an ISO attached to the machine already; detach it first",
                        ));
                    }
                    put(call, machine, vec![id])
                })
                .await?;
            running.machine_answer(machine)
        },
    ))
}

fn detach(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let machine = call.arguments.required_id("virtualmachineid")?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(
        Some(("VirtualMachine", Some(machine))),
        Lane::Machine(machine),
        move |running| async move {
            running
                .change_as_caller(&arguments, |call| {
                    let attached =
                        call.model.virtual_machines.get(machine).is_some_and(|it| !it.isos.is_empty());
                    if !attached {
                        return Err(ApiError::invalid("The specified instance has no ISO attached to it."));
                    }
                    put(call, machine, Vec::new())
                })
                .await?;
            running.machine_answer(machine)
        },
    ))
}

/// The ISOs of a machine as it shows them.
pub(super) fn of_machine(model: &crate::model::Model, isos: &[Uuid]) -> Vec<Value> {
    let isos = isos.iter().filter_map(|iso| model.templates.get(*iso));
    isos.enumerate()
        .map(|(slot, iso)| {
            json!({
                "id": iso.id,
                "name": iso.name,
                "displaytext": iso.display_text,
                "bootable": iso.bootable,
                "deviceseq": slot + 3,
            })
        })
        .collect()
}
