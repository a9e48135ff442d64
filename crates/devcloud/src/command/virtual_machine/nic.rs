//! Interfaces of machines: further ones, further addresses on them, and which of them is the default.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use uuid::Uuid;

use super::MACHINE;
use super::deploy::{checked_mac, guest_address, new_nic, unique_name};
use super::list::nic_view;
use crate::command::answer::Answer;
use crate::command::call::object;
use crate::command::{Begun, Call, Command, Entity, JobKind, Parameter, Running};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Model, Nic, VirtualMachine};

pub(in crate::command) const COMMANDS: &[Command] = &[
    Command::job(
        "addNicToVirtualMachine",
        "Puts a machine into a further network",
        JobKind::new("user.vm.AddNicToVMCmd").with_admin_class("admin.vm.AddNicToVMCmdByAdmin"),
        &[
            Parameter::id("networkid", Entity::Network).required(),
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::text("ipaddress"),
            Parameter::text("macaddress"),
        ],
        add,
    )
    .answering(&MACHINE),
    Command::job(
        "removeNicFromVirtualMachine",
        "Takes a machine out of a network",
        JobKind::new("user.vm.RemoveNicFromVMCmd").with_admin_class("admin.vm.RemoveNicFromVMCmdByAdmin"),
        &[
            Parameter::id("nicid", Entity::Nic).required(),
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
        ],
        remove,
    )
    .answering(&MACHINE),
    Command::job(
        "updateDefaultNicForVirtualMachine",
        "Has a machine reach the outside by another interface",
        JobKind::new("user.vm.UpdateDefaultNicForVMCmd")
            .with_admin_class("admin.vm.UpdateDefaultNicForVMCmdByAdmin"),
        &[
            Parameter::id("nicid", Entity::Nic).required(),
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
        ],
        set_default,
    )
    .answering(&MACHINE),
    Command::job(
        "addIpToNic",
        "Gives an interface a further address",
        JobKind::new("user.vm.AddIpToVmNicCmd"),
        &[
            Parameter::id("nicid", Entity::Nic).required(),
            Parameter::text("ipaddress"),
            Parameter::text("description"),
        ],
        add_address,
    )
    .answering(&SECONDARY),
    Command::job(
        "removeIpFromNic",
        "Takes a further address from its interface",
        JobKind::new("user.vm.RemoveIpFromVmNicCmd"),
        &[Parameter::id("id", Entity::SecondaryIp).required()],
        remove_address,
    ),
    Command::job(
        "updateVmNicIp",
        "Gives an interface of a stopped machine another address",
        JobKind::new("user.vm.UpdateVmNicIpCmd"),
        &[Parameter::id("nicid", Entity::Nic).required(), Parameter::text("ipaddress")],
        set_address,
    )
    .answering(&MACHINE),
];

const SECONDARY: Answer =
    Answer::of(&[&["id", "nicid", "networkid", "ipaddress", "virtualmachineid", "secondaryip"]]);

/// The machine that has this interface.
pub(in crate::command) fn holder(model: &Model, nic: Uuid) -> Option<&VirtualMachine> {
    model.virtual_machines.iter().find(|machine| machine.nics.iter().any(|own| own.id == nic))
}

/// The machine with an interface that has this further address.
pub(in crate::command) fn holder_of_address(model: &Model, address: Uuid) -> Option<&VirtualMachine> {
    let has = |nic: &Nic| nic.secondary.iter().any(|(id, _)| *id == address);
    model.virtual_machines.iter().find(|machine| machine.nics.iter().any(has))
}

fn gone() -> ApiError {
    ApiError::invalid("Unable to find the machine or its interface")
}

/// Changes a machine as its caller, has its networks' routers learn of it, and answers with it.
async fn change(
    running: Running,
    arguments: crate::command::Arguments,
    id: Uuid,
    change: impl FnOnce(&mut Call<'_>) -> Result<(), ApiError> + Send,
) -> Result<Value, ApiError> {
    let networks = running
        .change_as_caller(&arguments, |call| {
            let of = |call: &Call<'_>| -> Vec<Uuid> {
                let machine = call.model.virtual_machines.get(id);
                machine.into_iter().flat_map(|it| it.nics.iter().map(|nic| nic.network)).collect()
            };
            let mut networks = of(call);
            change(call)?;
            networks.extend(of(call));
            networks.sort_unstable();
            networks.dedup();
            for network in &networks {
                call.model.touch(*network);
            }
            Ok(networks)
        })
        .await?;
    for network in networks {
        let told = running.core.refresh_router(network).await;
        told.map_err(|error| ApiError::internal(format!("The network's router could not be told: {error}")))?;
    }
    running.machine_answer(id)
}

fn instance(id: Uuid) -> Option<(&'static str, Option<Uuid>)> {
    Some(("VirtualMachine", Some(id)))
}

fn parse(text: Option<&str>) -> Result<Option<Ipv4Addr>, ApiError> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| {
        text.parse().map_err(|_| ApiError::invalid(format!("Invalid specified IPv4 address {text}")))
    })
    .transpose()
}

