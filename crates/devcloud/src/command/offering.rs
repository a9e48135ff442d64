//! Offerings: sizes of machines and of data disks.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Answer;
use super::call::{object, time};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::model::{DiskOffering, Entity as _, ServiceOffering, Size};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listServiceOfferings",
        "Lists sizes of machines",
        &[
            Parameter::id("id", Entity::ServiceOffering),
            Parameter::text("name"),
            Parameter::id("virtualmachineid", Entity::VirtualMachine)
                .about("leaves out the offering this machine has"),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::boolean("issystem"),
            Parameter::integer("cpunumber"),
            Parameter::integer("cpuspeed"),
            Parameter::integer("memory"),
            Parameter::text("storagetype"),
            Parameter::text("state"),
            Parameter::id("templateid", Entity::Template)
                .of_anyone()
                .about("those that suit the template, as all do"),
        ],
        list_sizes,
    )
    .answering(&SERVICE_OFFERING)
    .reaching(Reach::Owned),
    Command::change(
        "createServiceOffering",
        "Makes a size of machine",
        &[
            Parameter::text("name").required(),
            Parameter::text("displaytext").length(4096),
            Parameter::integer("cpunumber").about("without it, whoever makes a machine says its size"),
            Parameter::integer("cpuspeed").about("MHz"),
            Parameter::integer("memory").about("MiB"),
            Parameter::boolean("customized"),
            Parameter::long("rootdisksize").about("GiB"),
            Parameter::boolean("dynamicscalingenabled"),
            Parameter::boolean("offerha"),
            Parameter::text("storagetype"),
            Parameter::text("provisioningtype"),
        ],
        create_size,
    )
    .refusing(&[
        "deploymentplanner",
        "domainid",
        "encryptroot",
        "gpucount",
        "hosttags",
        "mincpunumber",
        "maxcpunumber",
        "minmemory",
        "maxmemory",
        "serviceofferingdetails",
        "systemvmtype",
        "vgpuprofileid",
    ])
    .answering(&SERVICE_OFFERING)
    .for_root_admin(),
    Command::change(
        "updateServiceOffering",
        "Changes what is said about a size of machine",
        &[
            Parameter::id("id", Entity::ServiceOffering).required(),
            Parameter::text("name"),
            Parameter::text("displaytext").length(4096),
            Parameter::text("state"),
        ],
        update_size,
    )
    .answering(&SERVICE_OFFERING)
    .for_root_admin(),
    Command::change(
        "deleteServiceOffering",
        "Takes a size away; machines keep theirs",
        &[Parameter::id("id", Entity::ServiceOffering).required()],
        delete_size,
    )
    .for_root_admin(),
    Command::list(
        "listDiskOfferings",
        "Lists sizes of data disks",
        &[
            Parameter::id("id", Entity::DiskOffering),
            Parameter::text("name"),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::text("state"),
        ],
        list_disks,
    )
    .answering(&DISK_OFFERING)
    .reaching(Reach::Owned),
    Command::change(
        "createDiskOffering",
        "Makes a size of data disk",
        &[
            Parameter::text("name").required(),
            Parameter::text("displaytext").length(4096),
            Parameter::long("disksize").about("GiB"),
            Parameter::boolean("customized").about("whoever makes a disk says its size"),
            Parameter::text("storagetype"),
            Parameter::text("provisioningtype"),
            Parameter::boolean("displayoffering"),
        ],
        create_disk,
    )
    .answering(&DISK_OFFERING)
    .for_root_admin(),
    Command::change(
        "updateDiskOffering",
        "Changes what is said about a size of data disk",
        &[
            Parameter::id("id", Entity::DiskOffering).required(),
            Parameter::text("name"),
            Parameter::text("displaytext").length(4096),
            Parameter::text("state"),
        ],
        update_disk,
    )
    .answering(&DISK_OFFERING)
    .for_root_admin(),
    Command::change(
        "deleteDiskOffering",
        "Takes a size of data disk away; disks keep theirs",
        &[Parameter::id("id", Entity::DiskOffering).required()],
        delete_disk,
    )
    .for_root_admin(),
];

const SERVICE_OFFERING: Answer = Answer::of(&[
    &["id", "name", "displaytext", "state", "cpunumber", "cpuspeed", "memory", "created", "storagetype"],
    &["provisioningtype", "offerha", "limitcpuuse", "isvolatile", "issystem", "defaultuse", "iscustomized"],
    &["rootdisksize", "dynamicscalingenabled", "diskofferingstrictness", "diskofferingid"],
    &["diskofferingname", "diskofferingdisplaytext", "encryptroot", "hasannotations"],
]);

