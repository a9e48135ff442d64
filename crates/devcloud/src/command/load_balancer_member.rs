//! The machines behind load balancer rules.

use serde_json::json;
use uuid::Uuid;

use super::answer::Answer;
use super::load_balancer_rule::{network_of, put_back};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Reach, virtual_machine};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::Member;

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listLoadBalancerRuleInstances",
        "Lists the machines behind a load balancer rule",
        &[
            Parameter::id("id", Entity::LoadBalancerRule).required(),
            Parameter::boolean("applied").about("false lists machines that could be assigned"),
            Parameter::boolean("lbvmips"),
        ],
        list_instances,
    )
    .answering(&MEMBER)
    .reaching(Reach::Catalogue),
    Command::job(
        "assignToLoadBalancerRule",
        "Puts machines behind a load balancer rule",
        JobKind::new("user.loadbalancer.AssignToLoadBalancerRuleCmd"),
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
        JobKind::new("user.loadbalancer.RemoveFromLoadBalancerRuleCmd"),
        &[
            Parameter::id("id", Entity::LoadBalancerRule).required(),
            Parameter::ids("virtualmachineids", Entity::VirtualMachine),
            Parameter::map("vmidipmap"),
        ],
        remove,
    ),
];

const MEMBER: Answer = Answer::of(&[&["loadbalancerruleinstance", "lbvmipaddresses"]]);

fn list_instances(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let rule = arguments.id("id").and_then(|id| call.model.load_balancer_rules.get(id));
    let rule = rule.filter(|rule| call.may_use(rule.account));
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
                "loadbalancerruleinstance": virtual_machine::view(look, machine),
                "lbvmipaddresses": addresses,
            })
        });
    }
    Listing::of("loadbalancerruleinstance", arguments, found, |machine| virtual_machine::view(look, machine))
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
