//! Static NAT: a public address that is one machine's alone.

use serde_json::{Value, json};

use super::{Begun, Call, Command, Entity, JobKind, Parameter};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{PortRange, PublicIpAddress, Service, StaticNat};

pub(super) const COMMANDS: &[Command] = &[
    Command::change(
        "enableStaticNat",
        "Gives a public address to one machine",
        &[
            Parameter::id("ipaddressid", Entity::PublicIpAddress).required(),
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::id("networkid", Entity::Network),
            Parameter::text("vmguestip"),
        ],
        enable,
    ),
    Command::job(
        "disableStaticNat",
        "Takes a public address from its machine",
        JobKind::new("user.nat.DisableStaticNatCmd"),
        &[Parameter::id("ipaddressid", Entity::PublicIpAddress).required()],
        disable,
    ),
];

fn enable(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let address_id = call.arguments.required_id("ipaddressid")?;
    let machine_id = call.arguments.required_id("virtualmachineid")?;
    let network = super::public_ip_address::network_of(call, address_id)?;
    let gone = || ApiError::invalid("Unable to find ip address by id");
    let address = call.model.public_ip_addresses.get(address_id).ok_or_else(gone)?;
    if address.source_nat {
        return Err(ApiError::invalid(
            "Can't enable static, ip address is a source nat ip address; take another one",
        ));
    }
    let every_port = PortRange { first: 0, last: u16::MAX };
    for protocol in [crate::driver::Protocol::Tcp, crate::driver::Protocol::Udp] {
        if call.model.port_holder(address_id, protocol, every_port, None).is_some() {
            return Err(ApiError::conflict(
                "Failed to enable static nat for the ip address as it already has firewall rules assigned",
            ));
        }
    }
    super::network_offering::serves(call, network, address_id, Service::StaticNat)?;
    let machine = call.model.virtual_machines.get(machine_id);
    let nic = machine.and_then(|machine| machine.nic_in(network));
    let nic = nic.ok_or_else(|| ApiError::invalid("Vm doesn't belong to the network with specified id"))?;
    let guest = match call.arguments.text("vmguestip").filter(|text| !text.is_empty()) {
        None => nic.address,
        Some(text) => nic
            .addresses()
            .find(|own| own.to_string() == text)
            .ok_or_else(|| ApiError::invalid(format!("VM ip {text} address not belongs to the vm")))?,
    };
    if address.static_nat.as_ref().is_some_and(|nat| nat.virtual_machine != machine_id) {
        return Err(ApiError::conflict(format!(
            "Failed to enable static for the ip address {} and vm id={} as it's already assigned to antoher vm",
            address.address,
            machine.map_or(0, |machine| machine.number)
        )));
    }
    let has_guest =
        |other: &&PublicIpAddress| other.static_nat.as_ref().is_some_and(|nat| nat.guest == guest);
    if let Some(other) = call.model.translated_to(machine_id).find(has_guest) {
        return Err(ApiError::invalid(format!(
            "Failed to enable static nat on the  ip {} with Id {address_id} as the vm {} with Id {machine_id} is already \
             associated with another public ip {} with id {}",
            address.address,
            machine.map(|machine| call.model.instance_name(machine)).unwrap_or_default(),
            other.address,
            other.id
        )));
    }
    let taken = StaticNat { virtual_machine: machine_id, guest };
    let address = call.model.public_ip_addresses.edit(address_id).ok_or_else(gone)?;
    address.static_nat = Some(taken);
    call.model.touch(network);
    call.refresh.push(network);
    Ok(json!({ "success": true }))
}

fn disable(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("ipaddressid")?;
    let network = super::public_ip_address::network_of(call, id)?;
    let address = call.model.public_ip_addresses.get(id);
    let machine = address.and_then(|address| address.static_nat.as_ref()).map(|nat| nat.virtual_machine);
    let machine = machine
        .ok_or_else(|| ApiError::invalid("Specified IP address id is not associated with any vm Id"))?;
    let instance = Some(("VirtualMachine", Some(machine)));
    Ok(Begun::doing(instance, Lane::Network(network), move |running| async move {
        running
            .core
            .change(|model, _| {
                model.end_static_nat(id);
                model.touch(network);
                Ok(())
            })
            .await?;
        let applied = running.core.apply_rules(network).await;
        applied.map_err(|error| ApiError::internal(format!("Failed to disable static nat: {error}")))?;
        Ok(json!({ "success": true }))
    }))
}