const DISK_OFFERING: Answer = Answer::of(&[
    &["id", "name", "displaytext", "state", "disksize", "created", "iscustomized"],
    &[
        "storagetype",
        "provisioningtype",
        "displayoffering",
        "disksizestrictness",
        "encrypt",
        "hasannotations",
    ],
]);

fn active(call: &Call<'_>, is_active: bool) -> bool {
    match call.arguments.text("state") {
        None => is_active,
        Some(state) if state.eq_ignore_ascii_case("all") => true,
        Some(state) => state.eq_ignore_ascii_case(state_name(is_active)),
    }
}

fn state_name(is_active: bool) -> &'static str {
    if is_active { "Active" } else { "Inactive" }
}

fn list_sizes(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let current = arguments.id("virtualmachineid");
    let current = current.and_then(|machine| call.model.virtual_machines.get(machine));
    if let Some(machine) = current {
        call.must_be_mine(machine.account)?;
    }
    let current = current.map(|machine| machine.offering);
    let at_least = |name: &str, has: Option<i64>| {
        arguments.integer(name).is_none_or(|wanted| has.is_none_or(|has| has >= wanted))
    };
    let found = call.model.service_offerings.iter().filter(|offering| {
        let size = offering.size;
        call.wanted(offering.id)
            && call.name_is(&offering.name)
            && call.keyword_in(&[&offering.name, &offering.display_text])
            && arguments.boolean("issystem") != Some(true)
            && call.text_is("storagetype", "shared")
            && active(call, offering.active)
            && at_least("cpunumber", size.map(|size| size.processors.into()))
            && at_least("cpuspeed", size.map(|size| size.speed_mhz.into()))
            && at_least("memory", size.map(|size| i64::try_from(size.memory_mib).unwrap_or(i64::MAX)))
            && current != Some(offering.id)
    });
    Listing::of("serviceoffering", arguments, found, size_view)
}

/// A number above zero, or why it can't be one.
fn positive(call: &Call<'_>, name: &str, what: &str) -> Result<Option<u64>, ApiError> {
    let positive = |number: i64| {
        u64::try_from(number).ok().filter(|number| (1..=2_147_483_647).contains(number)).ok_or_else(|| {
            ApiError::invalid(format!(
                "Failed to create service offering: specify the {what} between 1 and 2147483647"
            ))
        })
    };
    call.arguments.integer(name).map(positive).transpose()
}

fn create_size(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let name = arguments.required_text("name")?.to_owned();
    let processors = positive(call, "cpunumber", "cpu number")?;
    let speed = positive(call, "cpuspeed", "cpu speed")?;
    let memory = positive(call, "memory", "memory size value")?;
    let size = match (processors, speed, memory) {
        (None, _, None) => None,
        _ if arguments.boolean("customized") == Some(true) => None,
        (Some(processors), speed, Some(memory_mib)) => Some(Size {
            processors: u32::try_from(processors).unwrap_or(u32::MAX),
            speed_mhz: u32::try_from(speed.unwrap_or(1000)).unwrap_or(u32::MAX),
            memory_mib,
        }),
        _ => {
            return Err(ApiError::invalid(
                "For creating a custom compute offering min/max cpu and min/max memory/custom: give cpunumber and memory, or neither",
            ));
        }
    };
    let (id, disk_offering) = (call.model.next_id(), call.model.next_id());
    let offering = ServiceOffering {
        number: call.model.next_number(),
        id,
        disk_offering,
        display_text: arguments.text("displaytext").unwrap_or(&name).to_owned(),
        name,
        size,
        root_gigabytes: positive(call, "rootdisksize", "root disk size")?.unwrap_or(0),
        dynamically_scalable: arguments.boolean("dynamicscalingenabled") == Some(true),
        offers_ha: arguments.boolean("offerha") == Some(true),
        active: true,
        created: call.now,
    };
    let answer = json!({ "serviceoffering": size_view(&offering) });
    call.model.service_offerings.insert(offering);
    Ok(answer)
}

/// What `name`, `displaytext` and `state` make of an offering.
fn describe(
    call: &Call<'_>,
    name: &mut String,
    display_text: &mut String,
    is_active: &mut bool,
) -> Result<(), ApiError> {
    for (parameter, field) in [("name", name), ("displaytext", display_text)] {
        if let Some(text) = call.arguments.text(parameter) {
            text.clone_into(field);
        }
    }
    match call.arguments.text("state").map(str::to_lowercase).as_deref() {
        None => {}
        Some("active") => *is_active = true,
        Some("inactive") => *is_active = false,
        Some(other) => return Err(ApiError::invalid(format!("Invalid state value: {other}"))),
    }
    Ok(())
}

fn gone() -> ApiError {
    ApiError::invalid("Unable to find the offering")
}

