//! Agents that are reached through the masters: what they had of the public address before, and need no more.
//!
//! A forward is one of ours when it leads from the port the file would give an agent to that very agent's SSH. A firewall
//! rule is, when it begins among such agents' ports, and nobody else uses one that it opens: ranges end further up when
//! there were more agents once. Everything else in these ports was not made by us, and stays.

use cloudstack::Id;

use super::{Before, address_of, rules};
use crate::{
    cluster::{
        action::Action,
        desired::Desired,
        identity,
        observed::{FirewallRule, Forward, Observed},
        openings::Opening,
        plan::Plan,
    },
    spec::{AgentAccess, Role},
};

/// Why these go, as a plan shows it.
const NOT_NEEDED: &str = "agents are reached through the masters";

/// Rules that only made agents reachable from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftovers<'a> {
    /// Forwards to agents, with the agent's name.
    forwards: Vec<(&'a Forward, &'a str)>,
    /// Firewall rules for agents' ports.
    firewall: Vec<&'a FirewallRule>,
}

impl<'a> Leftovers<'a> {
    /// None unless the file has agents reached through the masters.
    pub(super) fn of(desired: &Desired, observed: &'a Observed) -> Self {
        if desired.spec.access.agents == AgentAccess::Forward {
            return Self::default();
        }
        let Some((address, _)) = address_of(observed) else { return Self::default() };
        // A removal that was broken off may have ended halfway: it is begun again.
        let forwards = observed
            .forwards
            .iter()
            .chain(&observed.going.forwards)
            .filter(|forward| forward.address == *address)
            .filter_map(|forward| Some((forward, agent_of(desired, observed, forward)?)))
            .collect::<Vec<_>>();
        let removed = |id: &Id| forwards.iter().any(|(forward, _)| forward.id == *id);
        let others = observed.forwards.iter().filter(|forward| !removed(&forward.id));
        let others = others.map(|forward| forward.public);
        let taken = others
            .chain(observed.balancers.iter().map(|rule| (rule.public_port, rule.public_port)))
            .chain(desired.openings.iter().map(|opening| (opening.first, opening.last)))
            .collect::<Vec<_>>();
        let ports = ports(desired, observed);
        let left_over = |opening: &Opening| {
            ports.is_some_and(|(first, last)| (first..=last).contains(&opening.first))
                && taken.iter().all(|(first, last)| opening.last < *first || *last < opening.first)
        };
        let firewall = observed.firewall.iter().chain(&observed.going.firewall);
        let firewall = firewall.filter(|rule| rule.opening.as_ref().is_some_and(left_over)).collect();
        Self { forwards, firewall }
    }

    pub(super) fn has_forward(&self, id: &Id) -> bool {
        self.forwards.iter().any(|(forward, _)| forward.id == *id)
    }

    pub(super) fn has_rule(&self, id: &Id) -> bool {
        self.firewall.iter().any(|rule| rule.id == *id)
    }

    /// Steps that remove them: ports are closed before nothing is behind them any more.
    pub(super) fn remove(&self, before: &Before, plan: &mut Plan) {
        let closed = self
            .firewall
            .iter()
            .map(|rule| {
                let action = Action::ClosePorts {
                    rule: rule.id.clone(),
                    text: rule.text.clone(),
                    why: NOT_NEEDED.to_owned(),
                };
                plan.add(action, before.network.clone(), [])
            })
            .collect::<Vec<_>>();
        for (forward, host_name) in &self.forwards {
            let action = Action::RemoveForward {
                host_name: (*host_name).to_owned(),
                public_port: forward.public.0,
                rule: forward.id.clone(),
                why: NOT_NEEDED.to_owned(),
            };
            plan.add(action, before.network.clone(), closed.clone());
        }
    }
}

/// The agent that a forward of ours leads to.
fn agent_of<'a>(desired: &Desired, observed: &'a Observed, forward: &Forward) -> Option<&'a str> {
    let machine = observed.machines.iter().find(|machine| machine.named.id == forward.machine)?;
    let name = machine.named.name.as_str();
    let number = identity::node_of(desired.cluster(), name).filter(|(role, _)| *role == Role::Agent)?.1;
    let port = desired.spec.access.first_agent_port.checked_add(number - 1)?;
    let ours = forward.protocol == "tcp" && forward.public == (port, port) && forward.private == rules::SSH;
    ours.then_some(name)
}

/// The ports of all agents there could have been: those the file asks for, and those that are there.
fn ports(desired: &Desired, observed: &Observed) -> Option<(u16, u16)> {
    let agents = observed.machines.iter().filter_map(|machine| {
        let (role, number) = identity::node_of(desired.cluster(), &machine.named.name)?;
        (role == Role::Agent).then_some(number)
    });
    let count = agents.chain([desired.spec.cluster.agents]).max().filter(|count| *count > 0)?;
    let first = desired.spec.access.first_agent_port;
    Some((first, first.saturating_add(count - 1)))
}
