//! Which agents there are to be, by name.
//!
//! The file says how many. Those that are there stay as long as they are needed: the highest numbers go first, or those
//! that are asked for by name. New ones take the lowest numbers nobody has.

use std::collections::{BTreeSet, HashMap};

use super::{
    desired::Desired,
    identity,
    observed::{Leaving, MachineState, Observed},
    plan::Obstacle,
};
use crate::{
    node,
    spec::{self, Node, NodeName, Role},
};

/// What a command asks for beyond what the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Agents that are to go, in place of those with the highest numbers.
    pub remove: BTreeSet<NodeName>,
    /// A node whose machine is to be made anew.
    pub replace: Option<NodeName>,
    /// Whether what nobody asked for is removed from the network.
    pub prune: bool,
}

impl Changes {
    /// Whether this node's machine is to be made anew.
    pub(crate) fn replaces(&self, node: &Node) -> bool {
        self.replace == Some(NodeName { role: node.role, number: node.number })
    }
}

/// The agents the cluster is to have, given what is there.
pub fn agents(desired: &Desired, observed: &Observed) -> Vec<Node> {
    let numbers = numbers(desired, observed).into_iter();
    numbers.filter_map(|number| desired.spec.node(Role::Agent, number)).collect()
}

/// Their numbers.
fn numbers(desired: &Desired, observed: &Observed) -> BTreeSet<u16> {
    choose(desired.spec.cluster.agents, &staying(desired, observed))
}

/// So many of those that may stay, and new ones where they are too few.
fn choose(count: u16, staying: &BTreeSet<u16>) -> BTreeSet<u16> {
    let count = usize::from(count);
    let mut chosen = staying.iter().copied().take(count).collect::<BTreeSet<_>>();
    let gaps = (1..=u16::MAX).filter(|number| !staying.contains(number));
    chosen.extend(gaps.take(count - chosen.len()));
    chosen
}

/// The agents that are there, or are about to be made anew, and are not asked to go.
fn staying(desired: &Desired, observed: &Observed) -> BTreeSet<u16> {
    let removed =
        |number: &u16| desired.changes.remove.contains(&NodeName { role: Role::Agent, number: *number });
    let there = standing(desired, observed).filter(|number| !removed(number));
    there
        .filter(|number| !leaves_for_good(desired, observed, *number))
        .chain(made_anew(desired, observed))
        .collect()
}

/// Whether a run before has begun to take this very machine away.
fn leaves_for_good(desired: &Desired, observed: &Observed, number: u16) -> bool {
    let name = node::host_name_of(&desired.spec, NodeName { role: Role::Agent, number });
    observed.machine(&name).is_some_and(|machine| observed.is_leaving(machine) == Some(Leaving::ForGood))
}

/// Agents that a run before has begun to make anew, whatever of them is there at the moment.
fn made_anew(desired: &Desired, observed: &Observed) -> impl Iterator<Item = u16> {
    let tags = observed.network.iter().flat_map(|network| &network.tags);
    tags.filter_map(|(key, mark)| {
        let node = identity::node_of_tag(desired.cluster(), key)?;
        let name = node::host_name_of(&desired.spec, node);
        let anew = *key == identity::leaving_tag(&name) && identity::is_made_anew(mark);
        // Who is asked to go does not come back.
        (anew && node.role == Role::Agent && !desired.changes.remove.contains(&node)).then_some(node.number)
    })
}

/// The numbers of the agents that are there.
fn standing(desired: &Desired, observed: &Observed) -> impl Iterator<Item = u16> {
    let there = observed.machines.iter().filter(|machine| machine.state != MachineState::Going);
    there
        .filter_map(|machine| identity::node_of(desired.cluster(), &machine.named.name))
        .filter(|node| node.role == Role::Agent)
        .map(|node| node.number)
}

/// What cannot be had of the agents that are asked for.
pub(super) fn check(desired: &Desired, observed: &Observed, obstacles: &mut Vec<Obstacle>) {
    check_places(desired, observed, obstacles);
    check_removals(desired, observed, obstacles);
    if let Some(node) = desired.changes.replace
        && desired.machine(&node::host_name_of(&desired.spec, node)).is_none()
    {
        let count = match node.role {
            Role::Master => format!("{} masters", desired.spec.cluster.masters),
            Role::Agent => format!("{} agents", desired.spec.cluster.agents),
        };
        let message = format!("the cluster has no {node}, or the file asks for {count} and it is to go");
        obstacles
            .push(Obstacle::new("cluster", message).help("`mesostack output` lists the nodes there are"));
    }
}

