//! What is shown of machines: those that are not as the file says, and those that are not the cluster's.

use std::collections::BTreeMap;

use super::{
    builds::Builds,
    foreign::{Strangers, What},
    machines::Sorted,
};
use crate::cluster::{
    desired::Desired,
    identity,
    observed::{Machine, MachineState, Named, Observed},
    plan::Plan,
};

/// Notes machines that are not as the file says, and strangers among them.
pub(super) fn machines(
    desired: &Desired,
    observed: &Observed,
    machines: &Sorted<'_>,
    builds: &Builds<'_>,
    strangers: &mut Strangers,
    plan: &mut Plan,
) {
    let template = observed.catalogue.template.as_ref();
    let mut older = Vec::new();
    let mut outside = Vec::new();
    let mut made_with = BTreeMap::<String, Vec<String>>::new();
    let key_pair = &desired.spec.access.key_pair;
    for machine in &observed.machines {
        let name = &machine.named.name;
        let Some(wanted) = desired.machine(name) else {
            if !identity::is_node_name(desired.cluster(), name) {
                note_stranger(machine, builds, strangers);
            }
            continue;
        };
        if machine.state == MachineState::Failed || machines.replaced.contains_key(name.as_str()) {
            continue;
        }
        if !machine.offering.is(&wanted.offering) {
            let what =
                format!("virtual machine {name}: {} instead of {}", machine.offering.name, wanted.offering);
            plan.changed(what, anew(&wanted.node.name()));
        }
        if template.is_some_and(|template| template.id != machine.template.id) {
            older.push(wanted.node.name());
        }
        if wanted.is_master() && !machine.affinity_groups.contains(&desired.affinity_group) {
            outside.push(wanted.node.name());
        }
        if machine.made_with(key_pair) == Some(false) {
            made_with.entry(machine.key_pairs.join(", ")).or_default().push(wanted.node.name());
        }
    }
    if let (Some(template), false) = (template, older.is_empty()) {
        let what =
            format!("{} made from another image than {} ({})", older.join(", "), template.name, template.id);
        plan.changed(what, one_anew(&older));
    }
    for (other, nodes) in made_with {
        let what = format!("{} made with the key pair {other} instead of {key_pair}", nodes.join(", "));
        plan.changed(what, one_anew(&nodes));
    }
    if !outside.is_empty() {
        let what = format!("{} not in the affinity group {}", outside.join(", "), desired.affinity_group);
        plan.changed(what, format!("may share a host with another master; {}", one_anew(&outside)));
    }
}

/// What makes those nodes as the file says.
fn one_anew(nodes: &[String]) -> String {
    match nodes {
        [one] => anew(one),
        _ => "`mesostack replace NODE` makes one of them anew".to_owned(),
    }
}

fn anew(name: &str) -> String {
    format!("`mesostack replace {name}` makes it anew")
}

/// One that others have something of is not ours to destroy.
fn note_stranger(machine: &Machine, builds: &Builds<'_>, strangers: &mut Strangers) {
    let Named { id, name } = &machine.named;
    let text = format!("virtual machine {name}");
    if builds.has_machine(id) {
        strangers.leave(text, Builds::NOTE);
    } else if machine.elsewhere {
        strangers.leave(text, "not this cluster's, and in another network too; left alone");
    } else {
        strangers.add(What::Machine(id.clone(), name.clone()), text);
    }
}
