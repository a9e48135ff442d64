//! Volumes: root disks, made and removed with their machines.

use serde_json::{Value, json};

use super::call::{View, object, time};
use super::{Call, Command, Entity, Listing, Parameter};
use crate::error::ApiError;
use crate::model::Volume;

pub(super) const COMMANDS: &[Command] = &[Command::list(
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
        Parameter::id("zoneid", Entity::Zone),
    ],
    list,
)];

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.volumes.iter().filter(|volume| {
        scope.includes(volume.account)
            && call.wanted(volume.id)
            && call.name_is(&volume.name)
            && call.keyword_in(&[&volume.name])
            && call.tags_match(volume.id)
            && arguments.text("type").is_none_or(|kind| kind.eq_ignore_ascii_case("ROOT"))
            && arguments.text("state").is_none_or(|wanted| wanted.eq_ignore_ascii_case(state(volume)))
            && arguments.id("virtualmachineid").is_none_or(|machine| machine == volume.virtual_machine)
            && arguments.id("diskofferingid").is_none()
            && arguments.id("serviceofferingid").is_none_or(|offering| {
                let machine = call.model.virtual_machines.get(volume.virtual_machine);
                machine.is_some_and(|machine| machine.offering == offering)
            })
    });
    Listing::of("volume", arguments, found, |volume| view(call.view(), volume))
}

fn state(volume: &Volume) -> &'static str {
    if volume.ready { "Ready" } else { "Allocated" }
}

fn view(view: View<'_>, volume: &Volume) -> Value {
    let machine = view.model.virtual_machines.get(volume.virtual_machine);
    let template = view.model.templates.get(volume.template);
    let offering = machine.and_then(|machine| view.settings.catalogue.service_offering(machine.offering));
    object([
        json!({
            "id": volume.id,
            "name": volume.name,
            "type": "ROOT",
            "deviceid": 0,
            "virtualmachineid": volume.virtual_machine,
            "templateid": template.map(|template| template.id),
            "templatename": template.map(|template| &template.name),
            "templatedisplaytext": template.map(|template| &template.display_text),
            "vmname": machine.map(|machine| &machine.name),
            "vmdisplayname": machine.map(|machine| &machine.display_name),
            "vmstate": machine.map(|machine| machine.state.name()),
            "vmtype": "User",
            "provisioningtype": "thin",
            "size": volume.bytes,
            "created": time(volume.created),
            "state": state(volume),
            "storagetype": "shared",
            "hypervisor": view.settings.catalogue.hypervisor,
            "destroyed": false,
            "serviceofferingid": offering.map(|offering| offering.id),
            "serviceofferingname": offering.map(|offering| &offering.name),
            "serviceofferingdisplaytext": offering.map(|offering| &offering.name),
            "isextractable": false,
            "quiescevm": false,
            "supportsstoragesnapshot": false,
            "deleteprotection": false,
            "tags": view.tags(volume.id),
            "hasannotations": false,
        }),
        view.zone(),
        view.ownership(volume.account),
    ])
}
