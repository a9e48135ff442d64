//! Load balancer rules.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{View, object};
use super::firewall_rule::{anywhere, follow, open_for, owner, sources};
use super::port_forwarding_rule::conflict;
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Running};
use crate::driver::{Algorithm, Protocol};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{LoadBalancerRule, Matcher, Member, PortRange, RuleState};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createLoadBalancerRule",
        "Shares traffic to a port of a public address among machines",
        JobKind::new("user.loadbalancer.CreateLoadBalancerRuleCmd", "LB.CREATE", "creating load balancer"),
        &[
            Parameter::text("algorithm").required(),
            Parameter::text("name").required(),
            Parameter::integer("privateport").required(),
            Parameter::integer("publicport").required(),
            Parameter::id("publicipid", Entity::PublicIpAddress),
            Parameter::id("networkid", Entity::Network),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::text("protocol"),
            Parameter::text("description").length(4096),
            Parameter::boolean("openfirewall")
                .about("opens the firewall for the public port too; the default"),
            Parameter::texts("cidrlist"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::boolean("fordisplay"),
        ],
        create,
    ),
    Command::list(
        "listLoadBalancerRules",
        "Lists load balancer rules",
        &[
            Parameter::id("id", Entity::LoadBalancerRule),
            Parameter::text("name"),
            Parameter::id("publicipid", Entity::PublicIpAddress),
            Parameter::id("networkid", Entity::Network),
            Parameter::id("virtualmachineid", Entity::VirtualMachine),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::boolean("fordisplay"),
        ],
        list,
    ),
    Command::list(
        "listLoadBalancerRuleInstances",
        "Lists the machines behind a load balancer rule",
        &[
            Parameter::id("id", Entity::LoadBalancerRule).required(),
            Parameter::boolean("applied").about("false lists machines that could be assigned"),
            Parameter::boolean("lbvmips"),
        ],
        list_instances,
    ),
    Command::list(
        "listAutoScaleVmGroups",
        "Lists autoscale groups; there are none here",
        &[Parameter::id("lbruleid", Entity::LoadBalancerRule), Parameter::id("id", Entity::Nothing)],
        list_no_groups,
    ),
    Command::job(
        "updateLoadBalancerRule",
        "Changes a load balancer rule",
        JobKind::new("user.loadbalancer.UpdateLoadBalancerRuleCmd", "LB.UPDATE", "updating load balancer"),
        &[
            Parameter::id("id", Entity::LoadBalancerRule).required(),
            Parameter::text("name"),
            Parameter::text("algorithm"),
            Parameter::text("description").length(4096),
            Parameter::text("protocol"),
        ],
        update,
    ),
    Command::job(
        "assignToLoadBalancerRule",
        "Puts machines behind a load balancer rule",
        JobKind::new(
            "user.loadbalancer.AssignToLoadBalancerRuleCmd",
            "LB.ASSIGN.TO.RULE",
            "assigning to load balancer",
        ),
        &[
            Parameter::id("id", Entity::LoadBalancerRule).required(),
            Parameter::ids("virtualmachineids", Entity::VirtualMachine),
            Parameter::map("vmidipmap"),
        ],
        assign,
    ),
    Command::job(
        "removeFromLoadBalancerRule",
        "Takes machines from behind a load balancer rule",
        JobKind::new(
            "user.loadbalancer.RemoveFromLoadBalancerRuleCmd",
            "LB.REMOVE.FROM.RULE",
            "removing from load balancer",
        ),
        &[
            Parameter::id("id", Entity::LoadBalancerRule).required(),
            Parameter::ids("virtualmachineids", Entity::VirtualMachine),
            Parameter::map("vmidipmap"),
        ],
        remove,
    ),
    Command::job(
        "deleteLoadBalancerRule",
        "Takes a load balancer rule away",
        JobKind::new("user.loadbalancer.DeleteLoadBalancerRuleCmd", "LB.DELETE", "deleting load balancer"),
        &[Parameter::id("id", Entity::LoadBalancerRule).required()],
        delete,
    ),
];

fn algorithm(name: &str) -> Result<Algorithm, ApiError> {
    match name {
        "roundrobin" => Ok(Algorithm::RoundRobin),
        "leastconn" => Ok(Algorithm::LeastConn),
        "source" => Ok(Algorithm::Source),
        other => Err(ApiError::parameter(format!("Invalid algorithm: {other}"))),
    }
}

