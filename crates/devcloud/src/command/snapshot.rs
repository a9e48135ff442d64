//! Snapshots of volumes.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, OWNED, ZONED};
use super::call::{View, object, time, without};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Running};
use crate::driver::LayerId;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Entity as _, MachineState, Resource, Snapshot, Volume};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createSnapshot",
        "Keeps what a volume holds at this moment",
        JobKind::new("user.snapshot.CreateSnapshotCmd"),
        &[
            Parameter::id("volumeid", Entity::Volume).required(),
            Parameter::text("name"),
            Parameter::map("tags"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::boolean("quiescevm"),
            Parameter::boolean("asyncbackup"),
            Parameter::text("locationtype"),
        ],
        create,
    )
    .answering(&SNAPSHOT),
    Command::list(
        "listSnapshots",
        "Lists snapshots",
        &[
            Parameter::id("id", Entity::Snapshot),
            Parameter::ids("ids", Entity::Snapshot),
            Parameter::text("name"),
            Parameter::id("volumeid", Entity::Volume),
            Parameter::text("snapshottype"),
            Parameter::text("intervaltype"),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::boolean("showunique"),
        ],
        list,
    )
    .answering(&SNAPSHOT),
    Command::job(
        "revertSnapshot",
        "Has a stopped machine's root disk hold again what the snapshot holds",
        JobKind::new("user.snapshot.RevertSnapshotCmd"),
        &[Parameter::id("id", Entity::Snapshot).required()],
        revert,
    )
    .answering(&SNAPSHOT),
    Command::job(
        "deleteSnapshot",
        "Removes a snapshot",
        JobKind::new("user.snapshot.DeleteSnapshotCmd"),
        &[Parameter::id("id", Entity::Snapshot).required(), Parameter::id("zoneid", Entity::Zone)],
        delete,
    ),
];

const SNAPSHOT: Answer = Answer::of(&[
    OWNED,
    ZONED,
    &["id", "name", "created", "snapshottype", "intervaltype", "volumeid", "volumename", "volumetype"],
    &["volumestate", "state:state", "physicalsize", "virtualsize", "revertable", "ostypeid", "osdisplayname"],
    &["tags", "hasannotations"],
])
.with(&[("tags", &super::tag::TAG)]);

fn gone() -> ApiError {
    ApiError::invalid("Unable to find the snapshot")
}

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let volume = arguments.required_id("volumeid")?;
    let volume = call.model.volumes.get(volume);
    let volume = volume.cloned().ok_or_else(|| ApiError::invalid("Unable to find the volume"))?;
    if !volume.ready {
        return Err(ApiError::invalid(format!(
            "VolumeId: {} is not in Ready state but Allocated. Cannot take snapshot.",
            volume.id
        )));
    }
    call.within_limit(volume.account, Resource::Snapshots, 1)?;
    let machine = volume.virtual_machine.and_then(|machine| call.model.virtual_machines.get(machine));
    let template = volume.template.and_then(|template| call.model.templates.get(template));
    let os_type = template.map(|template| template.os_type);
    let default_name = || {
        let stamp = call.now.strftime("%Y%m%d%H%M%S");
        format!("{}_{}_{stamp}", machine.map_or("detached", |machine| &machine.name), volume.name)
    };
    let name = arguments.text("name").map_or_else(default_name, str::to_owned);
    let id = call.model.next_id();
    let mut layers = volume.layers.clone();
    layers.push(LayerId(format!("snapshot-{id}")));
    let snapshot = Snapshot {
        number: call.model.next_number(),
        id,
        account: volume.account,
        name,
        volume: volume.id,
        volume_name: volume.name.clone(),
        volume_kind: volume.kind,
        template: volume.template,
        os_type,
        layers,
        bytes: volume.bytes,
        physical_bytes: 0,
        created: call.now,
        ready: false,
    };
    call.model.snapshots.insert(snapshot);
    super::tag::put_all(call, id, crate::model::TaggedKind::Snapshot, volume.account)?;
    let lane = volume.virtual_machine.map_or(Lane::Free, Lane::Machine);
    let begun = Begun::making(id, "Snapshot", lane, move |running| async move {
        running.core.finish_snapshot(id).await?;
        running.snapshot_answer(id)
    });
    Ok(begun.beside(Lane::Volume(volume.id)))
}

