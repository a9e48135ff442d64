//! Volumes: root disks, made and removed with their machines, and data disks.

mod attachment;

use serde_json::{Value, json};
use uuid::Uuid;

use self::attachment::{attach, detach, device, give, plug_in};
pub(super) use self::attachment::{has_stayed, place};
use super::answer::{Answer, OWNED, ZONED};
use super::call::{View, object, time};
use super::infrastructure::{CLUSTER, POD, STORAGE, stands_in};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Entity as _, Format, Resource, Volume, VolumeKind};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listVolumes",
        "Lists volumes",
        &[
            Parameter::id("id", Entity::Volume),
            Parameter::ids("ids", Entity::Volume),
            Parameter::text("name"),
            Parameter::text("type"),
            Parameter::text("state"),
            Parameter::id("virtualmachineid", Entity::VirtualMachine),
            Parameter::id("diskofferingid", Entity::DiskOffering),
            Parameter::id("serviceofferingid", Entity::ServiceOffering),
            Parameter::id("hostid", Entity::Infrastructure),
            Parameter::text("storageid"),
            Parameter::id("podid", Entity::Infrastructure),
            Parameter::id("clusterid", Entity::Infrastructure),
            Parameter::boolean("displayvolume"),
            Parameter::boolean("isencrypted").about("none is"),
            Parameter::boolean("listsystemvms"),
            Parameter::boolean("retrieveonlyresourcecount"),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list,
    )
    .answering(&VOLUME),
    Command::job(
        "createVolume",
        "Makes a data disk; it takes room once it is attached",
        JobKind::new("user.volume.CreateVolumeCmd").with_admin_class("admin.volume.CreateVolumeCmdByAdmin"),
        &[
            Parameter::text("name"),
            Parameter::id("diskofferingid", Entity::DiskOffering),
            Parameter::id("snapshotid", Entity::Snapshot),
            Parameter::long("size").about("GiB, where the offering leaves it open"),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::id("virtualmachineid", Entity::VirtualMachine).about("attaches it to this machine"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        create,
    )
    .answering(&VOLUME),
    Command::job(
        "attachVolume",
        "Gives a data disk to a machine",
        JobKind::new("user.volume.AttachVolumeCmd").with_admin_class("admin.volume.AttachVolumeCmdByAdmin"),
        &[
            Parameter::id("id", Entity::Volume).required(),
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::long("deviceid"),
        ],
        attach,
    )
    .answering(&VOLUME),
    Command::job(
        "detachVolume",
        "Takes a data disk from its machine",
        JobKind::new("user.volume.DetachVolumeCmd").with_admin_class("admin.volume.DetachVolumeCmdByAdmin"),
        &[
            Parameter::id("id", Entity::Volume),
            Parameter::id("virtualmachineid", Entity::VirtualMachine),
            Parameter::long("deviceid"),
        ],
        detach,
    )
    .answering(&VOLUME),
    Command::job(
        "resizeVolume",
        "Gives a volume another size",
        JobKind::new("user.volume.ResizeVolumeCmd").with_admin_class("admin.volume.ResizeVolumeCmdByAdmin"),
        &[
            Parameter::id("id", Entity::Volume).required(),
            Parameter::long("size").about("GiB"),
            Parameter::id("diskofferingid", Entity::DiskOffering),
            Parameter::boolean("shrinkok"),
        ],
        resize,
    )
    .answering(&VOLUME),
    Command::job(
        "updateVolume",
        "Changes what is said about a volume",
        JobKind::new("user.volume.UpdateVolumeCmd"),
        &[
            Parameter::id("id", Entity::Volume),
            Parameter::text("name"),
            Parameter::boolean("deleteprotection"),
        ],
        update,
    )
    .answering(&VOLUME)
    .for_admins(),
    Command::change(
        "deleteVolume",
        "Removes a data disk that is not attached",
        &[Parameter::id("id", Entity::Volume).required()],
        |call| remove(call).map(|_| json!({ "success": true })),
    ),
    Command::job(
        "destroyVolume",
        "Removes a data disk for good, or so that it can be recovered",
        JobKind::new("user.volume.DestroyVolumeCmd"),
        &[Parameter::id("id", Entity::Volume).required(), Parameter::boolean("expunge")],
        destroy,
    )
    .answering(&VOLUME),
    Command::change(
        "recoverVolume",
        "Takes a destroyed data disk back",
        &[Parameter::id("id", Entity::Volume).required()],
        recover,
    )
    .answering(&VOLUME),
];

const VOLUME: Answer = Answer::of(&[
    OWNED,
    ZONED,
    &["id", "name", "type", "deviceid:long", "virtualmachineid", "templateid", "templatename"],
    &["templatedisplaytext", "vmname", "vmdisplayname", "vmstate", "vmtype", "provisioningtype", "size"],
    &[
        "created",
        "state",
        "storagetype",
        "hypervisor",
        "destroyed",
        "serviceofferingid",
        "serviceofferingname",
    ],
    &[
        "serviceofferingdisplaytext",
        "isextractable",
        "quiescevm",
        "supportsstoragesnapshot",
        "deleteprotection",
    ],
    &["diskofferingid", "diskofferingname", "diskofferingdisplaytext", "attached", "snapshotid"],
    &["isoid", "isoname", "isodisplaytext"],
    &["diskkbsread", "diskkbswrite", "diskioread", "diskiowrite", "tags", "hasannotations"],
    &["displayvolume", "storage", "storageid", "clusterid", "clustername", "podid", "podname"],
])
.with(&[("tags", &super::tag::TAG)]);

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.volumes.iter().filter(|volume| {
        let machine = volume.virtual_machine.and_then(|machine| call.model.virtual_machines.get(machine));
        scope.includes(volume.account)
            && call.wanted(volume.id)
            && call.name_is(&volume.name)
            && call.keyword_in(&[&volume.name])
            && call.tags_match(volume.id)
            && call.text_is("type", volume.kind.name())
            && call.text_is("state", state(volume))
            && arguments.id("virtualmachineid").is_none_or(|machine| volume.virtual_machine == Some(machine))
            && arguments.id("diskofferingid").is_none_or(|offering| volume.disk_offering == Some(offering))
            && arguments.id("hostid").is_none_or(|host| {
                let on = machine.and_then(|machine| machine.host);
                on.is_some_and(|on| call.catalogue().host_id(on) == host)
            })
            && stands_in(call, "podid", "pod")
            && stands_in(call, "clusterid", "cluster")
            && arguments.boolean("displayvolume") != Some(false)
            && arguments.boolean("isencrypted") != Some(true)
            && arguments.text("storageid").is_none_or(|pool| {
                volume.ready && pool == call.catalogue().own_id("storage pool", "1").to_string()
            })
            && arguments
                .id("serviceofferingid")
                .is_none_or(|offering| machine.is_some_and(|machine| machine.offering == offering))
    });
    Listing::of("volume", arguments, found, |volume| view(call.view(), volume))
}

