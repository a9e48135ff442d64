//! From what is wanted and what is there to a [`Plan`]. A pure function: no clock, no network, no randomness.
//!
//! The order is the design's. While nothing of the network runs, rules are records: everything is written down first,
//! and machines are started last, all at once, so that the router boots once with everything in place. A network that
//! runs already takes rules at any time except while its router starts; there each new machine goes its own way.

mod builds;
mod drift;
mod ensemble;
mod foreign;
pub(super) mod key_pairs;
mod leaving;
mod leftovers;
mod machines;
mod reasons;
mod rules;
#[cfg(test)]
mod tests;
mod unfit;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use cloudstack::Id;

use self::ensemble::Standing;
use super::{
    action::Action,
    desired::Desired,
    identity, membership,
    observed::Observed,
    plan::{Obstacle, Plan},
    quota,
};

/// What has to be done so that the cloud has what is wanted.
pub fn plan(desired: &Desired, observed: &Observed) -> Plan {
    let desired = &desired.given(observed);
    let mut plan = Plan {
        cluster: desired.cluster().to_owned(),
        public_address: observed.public_address().map(|address| address.address),
        ..Plan::default()
    };
    let mut obstacles = Vec::new();
    check_network(desired, observed, &mut obstacles);
    check_key_pair(desired, observed, &mut obstacles);
    check_affinity_group(desired, observed, &mut obstacles);
    membership::check(desired, observed, &mut obstacles);
    let machines = machines::sort(desired, observed, &mut obstacles);
    let standing = Standing::of(desired, observed);
    ensemble::check(desired, observed, (&machines.unfit, &standing), &mut obstacles);
    check_catalogue(observed, &machines, &mut obstacles);
    quota::check(&quota::Needs::of(observed, &machines.missing), &observed.allowance, &mut obstacles);
    let leftovers = leftovers::Leftovers::of(desired, observed);
    rules::check(desired, observed, &leftovers, &mut obstacles);
    plan.obstacles = obstacles;
    plan.remarks.clone_from(&observed.allowance.unseen);
    let strangers = describe_drift(desired, observed, &machines, &leftovers, &mut plan);
    if plan.obstacles.is_empty() {
        add_steps(desired, observed, (&machines, &standing), &leftovers, &strangers, &mut plan);
    }
    plan
}

/// Steps others wait for.
#[derive(Clone, Debug, Default)]
struct Before {
    /// The network exists, and its router does not change at the moment.
    network: Vec<usize>,
    /// The public address is the network's.
    address: Vec<usize>,
    /// Machines can be written down: their host keys are known, their key pair and group exist.
    deploy: Vec<usize>,
    /// The network's tags are as they have to be before any node is told something.
    tags: Option<usize>,
}