impl Running {
    fn snapshot_answer(&self, id: Uuid) -> Result<Value, ApiError> {
        self.look(|look| {
            look.model.snapshots.get(id).map(|snapshot| json!({ "snapshot": view(look, snapshot) }))
        })
        .ok_or_else(gone)
    }
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.snapshots.iter().rev().filter(|snapshot| {
        scope.includes(snapshot.account)
            && call.wanted(snapshot.id)
            && call.name_is(&snapshot.name)
            && call.keyword_in(&[&snapshot.name])
            && call.tags_match(snapshot.id)
            && call.text_is("snapshottype", "MANUAL")
            && call.text_is("intervaltype", "MANUAL")
            && arguments.id("volumeid").is_none_or(|volume| snapshot.volume == volume)
    });
    Listing::of("snapshot", arguments, found, |snapshot| {
        // The server tells these of a snapshot that is being made, and of none that is listed.
        without(view(call.view(), snapshot), &["snapshottype", "osdisplayname"])
    })
}

fn revert(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let snapshot = call.model.snapshots.get(id).ok_or_else(gone)?;
    if !snapshot.ready {
        return Err(ApiError::invalid("The snapshot is not in Backed up state"));
    }
    let volume = snapshot.volume;
    let machine = call.model.volumes.get(volume).and_then(|volume| volume.virtual_machine);
    let begun = Begun::doing(
        Some(("Snapshot", Some(id))),
        machine.map_or(Lane::Free, Lane::Machine),
        move |running| async move {
            let core = &running.core;
            let layers = core
                .change(|model, _| {
                    let layers = model.snapshots.get(id).ok_or_else(gone)?.layers.clone();
                    if !model.volumes.contains(volume) {
                        return Err(ApiError::invalid("The snapshot's volume is gone"));
                    }
                    super::volume::has_stayed(model, volume, machine)?;
                    let machine = machine.and_then(|machine| model.virtual_machines.get(machine));
                    if machine.is_some_and(|machine| machine.state != MachineState::Stopped) {
                        return Err(ApiError::invalid(
                            "The VM the specified disk is attached to is not in the shutdown state.",
                        ));
                    }
                    let volume = model.volumes.edit(volume);
                    let volume = volume.ok_or_else(|| ApiError::invalid("The snapshot's volume is gone"))?;
                    // What it had written above the old layers; the next start makes it anew above the snapshot's.
                    volume.stale = true;
                    Ok(std::mem::replace(&mut volume.layers, layers))
                })
                .await?;
            core.empty_volume(volume).await?;
            core.remove_unused(layers).await;
            running.snapshot_answer(id)
        },
    );
    Ok(begun.beside(Lane::Volume(volume)))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    Ok(Begun::doing(Some(("Snapshot", Some(id))), Lane::Free, move |running| async move {
        let layers = running
            .core
            .change(|model, _| {
                if !model.snapshots.get(id).ok_or_else(gone)?.ready {
                    return Err(ApiError::invalid(format!(
                        "Unable to delete snapshot {id} because it is in the following state: BackingUp"
                    )));
                }
                let snapshot = model.snapshots.remove(id).ok_or_else(gone)?;
                model.bury(id, Snapshot::KIND);
                Ok(snapshot.layers)
            })
            .await?;
        running.core.remove_unused(layers).await;
        Ok(json!({ "success": true }))
    }))
}

fn view(view: View<'_>, snapshot: &Snapshot) -> Value {
    let volume: Option<&Volume> = view.model.volumes.get(snapshot.volume);
    let os_type = snapshot.os_type.and_then(|os_type| view.settings.catalogue.os_type(os_type));
    object([
        json!({
            "id": snapshot.id,
            "name": snapshot.name,
            "created": time(snapshot.created),
            "snapshottype": "MANUAL",
            "intervaltype": "MANUAL",
            "volumeid": snapshot.volume,
            "volumename": snapshot.volume_name,
            "volumetype": snapshot.volume_kind.name(),
            "volumestate": volume.map(|volume| if volume.ready { "Ready" } else { "Allocated" }),
            "state": if snapshot.ready { "BackedUp" } else { "BackingUp" },
            "physicalsize": snapshot.physical_bytes,
            "virtualsize": snapshot.bytes,
            "revertable": snapshot.template.is_some(),
            "ostypeid": snapshot.os_type,
            "osdisplayname": os_type.map(|os_type| os_type.name),
            "tags": view.tags(snapshot.id),
            "hasannotations": false,
        }),
        view.zone(),
        view.ownership(snapshot.account),
    ])
}