fn update_size(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let mut changed = call.model.service_offerings.get(id).cloned().ok_or_else(gone)?;
    describe(call, &mut changed.name, &mut changed.display_text, &mut changed.active)?;
    let answer = json!({ "serviceoffering": size_view(&changed) });
    *call.model.service_offerings.edit(id).ok_or_else(gone)? = changed;
    Ok(answer)
}

// Machines go on with it, so it only stops being offered.
fn delete_size(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let used = call.model.virtual_machines.iter().any(|machine| machine.offering == id);
    if used {
        call.model.service_offerings.edit(id).ok_or_else(gone)?.active = false;
    } else {
        call.model.service_offerings.remove(id).ok_or_else(gone)?;
        call.model.bury(id, ServiceOffering::KIND);
    }
    Ok(json!({ "success": true }))
}

fn size_view(offering: &ServiceOffering) -> Value {
    let size = offering.size;
    object([json!({
        "id": offering.id,
        "name": offering.name,
        "displaytext": offering.display_text,
        "state": state_name(offering.active),
        "cpunumber": size.map(|size| size.processors),
        "cpuspeed": size.map(|size| size.speed_mhz),
        "memory": size.map(|size| size.memory_mib),
        "created": time(offering.created),
        "storagetype": "shared",
        "provisioningtype": "thin",
        "offerha": offering.offers_ha,
        "limitcpuuse": false,
        "isvolatile": false,
        "issystem": false,
        "defaultuse": false,
        "iscustomized": size.is_none(),
        "rootdisksize": offering.root_gigabytes,
        "dynamicscalingenabled": offering.dynamically_scalable,
        "diskofferingstrictness": false,
        "diskofferingid": offering.disk_offering,
        "diskofferingname": offering.name,
        "diskofferingdisplaytext": offering.display_text,
        "encryptroot": false,
        "hasannotations": false,
    })])
}

fn list_disks(call: &Call<'_>) -> Result<Listing, ApiError> {
    let found = call.model.disk_offerings.iter().filter(|offering| {
        call.wanted(offering.id)
            && call.name_is(&offering.name)
            && active(call, offering.active)
            && call.keyword_in(&[&offering.name, &offering.display_text])
    });
    Listing::of("diskoffering", call.arguments, found, disk_view)
}

fn create_disk(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let name = arguments.required_text("name")?.to_owned();
    let customized = arguments.boolean("customized") == Some(true);
    let gigabytes = match (customized, arguments.integer("disksize")) {
        (true, None) => 0,
        (true, Some(_)) => {
            return Err(ApiError::invalid("Disksize is not allowed for a customized disk offering"));
        }
        (false, Some(size)) if (1..=1024).contains(&size) => u64::try_from(size).unwrap_or(1),
        (false, _) => {
            return Err(ApiError::invalid(
                "Disksize is required for a non-customized disk offering, from 1 to 1024",
            ));
        }
    };
    let offering = DiskOffering {
        number: call.model.next_number(),
        id: call.model.next_id(),
        display_text: arguments.text("displaytext").unwrap_or(&name).to_owned(),
        name,
        gigabytes,
        active: true,
        created: call.now,
    };
    let answer = json!({ "diskoffering": disk_view(&offering) });
    call.model.disk_offerings.insert(offering);
    Ok(answer)
}

fn update_disk(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let mut changed = call.model.disk_offerings.get(id).cloned().ok_or_else(gone)?;
    describe(call, &mut changed.name, &mut changed.display_text, &mut changed.active)?;
    let answer = json!({ "diskoffering": disk_view(&changed) });
    *call.model.disk_offerings.edit(id).ok_or_else(gone)? = changed;
    Ok(answer)
}

fn delete_disk(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id: Uuid = call.arguments.required_id("id")?;
    if call.model.volumes.iter().any(|volume| volume.disk_offering == Some(id)) {
        call.model.disk_offerings.edit(id).ok_or_else(gone)?.active = false;
    } else {
        call.model.disk_offerings.remove(id).ok_or_else(gone)?;
        call.model.bury(id, DiskOffering::KIND);
    }
    Ok(json!({ "success": true }))
}

fn disk_view(offering: &DiskOffering) -> Value {
    json!({
        "id": offering.id,
        "name": offering.name,
        "displaytext": offering.display_text,
        "state": state_name(offering.active),
        "disksize": offering.gigabytes,
        "created": time(offering.created),
        "iscustomized": offering.gigabytes == 0,
        "storagetype": "shared",
        "provisioningtype": "thin",
        "displayoffering": true,
        "disksizestrictness": false,
        "encrypt": false,
        "hasannotations": false,
    })
}