/// Agents that are there may be beyond those the file was checked for.
fn check_places(desired: &Desired, observed: &Observed, obstacles: &mut Vec<Obstacle>) {
    let place = |number: &u16| desired.spec.node(Role::Agent, *number);
    let numbers = standing(desired, observed).chain(numbers(desired, observed)).collect::<BTreeSet<_>>();
    // Ten thousand agents: none is compared with all of the others.
    let (mut addresses, mut ports) = (HashMap::new(), HashMap::new());
    for master in desired.spec.masters() {
        addresses.insert(master.address, master.name());
        ports.extend(master.ssh_port.map(|port| (port, master.name())));
    }
    for number in numbers {
        let name = NodeName { role: Role::Agent, number };
        let Some(node) = place(&number) else {
            let message = format!("there is no address or no port for {name}: it would be beyond the last");
            let help = "put first_agent and first_agent_port back to where they were when it was made";
            obstacles.push(Obstacle::new("cluster.first_agent", message).help(help));
            continue;
        };
        let interface = node.ssh_port.is_some_and(|port| [spec::MESOS, spec::MARATHON].contains(&port));
        let other = addresses.get(&node.address).or_else(|| ports.get(&node.ssh_port?));
        if interface || other.is_some() {
            let whose = other.cloned().unwrap_or_else(|| "a user interface".to_owned());
            let message = format!("{name} would have its address or port in common with {whose}");
            let help = "move cluster.first_agent or access.first_agent_port, or the masters'";
            obstacles.push(Obstacle::new("cluster.first_agent", message).help(help));
        }
        addresses.insert(node.address, node.name());
        ports.extend(node.ssh_port.map(|port| (port, node.name())));
    }
}

/// What is asked to go and cannot, or would be made anew at once.
fn check_removals(desired: &Desired, observed: &Observed, obstacles: &mut Vec<Obstacle>) {
    let remove = &desired.changes.remove;
    if remove.is_empty() {
        return;
    }
    if let Some(master) = remove.iter().find(|node| node.role == Role::Master) {
        let message = format!("{master} is a master, and masters are not removed one by one");
        obstacles.push(Obstacle::new("cluster.masters", message).help("only agents can be removed by name"));
        return;
    }
    let (wanted, left) = (usize::from(desired.spec.cluster.agents), staying(desired, observed).len());
    if left == wanted {
        return;
    }
    let names = remove.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let there = match left {
        1 => "there is 1 agent".to_owned(),
        _ => format!("there are {left} agents"),
    };
    let agent = |number| NodeName { role: Role::Agent, number };
    let leaving = standing(desired, observed).filter(|number| leaves_for_good(desired, observed, *number));
    let leaving = leaving.map(agent).filter(|node| !remove.contains(node)).collect::<BTreeSet<_>>();
    let leaving = match leaving.len() {
        0 => String::new(),
        _ => {
            let names = leaving.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!(" and those that leave already ({names})")
        }
    };
    let message = format!("without {names}{leaving} {there}, and the file asks for {wanted}");
    let help = match left < wanted {
        true => format!("`agents = {left}` in the file lets them go; as it is they would be made anew"),
        false => format!(
            "{} more would go, and none by its name: name all that are to go, or ask for `agents = {left}`",
            left - wanted
        ),
    };
    obstacles.push(Obstacle::new("cluster.agents", message).help(help));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(of: &[u16]) -> BTreeSet<u16> {
        of.iter().copied().collect()
    }

    #[test]
    fn the_highest_go_and_the_lowest_gaps_are_filled() {
        assert_eq!(choose(3, &numbers(&[])), numbers(&[1, 2, 3]));
        assert_eq!(choose(2, &numbers(&[1, 2, 3])), numbers(&[1, 2]));
        assert_eq!(choose(2, &numbers(&[2, 3])), numbers(&[2, 3]));
        assert_eq!(choose(3, &numbers(&[2, 3])), numbers(&[1, 2, 3]));
        assert_eq!(choose(4, &numbers(&[2, 7])), numbers(&[1, 2, 3, 7]));
        assert_eq!(choose(0, &numbers(&[2, 7])), numbers(&[]));
    }

    proptest! {
        #[test]
        fn as_many_as_asked_for_and_none_goes_while_it_is_needed(
            count in 0u16..40, staying in prop::collection::btree_set(1u16..60, 0..40),
        ) {
            let chosen = choose(count, &staying);
            prop_assert_eq!(chosen.len(), usize::from(count));
            let kept = chosen.intersection(&staying).count();
            prop_assert_eq!(kept, staying.len().min(usize::from(count)));
            // Who goes has a higher number than who stays; who is new has a lower one than any free number left over.
            let gone = staying.difference(&chosen).next();
            prop_assert!(gone.is_none_or(|gone| chosen.iter().all(|number| number < gone)));
            let last_new = chosen.difference(&staying).last();
            prop_assert!(last_new.is_none_or(|last| (1..*last).all(|number| chosen.contains(&number))));
            prop_assert_eq!(choose(count, &chosen), chosen, "and again the same");
        }
    }
}
