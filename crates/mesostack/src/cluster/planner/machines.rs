//! Machines and nodes: which are missing, which have to be started, which have to be set up.

use std::collections::{BTreeMap, BTreeSet};

use super::Before;
use crate::{
    cluster::{
        action::Action,
        desired::{Desired, WantedMachine},
        identity,
        observed::{Machine, MachineState, Named, Observed},
        plan::{Obstacle, Plan},
    },
    node,
    spec::{Bootstrap, NodeName, Role},
};

impl WantedMachine {
    pub(in crate::cluster) fn is_master(&self) -> bool {
        self.node.role == Role::Master
    }
}

/// The wanted machines, by what has to be done with them.
#[derive(Debug, Default)]
pub(super) struct Sorted<'a> {
    /// They have to be made; where there is a machine, its first start failed, and it goes first.
    pub(super) missing: Vec<&'a WantedMachine>,
    /// What is in the way of some of those.
    pub(super) failed: BTreeMap<&'a str, &'a Machine>,
    /// They are written down and do not run.
    pub(super) sleeping: Vec<&'a WantedMachine>,
    /// Agents that are there and are not wanted.
    pub(super) surplus: Vec<&'a Machine>,
}

impl Sorted<'_> {
    pub(super) fn any_to_start(&self) -> bool {
        !self.missing.is_empty() || !self.sleeping.is_empty()
    }
}

/// Sorts the wanted machines, and notes what makes one impossible.
pub(super) fn sort<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    obstacles: &mut Vec<Obstacle>,
) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    for wanted in &desired.machines {
        let Some(machine) = observed.machine(&wanted.host_name) else {
            check_address_is_free(wanted, observed, obstacles);
            sorted.missing.push(wanted);
            continue;
        };
        match machine.state {
            MachineState::Running => {}
            MachineState::Stopped | MachineState::Changing => sorted.sleeping.push(wanted),
            MachineState::Failed => {
                sorted.missing.push(wanted);
                sorted.failed.insert(&wanted.host_name, machine);
                continue;
            }
            MachineState::Going => {
                let message = format!("{} is being destroyed", wanted.host_name);
                obstacles.push(Obstacle::new("cluster", message).help("apply again when it is gone"));
                continue;
            }
        }
        check_machine(wanted, machine, observed, obstacles);
    }
    for machine in observed.machines.iter().filter(|machine| machine.state != MachineState::Going) {
        let name = &machine.named.name;
        match identity::node_of(desired.cluster(), name).filter(|_| desired.machine(name).is_none()) {
            Some(node) if node.role == Role::Agent => sorted.surplus.push(machine),
            Some(node) => obstacles.push(masters_stay(desired, node)),
            None => {}
        }
    }
    sorted
}

/// Fewer masters are another quorum of other members, for ZooKeeper and for the registry of Mesos: a cluster does not come
/// there one step at a time without having, in between, a majority that another one knows nothing of.
fn masters_stay(desired: &Desired, node: NodeName) -> Obstacle {
    let count = desired.spec.cluster.masters;
    let message =
        format!("{node} is there, and the file asks for {count} masters: masters are not taken away");
    Obstacle::new("cluster.masters", message).help(format!(
        "ask for as many masters as there are; a cluster with fewer is a new cluster: `mesostack destroy`, then apply, or \
         one beside it under another cluster.name and network.name, {count} masters from the start"
    ))
}

fn check_machine(
    wanted: &WantedMachine,
    machine: &Machine,
    observed: &Observed,
    obstacles: &mut Vec<Obstacle>,
) {
    let name = &wanted.host_name;
    if let Some(address) = machine.address
        && address != wanted.node.address
    {
        let path = if wanted.is_master() { "cluster.first_master" } else { "cluster.first_agent" };
        let message =
            format!("{name} has the address {address}, and the file gives it {}", wanted.node.address);
        obstacles.push(Obstacle::new(path, message).help("a machine keeps its address as long as it lives"));
    }
    // The key is written before the machine is made: without one, it is not known who made it.
    if observed.tag(&identity::host_key_tag(name)).is_none() {
        let message =
            format!("the host key of {name} is not known: nothing can be trusted that answers in its place");
        let help =
            format!("destroy {name} in the cloud ({}) and apply again: it is made anew", machine.named.id);
        obstacles.push(Obstacle::new("cluster", message).help(help));
    }
}

