//! How machines are found, and how they look.

use serde_json::{Value, json};
use uuid::Uuid;

use super::details::Details;
use crate::command::answer::{Answer, OWNED, ZONED};
use crate::command::call::{View, object, time, without};
use crate::command::infrastructure::stands_in;
use crate::command::network_view::vlan;
use crate::command::{Call, Listing};
use crate::error::ApiError;
use crate::model::{MachineState, Nic, VirtualMachine};

/// What is told of a machine.
pub(in crate::command) const MACHINE: Answer = Answer::of(&[
    OWNED,
    ZONED,
    &["id", "name", "displayname", "userid", "username", "created", "lastupdated", "state", "haenable"],
    &["group", "hostcontrolstate", "templateid", "templatename", "templatedisplaytext", "templatetype"],
    &[
        "templateformat",
        "passwordenabled",
        "isos",
        "isoid",
        "isoname",
        "isodisplaytext",
        "groupid",
        "userdataid",
        "userdataname",
        "isomaxcount",
        "serviceofferingid",
        "serviceofferingname",
    ],
    &["cpunumber", "cpuspeed", "memory", "guestosid", "ostypeid", "osdisplayname", "rootdeviceid"],
    &["rootdevicetype", "securitygroup", "nic", "hypervisor", "ipaddress", "details", "keypairs"],
    &["affinitygroup", "isdynamicallyscalable", "deleteprotection", "pooltype", "displayvm", "boottype"],
    &[
        "bootmode",
        "publicipid",
        "publicip",
        "receivedbytes",
        "sentbytes",
        "tags",
        "hasannotations",
        "userdata",
    ],
    &["instancename", "hostid", "hostname", "arch", "password"],
])
.with(&[("nic", &NIC_OF_MACHINE), ("affinitygroup", &AFFINITY), ("tags", &crate::command::tag::TAG)]);

/// What is told of an interface.
pub(super) const NIC: Answer = Answer::of(&[NIC_FIELDS, &["virtualmachineid"]]);

const NIC_OF_MACHINE: Answer = Answer::of(&[NIC_FIELDS]);

const NIC_FIELDS: &[&str] = &[
    "id",
    "networkid",
    "networkname",
    "netmask",
    "gateway",
    "ipaddress",
    "traffictype",
    "type",
    "isdefault",
    "macaddress",
    "secondaryip",
    "extradhcpoption",
    "deviceid",
    "enabled",
    "isolationuri",
    "broadcasturi",
];

const AFFINITY: Answer = Answer::of(&[&["id", "name", "description", "account"]]);

pub(super) fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    if arguments.id("id").is_some() && arguments.ids("ids").is_some() {
        return Err(ApiError::invalid("Specify either id or ids but not both parameters"));
    }
    let details = Details::of(call)?;
    let state = |machine: &VirtualMachine| match arguments.text("state") {
        None => true,
        Some(wanted) if wanted.eq_ignore_ascii_case("Present") => {
            !matches!(machine.state, MachineState::Destroyed | MachineState::Expunging)
        }
        Some(wanted) => wanted.eq_ignore_ascii_case(machine.state.name()),
    };
    let gone =
        |machine: &VirtualMachine| matches!(machine.state, MachineState::Destroyed | MachineState::Expunging);
    let found = call.candidates(&call.model.virtual_machines).filter(|machine| {
        scope.includes(machine.account)
            && call.wanted(machine.id)
            && (call.caller.root_admin || !(gone(machine) || machine.hidden))
            && arguments.boolean("displayvm").is_none_or(|shown| shown != machine.hidden)
            && arguments.boolean("haenable").is_none_or(|wanted| wanted == machine.ha)
            && arguments.id("userid").is_none_or(|user| is_of_user(call, machine, user))
            && (!call.caller.root_admin || stands_where_asked(call, machine))
            && call.name_is(&machine.name)
            && state(machine)
            && (arguments.text("keyword").is_none_or(|word| word.eq_ignore_ascii_case(machine.state.name()))
                || call.keyword_in(&[
                    &machine.name,
                    &machine.display_name,
                    &call.model.instance_name(machine),
                    &machine.nics.first().map(|nic| nic.address.to_string()).unwrap_or_default(),
                ]))
            && call.tags_match(machine.id)
            && arguments.id("networkid").is_none_or(|network| machine.nic_in(network).is_some())
            && arguments.id("templateid").is_none_or(|template| machine.template == template)
            && arguments.id("serviceofferingid").is_none_or(|offering| machine.offering == offering)
            && arguments.id("affinitygroupid").is_none_or(|group| machine.affinity_groups.contains(&group))
            && arguments
                .id("groupid")
                .is_none_or(|group| call.model.group_of(machine).is_some_and(|own| own.id == group))
            && arguments.id("isoid").is_none_or(|iso| machine.isos.contains(&iso))
            && arguments.id("userdataid").is_none_or(|data| machine.user_data_id == Some(data))
            && arguments.text("keypair").is_none_or(|name| machine.key_pairs.iter().any(|pair| pair == name))
            && call.text_is("arch", "x86_64")
            && ["gpuenabled", "isvnf", "leased"].iter().all(|what| arguments.boolean(what) != Some(true))
            && arguments.boolean("forvirtualnetwork") != Some(false)
            && arguments
                .text("hypervisor")
                .is_none_or(|name| name.eq_ignore_ascii_case(call.catalogue().hypervisor))
    });
    let with_user_data = arguments.boolean("userdata") == Some(true);
    Listing::of("virtualmachine", arguments, found, |machine| {
        let user_data = if with_user_data { json!({ "userdata": machine.user_data }) } else { Value::Null };
        object([details.only(view(call.view(), machine)), user_data])
    })
}

