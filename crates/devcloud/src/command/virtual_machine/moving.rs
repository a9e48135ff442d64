//! Moving machines: to another account, and to another host.

use serde_json::{Value, json};
use uuid::Uuid;

use super::deploy::{new_nic, unique_name};
use super::{MACHINE, view};
use crate::command::{Begun, Call, Command, Entity, JobKind, Parameter, Running, network};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{MachineState, Model, Nic, Resource, Standing, VirtualMachine};

pub(in crate::command) const COMMANDS: &[Command] = &[
    Command::change(
        "assignVirtualMachine",
        "Gives a stopped machine without rules to another account, with its disks, in a network of that one",
        &[
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
            Parameter::ids("networkids", Entity::Network).of_anyone(),
        ],
        assign,
    )
    .answering(&MACHINE)
    .for_admins(),
    Command::job(
        "migrateVirtualMachine",
        "Has a running machine be on another of the zone's hosts",
        JobKind::new("admin.vm.MigrateVMCmd"),
        &[
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::id("hostid", Entity::Infrastructure),
            Parameter::id("storageid", Entity::Infrastructure),
            Parameter::boolean("autoselect"),
        ],
        migrate,
    )
    .answering(&MACHINE)
    .for_root_admin(),
];

fn gone() -> ApiError {
    ApiError::invalid("unable to find virtual machine with that id")
}

fn assign(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("virtualmachineid")?;
    let machine = call.model.virtual_machines.get(id).cloned().ok_or_else(gone)?;
    call.must_be_mine(machine.account)?;
    if call.arguments.text("account").is_none() && call.arguments.id("projectid").is_none() {
        return Err(ApiError::invalid(
            "Name the account, with its domainid, or the projectid that the machine goes to",
        ));
    }
    let owner = call.owner()?;
    may_go(call, &machine)?;
    may_have(call, owner, &machine)?;
    let networks = networks(call, owner)?;
    for network in &networks {
        unique_name(call, *network, &machine.name, Some(id))?;
    }
    let nics: Vec<Nic> =
        networks.iter().map(|network| new_nic(call, *network, None, None)).collect::<Result<_, _>>()?;
    let disks: Vec<Uuid> = disks(call.model, id).map(|disk| disk.id).collect();
    for disk in disks {
        if let Some(disk) = call.model.volumes.edit(disk) {
            disk.account = owner;
        }
    }
    let moved = call.model.virtual_machines.edit(id).ok_or_else(gone)?;
    // Groups are the old account's; keys and user-data are in the machine.
    (moved.account, moved.nics, moved.group) = (owner, nics, None);
    moved.affinity_groups.clear();
    moved.user = None;
    moved.updated = Some(call.now);
    if let Some(tags) = call.model.tags.edit(id) {
        tags.account = owner;
    }
    for network in machine.nics.iter().map(|nic| nic.network).chain(networks) {
        call.model.touch(network);
        call.refresh.push(network);
    }
    let moved = call.model.virtual_machines.get(id).ok_or_else(gone)?;
    Ok(json!({ "virtualmachine": view(call.view(), moved) }))
}

fn disks(model: &Model, machine: Uuid) -> impl Iterator<Item = &crate::model::Volume> {
    model.volumes.iter().filter(move |volume| volume.virtual_machine == Some(machine))
}

/// That nothing keeps a machine with its account.
fn may_go(call: &Call<'_>, machine: &VirtualMachine) -> Result<(), ApiError> {
    let model = &call.model;
    if machine.state != MachineState::Stopped {
        return Err(ApiError::invalid(format!(
            "VM is {}, unable to move the vm {}",
            machine.state.name(),
            model.described(machine.id)
        )));
    }
    let leads_to = |other: Uuid| other == machine.id;
    if model.port_forwarding_rules.iter().any(|rule| leads_to(rule.virtual_machine)) {
        return Err(ApiError::invalid(
            "Remove the Port forwarding rules for this VM before assigning to another user.",
        ));
    }
    let mut addresses = model.public_ip_addresses.iter().filter_map(|address| address.static_nat.as_ref());
    if addresses.any(|nat| leads_to(nat.virtual_machine)) {
        return Err(ApiError::invalid(
            "Remove the StaticNat rules for this VM before assigning to another user.",
        ));
    }
    let mut members = model.load_balancer_rules.iter().flat_map(|rule| &rule.members);
    if members.any(|member| leads_to(member.virtual_machine)) {
        return Err(ApiError::invalid(
            "Remove the Load balancing rules for this VM before assigning to another user.",
        ));
    }
    let kept = disks(model, machine.id)
        .find(|disk| model.snapshots.iter().any(|snapshot| snapshot.volume == disk.id));
    match kept {
        None => Ok(()),
        Some(disk) => Err(ApiError::invalid(format!(
            "Snapshots exists for volume: {}, Detach volume or remove snapshots for volume before assigning VM to another \
             user.",
            disk.name
        ))),
    }
}

