//! Starting, stopping, rebooting, destroying, expunging, restoring: the checks before the job, and what it then does in
//! which order.

use serde_json::json;
use uuid::Uuid;

use crate::command::{Begun, Call};
use crate::driver::Stop;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Entity, Format, MachineState, Volume, VolumeKind};

fn instance(id: Uuid) -> Option<(&'static str, Option<Uuid>)> {
    Some(("VirtualMachine", Some(id)))
}

/// The host that `hostid` names. There is one pod and one cluster, so that theirs change nothing.
pub(super) fn wanted_host(call: &Call<'_>) -> Result<Option<u32>, ApiError> {
    for parameter in ["hostid", "podid", "clusterid"] {
        if call.arguments.id(parameter).is_some() && !call.caller.root_admin {
            return Err(ApiError::permission(format!(
                "Parameter {parameter} can only be specified by a Root Admin, permission denied"
            )));
        }
    }
    let Some(id) = call.arguments.id("hostid") else { return Ok(None) };
    let found = (0..call.settings.config.hosts).find(|host| call.catalogue().host_id(*host) == id);
    found.map(Some).ok_or_else(|| ApiError::invalid(format!("Unable to find a host by id {id}")))
}

pub(super) fn start(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let host = wanted_host(call)?;
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| async move {
        running.core.start_machine(id, MachineState::Stopped, host).await?;
        running.started_answer(id).await
    }))
}

pub(super) fn stop(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let how = if call.arguments.boolean("forced") == Some(true) { Stop::Forced } else { Stop::Orderly };
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| async move {
        running.core.stop_machine(id, how).await?;
        running.machine_answer(id)
    }))
}

pub(super) fn reboot(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let how = if call.arguments.boolean("forced") == Some(true) { Stop::Forced } else { Stop::Orderly };
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| async move {
        running.core.reboot_machine(id, how).await?;
        running.machine_answer(id)
    }))
}

pub(super) fn destroy(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let expunge = call.arguments.boolean("expunge") == Some(true);
    let may_expunge = call.may_expunge_machines();
    let disks = call.arguments.ids("volumeids").unwrap_or_default().to_vec();
    let is_its_disk = |disk: &Uuid| {
        let disk = call.model.volumes.get(*disk);
        disk.is_some_and(|disk| disk.virtual_machine == Some(id) && disk.kind == VolumeKind::Data)
    };
    if let Some(other) = disks.iter().find(|disk| !is_its_disk(disk)) {
        return Err(ApiError::invalid(format!(
            "Unable to delete volume {other}: it is no data disk of the machine"
        )));
    }
    if call.model.virtual_machines.get(id).is_some_and(|machine| machine.delete_protection) {
        return Err(ApiError::invalid(format!(
            "Instance {id} has delete protection enabled and cannot be deleted."
        )));
    }
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| async move {
        if expunge && !may_expunge {
            return Err(ApiError::internal("Account does not have permission for expunging."));
        }
        let failed_before = running.core.destroy_machine(id).await?;
        let layers = running
            .core
            .change(|model, _| {
                let mut layers = Vec::new();
                for disk in disks {
                    // One that was detached meanwhile stays.
                    if model.volumes.get(disk).is_some_and(|disk| disk.is_data_of(id)) {
                        layers.extend(model.volumes.remove(disk).into_iter().flat_map(|disk| disk.layers));
                        model.bury(disk, Volume::KIND);
                    }
                }
                Ok(layers)
            })
            .await?;
        running.core.remove_unused(layers).await;
        let answer = running.machine_answer(id)?;
        if expunge || failed_before {
            running.core.expunge_machine(id).await?;
            // What the real server answers of a machine that is no more.
            return Ok(json!({ "virtualmachine": {
                "securitygroup": [], "nic": [], "affinitygroup": [], "deleteprotection": false, "tags": [],
            }}));
        }
        Ok(answer)
    }))
}

pub(super) fn expunge(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let may_expunge = call.may_expunge_machines();
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| async move {
        if !may_expunge {
            return Err(ApiError::internal(
                "Expunging a vm can only be done by an Admin. Or when the allow.user.expunge.recover.vm key is set.",
            ));
        }
        let state = running.core.read(|model| model.virtual_machines.get(id).map(|machine| machine.state));
        match state {
            None => Err(ApiError::invalid(format!("unable to find a virtual machine with id {id}"))),
            Some(MachineState::Destroyed | MachineState::Expunging | MachineState::Error) => {
                running.core.expunge_machine(id).await?;
                Ok(json!({ "success": true }))
            }
            Some(_) => Err(ApiError::internal("Please destroy vm with specified vmId before expunge")),
        }
    }))
}

pub(super) fn restore(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("virtualmachineid")?;
    let template = call.arguments.id("templateid");
    let gigabytes = call.arguments.integer("rootdisksize");
    let bytes = match gigabytes.map(u64::try_from) {
        None => None,
        Some(Ok(gigabytes)) => Some(gigabytes << 30),
        Some(Err(_)) => return Err(ApiError::invalid("Root disk size should be a positive number.")),
    };
    let owner = call.model.virtual_machines.get(id).map_or(call.caller.account, |machine| machine.account);
    if let Some(template) = template.and_then(|template| call.model.templates.get(template)) {
        if !template.usable_by(owner) && !call.caller.root_admin {
            return Err(ApiError::not_yours());
        }
        if !template.ready {
            return Err(ApiError::internal(format!("Template {} is not ready", template.name)));
        }
        if template.format == Format::Iso {
            return Err(ApiError::invalid(format!(
                "{} is an ISO: a machine is restored from a template",
                template.name
            )));
        }
    }
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| async move {
        running.core.restore_machine(id, template, bytes).await?;
        let state = running.core.read(|model| model.virtual_machines.get(id).map(|machine| machine.state));
        match state {
            Some(MachineState::Running) => running.started_answer(id).await,
            _ => running.machine_answer(id),
        }
    }))
}
