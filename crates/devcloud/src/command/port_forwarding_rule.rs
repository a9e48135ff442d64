//! Port forwarding rules.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Answer;
use super::call::{View, object};
use super::firewall_rule::{anywhere, follow, joined, open_for, owner, sources};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Running};
use crate::driver::Protocol;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Holder, MachineState, Matcher, PortForwardingRule, PortRange, RuleState, Service};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createPortForwardingRule",
        "Sends traffic to ports of a public address on to a machine",
        JobKind::new("user.firewall.CreatePortForwardingRuleCmd"),
        &[
            Parameter::id("ipaddressid", Entity::PublicIpAddress).required(),
            Parameter::integer("privateport").required(),
            Parameter::text("protocol").required(),
            Parameter::integer("publicport").required(),
            Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
            Parameter::integer("privateendport"),
            Parameter::integer("publicendport"),
            Parameter::id("networkid", Entity::Network),
            Parameter::text("vmguestip"),
            Parameter::texts("cidrlist"),
            Parameter::boolean("openfirewall")
                .about("opens the firewall for the public ports too; the default"),
            Parameter::boolean("fordisplay"),
        ],
        create,
    )
    .answering(&RULE),
    Command::list(
        "listPortForwardingRules",
        "Lists port forwarding rules",
        &[
            Parameter::id("id", Entity::PortForwardingRule),
            Parameter::id("ipaddressid", Entity::PublicIpAddress),
            Parameter::id("networkid", Entity::Network),
            Parameter::boolean("fordisplay"),
        ],
        list,
    )
    .answering(&RULE),
    Command::job(
        "updatePortForwardingRule",
        "Sends the traffic of a port forwarding rule elsewhere",
        JobKind::new("user.firewall.UpdatePortForwardingRuleCmd"),
        &[
            Parameter::id("id", Entity::PortForwardingRule).required(),
            Parameter::integer("privateport"),
            Parameter::integer("privateendport"),
            Parameter::id("virtualmachineid", Entity::VirtualMachine),
            Parameter::text("vmguestip"),
            Parameter::texts("cidrlist"),
            Parameter::boolean("fordisplay"),
        ],
        update,
    )
    .answering(&RULE),
    Command::job(
        "deletePortForwardingRule",
        "Takes a port forwarding rule away",
        JobKind::new("user.firewall.DeletePortForwardingRuleCmd"),
        &[Parameter::id("id", Entity::PortForwardingRule).required()],
        delete,
    ),
];

/// What is told of a rule that sends ports on.
pub(super) const RULE: Answer = Answer::of(&[
    &["id", "privateport", "privateendport", "protocol", "publicport", "publicendport", "virtualmachineid"],
    &["virtualmachinename", "virtualmachinedisplayname", "ipaddressid", "ipaddress", "state", "cidrlist"],
    &["tags:list", "vmguestip", "networkid", "fordisplay"],
])
.with(&[("tags", &super::tag::TAG)]);

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let address = arguments.required_id("ipaddressid")?;
    let network = super::public_ip_address::network_of(call, address)?;
    super::network_offering::serves(call, network, address, Service::PortForwarding)?;
    if call.model.public_ip_addresses.get(address).is_some_and(|address| address.static_nat.is_some()) {
        return Err(ApiError::invalid("Unable to create port forwarding rule; ip has static nat enabled"));
    }
    let protocol = protocol(call)?;
    let public = ports(call, "publicport", "publicendport", "publicPort")?;
    let private = ports(call, "privateport", "privateendport", "privatePort")?;
    if public.len() != private.len() {
        return Err(ApiError::invalid("Source port and destination port ranges should be of equal sizes."));
    }
    if public.len() > 1 && public.first != private.first {
        return Err(ApiError::invalid("Private port start should be equal to public port start"));
    }
    let machine_id = arguments.required_id("virtualmachineid")?;
    let machine = call.model.virtual_machines.get(machine_id);
    let machine = machine.ok_or_else(|| ApiError::invalid("Invalid user vm"))?;
    if matches!(machine.state, MachineState::Destroyed | MachineState::Expunging) {
        return Err(ApiError::invalid(format!("Invalid user vm: {}", call.model.described(machine_id))));
    }
    let guest = guest(machine, network, arguments.text("vmguestip"))?;
    let allowed = sources(arguments, "cidrlist")?;
    let wanted = allowed.as_deref().unwrap_or_default();
    if let Some(holder) = call.model.port_holder(address, protocol, public, Some(wanted)) {
        return Err(conflict(call, network, public, &holder));
    }
    let id = call.model.next_id();
    if arguments.boolean("openfirewall").unwrap_or(true) {
        let matcher = matcher(protocol, public);
        open_for(call, id, (network, address), matcher, allowed.clone().unwrap_or_else(|| vec![anywhere()]))?;
    }
    let rule = PortForwardingRule {
        number: call.model.next_number(),
        id,
        account: owner(call, network),
        network,
        address,
        protocol,
        public,
        private,
        virtual_machine: machine_id,
        guest,
        sources: allowed.unwrap_or_default(),
        state: RuleState::Staged,
    };
    call.model.port_forwarding_rules.insert(rule);
    Ok(Begun::making(id, "FirewallRule", Lane::Network(network), move |running| apply(running, id, network)))
}

