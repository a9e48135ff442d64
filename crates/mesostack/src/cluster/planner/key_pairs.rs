//! Key pairs that were registered for the cluster. The file may name another one by now: earlier ones stay ours, which the
//! network's tags say, and go once no machine was made with them.

use std::collections::BTreeMap;

use super::machines::Sorted;
use crate::cluster::{
    action::Action,
    desired::Desired,
    identity,
    observed::{Machine, MachineState, Observed},
    plan::Plan,
};

/// Earlier key pairs of the cluster, by their names, with the tags that say so.
pub(in crate::cluster) fn earlier<'a>(
    desired: &Desired,
    observed: &'a Observed,
) -> BTreeMap<&'a str, &'a str> {
    let now = &desired.spec.access.key_pair;
    observed.our_key_pairs().filter(|(name, _)| !name.eq_ignore_ascii_case(now)).collect()
}

/// The tag that says that the key pair of the file is ours, once it is registered. Which key it is is added by the run that
/// registers it: who plans may not have it yet.
pub(super) fn tag(desired: &Desired, observed: &Observed) -> String {
    let name = desired.spec.access.key_pair.as_str();
    let known = observed.our_key_pairs().find(|(ours, _)| *ours == name);
    match (known, observed.tag(identity::KEY_PAIR)) {
        (Some((_, tag)), _) => tag.to_owned(),
        (None, None) => identity::KEY_PAIR.to_owned(),
        (None, Some(_)) => identity::further_key_pair_tag(name),
    }
}

/// Steps that delete earlier key pairs once the machines that were made with them are `discarded`; not where the cloud does
/// not tell with which a machine was made.
pub(super) fn delete_earlier(
    desired: &Desired,
    observed: &Observed,
    machines: &Sorted<'_>,
    discarded: &[usize],
    plan: &mut Plan,
) {
    let stays =
        |machine: &&Machine| machine.state != MachineState::Going && !machines.discards(&machine.named.name);
    for (name, tag) in earlier(desired, observed) {
        // A stranger may well have been made with none, which looks as if the cloud did not tell.
        let unused = |machine: &Machine| match machine.made_with(name) {
            Some(used) => !used,
            None => !identity::is_node_name(desired.cluster(), &machine.named.name),
        };
        if observed.machines.iter().filter(stays).all(unused) {
            let action = Action::DeleteKeyPair { name: name.to_owned(), tag: Some(tag.to_owned()) };
            plan.add(action, discarded.to_vec(), []);
        }
    }
}