fn add(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("virtualmachineid")?;
    let network = call.arguments.required_id("networkid")?;
    let wanted = parse(call.arguments.text("ipaddress"))?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| {
        change(running, arguments, id, move |call| {
            let machine = call.model.virtual_machines.get(id).ok_or_else(gone)?;
            if machine.nic_in(network).is_some() {
                return Err(ApiError::internal(format!(
                    "A NIC already exists for VM {id} in network {network}"
                )));
            }
            let name = machine.name.clone();
            unique_name(call, network, &name, Some(id))?;
            let mac = match call.arguments.text("macaddress").filter(|mac| !mac.is_empty()) {
                Some(mac) => Some(checked_mac(call, mac)?),
                None => None,
            };
            let nic = new_nic(call, network, wanted, mac)?;
            call.model.virtual_machines.edit(id).ok_or_else(gone)?.nics.push(nic);
            Ok(())
        })
    }))
}

fn remove(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("virtualmachineid")?;
    let nic = call.arguments.required_id("nicid")?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| {
        change(running, arguments, id, move |call| {
            let machine = call.model.virtual_machines.get(id).ok_or_else(gone)?;
            let place = machine.nics.iter().position(|own| own.id == nic).ok_or_else(gone)?;
            if place == 0 {
                return Err(ApiError::invalid(format!(
                    "Unable to remove nic from the vm {id}, nic is default."
                )));
            }
            let network = machine.nics[place].network;
            let rules = call.model.port_forwarding_rules.iter();
            if rules.into_iter().any(|rule| rule.virtual_machine == id && rule.network == network) {
                return Err(ApiError::invalid("Unable to remove nic: it has port forwarding rules on it"));
            }
            let machine = call.model.virtual_machines.edit(id).ok_or_else(gone)?;
            machine.nics.remove(place);
            Ok(())
        })
    }))
}

fn set_default(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("virtualmachineid")?;
    let nic = call.arguments.required_id("nicid")?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| {
        change(running, arguments, id, move |call| {
            let machine = call.model.virtual_machines.edit(id).ok_or_else(gone)?;
            let place = machine.nics.iter().position(|own| own.id == nic).ok_or_else(gone)?;
            if place == 0 {
                return Err(ApiError::invalid(format!(
                    "Unable to set nic as default: {nic} is the default already"
                )));
            }
            let nic = machine.nics.remove(place);
            machine.nics.insert(0, nic);
            Ok(())
        })
    }))
}

fn add_address(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let nic = call.arguments.required_id("nicid")?;
    let wanted = parse(call.arguments.text("ipaddress"))?;
    let machine = holder(call.model, nic).ok_or_else(gone)?;
    let (id, network) = (machine.id, machine.nics.iter().find(|own| own.id == nic).ok_or_else(gone)?.network);
    let known = call.model.networks.get(network).ok_or_else(gone)?;
    let address = guest_address(call, known, wanted)?;
    let address_id = call.model.next_id();
    let edited = call.model.virtual_machines.edit(id).ok_or_else(gone)?;
    let own = edited.nics.iter_mut().find(|own| own.id == nic).ok_or_else(gone)?;
    own.secondary.push((address_id, address));
    let arguments = call.arguments.clone();
    Ok(Begun::making_none(address_id, Lane::Network(network), move |running| async move {
        running
            .change_as_caller(&arguments, |call| {
                let machine = holder(call.model, nic).ok_or_else(gone)?;
                let own = machine.nics.iter().position(|own| own.id == nic).ok_or_else(gone)?;
                let shown = nic_view(call.view(), machine, own, &machine.nics[own]);
                Ok(json!({ "nicsecondaryip": object([json!({
                    "id": address_id,
                    "nicid": nic,
                    "networkid": network,
                    "ipaddress": address.to_string(),
                    "virtualmachineid": machine.id,
                    "secondaryip": shown["secondaryip"],
                })]) }))
            })
            .await
    }))
}

fn remove_address(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let machine = holder_of_address(call.model, id).ok_or_else(gone)?;
    let addresses = machine.nics.iter().flat_map(|nic| nic.secondary.iter());
    let address = addresses.filter(|(own, _)| *own == id).map(|(_, address)| *address).next();
    let forwards = call.model.port_forwarding_rules.iter();
    if forwards.into_iter().any(|rule| Some(rule.guest) == address && rule.virtual_machine == machine.id) {
        return Err(ApiError::invalid("Can not remove the address: it has port forwarding rules on it"));
    }
    let machine = machine.id;
    Ok(Begun::doing(None, Lane::Machine(machine), move |running| async move {
        running
            .core
            .change(|model, _| {
                let machine = model.virtual_machines.edit(machine).ok_or_else(gone)?;
                for nic in &mut machine.nics {
                    nic.secondary.retain(|(own, _)| *own != id);
                }
                Ok(json!({ "success": true }))
            })
            .await
    }))
}

fn set_address(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let nic = call.arguments.required_id("nicid")?;
    let wanted = parse(call.arguments.text("ipaddress"))?;
    let id = holder(call.model, nic).ok_or_else(gone)?.id;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(instance(id), Lane::Machine(id), move |running| {
        change(running, arguments, id, move |call| {
            let machine = call.model.virtual_machines.get(id).ok_or_else(gone)?;
            if machine.state != crate::model::MachineState::Stopped {
                return Err(ApiError::invalid(format!("VM {id} should be stopped to change its address")));
            }
            let own = machine.nics.iter().find(|own| own.id == nic).ok_or_else(gone)?;
            let network = call.model.networks.get(own.network).ok_or_else(gone)?;
            let address = guest_address(call, network, wanted)?;
            let machine = call.model.virtual_machines.edit(id).ok_or_else(gone)?;
            let own = machine.nics.iter_mut().find(|own| own.id == nic).ok_or_else(gone)?;
            own.address = address;
            Ok(())
        })
    }))
}