/// The protocol of a rule that sends ports on.
pub(super) fn protocol(call: &Call<'_>) -> Result<Protocol, ApiError> {
    match call.arguments.required_text("protocol")?.to_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        other => Err(ApiError::invalid(format!("Protocol {other} is not supported in zone 1"))),
    }
}

/// The traffic that the firewall lets in for such a rule.
pub(super) fn matcher(protocol: Protocol, ports: PortRange) -> Matcher {
    match protocol {
        Protocol::Udp => Matcher::Udp(Some(ports)),
        _ => Matcher::Tcp(Some(ports)),
    }
}

/// The machine's address that traffic goes to: its own in the network, or one of its further ones that is named.
fn guest(
    machine: &crate::model::VirtualMachine,
    network: Uuid,
    wanted: Option<&str>,
) -> Result<std::net::Ipv4Addr, ApiError> {
    let nic = machine
        .nic_in(network)
        .ok_or_else(|| ApiError::invalid("Vm doesn't belong to network associated with ipAddress"))?;
    let Some(text) = wanted else { return Ok(nic.address) };
    nic.addresses().find(|address| address.to_string() == text).ok_or_else(|| {
        ApiError::invalid(format!("Invalid ip address {text}, it is not the machine's in this network"))
    })
}

/// The range from two parameters; the second is the first's when it is not there. Port 0 is taken, as by the server.
fn ports(call: &Call<'_>, first: &str, last: &str, shown: &str) -> Result<PortRange, ApiError> {
    let port = |port: i64| {
        u16::try_from(port).map_err(|_| ApiError::invalid(format!("{shown} is an invalid value: {port}")))
    };
    let first = call.arguments.integer(first).unwrap_or_default();
    let last = call.arguments.integer(last).unwrap_or(first);
    PortRange::new(port(first)?, port(last)?)
        .ok_or_else(|| ApiError::invalid("Start port can't be bigger than end port"))
}

/// 537, with the server's description of who has the port.
pub(super) fn conflict(call: &Call<'_>, network: Uuid, wanted: PortRange, holder: &Holder) -> ApiError {
    ApiError::conflict(format!(
        "The range specified, {wanted}, conflicts with rule FirewallRule \
         {{\"id\":{},\"networkId\":{},\"purpose\":\"{}\",\"state\":\"{}\",\"uuid\":\"{}\"}} which has {}",
        holder.number,
        call.model.networks.get(network).map_or(0, |network| network.number),
        holder.purpose,
        holder.state,
        holder.id,
        holder.ports
    ))
}

async fn apply(running: Running, id: Uuid, network: Uuid) -> Result<Value, ApiError> {
    let failed = || ApiError::internal("Failed to apply port forwarding rule");
    let core = &running.core;
    core.change(|model, _| {
        // It may have been deleted while it waited for its turn.
        let rule = model.port_forwarding_rules.edit(id).filter(|rule| rule.state == RuleState::Staged);
        rule.ok_or_else(failed)?.state = RuleState::Adding;
        follow(model, id, Some(RuleState::Adding));
        model.touch(network);
        Ok(())
    })
    .await?;
    if let Err(error) = core.apply_rules(network).await {
        tracing::info!(%error, rule = %id, "a port forwarding rule was not applied");
        core.change(|model, _| {
            model.port_forwarding_rules.remove(id);
            model.tags.remove(id);
            follow(model, id, None);
            model.touch(network);
            Ok(())
        })
        .await?;
        return Err(failed());
    }
    core.change(|model, _| {
        if let Some(rule) =
            model.port_forwarding_rules.edit(id).filter(|rule| rule.state == RuleState::Adding)
        {
            rule.state = RuleState::Active;
            follow(model, id, Some(RuleState::Active));
        }
        Ok(())
    })
    .await?;
    running.port_forwarding_answer(id)
}

impl Running {
    fn port_forwarding_answer(&self, id: Uuid) -> Result<Value, ApiError> {
        self.look(|look| {
            let rule = look.model.port_forwarding_rules.get(id);
            rule.map(|rule| json!({ "portforwardingrule": view(look, rule) }))
        })
        .ok_or_else(|| ApiError::internal("Failed to apply port forwarding rule"))
    }
}