fn port(call: &Call<'_>, name: &str, shown: &str) -> Result<u16, ApiError> {
    let port = call.arguments.integer(name).unwrap_or_default();
    let legal = u16::try_from(port).ok().filter(|port| *port > 0);
    legal.ok_or_else(|| ApiError::invalid(format!("{shown} is an invalid value: {port}")))
}

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let algorithm = algorithm(arguments.required_text("algorithm")?)?;
    let Some(address) = arguments.id("publicipid") else {
        return Err(ApiError::invalid(
            "publicipid must be given: an address is not taken for a load balancer by itself here",
        ));
    };
    let network = super::public_ip_address::network_of(call, address)?;
    if call.model.public_ip_addresses.get(address).is_some_and(|address| address.static_nat.is_some()) {
        return Err(ApiError::invalid("Can't use ip with static nat enabled for load balancing"));
    }
    let named_protocol = arguments.text("protocol").map(str::to_lowercase);
    let protocol = match named_protocol.as_deref() {
        None | Some("tcp" | "tcp-proxy") => Protocol::Tcp,
        Some("udp") => {
            return Err(ApiError::invalid(
                "Protocol udp is not supported by this zone's load balancer; use tcp",
            ));
        }
        Some(other) => {
            return Err(ApiError::invalid(format!("Protocol {other} is not supported by LB Provider")));
        }
    };
    let (public_port, private_port) =
        (port(call, "publicport", "publicPort")?, port(call, "privateport", "privatePort")?);
    let wanted = PortRange { first: public_port, last: public_port };
    if let Some(holder) = call.model.port_holder(address, protocol, wanted) {
        return Err(conflict(call, network, wanted, &holder).with_cs_code(9999));
    }
    let id = call.model.next_id();
    let allowed = sources(arguments, "cidrlist")?;
    if arguments.boolean("openfirewall").unwrap_or(true) {
        let allowed = allowed.unwrap_or_else(|| vec![anywhere()]);
        open_for(call, id, (network, address), Matcher::Tcp(Some(wanted)), allowed)?;
    }
    let rule = LoadBalancerRule {
        number: call.model.next_number(),
        id,
        account: owner(call, network),
        network,
        address,
        name: arguments.required_text("name")?.to_owned(),
        description: arguments.text("description").map(str::to_owned),
        public_port,
        private_port,
        algorithm,
        protocol,
        named_protocol,
        source_list: arguments.texts("cidrlist").map(|list| list.join(" ")),
        members: Vec::new(),
        state: RuleState::Staged,
        assigned: false,
    };
    call.model.load_balancer_rules.insert(rule);
    Ok(Begun::making(id, "FirewallRule", Lane::Network(network), move |running| apply(running, id, network)))
}

async fn apply(running: Running, id: Uuid, network: Uuid) -> Result<Value, ApiError> {
    let failed = || ApiError::internal("Failed to create load balancer rule");
    let core = &running.core;
    core.change(|model, _| {
        // It may have been deleted while it waited for its turn.
        let rule = model.load_balancer_rules.edit(id).filter(|rule| rule.state == RuleState::Staged);
        rule.ok_or_else(failed)?.state = RuleState::Adding;
        follow(model, id, Some(RuleState::Adding));
        model.touch(network);
        Ok(())
    })
    .await?;
    if let Err(error) = core.apply_rules(network).await {
        tracing::info!(%error, rule = %id, "a load balancer rule was not applied");
        core.change(|model, _| {
            model.load_balancer_rules.remove(id);
            model.tags.remove(id);
            follow(model, id, None);
            model.touch(network);
            Ok(())
        })
        .await?;
        return Err(failed());
    }
    core.change(|model, _| {
        if let Some(rule) = model.load_balancer_rules.edit(id).filter(|rule| rule.state == RuleState::Adding)
        {
            rule.state = RuleState::Active;
            follow(model, id, Some(RuleState::Active));
        }
        Ok(())
    })
    .await?;
    running.load_balancer_answer(id)
}

impl Running {
    fn load_balancer_answer(&self, id: Uuid) -> Result<Value, ApiError> {
        let settings = self.core.settings();
        self.core
            .read(|model| {
                let look = View { model, settings: &settings, root_admin: self.caller.root_admin };
                model.load_balancer_rules.get(id).map(|rule| json!({ "loadbalancer": view(look, rule) }))
            })
            .ok_or_else(|| ApiError::internal("The load balancer rule is gone"))
    }
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.load_balancer_rules.iter().filter(|rule| {
        scope.includes(rule.account)
            && call.wanted(rule.id)
            && call.name_is(&rule.name)
            && call.keyword_in(&[&rule.name])
            && call.tags_match(rule.id)
            && arguments.id("publicipid").is_none_or(|address| rule.address == address)
            && arguments.id("networkid").is_none_or(|network| rule.network == network)
            && arguments
                .id("virtualmachineid")
                .is_none_or(|machine| rule.members.iter().any(|member| member.virtual_machine == machine))
    });
    Listing::of("loadbalancerrule", arguments, found, |rule| view(call.view(), rule))
}

