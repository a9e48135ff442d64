//! `deployVirtualMachine`: everything is checked and written down before it is answered; only starting takes time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use jiff::Timestamp;
use uuid::Uuid;

use super::lifecycle::wanted_host;
use super::{MACHINE, disks, password, user_data};
use crate::command::{Begun, Call, Command, Entity, History, JobKind, Parameter, affinity_group, network};
use crate::driver::{HostName, MacAddress};
use crate::error::ApiError;
use crate::faults::doomed;
use crate::job::Lane;
use crate::model::{
    Format, Key, MachineState, Network, Nic, Resource, Size, Template, VirtualMachine, Volume, VolumeKind,
    first_free, usable,
};

pub(in crate::command) const COMMANDS: &[Command] = &[Command::job(
    "deployVirtualMachine",
    "Makes a machine, and starts it unless told otherwise",
    JobKind::new("user.vm.DeployVMCmd").with_admin_class("admin.vm.DeployVMCmdByAdmin"),
    &[
        Parameter::id("serviceofferingid", Entity::ServiceOffering).required(),
        Parameter::id("zoneid", Entity::Zone).required(),
        Parameter::id("templateid", Entity::Template).of_anyone(),
        Parameter::text("name"),
        Parameter::text("displayname"),
        Parameter::ids("networkids", Entity::Network).of_anyone(),
        Parameter::map("iptonetworklist"),
        Parameter::text("ipaddress"),
        Parameter::text("macaddress"),
        Parameter::text("keypair"),
        Parameter::texts("keypairs"),
        Parameter::text("userdata").length(1_048_576),
        Parameter::id("userdataid", Entity::UserData),
        Parameter::map("userdatadetails"),
        Parameter::ids("affinitygroupids", Entity::AffinityGroup),
        Parameter::texts("affinitygroupnames"),
        Parameter::id("diskofferingid", Entity::DiskOffering),
        Parameter::long("size").about("GiB of the data disk, where its offering leaves it open"),
        Parameter::long("rootdisksize").about("GiB"),
        Parameter::map("details"),
        Parameter::text("group"),
        Parameter::text("hypervisor"),
        Parameter::text("password")
            .about("of a machine whose template has passwords; without it, one is made up"),
        Parameter::boolean("startvm").about("false leaves it stopped"),
        Parameter::boolean("displayvm").about("false, of a root admin, hides it from users"),
        Parameter::text("boottype").about("BIOS"),
        Parameter::text("bootmode").about("LEGACY"),
        Parameter::map("datadisksdetails").about(
            "data disks: of each its diskofferingid, its size where that leaves it open, and its deviceid",
        ),
        Parameter::boolean("dynamicscalingenabled"),
        Parameter::id("hostid", Entity::Infrastructure),
        Parameter::id("podid", Entity::Infrastructure),
        Parameter::id("clusterid", Entity::Infrastructure),
        Parameter::text("account"),
        Parameter::id("domainid", Entity::Domain),
        Parameter::project(),
    ],
    deploy,
)
.answering(&MACHINE)
.refusing(&[
    "datadiskofferinglist",
    "overridediskofferingid",
    "securitygroupids",
    "securitygroupnames",
    "dhcpoptionsnetworklist",
    "nicnetworklist",
    "properties",
    "extraconfig",
    "volumeid",
    "snapshotid",
    "ip6address",
    "customid",
    "rootdiskkmskeyid",
])];

const NAME_RULE: &str = "Unable to execute API command deployvirtualmachine due to invalid value. Invalid value provided for API \
    arg: name - it can contain ASCII letters 'a' through 'z', the digits '0' through '9', and the hyphen ('-'), must be between \
    1 and 63 characters long, and can't start or end with \"-\" and can't start with digit";

