//! The network's rules: firewall, egress, load balancer, forwards.

use std::collections::{BTreeMap, BTreeSet};

use cloudstack::Id;

use super::{
    Before, address_of,
    builds::Builds,
    foreign::{Removed, Strangers, What},
    leftovers::Leftovers,
    machines::Sorted,
    unfit::Unfit,
};
use crate::cluster::{
    action::{Action, RuleKind},
    desired::{Desired, WantedMachine},
    observed::{Balancer, Forward, Machine, Named, Observed},
    openings::{self, Opening},
    plan::{Obstacle, Plan},
};

/// The port SSH listens on, on every node.
pub(super) const SSH: u16 = 22;

/// Rules in our ports that lead elsewhere: neither can be had without taking the other's away.
pub(super) fn check(
    desired: &Desired,
    observed: &Observed,
    leftovers: &Leftovers<'_>,
    obstacles: &mut Vec<Obstacle>,
) {
    for wanted in &desired.machines {
        let Some(port) = wanted.node.ssh_port else { continue };
        let machine = observed.machine(&wanted.host_name).map(|machine| &machine.named.id);
        let forward = forward_at(observed, port).filter(|forward| {
            let elsewhere =
                machine != Some(&forward.machine) || forward.public.0 != port || forward.private != SSH;
            elsewhere && !leftovers.has_forward(&forward.id)
        });
        let rule = match (forward, balancer_on(observed, port)) {
            (Some(forward), _) => format!("port forwarding rule {}", forward.id),
            (None, Some(balancer)) => format!("load balancer rule {}", balancer.id),
            (None, None) => continue,
        };
        let path = if wanted.is_master() { "access.first_master_port" } else { "access.first_agent_port" };
        let message = format!("public port {port} leads elsewhere than to {}", wanted.host_name);
        let help = format!("remove the {rule}, or move the ports");
        obstacles.push(Obstacle::new(path, message).help(help));
    }
    for wanted in &desired.balancers {
        let port = wanted.public_port;
        let leads_elsewhere = |rule: &&Balancer| rule.private_port != wanted.private_port || !rule.tcp;
        let rule = balancer_on(observed, wanted.public_port).filter(leads_elsewhere);
        // Forwards share a port by protocol with each other, and with no load balancer rule.
        let forward = || forwards_at(observed, port).next();
        let blocking = rule.map(|rule| &rule.id).or_else(|| forward().map(|forward| &forward.id));
        if let Some(id) = blocking {
            let message = format!(
                "public port {port} leads elsewhere than to the masters' port {}",
                wanted.private_port
            );
            obstacles.push(Obstacle::new("network.name", message).help(format!("remove the rule {id}")));
        }
    }
}

/// The forward of a TCP port.
fn forward_at(observed: &Observed, port: u16) -> Option<&Forward> {
    forwards_at(observed, port).find(|forward| forward.protocol == "tcp")
}

/// Forwards of a port of our address, of whatever protocol.
fn forwards_at(observed: &Observed, port: u16) -> impl Iterator<Item = &Forward> {
    let address = address_of(observed).map(|(address, _)| address);
    observed.forwards.iter().filter(move |forward| {
        Some(&forward.address) == address && (forward.public.0..=forward.public.1).contains(&port)
    })
}

/// The load balancer rule on a port of our address.
fn balancer_on(observed: &Observed, port: u16) -> Option<&Balancer> {
    let (address, _) = address_of(observed)?;
    observed.balancers.iter().find(|rule| rule.address == *address && rule.public_port == port)
}

/// Steps that close and open ports.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports {
    pub(super) closed: Vec<usize>,
    /// Nodes can be reached once they are over.
    pub(super) opened: Vec<usize>,
}