fn list_instances(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let rule = arguments.id("id").and_then(|id| call.model.load_balancer_rules.get(id));
    let rule = rule.filter(|rule| call.caller.root_admin || rule.account == call.caller.account);
    let applied = arguments.boolean("applied").unwrap_or(true);
    let found: Vec<_> = match rule {
        None => Vec::new(),
        Some(rule) => call
            .model
            .machines_in(rule.network)
            .filter(|machine| {
                rule.members.iter().any(|member| member.virtual_machine == machine.id) == applied
                    && machine.account == rule.account
            })
            .collect(),
    };
    let look = call.view();
    if arguments.boolean("lbvmips") == Some(true) {
        return Listing::of("lbrulevmidip", arguments, found, |machine| {
            let members = rule.map(|rule| rule.members.as_slice()).unwrap_or_default();
            let addresses: Vec<String> = members
                .iter()
                .filter(|member| member.virtual_machine == machine.id)
                .map(|member| member.guest.to_string())
                .collect();
            json!({
                "loadbalancerruleinstance": super::virtual_machine_view(look, machine),
                "lbvmipaddresses": addresses,
            })
        });
    }
    Listing::of("loadbalancerruleinstance", arguments, found, |machine| {
        super::virtual_machine_view(look, machine)
    })
}

fn list_no_groups(call: &Call<'_>) -> Result<Listing, ApiError> {
    Listing::of("autoscalevmgroup", call.arguments, std::iter::empty::<()>(), |()| Value::Null)
}

/// The machines a command names, by `virtualmachineids` or `vmidipmap`.
fn machines(call: &Call<'_>) -> Result<Vec<Uuid>, ApiError> {
    let mut machines = call.arguments.ids("virtualmachineids").unwrap_or_default().to_vec();
    for entry in call.arguments.map("vmidipmap") {
        let text = entry.get("vmid").map(String::as_str).unwrap_or_default();
        let machine = text.parse().ok().and_then(|id| call.model.virtual_machines.get(id));
        let machine = machine
            .ok_or_else(|| ApiError::invalid(format!("Unable to find virtual machine by id {text}")))?;
        call.must_be_mine(machine.account)?;
        let wanted = entry.get("vmip").map(String::as_str).unwrap_or_default();
        if !wanted.is_empty() && !machine.nics.iter().any(|nic| nic.address.to_string() == wanted) {
            return Err(ApiError::invalid(format!("VM {} has no address {wanted}", machine.id)));
        }
        machines.push(machine.id);
    }
    if machines.is_empty() {
        return Err(ApiError::invalid("virtualMachineIds or vmidipmap must be specified"));
    }
    Ok(machines)
}

fn network_of(call: &Call<'_>, id: Uuid) -> Result<Uuid, ApiError> {
    let rule = call.model.load_balancer_rules.get(id);
    rule.map(|rule| rule.network)
        .ok_or_else(|| ApiError::invalid(format!("Unable to find load balancer rule: {id}")))
}

fn assign(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let machines = machines(call)?;
    let network = network_of(call, id)?;
    Ok(Begun::doing(None, Lane::Network(network), move |running| async move {
        let failed =
            |why: String| ApiError::internal(format!("Failed to assign load balancer rule due to: {why}"));
        let core = &running.core;
        let before = core.read(|model| model.load_balancer_rules.get(id).cloned());
        core.change(|model, _| {
            for machine in &machines {
                let gone = || ApiError::invalid("Invalid virtual machine");
                let machine = model.virtual_machines.get(*machine).ok_or_else(gone)?;
                let nic = machine.nic_in(network).ok_or_else(|| {
                    ApiError::invalid(format!(
                        "VM {} cannot be added because it doesn't belong in the network of the rule",
                        machine.id
                    ))
                })?;
                let (id_of, number, guest) = (machine.id, machine.number, nic.address);
                let rule = model.load_balancer_rules.edit(id);
                let rule = rule.ok_or_else(|| failed("the rule is gone".to_owned()))?;
                if rule.members.iter().any(|member| member.virtual_machine == id_of) {
                    return Err(failed(format!(
                        "VM {number} with {guest} is already mapped to load balancer."
                    )));
                }
                rule.members.push(Member { virtual_machine: id_of, guest });
                rule.assigned = true;
            }
            model.touch(network);
            Ok(())
        })
        .await?;
        if let Err(error) = core.apply_rules(network).await {
            put_back(&running, before, network).await?;
            return Err(failed(error.to_string()));
        }
        Ok(json!({ "success": true }))
    }))
}

