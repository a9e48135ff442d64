//! Machines that go, for good or to be made anew: what is done before, and what is forgotten in the end.

use std::collections::{BTreeMap, BTreeSet};

use super::{Before, machines::Sorted};
use crate::{
    cluster::{
        action::Action,
        desired::Desired,
        identity,
        observed::{MachineState, Observed},
        plan::Plan,
    },
    node,
    spec::{Node, Role},
};

/// Steps that take away machines that are not wanted, and those that are to be made anew, by the machine's name. An agent
/// is drained first, where somebody can be asked to; a master goes only if the quorum outlives it.
pub(super) fn discard(
    desired: &Desired,
    observed: &Observed,
    machines: &Sorted<'_>,
    before: &Before,
    plan: &mut Plan,
) -> BTreeMap<String, usize> {
    let why = match desired.spec.cluster.agents {
        1 => "the file asks for 1 agent".to_owned(),
        count => format!("the file asks for {count} agents"),
    };
    let failed = machines.failed.values().map(|machine| (*machine, "its first start failed", false));
    let replaced = machines.replaced.values().map(|machine| (*machine, "to be made anew", true));
    let surplus = machines.surplus.iter().map(|machine| (*machine, why.as_str(), false));
    let leaving = replaced.chain(surplus).collect::<Vec<_>>();
    let (mut tags, mut marked) = (Vec::new(), Vec::new());
    for (machine, _, anew) in &leaving {
        let name = &machine.named.name;
        let agent = identity::node_of(desired.cluster(), name).is_some_and(|node| node.role == Role::Agent);
        let tag = (identity::leaving_tag(name), identity::leaving_mark(machine.named.id.as_str(), *anew));
        // One that is on its way already stays so, whichever way that is.
        let known = observed.is_leaving(machine).is_some();
        if agent && !known && (*anew || machine.state == MachineState::Running) {
            tags.push(tag);
            marked.push(name.clone());
        }
    }
    let marked = (!tags.is_empty())
        .then(|| plan.add(Action::MarkLeaving { host_names: marked, tags }, before.network.clone(), []));
    let masters_to_ask = desired.masters().any(|wanted| observed.serves(&wanted.host_name));
    let mut steps = BTreeMap::new();
    for (machine, why, _) in failed.chain(leaving) {
        let host_name = machine.named.name.clone();
        let node = identity::node_of(desired.cluster(), &host_name);
        let node = node.and_then(|node| desired.spec.node(node.role, node.number));
        // It is known to the masters by the address it has, whatever the file says by now.
        let node = node.map(|node| Node { address: machine.address.unwrap_or(node.address), ..node });
        let runs = machine.state == MachineState::Running;
        let first = node.and_then(|node| match node.role {
            Role::Agent if runs && masters_to_ask => {
                Some(Action::Drain { host_name: host_name.clone(), node })
            }
            Role::Master if machines.replaced.contains_key(host_name.as_str()) => {
                Some(Action::CheckQuorum { host_name: host_name.clone(), node })
            }
            _ => None,
        });
        let after = before.network.iter().copied().chain(marked).collect::<Vec<_>>();
        let after = match first {
            Some(first) => vec![plan.add(first, after, [])],
            None => after,
        };
        let discard = Action::Discard {
            host_name: host_name.clone(),
            machine: machine.named.id.clone(),
            why: why.to_owned(),
        };
        steps.insert(host_name, plan.add(discard, after, []));
    }
    steps
}

/// A step that removes the tags of nodes that are no more. It goes last: they say which agents there were, so a run that is
/// broken off can be taken up.
pub(super) fn forget(
    desired: &Desired,
    observed: &Observed,
    machines: &Sorted<'_>,
    over: Vec<usize>,
    plan: &mut Plan,
) {
    let unwanted = |key: &&String| {
        let node = identity::node_of_tag(desired.cluster(), key);
        node.is_some_and(|node| desired.machine(&node::host_name_of(&desired.spec, node)).is_none())
    };
    let tags = observed.network.iter().flat_map(|network| network.tags.keys());
    let leaving = machines.surplus.iter().map(|machine| identity::leaving_tag(&machine.named.name));
    let tags = tags.filter(unwanted).cloned().chain(leaving).collect::<BTreeSet<_>>();
    let tags = tags.into_iter().collect::<Vec<_>>();
    if !tags.is_empty() {
        let nodes = tags.iter().filter_map(|key| identity::node_of_tag(desired.cluster(), key));
        let host_names = nodes.map(|node| node::host_name_of(&desired.spec, node)).collect::<BTreeSet<_>>();
        let host_names = host_names.into_iter().collect();
        plan.add(Action::ForgetNodes { host_names, tags }, over, []);
    }
}
