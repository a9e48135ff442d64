//! What is in our network and nobody asked for: noted and left alone, or removed where that is asked for.

use std::collections::BTreeMap;

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
    /// A machine behind one of our load balancer rules, and that rule with its port.
    Member {
        machine: Id,
        rule: Id,
        public_port: u16,
    },
    /// Anything but the source NAT address.
    Address(Id),
    Machine(Id, String),
}

/// Where they are noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Strangers {
    /// What goes where that is asked for.
    removable: Vec<Foreign>,
    /// What is left alone all the same, and why.
    left_alone: Vec<(String, &'static str)>,
}

/// Steps that remove strangers.
#[derive(Clone, Debug, Default)]
pub(super) struct Removed<'a> {
    /// Those that remove rules.
    pub(super) rules: Vec<usize>,
    /// Firewall rules that go, with their steps.
    pub(super) firewall: BTreeMap<&'a Id, usize>,
}

impl Strangers {
    pub(super) fn add(&mut self, what: What, text: String) {
        self.removable.push(Foreign { what, text });
    }

    /// Notes what is nobody's to remove here.
    pub(super) fn leave(&mut self, text: String, why: &'static str) {
        self.left_alone.push((text, why));
    }

    /// Notes public addresses that the cluster does not use.
    pub(super) fn add_addresses(&mut self, observed: &Observed) {
        for address in observed.addresses.iter().filter(|address| !address.source_nat) {
            self.add(What::Address(address.id.clone()), format!("public address {}", address.address));
        }
    }

    /// Shows them as drift.
    pub(super) fn describe(&self, desired: &Desired, plan: &mut Plan) {
        for (text, why) in &self.left_alone {
            plan.foreign(text.clone(), *why);
        }
        if desired.changes.prune {
            return;
        }
        for Foreign { what, text } in &self.removable {
            let note = match what {
                What::Machine(..) => "not this cluster's; left alone (`--prune` destroys it)",
                What::Member { .. } => "no master; left alone (`--prune` takes it out of the rule)",
                What::Rule(..) | What::Address(_) => "not in the file; left alone (`--prune` removes it)",
            };
            plan.foreign(text.clone(), note);
        }
    }

    /// Removes the rules among them. They go before anything is made: they may be in its way.
    pub(super) fn remove_rules(&self, desired: &Desired, before: &Before, plan: &mut Plan) -> Removed<'_> {
        let mut removed = Removed::default();
        for Foreign { what, text } in self.removable.iter().filter(|_| desired.changes.prune) {
            let action = match what {
                What::Rule(rule, id) => {
                    Action::RemoveRule { rule: *rule, id: id.clone(), text: text.clone() }
                }
                // A machine that goes itself takes its memberships along.
                What::Member { machine, rule, public_port } if !self.removes_machine(machine) => {
                    Action::RemoveMember {
                        public_port: *public_port,
                        rule: rule.clone(),
                        machine: machine.clone(),
                        text: text.clone(),
                    }
                }
                _ => continue,
            };
            let step = plan.add(action, before.network.clone(), []);
            removed.rules.push(step);
            if let What::Rule(RuleKind::Firewall, id) = what {
                removed.firewall.insert(id, step);
            }
        }
        removed
    }

    fn removes_machine(&self, machine: &Id) -> bool {
        self.removable.iter().any(|foreign| matches!(&foreign.what, What::Machine(id, _) if id == machine))
    }

    /// Removes the others: an address after the rules on it.
    pub(super) fn remove_others(&self, desired: &Desired, before: &Before, rules: &[usize], plan: &mut Plan) {
        for Foreign { what, text } in self.removable.iter().filter(|_| desired.changes.prune) {
            match what {
                What::Rule(..) | What::Member { .. } => {}
                What::Address(id) => {
                    let action = Action::ReleaseAddress { id: id.clone(), text: text.clone() };
                    plan.add(action, before.network.iter().chain(rules).copied().collect::<Vec<_>>(), []);
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