fn deploy(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let host = wanted_host(call)?;
    boots_as_asked(call)?;
    let account = call.owner()?;
    let named = arguments.text("name").filter(|name| !name.is_empty()).map(str::to_owned);
    if named.as_deref().is_some_and(|name| name.parse::<HostName>().is_err()) {
        return Err(ApiError::parameter(NAME_RULE));
    }
    let offering = arguments.required_id("serviceofferingid")?;
    let (size, own_size) = wanted_size(call, offering, None)?;
    let template = template(call, account)?;
    let from_iso = template.format == Format::Iso;
    let bytes = disks::root(call, offering, &template)?;
    let (key_pairs, public_keys) = keys(call, account)?;
    let user_data = user_data::of_arguments(call, template.user_data.as_ref())?;
    let groups = affinity_group::named(call, account)?;
    let wanted = networks(call, account)?;
    let id = call.model.next_id();
    let name = named.unwrap_or_else(|| format!("VM-{id}"));
    for wanted in &wanted {
        unique_name(call, wanted.network, &name, None)?;
    }
    for (resource, more) in [
        (Resource::Machines, 1),
        (Resource::Processors, i64::from(size.processors)),
        (Resource::Memory, i64::try_from(size.memory_mib).unwrap_or(i64::MAX)),
    ] {
        call.within_limit(account, resource, more)?;
    }
    let number = call.model.next_number();
    let data_disks = disks::data(call, account, number, bytes, from_iso)?;
    let nics = is_ready(call, &template, id).and_then(|()| nics(call, &wanted));
    let password = password::wanted(call, template.password_enabled)?;
    let start = arguments.boolean("startvm").unwrap_or(true);
    let mut details: BTreeMap<String, String> = arguments
        .map("details")
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !public_keys.is_empty() {
        details.insert("SSH.PublicKey".to_owned(), public_keys.join("\n"));
        details.insert("SSH.KeyPairNames".to_owned(), key_pairs.join(","));
    }
    if !start {
        details.insert("deployvm".to_owned(), "true".to_owned());
    }
    let (nics, refusal) = match nics {
        Ok(nics) => (nics, None),
        // What goes wrong inside comes after the machine is written down, and leaves it without disk and interface.
        Err(error) if error.code == 530 => (Vec::new(), Some(error)),
        Err(error) => return Err(error),
    };
    let volume = Volume {
        number: call.model.next_number(),
        id: call.model.next_id(),
        account,
        name: format!("ROOT-{number}"),
        virtual_machine: Some(id),
        template: Some(template.id),
        kind: VolumeKind::Root,
        device: 0,
        disk_offering: arguments.id("diskofferingid").filter(|_| from_iso),
        snapshot: None,
        attached: None,
        destroyed: false,
        delete_protection: false,
        stale: false,
        layers: template.disk_layers(),
        bytes,
        created: call.now,
        ready: false,
    };
    let machine = VirtualMachine {
        number,
        id,
        account,
        user: Some(call.caller.user),
        display_name: arguments.text("displayname").unwrap_or(&name).to_owned(),
        name,
        state: MachineState::Stopped,
        template: template.id,
        offering,
        size: own_size,
        nics,
        volume: volume.id,
        user_data: user_data.data,
        user_data_id: user_data.registered,
        user_data_details: user_data.values,
        isos: from_iso.then_some(template.id).into_iter().collect(),
        ha: false,
        os_type: None,
        key_pairs,
        public_keys,
        affinity_groups: groups,
        details,
        group: arguments.text("group").map(str::to_owned),
        password_due: password.is_some(),
        password,
        delete_protection: false,
        dynamically_scalable: arguments.boolean("dynamicscalingenabled") == Some(true),
        hidden: call.caller.root_admin && arguments.boolean("displayvm") == Some(false),
        host: None,
        created: call.now,
        updated: None,
    };
    if let Some(error) = refusal {
        call.model.virtual_machines.insert(failed(machine, call.now));
        return Ok(Begun::refused(error));
    }
    if let Some(group) = &machine.group {
        call.model.have_group(account, group, call.now);
    }
    let root = volume.id;
    call.model.volumes.insert(volume);
    for mut disk in data_disks {
        (disk.virtual_machine, disk.attached) = (Some(id), Some(call.now));
        call.model.volumes.insert(disk);
    }
    call.model.virtual_machines.insert(machine);
    History::of_root_volume(call.model, call.now, call.caller, root, id);
    for wanted in wanted {
        call.model.touch(wanted.network);
    }
    let begun = Begun::making(id, "VirtualMachine", Lane::Machine(id), move |running| async move {
        if start {
            running.core.start_machine(id, MachineState::Error, host).await?;
            return running.started_answer(id).await;
        } else if doomed() {
            running.core.set_machine_state(id, MachineState::Error).await?;
        }
        running.machine_answer(id)
    });
    // Of a machine that is not started, events tell no more than that.
    Ok(if start { begun } else { begun.untold() })
}