/// Whether a machine is told to be this user's.
fn is_of_user(call: &Call<'_>, machine: &VirtualMachine, user: Uuid) -> bool {
    call.model.user_of(machine).is_some_and(|known| known.id == user)
}

/// Whether a machine is on the host, and in the pod, the cluster and the storage pool, that are asked for.
fn stands_where_asked(call: &Call<'_>, machine: &VirtualMachine) -> bool {
    let host = machine.host.map(|host| call.catalogue().host_id(host));
    call.arguments.id("hostid").is_none_or(|wanted| host == Some(wanted))
        && stands_in(call, "podid", "pod")
        && stands_in(call, "clusterid", "cluster")
        && stands_in(call, "storageid", "storage pool")
}

pub(super) fn list_nics(call: &Call<'_>) -> Result<Listing, ApiError> {
    let machine = call.arguments.id("virtualmachineid").and_then(|id| call.model.virtual_machines.get(id));
    let machine = machine.filter(|machine| call.may_use(machine.account));
    let found = machine.into_iter().flat_map(|machine| {
        machine.nics.iter().enumerate().map(move |(number, nic)| (machine, number, nic)).filter(
            |(_, _, nic)| {
                call.arguments.id("nicid").is_none_or(|wanted| wanted == nic.id)
                    && call.arguments.id("networkid").is_none_or(|network| nic.network == network)
            },
        )
    });
    Listing::of("nic", call.arguments, found, |(machine, number, nic)| {
        let shown = nic_view(call.view(), machine, number, nic);
        let empty = nic.secondary.is_empty();
        let shown = if empty { without(shown, &["secondaryip"]) } else { shown };
        object([shown, json!({ "virtualmachineid": machine.id })])
    })
}

pub(super) fn nic_view(view: View<'_>, machine: &VirtualMachine, number: usize, nic: &Nic) -> Value {
    let network = view.model.networks.get(nic.network);
    // An interface is in its VLAN while its machine is not off.
    let on = machine.state.is_up();
    let vlan = network.filter(|_| on).and_then(vlan).map(|vlan| format!("vlan://{vlan}"));
    let secondary: Vec<Value> = nic
        .secondary
        .iter()
        .map(|(id, address)| json!({ "id": id, "ipaddress": address.to_string() }))
        .collect();
    object([json!({
        "id": nic.id,
        "networkid": nic.network,
        "networkname": network.map(|network| &network.name),
        "netmask": network.map(|network| network.range.netmask().to_string()),
        "gateway": network.map(|network| network.gateway.to_string()),
        "ipaddress": nic.address.to_string(),
        "isolationuri": vlan.as_ref(),
        "broadcasturi": vlan,
        "traffictype": "Guest",
        "type": "Isolated",
        "isdefault": number == 0,
        "macaddress": nic.mac,
        "secondaryip": secondary,
        "extradhcpoption": [],
        "deviceid": number.to_string(),
        "enabled": true,
    })])
}

