//! What is in our network and nobody asked for: noted and left alone, or removed where that is asked for.

use cloudstack::Id;

use super::Before;
use crate::cluster::{
    action::{Action, RuleKind},
    desired::Desired,
    observed::Observed,
    plan::Plan,
};

/// One thing nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) what: What,
    /// How it is shown.
    pub(super) text: String,
}

/// What it is, and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Rule(RuleKind, Id),
    /// Anything but the source NAT address.
    Address(Id),
    Machine(Id, String),
}

/// Where they are noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Strangers(Vec<Foreign>);

impl Strangers {
    pub(super) fn add(&mut self, what: What, text: String) {
        self.0.push(Foreign { what, text });
    }

    /// Notes public addresses that the cluster does not use.
    pub(super) fn add_addresses(&mut self, observed: &Observed) {
        for address in observed.addresses.iter().filter(|address| !address.source_nat) {
            self.add(What::Address(address.id.clone()), format!("public address {}", address.address));
        }
    }

    /// Shows them as drift.
    pub(super) fn describe(&self, desired: &Desired, plan: &mut Plan) {
        if desired.changes.prune {
            return;
        }
        for Foreign { what, text } in &self.0 {
            let note = match what {
                What::Machine(..) => "not this cluster's; left alone (`--prune` destroys it)",
                What::Rule(..) | What::Address(_) => "not in the file; left alone (`--prune` removes it)",
            };
            plan.foreign(text.clone(), note);
        }
    }

    /// Removes them: rules before the address they are on.
    pub(super) fn remove(&self, desired: &Desired, before: &Before, plan: &mut Plan) {
        if !desired.changes.prune {
            return;
        }
        let mut rules = before.network.clone();
        for Foreign { what, text } in &self.0 {
            if let What::Rule(kind, id) = what {
                let action = Action::RemoveRule { rule: *kind, id: id.clone(), text: text.clone() };
                rules.push(plan.add(action, before.network.clone(), []));
            }
        }
        for Foreign { what, text } in &self.0 {
            match what {
                What::Rule(..) => {}
                What::Address(id) => {
                    let action = Action::ReleaseAddress { id: id.clone(), text: text.clone() };
                    plan.add(action, rules.clone(), []);
                }
                What::Machine(id, name) => {
                    let why = "not this cluster's".to_owned();
                    let action = Action::Discard { host_name: name.clone(), machine: id.clone(), why };
                    plan.add(action, before.network.clone(), []);
                }
            }
        }
    }
}
