//! The section `[cluster]`: how many nodes, what they are called, and where they live.

use std::ops::Range;

use super::{
    AgentAccess, Cluster, Network,
    access::FirstPorts,
    addresses::{self, Misplaced, Places},
    names,
    ports::{self, Owner},
    problem::Problem,
    section::{Findings, Located, Section},
};

/// ZooKeeper's server ids are 1 to 255, and a master is a ZooKeeper server.
const MOST_MASTERS: u32 = 255;

/// From more agents on than this, a forward each costs more than it is worth: every one is a call, and a rule the router
/// applies again at each change.
const MANY_FORWARDS: u32 = 200;

/// The nodes of one role, and where the file says so.
struct Group {
    count: Located<u32>,
    first: Located<u32>,
    first_port: Located<u32>,
    /// Whether each has a port of the public address.
    forwarded: bool,
}

impl Group {
    fn places(&self) -> Places {
        Places { first: self.first.value, count: self.count.value }
    }
}

/// Reads the section; what it says is checked against the network's range and the forwarded ports.
pub(super) fn read_cluster(
    mut cluster: Section<'_>,
    found: &mut Findings,
    network: &Located<Network>,
    ports: &FirstPorts,
) -> Cluster {
    let name = cluster.text_or(found, "name", "mesos");
    let master_offering = cluster.text_or(found, "master_offering", "t1.medium").value;
    let agent_offering = cluster.text_or(found, "agent_offering", "t1.medium").value;
    let masters = Group {
        count: cluster.number_or(found, "masters", 0..=MOST_MASTERS, 3),
        first: cluster.number_or(found, "first_master", 0..=65535, 20),
        first_port: ports.master.clone(),
        forwarded: true,
    };
    let agents = Group {
        count: cluster.number_or(found, "agents", 0..=65535, 3),
        first: cluster.number_or(found, "first_agent", 0..=65535, 100),
        first_port: ports.agent.clone(),
        forwarded: ports.agents == AgentAccess::Forward,
    };
    cluster.finish(found);
    check_names(&name, &masters, &agents, found);
    check_quorum(&masters.count, found);
    check_places(&network.value, &network.span, &masters, &agents, found);
    check_ports(&masters, &agents, found);
    check_forwards(&agents, found);
    let count = |count: &Located<u32>| u16::try_from(count.value).unwrap_or(u16::MAX);
    Cluster {
        name: name.value,
        masters: count(&masters.count),
        agents: count(&agents.count),
        master_offering,
        agent_offering,
        first_master: masters.first.value,
        first_agent: agents.first.value,
    }
}

fn check_names(name: &Located<String>, masters: &Group, agents: &Group, found: &mut Findings) {
    if let Err(complaint) = names::host_label(&name.value) {
        let problem = Problem::new(name.span.clone(), complaint);
        found.refuse(problem.help("nodes are called after the cluster, such as mesos-master-1"));
        return;
    }
    let longest = [("master", masters.count.value), ("agent", agents.count.value)]
        .map(|(role, count)| format!("{}-{role}-{}", name.value, count.max(1)))
        .into_iter()
        .max_by_key(String::len)
        .unwrap_or_default();
    if longest.len() > names::LONGEST_HOST_NAME {
        let over = longest.len() - names::LONGEST_HOST_NAME;
        let message = format!("`{longest}` would be {over} characters longer than a host name may be");
        found.refuse(Problem::new(name.span.clone(), message).help("give the cluster a shorter name"));
    }
}

fn check_quorum(masters: &Located<u32>, found: &mut Findings) {
    match masters.value {
        0 => {
            let problem = Problem::new(masters.span.clone(), "a cluster needs at least one master");
            found.refuse(problem.help("3 masters survive the loss of one"));
        }
        1 => found.warn(masters.span.clone(), "one master: the cluster does not survive its loss"),
        even if even % 2 == 0 => {
            let survives = (even - 1) / 2;
            let message = format!(
                "{even} masters survive the loss of {survives}, as {} do; the quorum is {}",
                even - 1,
                even / 2 + 1
            );
            found.warn(masters.span.clone(), message);
        }
        _ => {}
    }
}

