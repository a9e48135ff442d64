//! What agents had of the public address and need no more: agents that are reached through the masters, and agents that
//! are no more or are about to go.
//!
//! A forward is one of ours when it leads from the port the file would give an agent to that very agent's SSH. A firewall
//! rule is, when it begins among agents' ports, and nobody else uses one that it opens. Which agents there were is known
//! from their machines and, as long as something of them is left, from the network's tags. Everything else in these ports
//! was not made by us, and stays.

use cloudstack::Id;

use super::{Before, address_of, rules};
use crate::{
    cluster::{
        action::Action,
        desired::Desired,
        identity,
        observed::{FirewallRule, Forward, Machine, Observed},
        openings::Opening,
        plan::Plan,
    },
    node,
    spec::{AgentAccess, NodeName, Role},
};

/// Why these go, as a plan shows it.
const BEHIND: &str = "agents are reached through the masters";
const NOBODY: &str = "no agent is behind it any more";

/// Rules that only made agents reachable from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftovers<'a> {
    /// Forwards that are to be removed, with the agent's name.
    forwards: Vec<(&'a Forward, String)>,
    /// Forwards to machines that are about to go, or are going, and take them along.
    taken_along: Vec<&'a Id>,
    /// Firewall rules for agents' ports, and why they go.
    pub(super) firewall: Vec<&'a FirewallRule>,
    pub(super) why: &'static str,
}

impl<'a> Leftovers<'a> {
    pub(super) fn of(desired: &Desired, observed: &'a Observed) -> Self {
        let Some((address, _)) = address_of(observed) else { return Self::default() };
        let behind = desired.spec.access.agents == AgentAccess::Bastion;
        let mut leftovers = Self { why: if behind { BEHIND } else { NOBODY }, ..Self::default() };
        // A removal that was broken off may have ended halfway: it is begun again.
        let all = observed.forwards.iter().chain(&observed.going.forwards);
        let machines = observed.machines_by_id();
        for forward in all.filter(|forward| forward.address == *address) {
            let machine = machines.get(&forward.machine).copied();
            let Some(name) = agent_of(desired, observed, forward, machine) else { continue };
            match (desired.machine(&name).is_some(), machine.is_some()) {
                (true, true) if !behind => {}
                (false, false) => leftovers.forwards.push((forward, name)),
                (_, true) if behind => leftovers.forwards.push((forward, name)),
                _ => leftovers.taken_along.push(&forward.id),
            }
        }
        let others = observed.forwards.iter().filter(|forward| {
            let wanted = |port| (forward.public.0..=forward.public.1).contains(&port);
            !leftovers.has_forward(&forward.id)
                && !desired.machines.iter().filter_map(|machine| machine.node.ssh_port).any(wanted)
        });
        let agents = desired.agent_ports();
        let others = others
            .map(|forward| forward.public)
            .chain(observed.balancers.iter().map(|rule| (rule.public_port, rule.public_port)))
            .chain(desired.openings.iter().map(|opening| (opening.first, opening.last)))
            .filter(|ports| Some(*ports) != agents)
            .collect::<Vec<_>>();
        let ports = ports(desired, observed);
        let left_over = |opening: &Opening| {
            // What is open for the agents there are is closed only to be opened again for them alone.
            let beyond = |(_, last)| {
                opening.first > last
                    || (opening.last > last && ports.is_some_and(|(_, end)| opening.last <= end))
            };
            ports.is_some_and(|(first, last)| (first..=last).contains(&opening.first))
                && agents.is_none_or(beyond)
                && others.iter().all(|(first, last)| opening.last < *first || *last < opening.first)
        };
        let firewall = observed.firewall.iter().chain(&observed.going.firewall);
        leftovers.firewall = firewall.filter(|rule| rule.opening.as_ref().is_some_and(left_over)).collect();
        leftovers
    }

    pub(super) fn has_forward(&self, id: &Id) -> bool {
        self.forwards.iter().any(|(forward, _)| forward.id == *id) || self.taken_along.contains(&id)
    }

    pub(super) fn has_rule(&self, id: &Id) -> bool {
        self.firewall.iter().any(|rule| rule.id == *id)
    }

    /// Steps that remove the forwards, once the ports are `closed`.
    pub(super) fn remove(&self, before: &Before, closed: &[usize], plan: &mut Plan) -> Vec<usize> {
        let remove = self.forwards.iter().map(|(forward, host_name)| {
            let action = Action::RemoveForward {
                host_name: host_name.clone(),
                public_port: forward.public.0,
                rule: forward.id.clone(),
                why: self.why.to_owned(),
            };
            plan.add(action, before.network.iter().chain(closed).copied().collect::<Vec<_>>(), [])
        });
        remove.collect()
    }
}

/// The name of the agent that a forward of ours leads to, or led to; `machine` is what it leads to, where that is shown.
fn agent_of(
    desired: &Desired,
    observed: &Observed,
    forward: &Forward,
    machine: Option<&Machine>,
) -> Option<String> {
    let first = desired.spec.access.first_agent_port;
    let ours =
        forward.protocol == "tcp" && forward.public.0 == forward.public.1 && forward.private == rules::SSH;
    let number = forward.public.0.checked_sub(first).filter(|_| ours)?.checked_add(1)?;
    let name = node::host_name_of(&desired.spec, NodeName { role: Role::Agent, number });
    let led_there = match machine {
        Some(machine) => machine.named.name == name,
        // A machine that is being removed is not shown; its key still is.
        None => observed.tag(&identity::host_key_tag(&name)).is_some(),
    };
    led_there.then_some(name)
}

/// The ports of all agents there are, could have been or are to be.
fn ports(desired: &Desired, observed: &Observed) -> Option<(u16, u16)> {
    let cluster = desired.cluster();
    let machines = observed.machines.iter();
    let machines = machines.filter_map(|machine| identity::node_of(cluster, &machine.named.name));
    let tags = observed.network.iter().flat_map(|network| network.tags.keys());
    let tags = tags.filter_map(|key| identity::node_of_tag(cluster, key));
    let agents = machines.chain(tags).filter(|node| node.role == Role::Agent).map(|node| node.number);
    let count = agents.chain([desired.spec.cluster.agents]).max().filter(|count| *count > 0)?;
    let first = desired.spec.access.first_agent_port;
    Some((first, first.saturating_add(count - 1)))
}
