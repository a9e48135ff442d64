//! Masters that serve, and have to be told something: one at a time, and never so that two different majorities could
//! each believe to be the one.
//!
//! An ensemble grows by one master a time. Two majorities of ensembles that differ by one always have a member in common;
//! with a difference of two they may not. Within a step, first the masters there are learn the new quorum: the registry
//! takes what a quorum has confirmed, so it has to be the larger one before there is another replica. Then the new master
//! is set up, which ZooKeeper's ensemble takes in as one that learns. Last the others learn of it.

use crate::{
    cluster::{
        action::Stage,
        desired::{Desired, WantedMachine},
        identity,
        observed::Observed,
        plan::Obstacle,
    },
    node::{self, Ensemble},
    spec::{Node, NodeName, Role, Spec, majority},
};

/// How many masters the cluster has been set up with; 0 where it never was. Each master's mark says it, and any may be
/// missing: one may never have become healthy.
pub(super) fn set_up_with(desired: &Desired, observed: &Observed) -> u16 {
    let of = |master: &WantedMachine| {
        let mark = observed.tag(&identity::set_up_tag(&master.host_name))?;
        Some(identity::marked_masters(mark).unwrap_or(0).max(master.node.number))
    };
    desired.masters().filter_map(of).max().unwrap_or(0)
}

/// From an ensemble of so many to one of so many.
pub(super) fn stages(spec: &Spec, from: u16, to: u16) -> Vec<Stage> {
    let nodes = |numbers: std::ops::RangeInclusive<u16>| -> Vec<Node> {
        numbers.filter_map(|number| spec.node(Role::Master, number)).collect()
    };
    let mut stages = Vec::new();
    for masters in from..to {
        let (now, next) = (Ensemble::of(masters), Ensemble::of(masters + 1));
        if now.quorum != next.quorum {
            let ensemble = Ensemble { quorum: next.quorum, ..now };
            stages.push(Stage { ensemble, nodes: nodes(1..=masters) });
        }
        stages.push(Stage { ensemble: next, nodes: nodes(masters + 1..=masters + 1) });
        stages.push(Stage { ensemble: next, nodes: nodes(1..=masters) });
    }
    stages
}

/// What makes growth, or a master's replacement, impossible for now.
pub(super) fn check(desired: &Desired, observed: &Observed, obstacles: &mut Vec<Obstacle>) {
    let (from, to) = (set_up_with(desired, observed), desired.spec.cluster.masters);
    let serves = |number: u16| {
        let name = node::host_name_of(&desired.spec, NodeName { role: Role::Master, number });
        observed.serves(&name)
    };
    let absent = (1..=from).filter(|number| !serves(*number)).map(|number| format!("master-{number}"));
    let absent = absent.collect::<Vec<_>>();
    if from > 0 && from < to {
        if from == 1 {
            let message =
                format!("one master cannot become {to}: its registry has no quorum of {}", majority(to));
            obstacles.push(Obstacle::new("cluster.masters", message).help(
                "a cluster with more is a new cluster, with so many masters from the start; `mesostack destroy` ends \
                 this one",
            ));
        } else if !absent.is_empty() {
            let message = format!("{}: an ensemble grows only while all of it is there", idle(&absent));
            let help = format!("apply with `masters = {from}` first, which mends it");
            obstacles.push(Obstacle::new("cluster.masters", message).help(help));
        }
    }
    let Some(replaced) = desired.changes.replace.filter(|node| node.role == Role::Master) else { return };
    let others = absent.into_iter().filter(|name| *name != replaced.to_string()).collect::<Vec<_>>();
    let refused = match (to, others.is_empty()) {
        (1, _) => Some(format!("{replaced} is the only master: what it knows would be lost")),
        (2, _) => Some(format!("{replaced} is one of two masters: the quorum is both of them")),
        (_, false) => Some(format!("{}: the quorum may not outlive {replaced}", idle(&others))),
        _ if from > 0 && from < to => {
            Some(format!("masters are being added; {replaced} has to wait until that is over"))
        }
        _ => None,
    };
    if let Some(message) = refused {
        let help = "masters are replaced while the others serve; `mesostack apply` mends what is missing";
        obstacles.push(Obstacle::new("cluster.masters", message).help(help));
    }
}

fn idle(masters: &[String]) -> String {
    let do_not = if masters.len() == 1 { "does not" } else { "do not" };
    format!("{} {do_not} serve", masters.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::cluster::model::desired;

    fn told(from: u16, to: u16) -> Vec<(u16, u16, Vec<u16>)> {
        let numbers = |stage: &Stage| stage.nodes.iter().map(|node| node.number).collect();
        let stages = stages(&desired(to, 0).spec, from, to);
        stages.iter().map(|stage| (stage.ensemble.masters, stage.ensemble.quorum, numbers(stage))).collect()
    }

    #[test]
    fn three_masters_become_five_one_at_a_time() {
        assert_eq!(
            told(3, 5),
            [
                (3, 3, vec![1, 2, 3]),
                (4, 3, vec![4]),
                (4, 3, vec![1, 2, 3]),
                (5, 3, vec![5]),
                (5, 3, vec![1, 2, 3, 4]),
            ]
        );
        assert_eq!(told(3, 3), []);
    }

    proptest! {
        #[test]
        fn any_two_majorities_that_are_believed_in_at_once_have_a_member_in_common(from in 2u16..8, more in 1u16..4) {
            // What each master believes, changed one master at a time.
            let start = Ensemble::of(from);
            let mut beliefs = (1..=from).map(|number| (number, start)).collect::<std::collections::BTreeMap<_, _>>();
            for stage in stages(&desired(from + more, 0).spec, from, from + more) {
                for node in &stage.nodes {
                    beliefs.insert(node.number, stage.ensemble);
                    let held = beliefs.values().map(|ensemble| (ensemble.masters, ensemble.quorum));
                    let held = held.collect::<BTreeSet<_>>();
                    let replicas = u16::try_from(beliefs.len()).expect("few");
                    for (one, quorum) in &held {
                        for (other, other_quorum) in &held {
                            // ZooKeeper: majorities of two lists, of which one is part of the other.
                            let both = majority(*one) + majority(*other);
                            prop_assert!(both > *one.max(other), "{} and {} masters", one, other);
                            // The registry: quorums among all replicas there are.
                            prop_assert!(quorum + other_quorum > replicas, "{:?} of {}", held, replicas);
                        }
                    }
                }
            }
            prop_assert!(beliefs.values().all(|ensemble| *ensemble == Ensemble::of(from + more)));
            prop_assert_eq!(beliefs.len(), usize::from(from + more));
        }
    }
}