fn check_address_is_free(wanted: &WantedMachine, observed: &Observed, obstacles: &mut Vec<Obstacle>) {
    let holder = observed.machines.iter().find(|machine| machine.address == Some(wanted.node.address));
    if let Some(holder) = holder {
        let path = if wanted.is_master() { "cluster.first_master" } else { "cluster.first_agent" };
        let message =
            format!("{} has the address {} of {}", holder.named.name, wanted.node.address, wanted.host_name);
        obstacles.push(Obstacle::new(path, message));
    }
}

/// Whether one job can make a machine and start it: nothing else is to be written down between the two, since no rule
/// leads to it.
fn is_launched(wanted: &WantedMachine) -> bool {
    !wanted.is_master() && wanted.node.ssh_port.is_none()
}

/// Steps that write missing machines down, by the machine's name; not those that are made and started at once.
pub(super) fn deploy(
    desired: &Desired,
    observed: &Observed,
    machines: &Sorted<'_>,
    before: &Before,
    plan: &mut Plan,
) -> BTreeMap<String, usize> {
    let mut deployed = BTreeMap::new();
    for wanted in machines.missing.iter().filter(|wanted| !is_launched(wanted)) {
        let Some((offering, template)) = made_from(wanted, observed) else { continue };
        let after = before_making(desired, wanted, machines, before, plan);
        let (host_name, node) = (wanted.host_name.clone(), wanted.node.clone());
        let apart = wanted.is_master();
        let action = Action::Deploy { host_name: host_name.clone(), node, offering, template, apart };
        deployed.insert(host_name, plan.add(action, after, []));
    }
    deployed
}

/// Steps that start machines, new and old, by the machine's name; in a sleeping network once everything is `written`.
pub(super) fn start(
    (desired, observed): (&Desired, &Observed),
    machines: &Sorted<'_>,
    before: &Before,
    deployed: &BTreeMap<String, usize>,
    written: Option<usize>,
    plan: &mut Plan,
) -> BTreeMap<String, usize> {
    let mut started = BTreeMap::new();
    let (launched, written_down): (Vec<_>, Vec<_>) =
        machines.missing.iter().copied().partition(|wanted| is_launched(wanted));
    let fresh = written_down.into_iter().map(|wanted| (wanted, true));
    let old = machines.sleeping.iter().map(|wanted| (*wanted, false));
    for (wanted, fresh) in fresh.chain(old) {
        let host_name = wanted.host_name.clone();
        let after = deployed.get(&host_name).copied().into_iter().chain(written);
        let action = Action::Start { host_name: host_name.clone(), fresh };
        let step = plan.add(action, after.chain(before.network.iter().copied()).collect::<Vec<_>>(), []);
        started.insert(host_name, step);
    }
    for wanted in launched {
        let Some((offering, template)) = made_from(wanted, observed) else { continue };
        let mut after = before_making(desired, wanted, machines, before, plan);
        after.extend(written);
        let (host_name, node) = (wanted.host_name.clone(), wanted.node.clone());
        let action = Action::Launch { host_name: host_name.clone(), node, offering, template };
        started.insert(host_name, plan.add(action, after, []));
    }
    started
}

/// The offering and the image of a machine that is made.
fn made_from(wanted: &WantedMachine, observed: &Observed) -> Option<(Named, Named)> {
    let catalogue = &observed.catalogue;
    Some((catalogue.offerings.get(&wanted.offering)?.clone(), catalogue.template.clone()?))
}

/// The steps before a machine can be made, with one that removes what is in its way.
fn before_making(
    desired: &Desired,
    wanted: &WantedMachine,
    machines: &Sorted<'_>,
    before: &Before,
    plan: &mut Plan,
) -> Vec<usize> {
    // User-data that carries the configuration names the public address.
    let address = match desired.spec.access.bootstrap {
        Bootstrap::UserData => before.address.as_slice(),
        Bootstrap::Ssh => &[],
    };
    let discarded = machines.failed.get(wanted.host_name.as_str()).map(|failed| {
        let discard = Action::Discard {
            host_name: wanted.host_name.clone(),
            machine: failed.named.id.clone(),
            why: "its first start failed".to_owned(),
        };
        plan.add(discard, before.network.clone(), [])
    });
    before.deploy.iter().chain(address).copied().chain(discarded).collect()
}

/// Steps that a node has to wait for until it can be reached.
pub(super) struct Reached {
    pub(super) started: BTreeMap<String, usize>,
    pub(super) forwards: BTreeMap<String, usize>,
    pub(super) openings: Vec<usize>,
}