fn state(volume: &Volume) -> &'static str {
    match (volume.destroyed, volume.ready) {
        (true, _) => "Destroy",
        (false, true) => "Ready",
        (false, false) => "Allocated",
    }
}

fn gone() -> ApiError {
    ApiError::invalid("Unable to find the volume")
}

fn find<'a>(call: &'a Call<'_>, id: Uuid) -> Result<&'a Volume, ApiError> {
    call.model.volumes.get(id).ok_or_else(gone)
}

fn answer(call: &Call<'_>, id: Uuid) -> Result<Value, ApiError> {
    Ok(json!({ "volume": view(call.view(), find(call, id)?) }))
}

/// GiB that a new data disk of this offering has; what is asked for counts where the offering leaves it open.
pub(super) fn size_for(call: &Call<'_>, offering: Uuid, wanted: Option<i64>) -> Result<u64, ApiError> {
    let offering = call.model.disk_offerings.get(offering);
    let offering = offering.filter(|offering| offering.active);
    let offering = offering.ok_or_else(|| ApiError::invalid("Please specify a valid disk offering."))?;
    match (offering.gigabytes, wanted) {
        (0, None) => Err(ApiError::invalid("This disk offering requires a custom size specified")),
        (0, Some(size)) if (1..=1024).contains(&size) => Ok(u64::try_from(size).unwrap_or(1)),
        (0, Some(_)) => Err(ApiError::invalid("Volume size: is out of allowed range. Min: 1. Max: 1024")),
        (_, Some(_)) => Err(ApiError::invalid("This disk offering does not allow custom size")),
        (gigabytes, None) => Ok(gigabytes),
    }
}