/// A rule as it was before the router refused what was to become of it.
async fn put_back(
    running: &Running,
    before: Option<LoadBalancerRule>,
    network: Uuid,
) -> Result<(), ApiError> {
    running
        .core
        .change(|model, _| {
            if let Some(before) = before
                && let Some(rule) = model.load_balancer_rules.edit(before.id)
            {
                *rule = before;
            }
            model.touch(network);
            Ok(())
        })
        .await
}

fn remove(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let machines = machines(call)?;
    let network = network_of(call, id)?;
    Ok(Begun::doing(None, Lane::Network(network), move |running| async move {
        let core = &running.core;
        let before = core.read(|model| model.load_balancer_rules.get(id).cloned());
        core.change(|model, _| {
            let gone =
                || ApiError::internal("Failed to remove instance from load balancer: the rule is gone");
            let rule = model.load_balancer_rules.edit(id).ok_or_else(gone)?;
            rule.members.retain(|member| !machines.contains(&member.virtual_machine));
            model.touch(network);
            Ok(())
        })
        .await?;
        if let Err(error) = core.apply_rules(network).await {
            put_back(&running, before, network).await?;
            return Err(ApiError::internal(format!("Failed to remove instance from load balancer: {error}")));
        }
        Ok(json!({ "success": true }))
    }))
}

fn update(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let id = arguments.required_id("id")?;
    let network = network_of(call, id)?;
    let new_algorithm = arguments.text("algorithm").map(algorithm).transpose()?;
    let text = |name: &str| arguments.text(name).map(str::to_owned);
    let (name, description) = (text("name"), text("description"));
    Ok(Begun::doing(Some(("FirewallRule", Some(id))), Lane::Network(network), move |running| async move {
        let core = &running.core;
        let before = core.read(|model| model.load_balancer_rules.get(id).cloned());
        core.change(|model, _| {
            let gone = || ApiError::invalid(format!("Unable to find load balancer rule: {id}"));
            let rule = model.load_balancer_rules.edit(id).ok_or_else(gone)?;
            rule.algorithm = new_algorithm.unwrap_or(rule.algorithm);
            if let Some(name) = name {
                rule.name = name;
            }
            rule.description = description.or(rule.description.take());
            model.touch(network);
            Ok(())
        })
        .await?;
        if let Err(error) = core.apply_rules(network).await {
            put_back(&running, before, network).await?;
            return Err(ApiError::internal(format!("Failed to update load balancer rule: {error}")));
        }
        running.load_balancer_answer(id)
    }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let network = network_of(call, id)?;
    let before = call.model.load_balancer_rules.get(id).cloned();
    if let Some(rule) = call.model.load_balancer_rules.edit(id) {
        rule.state = RuleState::Revoked;
    }
    follow(call.model, id, Some(RuleState::Revoked));
    Ok(Begun::doing(Some(("FirewallRule", Some(id))), Lane::Network(network), move |running| async move {
        let core = &running.core;
        core.change(|model, _| Ok(model.touch(network))).await?;
        if let Err(error) = core.apply_rules(network).await {
            put_back(&running, before, network).await?;
            core.change(|model, _| Ok(follow(model, id, Some(RuleState::Active)))).await?;
            return Err(ApiError::internal(format!("Failed to delete load balancer: {error}")));
        }
        core.change(|model, _| {
            model.load_balancer_rules.remove(id);
            model.tags.remove(id);
            follow(model, id, None);
            Ok(())
        })
        .await?;
        Ok(json!({ "success": true }))
    }))
}

fn view(view: View<'_>, rule: &LoadBalancerRule) -> Value {
    let address = view.model.public_ip_addresses.get(rule.address);
    object([
        json!({
            "id": rule.id,
            "name": rule.name,
            "description": rule.description,
            "publicipid": rule.address,
            "publicip": address.map(|address| address.address.to_string()),
            "publicport": rule.public_port.to_string(),
            "privateport": rule.private_port.to_string(),
            "algorithm": match rule.algorithm {
                Algorithm::RoundRobin => "roundrobin",
                Algorithm::LeastConn => "leastconn",
                Algorithm::Source => "source",
            },
            "networkid": rule.network,
            "cidrlist": rule.source_list,
            "state": rule.state_name(),
            "protocol": rule.named_protocol,
            "tags": view.tags(rule.id),
            "fordisplay": view.root_admin.then_some(true),
        }),
        view.zone(),
        view.ownership(rule.account),
    ])
}