fn check_places(
    network: &Network,
    span: &Range<usize>,
    masters: &Group,
    agents: &Group,
    found: &mut Findings,
) {
    if addresses::check_range(network.range).is_err() {
        // Told already; places within it would only repeat it.
        return;
    }
    for (group, role) in [(masters, "master"), (agents, "agent")] {
        let first = group.first.value;
        match addresses::check_places(network.range, group.places()) {
            Ok(()) => {}
            Err(Misplaced::Reserved) => {
                let message = format!(
                    "`cluster.first_{role}` is 2 or more: places 0 and 1 are the network's and the router's"
                );
                found.refuse(Problem::new(group.first.span.clone(), message));
            }
            Err(Misplaced::Room(room)) => {
                let count = group.count.value;
                let message = format!(
                    "{} has room for {room} {role}s from place {first} on, not {count}",
                    network.range
                );
                let (nodes, place) = (format!("cluster.{role}s"), format!("cluster.first_{role}"));
                let (at, label) = match found.first_written(&["network.range"]) {
                    Some(range) => (Some(range), "too small"),
                    None => (found.first_written(&[&nodes, &place]), "too many"),
                };
                let problem = Problem::new(at.unwrap_or_else(|| span.clone()), message).label(label);
                found.refuse(problem.help(format!(
                    "a wider `network.range` (/{} at the widest), a lower `{place}`, or fewer {role}s",
                    addresses::SHORTEST_PREFIX
                )));
            }
        }
    }
    if let Some(place) = addresses::shared_place(masters.places(), agents.places()) {
        let master = place - u64::from(masters.first.value) + 1;
        let agent = place - u64::from(agents.first.value) + 1;
        let message = format!(
            "master {master} and agent {agent} would share an address, at place {place} of the range"
        );
        let written = ["cluster.first_agent", "cluster.first_master", "cluster.masters", "cluster.agents"];
        let at = found.first_written(&written).unwrap_or_else(|| agents.first.span.clone());
        let problem = Problem::new(at, message);
        found.refuse(problem.help("move `cluster.first_master` or `cluster.first_agent`"));
    }
}

fn check_ports(masters: &Group, agents: &Group, found: &mut Findings) {
    let count = |group: &Group| if group.forwarded { group.count.value } else { 0 };
    let block = |group: &Group| (group.first_port.value, count(group));
    for clash in ports::clashes(block(masters), block(agents)) {
        let (group, role) = match clash.mover() {
            Owner::Agent(_) => (agents, "agent"),
            _ => (masters, "master"),
        };
        let others = if role == "agent" { "master" } else { "agent" };
        let (port, nodes) = (format!("access.first_{role}_port"), format!("cluster.{role}s"));
        let (other_port, other_nodes) = (format!("access.first_{others}_port"), format!("cluster.{others}s"));
        let at = found.first_written(&[&port, &nodes, &other_port, &other_nodes]);
        let problem = Problem::new(at.unwrap_or_else(|| group.first_port.span.clone()), clash.to_string());
        let mut help = format!("another `access.first_{role}_port`, or fewer {role}s");
        if role == "agent" {
            help.push_str("; or `access.agents = \"bastion\"`, where agents need no ports");
        }
        found.refuse(problem.help(help));
    }
}

fn check_forwards(agents: &Group, found: &mut Findings) {
    let count = agents.count.value;
    if agents.forwarded && count > MANY_FORWARDS {
        let message = format!(
            "{count} agents take {count} port forwarding rules; `access.agents = \"bastion\"` reaches them through the \
             masters, without any"
        );
        found.warn(agents.count.span.clone(), message);
    }
}
