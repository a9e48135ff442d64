//! Volumes and their machines: attaching, detaching, and which place a disk has in one.

use uuid::Uuid;

use super::{answer, find, gone};
use crate::command::{Begun, Call, Running};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{MachineState, Model, Volume, VolumeKind};

/// The place a further disk of a machine gets. 0 is its root disk's, 3 its disc drive's.
pub(super) fn device(call: &Call<'_>, machine: Uuid, wanted: Option<i64>) -> Result<u32, ApiError> {
    let disks = call.model.volumes.iter().filter(|volume| volume.virtual_machine == Some(machine));
    place(&disks.map(|volume| volume.device).collect::<Vec<_>>(), wanted)
}

/// A data disk's place besides these: the one that is wanted, or the first that is free.
pub(in crate::command) fn place(taken: &[u32], wanted: Option<i64>) -> Result<u32, ApiError> {
    let free = |place: &u32| *place != 0 && *place != 3 && !taken.contains(place);
    match wanted {
        None => (1..16).find(free).ok_or_else(|| {
            ApiError::invalid("The specified VM already has the maximum number of data disks attached")
        }),
        Some(0) => Err(ApiError::invalid("deviceId can't be 0: that is the root disk's")),
        Some(wanted) => {
            u32::try_from(wanted).ok().filter(|place| *place < 64).filter(free).ok_or_else(|| {
                ApiError::internal(format!("deviceId {wanted} is used by VM or is not one a disk can have"))
            })
        }
    }
}

pub(super) fn plug_in(
    call: &mut Call<'_>,
    id: Uuid,
    machine: Uuid,
    wanted: Option<i64>,
) -> Result<(), ApiError> {
    let place = device(call, machine, wanted)?;
    let now = call.now;
    let volume = call.model.volumes.edit(id).ok_or_else(gone)?;
    volume.virtual_machine = Some(machine);
    volume.device = place;
    volume.attached = Some(now);
    volume.ready = true;
    Ok(())
}

/// Has the machine have the disk that the records give it; where that fails, the records don't any more.
pub(super) async fn give(running: &Running, id: Uuid, machine: Uuid) -> Result<(), ApiError> {
    let Err(error) = running.core.equip(machine).await else { return Ok(()) };
    let undone = running.core.change(|model, _| {
        model.volumes.edit(id).filter(|volume| volume.virtual_machine == Some(machine)).map(Volume::detach);
        Ok(())
    });
    undone.await?;
    if let Err(error) = running.core.equip(machine).await {
        tracing::warn!(%machine, volume = %id, %error, "what is left of a disk that was not attached");
    }
    Err(ApiError::internal(format!("Failed to attach volume {id} to VM {machine}; {error}")))
}

pub(super) fn attach(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let machine = call.arguments.required_id("virtualmachineid")?;
    let wanted = call.arguments.integer("deviceid");
    let arguments = call.arguments.clone();
    let begun = Begun::doing(Some(("Volume", Some(id))), Lane::Machine(machine), move |running| async move {
        let attached = running
            .change_as_caller(&arguments, |call| {
                let volume = find(call, id)?;
                if volume.kind == VolumeKind::Root || volume.destroyed {
                    return Err(ApiError::invalid("Can't attach a root disk, or one that is destroyed"));
                }
                if volume.virtual_machine.is_some() {
                    return Err(ApiError::invalid("Please specify a volume that is not attached to any VM."));
                }
                let target = call.model.virtual_machines.get(machine);
                let target = target.ok_or_else(|| ApiError::invalid("Unable to find the machine"))?;
                if !matches!(target.state, MachineState::Running | MachineState::Stopped) {
                    return Err(ApiError::invalid("Please specify a VM that is either running or stopped."));
                }
                if target.account != volume.account {
                    return Err(ApiError::permission(
                        "The volume and the machine belong to different accounts",
                    ));
                }
                plug_in(call, id, machine, wanted)?;
                answer(call, id)
            })
            .await?;
        give(&running, id, machine).await?;
        Ok(attached)
    });
    Ok(begun.beside(Lane::Volume(id)))
}

/// That a disk is where it was when a job was begun: the job is in the lane of the machine that had it then.
pub(in crate::command) fn has_stayed(model: &Model, id: Uuid, machine: Option<Uuid>) -> Result<(), ApiError> {
    let now = model.volumes.get(id).ok_or_else(gone)?.virtual_machine;
    if now == machine {
        return Ok(());
    }
    Err(ApiError::invalid("The volume was attached or detached while this waited for its turn: ask again"))
}

pub(super) fn detach(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let volume = match (arguments.id("id"), arguments.id("virtualmachineid"), arguments.integer("deviceid")) {
        (Some(id), None, None) => find(call, id)?,
        (None, Some(machine), Some(place)) => {
            let mut volumes = call.model.volumes.iter();
            let found = volumes
                .find(|volume| volume.virtual_machine == Some(machine) && i64::from(volume.device) == place);
            found.ok_or_else(gone)?
        }
        _ => {
            return Err(ApiError::invalid(
                "Please provide either a volume id, or a tuple(device id, instance id)",
            ));
        }
    };
    let id = volume.id;
    let holder = volume.virtual_machine;
    let lane = holder.map_or(Lane::Free, Lane::Machine);
    let arguments = call.arguments.clone();
    let begun = Begun::doing(Some(("Volume", Some(id))), lane, move |running| async move {
        let may_be_detached = |call: &Call<'_>| {
            let volume = find(call, id)?;
            let Some(machine) = volume.virtual_machine else {
                return Err(ApiError::invalid("The specified volume is not attached to a VM."));
            };
            has_stayed(call.model, id, holder)?;
            if volume.kind == VolumeKind::Root {
                return Err(ApiError::invalid(
                    "Please specify a data disk: a machine and its root disk stay together here",
                ));
            }
            Ok(machine)
        };
        let machine = running.change_as_caller(&arguments, |call| may_be_detached(call)).await?;
        running.core.take_disk(machine, id).await?;
        running
            .change_as_caller(&arguments, |call| {
                may_be_detached(call)?;
                call.model.volumes.edit(id).ok_or_else(gone)?.detach();
                answer(call, id)
            })
            .await
    });
    Ok(begun.beside(Lane::Volume(id)))
}
