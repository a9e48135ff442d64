//! IP forwarding rules: ports of an address with static NAT.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{View, object};
use super::firewall_rule::{anywhere, follow, open_for, owner, port_range, sources};
use super::port_forwarding_rule::{RULE, matcher, protocol};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Reach, Running};
use crate::driver::Protocol;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{IpForwardingRule, Model, RuleState};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createIpForwardingRule",
        "Opens ports of an address with static NAT",
        JobKind::new("user.nat.CreateIpForwardingRuleCmd"),
        &[
            Parameter::id("ipaddressid", Entity::PublicIpAddress).required(),
            Parameter::text("protocol").required(),
            Parameter::integer("startport").required(),
            Parameter::integer("endport"),
            Parameter::texts("cidrlist"),
            Parameter::boolean("openfirewall").about("opens the firewall for the ports too; the default"),
        ],
        create,
    )
    .answering(&RULE),
    Command::list(
        "listIpForwardingRules",
        "Lists IP forwarding rules",
        &[
            Parameter::id("id", Entity::IpForwardingRule),
            Parameter::id("ipaddressid", Entity::PublicIpAddress),
            Parameter::id("virtualmachineid", Entity::VirtualMachine),
        ],
        list,
    )
    .answering(&RULE)
    .reaching(Reach::Owned),
    Command::job(
        "deleteIpForwardingRule",
        "Takes an IP forwarding rule away",
        JobKind::new("user.nat.DeleteIpForwardingRuleCmd"),
        &[Parameter::id("id", Entity::IpForwardingRule).required()],
        delete,
    ),
];

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let address = arguments.required_id("ipaddressid")?;
    let network = super::public_ip_address::network_of(call, address)?;
    let machine = call.model.public_ip_addresses.get(address).and_then(|address| address.static_nat.clone());
    let machine = machine
        .ok_or_else(|| {
            ApiError::conflict("Can't do static nat on ip address: static NAT is not enabled on it")
        })?
        .virtual_machine;
    let first = arguments.integer("startport").unwrap_or_default();
    let ports = port_range(first, arguments.integer("endport").unwrap_or(first))?;
    let protocol = protocol(call)?;
    let old = call.model.ip_forwarding_rules.iter().find(|old| {
        old.address == address
            && old.protocol == protocol
            && old.state != RuleState::Revoked
            && old.ports.overlaps(ports)
    });
    if let Some(old) = old {
        return Err(ApiError::conflict(format!(
            "The range specified, {ports}, conflicts with rule {} which has {}",
            old.id, old.ports
        )));
    }
    let id = call.model.next_id();
    if arguments.boolean("openfirewall").unwrap_or(true) {
        let allowed = sources(arguments, "cidrlist")?.unwrap_or_else(|| vec![anywhere()]);
        open_for(call, id, (network, address), matcher(protocol, ports), allowed)?;
    }
    let rule = IpForwardingRule {
        number: call.model.next_number(),
        id,
        account: owner(call, network),
        network,
        address,
        virtual_machine: machine,
        protocol,
        ports,
        state: RuleState::Staged,
    };
    call.model.ip_forwarding_rules.insert(rule);
    Ok(Begun::making(id, "FirewallRule", Lane::Network(network), move |running| apply(running, id, network)))
}

/// Sets the state of a rule that is in `from`, and of what the firewall was opened for.
fn advance(model: &mut Model, id: Uuid, from: RuleState, to: RuleState) -> Result<(), ApiError> {
    let rule = model.ip_forwarding_rules.edit(id).filter(|rule| rule.state == from);
    rule.ok_or_else(|| ApiError::internal("The IP forwarding rule is gone"))?.state = to;
    follow(model, id, Some(to));
    Ok(())
}

fn remove(model: &mut Model, id: Uuid) {
    model.ip_forwarding_rules.remove(id);
    model.tags.remove(id);
    follow(model, id, None);
}

async fn apply(running: Running, id: Uuid, network: Uuid) -> Result<Value, ApiError> {
    let core = &running.core;
    core.change(|model, _| {
        // It may have been deleted while it waited for its turn.
        advance(model, id, RuleState::Staged, RuleState::Adding)?;
        model.touch(network);
        Ok(())
    })
    .await?;
    if let Err(error) = core.apply_rules(network).await {
        tracing::info!(%error, rule = %id, "an IP forwarding rule was not applied");
        core.change(|model, _| {
            remove(model, id);
            model.touch(network);
            Ok(())
        })
        .await?;
        return Err(ApiError::internal("Error in creating ip forwarding rule on the domr"));
    }
    core.change(|model, _| advance(model, id, RuleState::Adding, RuleState::Active)).await?;
    let gone = || ApiError::internal("The IP forwarding rule is gone");
    running
        .look(|look| {
            let rule = look.model.ip_forwarding_rules.get(id);
            rule.map(|rule| json!({ "ipforwardingrule": view(look, rule) }))
        })
        .ok_or_else(gone)
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.ip_forwarding_rules.iter().filter(|rule| {
        scope.includes(rule.account)
            && call.wanted(rule.id)
            && arguments.id("ipaddressid").is_none_or(|address| rule.address == address)
            && arguments.id("virtualmachineid").is_none_or(|machine| rule.virtual_machine == machine)
    });
    Listing::of("ipforwardingrule", arguments, found, |rule| view(call.view(), rule))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let rule = call.model.ip_forwarding_rules.edit(id);
    let rule = rule.ok_or_else(|| ApiError::invalid(format!("Unable to find rule by id {id}")))?;
    rule.state = RuleState::Revoked;
    let network = rule.network;
    follow(call.model, id, Some(RuleState::Revoked));
    call.model.touch(network);
    Ok(Begun::on_rule(id, network, move |running| async move {
        let core = &running.core;
        if let Err(error) = core.apply_rules(network).await {
            core.change(|model, _| {
                // Static NAT that ended meanwhile has taken it along.
                let _ = advance(model, id, RuleState::Revoked, RuleState::Active);
                model.touch(network);
                Ok(())
            })
            .await?;
            return Err(ApiError::internal(format!("Failed to delete IP forwarding rule: {error}")));
        }
        core.change(|model, _| {
            remove(model, id);
            Ok(())
        })
        .await?;
        Ok(json!({ "success": true }))
    }))
}

fn view(view: View<'_>, rule: &IpForwardingRule) -> Value {
    let address = view.model.public_ip_addresses.get(rule.address);
    let machine = view.model.virtual_machines.get(rule.virtual_machine);
    let guest = address.and_then(|address| address.static_nat.as_ref()).map(|nat| nat.guest.to_string());
    let (first, last) = (rule.ports.first.to_string(), rule.ports.last.to_string());
    object([json!({
        "id": rule.id,
        "privateport": first,
        "privateendport": last,
        "protocol": if rule.protocol == Protocol::Udp { "udp" } else { "tcp" },
        "publicport": first,
        "publicendport": last,
        "virtualmachineid": rule.virtual_machine,
        "virtualmachinename": machine.map(|machine| &machine.name),
        "virtualmachinedisplayname": machine.map(|machine| &machine.display_name),
        "ipaddressid": rule.address,
        "ipaddress": address.map(|address| address.address.to_string()),
        "state": rule.state.name(),
        "cidrlist": "",
        "tags": view.tags(rule.id),
        "vmguestip": guest,
        "networkid": rule.network,
        "fordisplay": view.root_admin.then_some(true),
    })])
}