/// The size that a machine of this offering gets, from `details` where the offering leaves it open (what is not said there
/// stays as it was); and whether it is the machine's own.
pub(super) fn wanted_size(
    call: &Call<'_>,
    offering: Uuid,
    before: Option<Size>,
) -> Result<(Size, Option<Size>), ApiError> {
    let offering = call.model.service_offerings.get(offering).filter(|offering| offering.active);
    let offering = offering.ok_or_else(|| ApiError::invalid("The service offering is not active"))?;
    let detail = |name: &str| {
        let maps = call.arguments.map("details").iter().flatten();
        maps.rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    };
    let names = ["cpuNumber", "cpuSpeed", "memory"];
    if let Some(size) = offering.size {
        if names.iter().any(|name| detail(name).is_some()) {
            return Err(ApiError::invalid(
                "cpuNumber or cpuSpeed or memory should not be specified for static service offering",
            ));
        }
        return Ok((size, None));
    }
    let number = |name: &str, what: &str, before: Option<u64>| {
        let said = detail(name).map(|text| text.parse::<u64>().ok());
        let number = said.unwrap_or(before).filter(|number| (1..=2_147_483_647).contains(number));
        number.ok_or_else(|| {
            ApiError::invalid(format!("Invalid {what} value, specify a value between 1 and 2147483647"))
        })
    };
    let processors = number("cpuNumber", "CPU cores", before.map(|size| size.processors.into()))?;
    let speed = number("cpuSpeed", "CPU speed", Some(before.map_or(1000, |size| size.speed_mhz.into())))?;
    let size = Size {
        processors: u32::try_from(processors).unwrap_or(u32::MAX),
        speed_mhz: u32::try_from(speed).unwrap_or(u32::MAX),
        memory_mib: number("memory", "memory", before.map(|size| size.memory_mib))?,
    };
    Ok((size, Some(size)))
}

/// Machines boot from their disks as from a BIOS here, which is what is had without these parameters.
fn boots_as_asked(call: &Call<'_>) -> Result<(), ApiError> {
    for (parameter, served) in [("boottype", "BIOS"), ("bootmode", "LEGACY")] {
        let asked = call.arguments.text(parameter).filter(|asked| !asked.is_empty());
        if let Some(asked) = asked.filter(|asked| !asked.eq_ignore_ascii_case(served)) {
            return Err(ApiError::invalid(format!(
                "Invalid {parameter} {asked}: this zone's machines boot with {served}"
            )));
        }
    }
    Ok(())
}

/// That the template is ready for the machine.
fn is_ready(call: &Call<'_>, template: &Template, machine: Uuid) -> Result<(), ApiError> {
    if template.ready {
        return Ok(());
    }
    let zone = &call.catalogue().zone_name;
    let text = format!("Template {} is not ready in zone {zone}", template.name);
    Err(ApiError::internal(text).about(machine, "virtualmachineid"))
}

/// A machine whose deployment was refused after it had been written down: it stays in `Error`, with nothing of it but its
/// record, until it is destroyed.
fn failed(machine: VirtualMachine, now: Timestamp) -> VirtualMachine {
    let mut details = machine.details;
    details.insert("deployvm".to_owned(), "true".to_owned());
    let (affinity_groups, isos) = (Vec::new(), Vec::new());
    let (state, updated) = (MachineState::Error, Some(now));
    VirtualMachine { state, updated, affinity_groups, isos, details, ..machine }
}

/// The template, the account's to use.
fn template(call: &Call<'_>, account: Uuid) -> Result<Template, ApiError> {
    let Some(id) = call.arguments.id("templateid") else {
        return Err(ApiError::internal(
            "Unable to deploy Instance: one of templateid, volumeid and snapshotid has to be given",
        ));
    };
    let template = call.model.templates.get(id).ok_or_else(|| ApiError::invalid("Unable to use template"))?;
    if !template.usable_by(account) && !call.caller.root_admin {
        return Err(ApiError::permission(format!(
            "Account {} does not have permission to launch instances from template {}",
            call.caller.name, template.id
        )));
    }
    let hypervisor = call.catalogue().hypervisor;
    if template.format == Format::Iso {
        if !template.bootable {
            return Err(ApiError::invalid(format!(
                "Unable to boot from the ISO {}: it is not bootable",
                template.name
            )));
        }
        if call.arguments.text("hypervisor").is_none() {
            return Err(ApiError::invalid(
                "Hypervisor parameter is needed to deploy VM or the hypervisor parameter value passed is invalid",
            ));
        }
    }
    if call.arguments.text("hypervisor").is_some_and(|wanted| !wanted.eq_ignore_ascii_case(hypervisor)) {
        return Err(ApiError::invalid(
            "Hypervisor passed to the deployVm call, is different from the hypervisor type of the template",
        ));
    }
    Ok(template.clone())
}