/// Steps that set nodes up: new ones, and those whose mark does not say that they have this configuration.
pub(super) fn set_up(desired: &Desired, observed: &Observed, reached: &Reached, plan: &mut Plan) {
    let mut set_up = Vec::new();
    for wanted in &desired.machines {
        let name = &wanted.host_name;
        if is_set_up(desired, wanted, observed) && !reached.started.contains_key(name) {
            continue;
        }
        let steps = [&reached.started, &reached.forwards].into_iter().filter_map(|steps| steps.get(name));
        let after = steps.chain(&reached.openings).copied().collect::<Vec<_>>();
        let fresh = observed.machine(name).is_none_or(|machine| machine.state == MachineState::Failed);
        let action = Action::SetUp { host_name: name.clone(), node: wanted.node.clone(), fresh };
        set_up.push((name.clone(), plan.add(action, after, [])));
    }
    if set_up.is_empty() {
        return;
    }
    let (host_names, steps): (Vec<_>, Vec<_>) = set_up.into_iter().unzip();
    // A node that cannot be had keeps no other from being waited for and marked.
    let healthy = plan.add(Action::AwaitHealth { host_names: host_names.clone() }, [], steps);
    plan.add(Action::MarkSetUp { host_names }, [], [healthy]);
}

/// Steps that take away the agents that are not wanted. The tags go last: they say which agents there were, so a run that
/// is broken off can be taken up.
pub(super) fn remove(
    desired: &Desired,
    observed: &Observed,
    machines: &Sorted<'_>,
    before: &Before,
    mut over: Vec<usize>,
    plan: &mut Plan,
) {
    let why = match desired.spec.cluster.agents {
        1 => "the file asks for 1 agent".to_owned(),
        count => format!("the file asks for {count} agents"),
    };
    for machine in &machines.surplus {
        let (host_name, machine) = (machine.named.name.clone(), machine.named.id.clone());
        let discard = Action::Discard { host_name, machine, why: why.clone() };
        over.push(plan.add(discard, before.network.clone(), []));
    }
    let unwanted = |key: &&String| {
        let node = identity::node_of_tag(desired.cluster(), key);
        node.is_some_and(|node| desired.machine(&node::host_name_of(&desired.spec, node)).is_none())
    };
    let tags = observed.network.iter().flat_map(|network| network.tags.keys());
    let tags = tags.filter(unwanted).cloned().collect::<Vec<_>>();
    if !tags.is_empty() {
        let nodes = tags.iter().filter_map(|key| identity::node_of_tag(desired.cluster(), key));
        let host_names = nodes.map(|node| node::host_name_of(&desired.spec, node)).collect::<BTreeSet<_>>();
        let host_names = host_names.into_iter().collect();
        plan.add(Action::ForgetNodes { host_names, tags }, over, []);
    }
}

/// Whether the mark says that this very machine has this very configuration.
fn is_set_up(desired: &Desired, wanted: &WantedMachine, observed: &Observed) -> bool {
    let (Some(machine), Some(address)) = (observed.machine(&wanted.host_name), observed.public_address())
    else {
        return false;
    };
    let facts =
        node::Facts { public_address: address.address, template: Some(machine.template.id.to_string()) };
    let digest = node::render(&desired.spec, &wanted.node, &facts).digest;
    let mark = identity::set_up_mark(machine.named.id.as_str(), &digest);
    observed.tag(&identity::set_up_tag(&wanted.host_name)) == Some(&mark)
}

/// Machines that are not as the file says.
pub(super) fn drift(desired: &Desired, observed: &Observed, plan: &mut Plan) {
    const ANEW: &str = "left as it is; a machine that is destroyed in the cloud is made anew by the next apply, one \
                        master at a time";
    let template = observed.catalogue.template.as_ref();
    let mut older = Vec::new();
    for machine in &observed.machines {
        let name = &machine.named.name;
        let Some(wanted) = desired.machine(name) else {
            if !identity::is_node_name(desired.cluster(), name) {
                plan.foreign(format!("virtual machine {name}"), "not this cluster's; left alone");
            }
            continue;
        };
        if machine.state == MachineState::Failed {
            continue;
        }
        if !machine.offering.is(&wanted.offering) {
            let what =
                format!("virtual machine {name}: {} instead of {}", machine.offering.name, wanted.offering);
            plan.changed(what, ANEW);
        }
        if template.is_some_and(|template| template.id != machine.template.id) {
            older.push(name.as_str());
        }
    }
    if let (Some(template), false) = (template, older.is_empty()) {
        let what =
            format!("{} made from another image than {} ({})", older.join(", "), template.name, template.id);
        plan.changed(what, ANEW);
    }
}