fn add_steps(
    desired: &Desired,
    observed: &Observed,
    (machines, standing): (&machines::Sorted<'_>, &Standing),
    leftovers: &leftovers::Leftovers<'_>,
    strangers: &foreign::Strangers,
    plan: &mut Plan,
) {
    let asleep = observed.asleep();
    delete_twins(desired, observed, plan);
    let mut before = Before { network: network_steps(desired, observed, plan), ..Before::default() };
    let discarded = leaving::discard(desired, observed, machines, &before, plan);
    let told = machines::Told::of(desired, observed, (machines, standing));
    told.describe_held_back(plan);
    let marks = machines::being_told(desired, observed, &told);
    (before.deploy, before.tags) =
        preparation_steps(desired, observed, (machines, standing), marks, (&before, &discarded), plan);
    before.address = match observed.public_address() {
        Some(_) => before.network.clone(),
        None => vec![plan.add(Action::AcquireAddress, before.network.clone(), [])],
    };
    let pruned = strangers.remove_rules(desired, &before, plan);
    let ports = rules::openings(desired, observed, leftovers, (&before, &pruned), plan);
    let balancers = rules::balancers(desired, observed, &before, plan);
    let deployed = machines::deploy(desired, observed, machines, &before, &discarded, plan);
    rules::assign(desired, observed, &machines.unfit, (&balancers, &deployed), plan);
    let forwards = rules::forwards(desired, observed, &machines.unfit, (&before, &deployed), plan);
    let unforwarded = leftovers.remove(&before, &ports.closed, plan);
    strangers.remove_others(desired, &before, &pruned.rules, plan);
    let written = (asleep && machines.any_to_start()).then(|| {
        let everything = 0..plan.steps.len();
        plan.add(Action::WrittenDown, [], everything)
    });
    let started =
        machines::start((desired, observed), machines, (&before, &discarded), &deployed, written, plan);
    let gone = discarded.values().copied().collect::<Vec<_>>();
    key_pairs::delete_earlier(desired, observed, machines, &gone, plan);
    let ways = machines::ways(desired, &deployed);
    let reached =
        machines::Reached { started, forwards, openings: ports.opened, ways, unmarked: before.tags };
    machines::set_up((desired, observed), (&told, standing), &reached, plan);
    let over = ports.closed.into_iter().chain(unforwarded).chain(discarded.into_values());
    leaving::forget(desired, observed, machines, over.collect(), plan);
}

/// Steps that remove what a repeated call has made beside the cluster's network.
pub(super) fn delete_twins(desired: &Desired, observed: &Observed, plan: &mut Plan) {
    for twin in &observed.twins {
        let name = format!("{} ({twin})", desired.spec.network.name);
        plan.add(Action::DeleteNetwork { name, network: twin.clone() }, [], []);
    }
}

fn network_steps(desired: &Desired, observed: &Observed, plan: &mut Plan) -> Vec<usize> {
    let spec = &desired.spec;
    match (&observed.network, &observed.catalogue.zone, &observed.catalogue.network_offering) {
        (Some(_), ..) if observed.router_changes() => vec![plan.add(Action::AwaitNetwork, [], [])],
        (None, Some(zone), Some(offering)) => {
            let action = Action::CreateNetwork {
                name: spec.network.name.clone(),
                range: desired.range(),
                gateway: desired.gateway(),
                offering: offering.clone(),
                zone: zone.clone(),
            };
            vec![plan.add(action, [], [])]
        }
        _ => Vec::new(),
    }
}

/// Tags, key pair, affinity group: what has to be before machines can be written down.
fn preparation_steps(
    desired: &Desired,
    observed: &Observed,
    (machines, standing): (&machines::Sorted<'_>, &Standing),
    marks: Vec<(String, String)>,
    (before, discarded): (&Before, &BTreeMap<String, usize>),
    plan: &mut Plan,
) -> (Vec<usize>, Option<usize>) {
    let mut ready = before.network.clone();
    let key_pair = &desired.spec.access.key_pair;
    let register = observed.key_pair.is_none() && !machines.missing.is_empty();
    let masters = match standing.masters {
        0 => desired.spec.cluster.masters,
        written => written,
    };
    let masters = identity::masters_tag(masters);
    let key_pair_tag = key_pairs::tag(desired, observed);
    let missing = machines
        .missing
        .iter()
        .map(|machine| identity::set_up_tag(&machine.host_name))
        .collect::<BTreeSet<_>>();
    let new = machines
        .missing
        .iter()
        .filter(|machine| machine.is_master() && standing.is_successor(machine.node.number));
    let new = new.map(|machine| (identity::set_up_tag(&machine.host_name), identity::EMPTY.to_owned()));
    let set = [
        (identity::CLUSTER, Some(desired.cluster())),
        (&key_pair_tag, register.then_some(key_pair.as_str())),
        (&masters, Some(identity::TOLD)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
    .chain(marks.into_iter().filter(|(key, _)| !missing.contains(key)))
    .chain(new)
    .filter(|(key, value)| observed.tag(key) != Some(value))
    .collect::<BTreeMap<_, _>>();
    let host_keys = machines.missing.iter().map(|machine| machine.host_name.clone()).collect::<Vec<_>>();
    // What is not so any more.
    let stale = ensemble::written_masters(observed).map(identity::masters_tag).filter(|tag| *tag != masters);
    // What is left of a predecessor. That it was to go stays written until the new machine is set up: until that one is
    // there, nothing else says that the node is to come back.
    let drop = host_keys
        .iter()
        .flat_map(|name| [identity::host_key_tag(name), identity::set_up_tag(name)])
        .filter(|key| observed.tag(key).is_some())
        .chain(stale)
        .filter(|key| !set.contains_key(key))
        .collect::<BTreeSet<_>>();
    let set = set.into_iter().collect::<Vec<_>>();
    let drop = drop.into_iter().collect::<Vec<_>>();
    let tags = (!set.is_empty() || !host_keys.is_empty() || !drop.is_empty()).then(|| {
        // As long as a machine is there that is to be made anew, its key is the one that counts.
        let replaced = machines.replaced.keys().filter_map(|name| discarded.get(*name));
        let after = before.network.iter().chain(replaced).copied().collect::<Vec<_>>();
        plan.add(Action::WriteTags { set, host_keys, drop }, after, [])
    });
    ready.extend(tags);
    if register {
        // The tag first: a key pair is deleted with the cluster only if the tag says that it came with it.
        ready.push(plan.add(Action::RegisterKeyPair { name: key_pair.clone() }, tags, []));
    }
    if observed.affinity_group.is_none() && machines.missing.iter().any(|machine| machine.is_master()) {
        ready.push(plan.add(Action::CreateAffinityGroup { name: desired.affinity_group.clone() }, [], []));
    }
    (ready, tags)
}

fn check_network(desired: &Desired, observed: &Observed, obstacles: &mut Vec<Obstacle>) {
    let wanted = &desired.spec.network;
    let Some(network) = &observed.network else {
        if let Some(id) = observed.namesakes.first() {
            let message =
                format!("a network called {} exists ({id}), and is not this cluster's", wanted.name);
            obstacles.push(Obstacle::new("network.name", message).help("choose another name"));
        }
        return;
    };
    if !network.named.name.eq_ignore_ascii_case(&wanted.name) {
        let message = format!(
            "the cluster {} is in the network {}, not in {}",
            desired.cluster(),
            network.named.name,
            wanted.name
        );
        obstacles.push(
            Obstacle::new("network.name", message).help("a network keeps its name as long as it lives"),
        );
    }
    if let Some(range) = network.range
        && range != wanted.range
    {
        let message = format!("the network has the range {range}, and keeps it");
        obstacles.push(Obstacle::new("network.range", message).help("destroy the cluster to change it"));
    }
}

fn check_key_pair(desired: &Desired, observed: &Observed, obstacles: &mut Vec<Obstacle>) {
    let access = &desired.spec.access;
    let (Some(registered), name) = (&observed.key_pair, &access.key_pair) else { return };
    let file = access.private_key.display();
    match &desired.key {
        None => obstacles.push(
            Obstacle::new(
                "access.private_key",
                format!("the key pair {name} exists, and its private key {file} does not"),
            )
            .help("bring the private key here, or name another key pair"),
        ),
        Some(key) if key.fingerprint != *registered => obstacles.push(
            Obstacle::new(
                "access.key_pair",
                format!(
                    "the key pair {name} in the cloud ({registered}) is not {file} ({})",
                    key.fingerprint
                ),
            )
            .help("name the key pair's own private key, or another key pair"),
        ),
        Some(_) => {}
    }
}

fn check_affinity_group(desired: &Desired, observed: &Observed, obstacles: &mut Vec<Obstacle>) {
    if observed.affinity_group.as_ref().is_some_and(|group| !group.ours) {
        let message =
            format!("an affinity group called {} exists, and is not this cluster's", desired.affinity_group);
        obstacles.push(Obstacle::new("cluster.name", message).help("choose another name for the cluster"));
    }
}

/// Only what something has to be made from is missed.
fn check_catalogue(observed: &Observed, machines: &machines::Sorted<'_>, obstacles: &mut Vec<Obstacle>) {
    let needed = |path: &str| match path {
        "cloud.zone" | "network.offering" => observed.network.is_none(),
        "image.name" => !machines.missing.is_empty(),
        offering => machines.missing.iter().any(|machine| machine.offering_path() == offering),
    };
    let absent = observed.catalogue.absent.iter().filter(|absent| needed(&absent.path)).cloned();
    obstacles.extend(absent);
}

/// What is there, was not asked for, and is left alone.
fn describe_drift(
    desired: &Desired,
    observed: &Observed,
    machines: &machines::Sorted<'_>,
    leftovers: &leftovers::Leftovers<'_>,
    plan: &mut Plan,
) -> foreign::Strangers {
    let mut strangers = foreign::Strangers::default();
    machines.unfit.describe(plan);
    let builds = builds::Builds::of(observed);
    drift::machines(desired, observed, machines, &builds, &mut strangers, plan);
    rules::foreign(desired, observed, machines, leftovers, &builds, &mut strangers);
    strangers.add_addresses(observed);
    strangers.describe(desired, plan);
    if let Some(network) = &observed.network {
        if !network.offering.is(&desired.spec.network.offering) {
            let note = format!("the file says {}; left as it is", desired.spec.network.offering);
            plan.changed(format!("network {}: offering {}", network.named.name, network.offering.name), note);
        }
        for id in &observed.namesakes {
            plan.foreign(
                format!("network {id}"),
                format!("also called {}, not this cluster's; left alone", network.named.name),
            );
        }
    }
    strangers
}

/// The address and id a rule is on.
fn address_of(observed: &Observed) -> Option<(&Id, Ipv4Addr)> {
    observed.public_address().map(|address| (&address.id, address.address))
}