/// Key pairs by `keypair` and `keypairs`: their names, and the keys. Without any, the template's own key is used.
pub(super) fn keys(call: &Call<'_>, account: Uuid) -> Result<(Vec<String>, Vec<String>), ApiError> {
    let one = call.arguments.text("keypair").filter(|name| !name.is_empty());
    let names: Vec<&str> = one
        .into_iter()
        .chain(call.arguments.texts("keypairs").unwrap_or_default().iter().map(String::as_str))
        .collect();
    if names.is_empty() {
        let template = call.arguments.id("templateid").and_then(|id| call.model.templates.get(id));
        let key = template.and_then(|template| template.details.get("SSH.PublicKey"));
        return Ok((Vec::new(), key.into_iter().cloned().collect()));
    }
    let mut found = (Vec::new(), Vec::new());
    for name in names {
        let pair = call.model.key_pairs.iter().find(|pair| pair.account == account && pair.name == name);
        let pair = pair.ok_or_else(|| ApiError::invalid("Not all specified keypairs exist"))?;
        found.0.push(pair.name.clone());
        found.1.push(pair.public_key.clone());
    }
    Ok(found)
}

/// A network that a machine is to be in, with what is asked for there.
struct Wanted {
    network: Uuid,
    address: Option<Ipv4Addr>,
    mac: Option<MacAddress>,
}

/// The networks the machine goes into, the default one first, each with the addresses that are asked for.
fn networks(call: &mut Call<'_>, account: Uuid) -> Result<Vec<Wanted>, ApiError> {
    let arguments = call.arguments;
    let ids = arguments.ids("networkids").unwrap_or_default();
    let list = arguments.map("iptonetworklist");
    if !ids.is_empty() && !list.is_empty() {
        return Err(ApiError::invalid(
            "ipToNetworkMap can't be specified along with networkIds or ipAddress",
        ));
    }
    let parse = |text: &str| {
        text.parse::<Ipv4Addr>()
            .map_err(|_| ApiError::invalid(format!("Invalid specified IPv4 address {text}")))
    };
    let default_address =
        arguments.text("ipaddress").filter(|text| !text.is_empty()).map(parse).transpose()?;
    let anything = |network: Uuid| Wanted { network, address: None, mac: None };
    let mut wanted: Vec<Wanted> = if list.is_empty() {
        ids.iter().copied().map(anything).collect()
    } else {
        list.iter()
            .map(|entry| {
                let text = entry.get("networkid").map(String::as_str).unwrap_or_default();
                let network = text.parse().ok().and_then(|id| call.model.networks.get(id));
                let network = network.ok_or_else(|| {
                    ApiError::invalid(format!("Unable to translate and find entity with networkId: {text}"))
                })?;
                let address =
                    entry.get("ip").filter(|text| !text.is_empty()).map(|text| parse(text)).transpose()?;
                let mac = entry.get("mac").filter(|text| !text.is_empty());
                let mac = mac.map(|mac| checked_mac(call, mac)).transpose()?;
                Ok(Wanted { network: network.id, address, mac })
            })
            .collect::<Result<_, ApiError>>()?
    };
    if wanted.is_empty() {
        wanted.push(anything(network::default_for(call, account)?));
    }
    if let (Some(first), Some(address)) = (wanted.first_mut(), default_address) {
        first.address = Some(address);
    }
    let default_mac = arguments.text("macaddress").filter(|mac| !mac.is_empty());
    if let (Some(first), Some(mac)) = (wanted.first_mut(), default_mac) {
        first.mac = Some(checked_mac(call, mac)?);
    }
    let mut macs = BTreeSet::new();
    for mac in wanted.iter().filter_map(|wanted| wanted.mac.as_ref()) {
        if !macs.insert(mac.to_string()) {
            return Err(ApiError::invalid(format!("Mac address {mac} is asked for twice")));
        }
    }
    let mut seen = BTreeSet::new();
    for Wanted { network: id, .. } in &wanted {
        let network =
            call.model.networks.get(*id).ok_or_else(|| ApiError::invalid("Unable to find network"))?;
        if network.account != account {
            return Err(ApiError::permission(format!(
                "Unable to use network with id= {id}, permission denied"
            )));
        }
        if !seen.insert(*id) {
            return Err(ApiError::invalid(format!("The network {id} is named twice")));
        }
    }
    Ok(wanted)
}

