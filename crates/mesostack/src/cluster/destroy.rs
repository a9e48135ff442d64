//! Taking the cluster down: what is removed, and what is in the way.

use super::{
    action::Action,
    desired::Desired,
    identity,
    observed::{MachineState, Observed},
    plan::{Obstacle, Plan},
    planner::{delete_twins, key_pairs},
};

/// What has to be done so that nothing of the cluster is left. A pure function.
///
/// The network goes last: its tags say what else is the cluster's, so a run that is broken off can be taken up. What they say
/// of the masters goes first: a cluster that was begun to be taken down is begun anew by an apply, and not missed.
pub fn plan_destruction(desired: &Desired, observed: &Observed) -> Plan {
    let mut plan = Plan {
        cluster: desired.cluster().to_owned(),
        public_address: observed.public_address().map(|address| address.address),
        ..Plan::default()
    };
    let (ours, foreign): (Vec<_>, Vec<_>) = observed
        .machines
        .iter()
        .partition(|machine| identity::is_node_name(desired.cluster(), &machine.named.name));
    for machine in foreign {
        let name = &machine.named.name;
        let message =
            format!("{name} is in the network, and is not this cluster's: the network cannot be removed");
        plan.obstacles
            .push(Obstacle::new("network.name", message).help(format!("move or destroy {name} first")));
    }
    if observed.network.is_none() && !observed.namesakes.is_empty() {
        let name = &desired.spec.network.name;
        plan.foreign(format!("network {name}"), "not this cluster's; left alone");
    }
    if !plan.obstacles.is_empty() {
        return plan;
    }
    delete_twins(desired, observed, &mut plan);
    let tags = observed.network.iter().flat_map(|network| network.tags.keys());
    let tags = tags.filter(|key| identity::tells_of_masters(desired.cluster(), key)).cloned();
    let tags = tags.collect::<Vec<_>>();
    let disbanded = (!tags.is_empty()).then(|| plan.add(Action::Disband { tags }, [], []));
    let gone = ours
        .into_iter()
        .filter(|machine| machine.state != MachineState::Going)
        .map(|machine| {
            let (host_name, id) = (machine.named.name.clone(), machine.named.id.clone());
            plan.add(Action::Destroy { host_name, machine: id }, [], disbanded)
        })
        .collect::<Vec<_>>();
    let mut before = gone.clone();
    if let Some(group) = observed.affinity_group.as_ref().filter(|group| group.ours) {
        let (name, group) = (desired.affinity_group.clone(), group.id.clone());
        before.push(plan.add(Action::DeleteAffinityGroup { name, group }, gone.clone(), []));
    }
    // Those that the file named before came with the cluster too.
    let earlier = key_pairs::earlier(desired, observed).into_keys().map(str::to_owned);
    for name in key_pair(desired, observed, &mut plan).into_iter().chain(earlier) {
        before.push(plan.add(Action::DeleteKeyPair { name, tag: None }, gone.clone(), []));
    }
    if let Some(network) = &observed.network {
        let (name, network) = (network.named.name.clone(), network.named.id.clone());
        plan.add(Action::DeleteNetwork { name, network }, before, disbanded);
    }
    plan
}

/// The key pair goes only when it came with the cluster and still is the operator's key.
fn key_pair(desired: &Desired, observed: &Observed, plan: &mut Plan) -> Option<String> {
    let name = &desired.spec.access.key_pair;
    let registered = observed.key_pair.as_ref()?;
    let same = desired.key.as_ref().is_none_or(|key| key.fingerprint == *registered);
    if !observed.key_pair_is_ours(name) || !same {
        plan.foreign(format!("key pair {name}"), "was not made for this cluster; left alone");
        return None;
    }
    Some(name.clone())
}