/// A data disk that is not attached yet.
pub(super) fn new_data_disk(
    call: &mut Call<'_>,
    account: Uuid,
    name: Option<String>,
    offering: Option<Uuid>,
    bytes: u64,
) -> Result<Volume, ApiError> {
    call.within_limit(account, Resource::Volumes, 1)?;
    call.within_limit(account, Resource::PrimaryStorage, i64::try_from(bytes >> 30).unwrap_or(i64::MAX))?;
    let number = call.model.next_number();
    Ok(Volume {
        number,
        id: call.model.next_id(),
        account,
        name: name.unwrap_or_else(|| format!("DATA-{number}")),
        virtual_machine: None,
        template: None,
        kind: VolumeKind::Data,
        device: 0,
        disk_offering: offering,
        snapshot: None,
        attached: None,
        destroyed: false,
        delete_protection: false,
        stale: false,
        layers: Vec::new(),
        bytes,
        created: call.now,
        ready: false,
    })
}

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let account = call.owner()?;
    let name = arguments.text("name").map(str::to_owned);
    let mut volume = match (arguments.id("snapshotid"), arguments.id("diskofferingid")) {
        (Some(snapshot), _) => {
            let snapshot = call.model.snapshots.get(snapshot).filter(|snapshot| snapshot.ready).cloned();
            let snapshot = snapshot.ok_or_else(|| {
                ApiError::invalid("Snapshot is not completed yet and cannot be used for creating volume")
            })?;
            let bytes = snapshot.bytes;
            let mut volume = new_data_disk(call, account, name, arguments.id("diskofferingid"), bytes)?;
            volume.layers = snapshot.layers;
            volume.snapshot = Some(snapshot.id);
            volume.ready = true;
            volume
        }
        (None, Some(offering)) => {
            if arguments.id("zoneid").is_none() && arguments.id("virtualmachineid").is_none() {
                return Err(ApiError::invalid("Missing parameter, zone must be specified."));
            }
            let bytes = size_for(call, offering, arguments.integer("size"))? << 30;
            new_data_disk(call, account, name, Some(offering), bytes)?
        }
        (None, None) => {
            return Err(ApiError::invalid(
                "Missing parameter(s),either a positive volume size or a valid disk offering id must be specified.",
            ));
        }
    };
    let machine = arguments.id("virtualmachineid");
    if let Some(machine) = machine {
        volume.device = device(call, machine, None)?;
    }
    let id = volume.id;
    call.model.volumes.insert(volume);
    let arguments = arguments.clone();
    let lane = machine.map_or(Lane::Free, Lane::Machine);
    let begun = Begun::making(id, "Volume", lane, move |running| async move {
        let made = running.change_as_caller(&arguments, |call| {
            if let Some(machine) = machine {
                plug_in(call, id, machine, None)?;
            }
            answer(call, id)
        });
        let made = made.await?;
        if let Some(machine) = machine {
            give(&running, id, machine).await?;
        }
        Ok(made)
    });
    Ok(begun.beside(Lane::Volume(id)))
}