/// Host names are unique per network domain, among all machines not yet expunged. The comparison minds the case, as the
/// server's does.
pub(super) fn unique_name(
    call: &Call<'_>,
    network: Uuid,
    name: &str,
    except: Option<Uuid>,
) -> Result<(), ApiError> {
    let Some(network) = call.model.networks.get(network) else { return Ok(()) };
    let same_domain = |nic: &Nic| {
        call.model.networks.get(nic.network).is_some_and(|other| {
            other.id == network.id || (other.domain == network.domain && other.account == network.account)
        })
    };
    let taken = call.model.virtual_machines.under(Key::of(name)).any(|machine| {
        machine.name == name && Some(machine.id) != except && machine.nics.iter().any(same_domain)
    });
    if taken {
        return Err(ApiError::invalid(format!(
            "The vm with hostName {name} already exists in the network domain: {}; network={}",
            network.domain, network.name
        )));
    }
    Ok(())
}

fn nics(call: &mut Call<'_>, wanted: &[Wanted]) -> Result<Vec<Nic>, ApiError> {
    wanted.iter().map(|wanted| new_nic(call, wanted.network, wanted.address, wanted.mac.clone())).collect()
}

/// An interface in a network, with this address or a free one.
pub(super) fn new_nic(
    call: &mut Call<'_>,
    network: Uuid,
    wanted: Option<Ipv4Addr>,
    mac: Option<MacAddress>,
) -> Result<Nic, ApiError> {
    let known = call.model.networks.get(network);
    let known = known.ok_or_else(|| ApiError::invalid("Unable to find network"))?;
    let address = guest_address(call, known, wanted)?;
    let mac = match mac {
        Some(mac) => mac,
        None => {
            let [a, b, c, d] = u32::try_from(call.model.next_number()).unwrap_or(u32::MAX).to_be_bytes();
            let mac = format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
            mac.parse().map_err(|error| ApiError::internal(format!("{mac} for an interface: {error}")))?
        }
    };
    Ok(Nic { id: call.model.next_id(), network, address, mac, secondary: Vec::new() })
}

pub(super) fn checked_mac(call: &Call<'_>, mac: &str) -> Result<MacAddress, ApiError> {
    let parsed = mac.to_lowercase().parse::<MacAddress>().ok().filter(MacAddress::is_unicast);
    let mac =
        parsed.ok_or_else(|| ApiError::invalid(format!("Mac address is not valid or not unicast: {mac}")))?;
    if call.model.virtual_machines.iter().any(|machine| machine.nics.iter().any(|nic| nic.mac == mac)) {
        return Err(ApiError::invalid(format!("Mac address {mac} is already in use")));
    }
    Ok(mac)
}

pub(super) fn guest_address(
    call: &Call<'_>,
    network: &Network,
    wanted: Option<Ipv4Addr>,
) -> Result<Ipv4Addr, ApiError> {
    let mut taken = call
        .model
        .machines_in(network.id)
        .filter_map(|machine| machine.nic_in(network.id))
        .flat_map(Nic::addresses);
    let found = match wanted {
        Some(address) => Some(address).filter(|address| {
            usable(network.range, network.gateway, *address) && !taken.any(|other| other == *address)
        }),
        None => first_free(network.range, network.gateway, &taken.collect()),
    };
    let offering = call.model.network_offerings.get(network.offering).map_or(0, |offering| offering.number);
    found.ok_or_else(|| {
        ApiError::guest_address(format!(
            "Unable to acquire Guest IP address for network Network {{\"id\": {}, \"name\": \"{}\", \"uuid\": \"{}\", \
             \"networkofferingid\": {offering}}}",
            network.number, network.name, network.id
        ))
    })
}