/// That an account can take a machine: it is another one, in use, may use the template, and stays within its limits.
fn may_have(call: &Call<'_>, owner: Uuid, machine: &VirtualMachine) -> Result<(), ApiError> {
    if owner == machine.account {
        return Err(ApiError::invalid("The new account is the same as the old account."));
    }
    let account = call.model.accounts.get(owner);
    if let Some(account) = account.filter(|account| account.leaving || account.standing == Standing::Disabled)
    {
        return Err(ApiError::invalid(format!("The new account owner {} is disabled.", account.name)));
    }
    let template = call.model.templates.get(machine.template);
    if template.is_some_and(|template| !template.usable_by(owner)) {
        return Err(ApiError::permission(format!(
            "Account {} does not have permission to launch instances from the machine's template",
            account.map(|account| account.name.as_str()).unwrap_or_default()
        )));
    }
    let size = call.model.size_of(machine);
    let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let gigabytes = |bytes: u64| i64::try_from(bytes.div_ceil(1 << 30)).unwrap_or(i64::MAX);
    for (resource, more) in [
        (Resource::Machines, 1),
        (Resource::Volumes, whole(disks(call.model, machine.id).count())),
        (Resource::Processors, i64::from(size.processors)),
        (Resource::Memory, i64::try_from(size.memory_mib).unwrap_or(i64::MAX)),
        (Resource::PrimaryStorage, disks(call.model, machine.id).map(|disk| gigabytes(disk.bytes)).sum()),
    ] {
        call.within_limit(owner, resource, more)?;
    }
    Ok(())
}

/// The networks of the new account that the machine goes into.
fn networks(call: &mut Call<'_>, owner: Uuid) -> Result<Vec<Uuid>, ApiError> {
    let named = call.arguments.ids("networkids").unwrap_or_default();
    let mut networks: Vec<Uuid> = Vec::new();
    for id in named {
        let its = call.model.networks.get(*id).is_some_and(|network| network.account == owner);
        if !its {
            return Err(ApiError::permission(format!(
                "Unable to use network with id= {id}, permission denied"
            )));
        }
        if !networks.contains(id) {
            networks.push(*id);
        }
    }
    if networks.is_empty() {
        networks.push(network::default_for(call, owner)?);
    }
    Ok(networks)
}

fn migrate(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let id = arguments.required_id("virtualmachineid")?;
    let auto = arguments.boolean("autoselect") == Some(true);
    let host = match (arguments.id("hostid"), arguments.id("storageid")) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("Only one of hostId and storageId can be specified"));
        }
        (None, Some(_)) => {
            return Err(ApiError::invalid("There is one storage pool here: give hostid, or autoselect=true"));
        }
        (None, None) if !auto => {
            return Err(ApiError::invalid("Either hostId or storageId must be specified"));
        }
        (host, None) => host,
    };
    let hosts = call.settings.config.hosts;
    let named = host.map(|host| (0..hosts).find(|number| call.catalogue().host_id(*number) == host));
    if named == Some(None) {
        return Err(ApiError::invalid("Unable to find the host to migrate the VM, host id is no host's"));
    }
    let named = named.flatten();
    Ok(Begun::doing(Some(("VirtualMachine", Some(id))), Lane::Machine(id), move |running| {
        move_to_host(running, id, named, hosts)
    }))
}

/// Every host is this one, whatever it is called: that a machine is on another one is written down, and it runs on.
async fn move_to_host(running: Running, id: Uuid, named: Option<u32>, hosts: u32) -> Result<Value, ApiError> {
    running
        .core
        .change(|model, now| {
            let machine = model.virtual_machines.get(id).ok_or_else(gone)?;
            let current = machine.host.filter(|_| machine.state == MachineState::Running);
            let current = current.ok_or_else(|| {
                ApiError::invalid(format!("VM is not Running, unable to migrate the vm {}", model.described(id)))
            })?;
            if named == Some(current) {
                return Err(ApiError::invalid(
                    "Cannot migrate VM, VM is already present on this host, please specify valid destination host to migrate \
                     the VM",
                ));
            }
            let load = |host: &u32| model.virtual_machines.iter().filter(|other| other.host == Some(*host)).count();
            let free = || (0..hosts).filter(|host| *host != current).min_by_key(load);
            let host = named.or_else(free);
            let host = host.ok_or_else(|| ApiError::internal("Unable to find a server to migrate the vm to"))?;
            let machine = model.virtual_machines.edit(id).ok_or_else(gone)?;
            (machine.host, machine.updated) = (Some(host), Some(now));
            Ok(())
        })
        .await?;
    running.machine_answer(id)
}