fn resize(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let id = arguments.required_id("id")?;
    let volume = find(call, id)?;
    let (before, account, root) = (volume.bytes, volume.account, volume.kind == VolumeKind::Root);
    let holder = volume.virtual_machine;
    let lane = holder.map_or(Lane::Free, Lane::Machine);
    let own_offering = volume.disk_offering.and_then(|offering| call.model.disk_offerings.get(offering));
    let fixed = own_offering.is_some_and(|offering| offering.gigabytes > 0);
    let offering = arguments.id("diskofferingid");
    let gigabytes = match (offering, arguments.integer("size")) {
        (Some(offering), _) => size_for(call, offering, call.arguments.integer("size"))?,
        (None, Some(_)) if fixed && !root => {
            return Err(ApiError::invalid("This disk offering does not allow custom size"));
        }
        (None, Some(size)) => u64::try_from(size)
            .ok()
            .filter(|size| (1..=16_384).contains(size))
            .ok_or_else(|| ApiError::invalid("Requested size out of range"))?,
        (None, None) => {
            return Err(ApiError::invalid(
                "new size or a disk offering must be specified to resize a volume",
            ));
        }
    };
    let bytes = gigabytes << 30;
    if bytes < before && (root || arguments.boolean("shrinkok") != Some(true)) {
        return Err(ApiError::invalid(
            "Going from existing size to a smaller one would shrink the volume; need to sign off by supplying the \
             shrinkok parameter with value of true.",
        ));
    }
    let more = i64::try_from(bytes.saturating_sub(before) >> 30).unwrap_or(i64::MAX);
    call.within_limit(account, Resource::PrimaryStorage, more)?;
    let arguments = call.arguments.clone();
    let begun = Begun::doing(Some(("Volume", Some(id))), lane, move |running| async move {
        let (resized, machine) = running
            .change_as_caller(&arguments, |call| {
                has_stayed(call.model, id, holder)?;
                let volume = call.model.volumes.edit(id).ok_or_else(gone)?;
                volume.bytes = bytes;
                volume.disk_offering = offering.or(volume.disk_offering);
                let machine = volume.virtual_machine.filter(|_| !root);
                Ok((answer(call, id)?, machine))
            })
            .await?;
        if let Some(machine) = machine {
            let equipped = running.core.equip(machine).await;
            equipped.map_err(|error| ApiError::internal(format!("Failed to resize volume {id}; {error}")))?;
        }
        Ok(resized)
    });
    Ok(begun.beside(Lane::Volume(id)))
}

fn update(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.id("id");
    let id = id.ok_or_else(|| ApiError::invalid("The volume id is needed"))?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(Some(("Volume", Some(id))), Lane::Free, move |running| async move {
        running
            .change_as_caller(&arguments, |call| {
                let arguments = call.arguments;
                let volume = call.model.volumes.edit(id).ok_or_else(gone)?;
                if let Some(name) = arguments.text("name") {
                    name.clone_into(&mut volume.name);
                }
                volume.delete_protection =
                    arguments.boolean("deleteprotection").unwrap_or(volume.delete_protection);
                answer(call, id)
            })
            .await
    }))
}

fn may_go(call: &Call<'_>, id: Uuid) -> Result<(), ApiError> {
    let volume = find(call, id)?;
    if volume.virtual_machine.is_some() {
        return Err(ApiError::invalid("Please specify a volume that is not attached to any VM."));
    }
    if call.model.snapshots.iter().any(|snapshot| snapshot.volume == id && !snapshot.ready) {
        return Err(ApiError::invalid(format!(
            "Unable to delete volume {id}: a snapshot of it is being made"
        )));
    }
    if volume.delete_protection {
        return Err(ApiError::invalid(format!(
            "Volume [id = {id}, name = {}] has delete protection enabled and cannot be deleted.",
            volume.name
        )));
    }
    Ok(())
}

/// Removes the volume. Its layers go with the last thing that rests on them.
fn remove(call: &mut Call<'_>) -> Result<Volume, ApiError> {
    let id = call.arguments.required_id("id")?;
    may_go(call, id)?;
    let volume = call.model.volumes.remove(id).ok_or_else(gone)?;
    call.model.bury(id, Volume::KIND);
    Ok(volume)
}