/// A machine as clients see it.
pub(crate) fn view(view: View<'_>, machine: &VirtualMachine) -> Value {
    let catalogue = &view.settings.catalogue;
    let user = view.model.user_of(machine);
    let template = view.model.templates.get(machine.template);
    let offering = view.model.service_offerings.get(machine.offering);
    let size = view.model.size_of(machine);
    let os_type = machine.os_type.or(template.map(|template| template.os_type));
    let os_type = os_type.and_then(|os_type| catalogue.os_type(os_type));
    let running = machine.state == MachineState::Running;
    let iso = machine.isos.first().and_then(|iso| view.model.templates.get(*iso));
    let group = view.model.group_of(machine);
    let user_data = machine.user_data_id.and_then(|id| view.model.user_data.get(id));
    let public = view.model.translated_to(machine.id).next();
    // One whose deployment was refused has none.
    let has_disk = view.model.volumes.contains(machine.volume);
    let job = view.model.under_way.get(&machine.id);
    let admin = if view.root_admin {
        json!({
            "instancename": view.model.instance_name(machine),
            "hostid": machine.host.map(|host| catalogue.host_id(host)),
            "hostname": machine.host.map(|host| catalogue.host_name(host)),
            "arch": "x86_64",
        })
    } else {
        Value::Null
    };
    object([
        json!({
            "id": machine.id,
            "name": machine.name,
            "displayname": machine.display_name,
            "userid": user.map(|user| user.id),
            "username": user.map(|user| &user.name),
            "created": time(machine.created),
            "lastupdated": machine.updated.map(time),
            "state": machine.state.name(),
            "haenable": machine.ha,
            "group": machine.group,
            "groupid": group.map(|group| group.id),
            "userdataid": user_data.map(|data| data.id),
            "userdataname": user_data.map(|data| &data.name),
            "hostcontrolstate": running.then_some("Enabled"),
            "templateid": machine.template,
            "templatename": template.map(|template| &template.name),
            "templatedisplaytext": template.map(|template| &template.display_text),
            "templatetype": template.map(|template| template.kind.name()),
            "templateformat": template.map(|template| template.format.name()),
            "passwordenabled": template.is_some_and(|template| template.password_enabled),
            "isos": crate::command::iso::of_machine(view.model, &machine.isos),
            "isoid": iso.map(|iso| iso.id),
            "isoname": iso.map(|iso| &iso.name),
            "isodisplaytext": iso.map(|iso| &iso.display_text),
            "isomaxcount": 1,
            "serviceofferingid": machine.offering,
            "serviceofferingname": offering.map(|offering| &offering.name),
            "cpunumber": size.processors,
            "cpuspeed": size.speed_mhz,
            "memory": size.memory_mib,
            "guestosid": os_type.map(|os_type| os_type.id),
            "ostypeid": os_type.map(|os_type| os_type.id),
            "osdisplayname": os_type.map(|os_type| os_type.name),
        }),
        json!({
            "rootdeviceid": has_disk.then_some(0),
            "rootdevicetype": has_disk.then_some("ROOT"),
            "securitygroup": [],
            "nic": machine.nics.iter().enumerate().map(|(number, nic)| nic_view(view, machine, number, nic)).collect::<Vec<_>>(),
            "hypervisor": catalogue.hypervisor,
            "ipaddress": machine.nics.first().map(|nic| nic.address.to_string()),
            "details": machine.details,
            "keypairs": (!machine.key_pairs.is_empty()).then(|| machine.key_pairs.join(",")),
            "affinitygroup": affinity_groups(view, machine),
            "isdynamicallyscalable": machine.dynamically_scalable,
            "deleteprotection": machine.delete_protection,
            "pooltype": machine.updated.filter(|_| has_disk).map(|_| "Filesystem"),
            "displayvm": view.root_admin.then_some(!machine.hidden),
            "boottype": machine.details.is_empty().then_some("Bios"),
            "bootmode": machine.details.is_empty().then_some("legacy"),
            "publicipid": public.map(|address| address.id),
            "publicip": public.map(|address| address.address.to_string()),
            "receivedbytes": 0,
            "sentbytes": 0,
            // The server leaves it out of machines' tags alone.
            "tags": without(view.tags(machine.id), &["domainpath"]),
            "hasannotations": false,
            "jobid": job,
            "jobstatus": job.map(|_| 0),
        }),
        view.zone(),
        view.ownership(machine.account),
        admin,
    ])
}

fn affinity_groups(view: View<'_>, machine: &VirtualMachine) -> Value {
    let account = view.model.accounts.get(machine.account).map(|account| &account.name);
    let groups = machine.affinity_groups.iter().filter_map(|group| view.model.affinity_groups.get(*group));
    groups
        .map(|group| {
            object([json!({
                "id": group.id,
                "name": group.name,
                "description": group.description,
                "account": account,
            })])
        })
        .collect()
}