/// Steps that close and open ports, and let guests out. What somebody else's rule keeps open is opened by one of ours when
/// theirs is `pruned`.
pub(super) fn openings(
    desired: &Desired,
    observed: &Observed,
    leftovers: &Leftovers<'_>,
    (before, pruned): (&Before, &Removed<'_>),
    plan: &mut Plan,
) -> Ports {
    let rules =
        observed.firewall.iter().filter_map(|rule| Some((rule, rule.opening.clone()?))).collect::<Vec<_>>();
    let present = rules.iter().map(|(_, opening)| opening.clone()).collect::<Vec<_>>();
    let excessive = openings::excessive(&desired.openings, &present);
    let not_allowed = excessive.iter().map(|at| (rules[*at].0, "not in access.allow"));
    let left_over = leftovers.firewall.iter().map(|rule| (*rule, leftovers.why));
    let left_over = left_over.filter(|(rule, _)| excessive.iter().all(|at| rules[*at].0.id != rule.id));
    let mut gone = pruned.firewall.keys().copied().collect::<BTreeSet<_>>();
    let mut closed = Vec::new();
    for (rule, why) in not_allowed.chain(left_over) {
        gone.insert(&rule.id);
        let action =
            Action::ClosePorts { rule: rule.id.clone(), text: rule.text.clone(), why: why.to_owned() };
        closed.push(plan.add(action, before.network.clone(), []));
    }
    let kept = rules.iter().filter(|(rule, _)| !gone.contains(&rule.id));
    let kept = kept.map(|(_, opening)| opening.clone()).collect::<Vec<_>>();
    // The cloud refuses a rule that shares a port and a source with another one.
    let after = before.address.iter().chain(&closed).chain(pruned.firewall.values());
    let after = after.copied().collect::<Vec<_>>();
    let opened = openings::missing(&desired.openings, &kept)
        .into_iter()
        .map(|opening| plan.add(Action::OpenPorts { opening }, after.clone(), []))
        .collect::<Vec<_>>();

    let allowed =
        observed.network.as_ref().map_or(observed.catalogue.egress_allowed, |network| network.egress_allowed);
    if !allowed && !observed.egress.iter().any(|rule| rule.everything) {
        plan.add(Action::OpenEgress { range: desired.range() }, before.network.clone(), []);
    }
    Ports { closed, opened }
}

/// Steps that make load balancer rules, by public port.
pub(super) fn balancers(
    desired: &Desired,
    observed: &Observed,
    before: &Before,
    plan: &mut Plan,
) -> BTreeMap<u16, usize> {
    let missing =
        desired.balancers.iter().filter(|wanted| balancer_on(observed, wanted.public_port).is_none());
    missing
        .map(|wanted| {
            let action = Action::CreateBalancer {
                name: wanted.name.to_owned(),
                public_port: wanted.public_port,
                private_port: wanted.private_port,
            };
            (wanted.public_port, plan.add(action, before.address.clone(), []))
        })
        .collect()
}

/// Steps that put masters behind the load balancer rules.
pub(super) fn assign(
    desired: &Desired,
    observed: &Observed,
    unfit: &Unfit<'_>,
    (made, deployed): (&BTreeMap<u16, usize>, &BTreeMap<String, usize>),
    plan: &mut Plan,
) {
    for wanted in &desired.balancers {
        let members =
            balancer_on(observed, wanted.public_port).map_or(&[] as &[Id], |rule| rule.members.as_slice());
        let is_member = |host_name: &str| {
            !deployed.contains_key(host_name)
                && observed.machine(host_name).is_some_and(|machine| members.contains(&machine.named.id))
        };
        let machines = desired
            .masters()
            .map(|machine| machine.host_name.clone())
            .filter(|host_name| !is_member(host_name) && !unfit.has(host_name))
            .collect::<Vec<_>>();
        if machines.is_empty() {
            continue;
        }
        // A master that cannot be had keeps no other out.
        let deployed = machines.iter().filter_map(|name| deployed.get(name)).copied().collect::<Vec<_>>();
        let (made, fresh) = (made.get(&wanted.public_port).copied(), made.contains_key(&wanted.public_port));
        plan.add(Action::AssignBalancer { public_port: wanted.public_port, machines, fresh }, made, deployed);
    }
}

/// Steps that forward SSH ports, by the machine's name.
pub(super) fn forwards(
    desired: &Desired,
    observed: &Observed,
    unfit: &Unfit<'_>,
    (before, deployed): (&Before, &BTreeMap<String, usize>),
    plan: &mut Plan,
) -> BTreeMap<String, usize> {
    let mut steps = BTreeMap::new();
    for wanted in desired.machines.iter().filter(|wanted| !unfit.has(&wanted.host_name)) {
        let Some(public_port) = wanted.node.ssh_port else { continue };
        let deploy = deployed.get(&wanted.host_name).copied();
        // A new machine has no forward yet, whatever the port had before: that went with the old one.
        if deploy.is_none() && forward_at(observed, public_port).is_some() {
            continue;
        }
        let host_name = wanted.host_name.clone();
        let action = Action::Forward { host_name: host_name.clone(), public_port };
        let after = before.address.iter().copied().chain(deploy).collect::<Vec<_>>();
        steps.insert(host_name, plan.add(action, after, []));
    }
    steps
}

/// Rules nobody asked for.
pub(super) fn foreign(
    desired: &Desired,
    observed: &Observed,
    machines: &Sorted<'_>,
    leftovers: &Leftovers<'_>,
    builds: &Builds<'_>,
    strangers: &mut Strangers,
) {
    let among = |judge: fn(&[Opening], &[Opening]) -> BTreeSet<usize>, opening: &Opening| {
        !judge(&desired.openings, std::slice::from_ref(opening)).is_empty()
    };
    // What is excessive has a step that closes it.
    let unasked =
        |opening: &Opening| among(openings::unasked, opening) && !among(openings::excessive, opening);
    let firewall = observed.firewall.iter().filter(|rule| !leftovers.has_rule(&rule.id));
    for rule in firewall.filter(|rule| rule.opening.as_ref().is_none_or(unasked)) {
        let text = format!("firewall rule {}", rule.text);
        match builds.has_rule(rule) {
            true => strangers.leave(text, Builds::NOTE),
            false => strangers.add(What::Rule(RuleKind::Firewall, rule.id.clone()), text),
        }
    }
    for rule in observed.egress.iter().filter(|rule| !rule.everything) {
        let text = format!("egress rule {}", rule.text);
        strangers.add(What::Rule(RuleKind::Egress, rule.id.clone()), text);
    }
    // Ours are all on one address; the same port of another one is somebody else's.
    let our_address = address_of(observed).map(|(address, _)| address);
    let ports = desired.machines.iter().filter_map(|machine| machine.node.ssh_port).collect::<Vec<_>>();
    let wanted = |forward: &Forward| {
        Some(&forward.address) == our_address
            && forward.protocol == "tcp"
            && ports.iter().any(|port| (forward.public.0..=forward.public.1).contains(port))
    };
    let forwards = observed.forwards.iter().filter(|forward| !leftovers.has_forward(&forward.id));
    for forward in forwards.filter(|forward| !wanted(forward)) {
        let (protocol, port) = (&forward.protocol, forward.public.0);
        let text = format!("port forwarding rule {protocol} {port}{}", elsewhere(observed, &forward.address));
        match builds.has_forward(forward) {
            true => strangers.leave(text, Builds::NOTE),
            false => strangers.add(What::Rule(RuleKind::Forward, forward.id.clone()), text),
        }
    }
    let ours = |rule: &Balancer| {
        Some(&rule.address) == our_address
            && desired.balancers.iter().any(|wanted| wanted.public_port == rule.public_port)
    };
    for rule in observed.balancers.iter().filter(|rule| !ours(rule)) {
        let text = format!("load balancer rule {}{}", rule.public_port, elsewhere(observed, &rule.address));
        strangers.add(What::Rule(RuleKind::Balancer, rule.id.clone()), text);
    }
    members(desired, observed, machines, strangers);
}

/// Machines behind our load balancer rules that are no masters. One that is about to go takes its memberships along.
fn members(desired: &Desired, observed: &Observed, machines: &Sorted<'_>, strangers: &mut Strangers) {
    let by_id = observed.machines_by_id();
    let stays = |machine: &&Machine| {
        let name = machine.named.name.as_str();
        machine.state.is_there_to_stay() && !machines.discards(name)
    };
    let is_master =
        |machine: &Machine| desired.machine(&machine.named.name).is_some_and(WantedMachine::is_master);
    for wanted in &desired.balancers {
        let Some(rule) = balancer_on(observed, wanted.public_port) else { continue };
        let members = rule.members.iter().filter_map(|id| by_id.get(id).copied());
        for machine in members.filter(stays).filter(|machine| !is_master(machine)) {
            let Named { id, name } = &machine.named;
            let (rule, public_port) = (rule.id.clone(), wanted.public_port);
            let text = format!("load balancer rule {public_port}: member {name}");
            strangers.add(What::Member { machine: id.clone(), rule, public_port }, text);
        }
    }
}

/// Which of the network's addresses a rule is on, where it is not the cluster's.
fn elsewhere(observed: &Observed, address: &Id) -> String {
    let mut others = observed.addresses.iter().filter(|other| !other.source_nat);
    let other = others.find(|other| other.id == *address);
    other.map(|other| format!(" of {}", other.address)).unwrap_or_default()
}