fn destroy(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let expunge = call.arguments.boolean("expunge") == Some(true);
    if expunge && !call.may_expunge_volumes() {
        return Err(ApiError::permission(
            "Expunging a volume can only be done by an Admin. Or when the allow.user.expunge.recover.volume key is set.",
        ));
    }
    may_go(call, id)?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(Some(("Volume", Some(id))), Lane::Volume(id), move |running| async move {
        running
            .change_as_caller(&arguments, |call| {
                may_go(call, id)?;
                call.model.volumes.edit(id).ok_or_else(gone)?.destroyed = true;
                let shown = answer(call, id)?;
                if expunge {
                    remove(call)?;
                }
                Ok(shown)
            })
            .await
    }))
}

fn recover(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    if !call.may_expunge_volumes() {
        return Err(ApiError::permission(
            "Recovering a volume can only be done by an Admin. Or when the allow.user.expunge.recover.volume key is set.",
        ));
    }
    if !find(call, id)?.destroyed {
        return Err(ApiError::invalid("Please specify a volume in Destroy state."));
    }
    call.model.volumes.edit(id).ok_or_else(gone)?.destroyed = false;
    answer(call, id)
}

/// Where it lies, for root admins.
fn below(view: View<'_>) -> Value {
    let catalogue = &view.settings.catalogue;
    json!({
        "displayvolume": true,
        "storagetype": "shared",
        "hypervisor": catalogue.hypervisor,
        "storage": STORAGE,
        "storageid": catalogue.own_id("storage pool", "1"),
        "clusterid": catalogue.own_id("cluster", "1"),
        "clustername": CLUSTER,
        "podid": catalogue.own_id("pod", "1"),
        "podname": POD,
    })
}

fn view(view: View<'_>, volume: &Volume) -> Value {
    let machine = volume.virtual_machine.and_then(|machine| view.model.virtual_machines.get(machine));
    let source = volume.template.and_then(|template| view.model.templates.get(template));
    // A machine's that boots from an ISO tells that one in the template's place.
    let (iso, template) = match source {
        Some(source) if source.format == Format::Iso => (Some(source), None),
        source => (None, source),
    };
    let offering = machine
        .filter(|_| volume.kind == VolumeKind::Root)
        .and_then(|machine| view.model.service_offerings.get(machine.offering));
    let disk_offering = volume.disk_offering.and_then(|offering| view.model.disk_offerings.get(offering));
    object([
        json!({
            "id": volume.id,
            "name": volume.name,
            "type": volume.kind.name(),
            "deviceid": volume.virtual_machine.map(|_| volume.device),
            "virtualmachineid": volume.virtual_machine,
            "templateid": template.map(|template| template.id),
            "templatename": template.map(|template| &template.name),
            "templatedisplaytext": template.map(|template| &template.display_text),
            "isoid": iso.map(|iso| iso.id),
            "isoname": iso.map(|iso| &iso.name),
            "isodisplaytext": iso.map(|iso| &iso.display_text),
            "vmname": machine.map(|machine| &machine.name),
            "vmdisplayname": machine.map(|machine| &machine.display_name),
            "vmstate": machine.map(|machine| machine.state.name()),
            "vmtype": machine.map(|_| "User"),
            "provisioningtype": "thin",
            "size": volume.bytes,
            "created": time(volume.created),
            "state": state(volume),
            "attached": volume.attached.map(time),
            "snapshotid": volume.snapshot,
            "destroyed": volume.destroyed,
        }),
        json!({
            "serviceofferingid": offering.map(|offering| offering.id),
            "serviceofferingname": offering.map(|offering| &offering.name),
            "serviceofferingdisplaytext": offering.map(|offering| &offering.display_text),
            "diskofferingid": disk_offering.map(|offering| offering.id),
            "diskofferingname": disk_offering.map(|offering| &offering.name),
            "diskofferingdisplaytext": disk_offering.map(|offering| &offering.display_text),
            "diskkbsread": 0,
            "diskkbswrite": 0,
            "diskioread": 0,
            "diskiowrite": 0,
            "isextractable": false,
            "quiescevm": false,
            "supportsstoragesnapshot": false,
            "deleteprotection": volume.delete_protection,
            "tags": view.tags(volume.id),
            "hasannotations": false,
        }),
        if view.root_admin { below(view) } else { Value::Null },
        view.zone(),
        view.ownership(volume.account),
    ])
}