// Newest first, as the server answers them.
fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    super::public_ip_address::ready_for(call, "port forwarding")?;
    let found = call.model.port_forwarding_rules.iter().rev().filter(|rule| {
        scope.includes(rule.account)
            && call.wanted(rule.id)
            && call.tags_match(rule.id)
            && arguments.boolean("fordisplay") != Some(false)
            && call.keyword_in(&[&rule.id.to_string()])
            && arguments.id("ipaddressid").is_none_or(|address| rule.address == address)
            && arguments.id("networkid").is_none_or(|network| rule.network == network)
    });
    Listing::of("portforwardingrule", arguments, found, |rule| view(call.view(), rule))
}

fn update(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let id = arguments.required_id("id")?;
    let gone = move || ApiError::invalid(format!("Unable to find port forwarding rule by id {id}"));
    let before = call.model.port_forwarding_rules.get(id).cloned().ok_or_else(gone)?;
    let mut changed = before.clone();
    if arguments.integer("privateport").is_some() {
        changed.private = ports(call, "privateport", "privateendport", "privatePort")?;
        if arguments.integer("privateendport").is_none() {
            let last = changed.private.first.saturating_add(before.public.last - before.public.first);
            changed.private = PortRange { last, ..changed.private };
        }
        if changed.private.len() != changed.public.len() {
            return Err(ApiError::invalid(
                "Source port and destination port ranges should be of equal sizes.",
            ));
        }
    }
    let machine_id = arguments.id("virtualmachineid").unwrap_or(before.virtual_machine);
    if arguments.id("virtualmachineid").is_some() || arguments.text("vmguestip").is_some() {
        let machine = call.model.virtual_machines.get(machine_id);
        let machine = machine.ok_or_else(|| ApiError::invalid("Invalid user vm"))?;
        changed.virtual_machine = machine.id;
        changed.guest = guest(machine, before.network, arguments.text("vmguestip"))?;
    }
    if let Some(sources) = sources(arguments, "cidrlist")? {
        changed.sources = sources;
    }
    let network = before.network;
    Ok(Begun::doing(None, Lane::Network(network), move |running| async move {
        let core = &running.core;
        let put = |rule: PortForwardingRule| {
            core.change(move |model, _| {
                let state = model.port_forwarding_rules.get(id).ok_or_else(gone)?.state;
                *model.port_forwarding_rules.edit(id).ok_or_else(gone)? =
                    PortForwardingRule { state, ..rule };
                model.touch(network);
                Ok(())
            })
        };
        put(changed).await?;
        if let Err(error) = core.apply_rules(network).await {
            put(before).await?;
            return Err(ApiError::internal(format!("Failed to update port forwarding rule: {error}")));
        }
        running.port_forwarding_answer(id)
    }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let rule = call.model.port_forwarding_rules.edit(id);
    let rule = rule.ok_or_else(|| ApiError::invalid(format!("Unable to find rule by id {id}")))?;
    rule.state = RuleState::Revoked;
    let network = rule.network;
    follow(call.model, id, Some(RuleState::Revoked));
    call.model.touch(network);
    Ok(Begun::on_rule(id, network, move |running| async move {
        let core = &running.core;
        if let Err(error) = core.apply_rules(network).await {
            tracing::info!(%error, rule = %id, "a port forwarding rule was not taken away");
            core.change(|model, _| {
                if let Some(rule) = model.port_forwarding_rules.edit(id) {
                    rule.state = RuleState::Active;
                }
                follow(model, id, Some(RuleState::Active));
                model.touch(network);
                Ok(())
            })
            .await?;
            return Err(ApiError::internal("Failed to delete port forwarding rule"));
        }
        core.change(|model, _| {
            model.port_forwarding_rules.remove(id);
            model.tags.remove(id);
            follow(model, id, None);
            Ok(())
        })
        .await?;
        Ok(json!({ "success": true }))
    }))
}

fn view(view: View<'_>, rule: &PortForwardingRule) -> Value {
    let address = view.model.public_ip_addresses.get(rule.address);
    let machine = view.model.virtual_machines.get(rule.virtual_machine);
    let network = view.model.networks.get(rule.network);
    object([json!({
        "id": rule.id,
        "privateport": rule.private.first.to_string(),
        "privateendport": rule.private.last.to_string(),
        "protocol": match rule.protocol {
            Protocol::Udp => "udp",
            _ => "tcp",
        },
        "publicport": rule.public.first.to_string(),
        "publicendport": rule.public.last.to_string(),
        "virtualmachineid": rule.virtual_machine,
        "virtualmachinename": machine.map(|machine| &machine.name),
        "virtualmachinedisplayname": machine.map(|machine| &machine.display_name),
        "ipaddressid": rule.address,
        "ipaddress": address.map(|address| address.address.to_string()),
        "state": rule.state.name(),
        "cidrlist": joined(&rule.sources),
        "tags": view.tags(rule.id),
        "vmguestip": rule.guest.to_string(),
        "networkid": rule.network,
        "networkname": network.map(|network| &network.name),
        "fordisplay": view.root_admin.then_some(true),
    })])
}
