//! Nodes to which nothing is done as things are: their machine has another address than the file gives it, or shows a host
//! key that nobody wrote down, or another node's machine still has the address that theirs is to get. Each is shown with
//! what it takes, and stands in the way of nothing but what needs it.

use std::{collections::BTreeMap, net::Ipv4Addr};

use crate::{
    cluster::{
        desired::{Desired, WantedMachine},
        identity,
        observed::{Machine, Observed},
        plan::{Obstacle, Plan},
    },
    spec::majority,
};

/// Those nodes, by their machines' names.
#[derive(Debug, Default)]
pub(super) struct Unfit<'a> {
    nodes: BTreeMap<&'a str, Vec<Why>>,
    masters: u16,
    /// Masters that are elsewhere than the file says, with what is told of that.
    misplaced: Vec<Obstacle>,
}

/// What is wrong with a node, and what it takes.
#[derive(Debug)]
struct Why {
    what: String,
    note: String,
}

impl<'a> Unfit<'a> {
    /// Whether a node's machine is as it has to be for anything to be done to it; noted where it is not.
    pub(super) fn judge(
        &mut self,
        wanted: &'a WantedMachine,
        machine: &Machine,
        observed: &Observed,
    ) -> bool {
        let (name, node) = (&wanted.host_name, wanted.node.name());
        let mut fit = true;
        if let Some(address) = machine.address.filter(|address| *address != wanted.node.address) {
            fit = false;
            self.note_other_address(wanted, address);
        }
        // The key is written before the machine is made: without one, it is not known who made it.
        let tag = identity::host_key_tag(name);
        if observed.tag(&tag).is_none() {
            fit = false;
            let what = format!("virtual machine {name}: its host key is not known");
            let note = format!(
                "nothing is done to it, since nothing can be trusted that answers in its place; `mesostack replace {node}` \
                 makes it anew, or write the key that its console shows back into the network's tag {tag}"
            );
            self.note(wanted, Why { what, note });
        }
        fit
    }

    fn note_other_address(&mut self, wanted: &'a WantedMachine, address: Ipv4Addr) {
        let (name, node, right) = (&wanted.host_name, wanted.node.name(), wanted.node.address);
        let note = format!(
            "nothing is done to it; a machine keeps its address as long as it lives: put the file back, or make it anew \
             with `mesostack replace {node}`"
        );
        self.note(
            wanted,
            Why { what: format!("virtual machine {name}: {address} instead of {right}"), note },
        );
        if wanted.is_master() {
            let message = format!("{name} has the address {address}, and the file gives it {right}");
            let help = "every node is told of the masters' addresses, and a machine keeps its own as long as it lives: put \
                        the file back, or the address";
            self.misplaced.push(Obstacle::new("cluster.first_master", message).help(help));
        }
    }

    /// Notes that a machine that is to be made would have the address of another one. One of the cluster's own will go or
    /// be made anew; anything else is in the way, and so is any for whom just this one is asked for.
    pub(super) fn note_taken_address(
        &mut self,
        desired: &Desired,
        wanted: &'a WantedMachine,
        holder: &Machine,
        obstacles: &mut Vec<Obstacle>,
    ) {
        let (name, address, taken_by) = (&wanted.host_name, wanted.node.address, &holder.named.name);
        let ours = identity::node_of(desired.cluster(), taken_by);
        let Some(node) = ours.filter(|_| !desired.changes.replaces(&wanted.node)) else {
            let path = if wanted.is_master() { "cluster.first_master" } else { "cluster.first_agent" };
            let obstacle = Obstacle::new(path, format!("{taken_by} has the address {address} of {name}"));
            obstacles.push(match ours {
                Some(node) => obstacle.help(format!("`mesostack replace {node}` first, which frees it")),
                None => obstacle,
            });
            return;
        };
        let frees = match desired.machine(taken_by) {
            Some(other) if other.node.address != address => format!("`mesostack replace {node}` frees it"),
            _ => "apply again when that one is gone".to_owned(),
        };
        let what = format!("virtual machine {name}: {taken_by} has its address {address}");
        self.note(wanted, Why { what, note: format!("it is not made; {frees}") });
    }

    fn note(&mut self, wanted: &'a WantedMachine, why: Why) {
        let reasons = self.nodes.entry(&wanted.host_name).or_default();
        self.masters += u16::from(wanted.is_master() && reasons.is_empty());
        reasons.push(why);
    }

    /// Where most masters are elsewhere than the file says, all nodes would be told of masters that are not there.
    pub(super) fn check_masters(&mut self, desired: &Desired, obstacles: &mut Vec<Obstacle>) {
        if self.fit_masters(desired) < majority(desired.spec.cluster.masters) {
            obstacles.append(&mut self.misplaced);
        }
    }

    pub(super) fn has(&self, host_name: &str) -> bool {
        self.nodes.contains_key(host_name)
    }

    /// How many masters can be asked and told something.
    pub(super) fn fit_masters(&self, desired: &Desired) -> u16 {
        desired.spec.cluster.masters - self.masters
    }

    /// Whether one of the masters that can be asked may be missed for a while, as far as those that cannot are concerned.
    pub(super) fn can_miss_a_master(&self, desired: &Desired) -> bool {
        self.masters == 0 || self.fit_masters(desired) > majority(desired.spec.cluster.masters)
    }

    /// Shows them.
    pub(super) fn describe(&self, plan: &mut Plan) {
        for Why { what, note } in self.nodes.values().flatten() {
            plan.held_up(what.clone(), note.clone());
        }
    }
}

/// The machine that has the address another one is to be made with.
pub(super) fn holder_of_address<'a>(wanted: &WantedMachine, observed: &'a Observed) -> Option<&'a Machine> {
    let others = observed.machines.iter().filter(|machine| machine.named.name != wanted.host_name);
    others.into_iter().find(|machine| machine.address == Some(wanted.node.address))
}
