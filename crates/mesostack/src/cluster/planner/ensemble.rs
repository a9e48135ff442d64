//! Masters that serve, and have to be told something: one at a time, and never so that two different majorities could
//! each believe to be the one.
//!
//! An ensemble grows by one master a time. Two majorities of ensembles that differ by one always have a member in common;
//! with a difference of two they may not. Within a step, first the masters there are learn the new quorum: the registry
//! takes what a quorum has confirmed, so it has to be the larger one before there is another replica. Then the new master
//! is set up, which ZooKeeper's ensemble takes in as one that learns. Last the others learn of it.

use std::collections::BTreeSet;

use super::unfit::Unfit;
use crate::{
    cluster::{
        action::Stage,
        desired::Desired,
        identity,
        observed::{MachineState, Observed},
        plan::Obstacle,
    },
    node::{self, Ensemble},
    spec::{Node, NodeName, Role, Spec, majority},
};

/// What there is of an ensemble, going by the network's tags and the machines.
#[derive(Debug)]
pub(super) struct Standing {
    /// How many masters some of them may believe in; 0 where none was ever told.
    pub(super) masters: u16,
    /// Those that may have what the cluster knows: their machines are there, and were not made in the place of others.
    holders: BTreeSet<u16>,
    /// Those that were set up once, and whose machines are no more.
    gone: BTreeSet<u16>,
    /// Whether any was ever seen healthy.
    proven: bool,
}

impl Standing {
    pub(super) fn of(desired: &Desired, observed: &Observed) -> Self {
        let name = |number| node::host_name_of(&desired.spec, NodeName { role: Role::Master, number });
        let mark = |number| observed.tag(&identity::set_up_tag(&name(number)));
        let machine =
            |number| observed.machine(&name(number)).filter(|machine| machine.state.is_there_to_stay());
        let marked = desired.masters().filter_map(|master| {
            let number = master.node.number;
            Some(identity::marked_masters(mark(number)?).unwrap_or(0).max(number))
        });
        let marked = marked.max();
        // Where there is neither a machine nor a mark nobody can have been told what the tag says.
        let any =
            marked.is_some() || desired.masters().any(|master| observed.machine(&master.host_name).is_some());
        let written = written_masters(observed).max().filter(|_| any);
        let knows = |number, of: u16| {
            mark(number).and_then(identity::marked_masters).is_some_and(|masters| masters >= of)
        };
        // As long as one may believe in fewer, those fewer are what an ensemble grows from: see `stages`.
        let known =
            (1..=desired.spec.cluster.masters).rev().find(|of| (1..=*of).all(|number| knows(number, *of)));
        let masters = written.map_or(marked, |written| known.max(Some(written))).unwrap_or(0);
        let is_marked = |number, id: &str| mark(number).and_then(identity::marked_machine) == Some(id);
        let holds = |number: &u16| {
            machine(*number).is_some_and(|machine| {
                mark(*number).is_none() || is_marked(*number, machine.named.id.as_str())
            })
        };
        let holders = (1..=masters).filter(holds).collect::<BTreeSet<_>>();
        let once = |number: &u16| mark(*number).is_some_and(|mark| mark != identity::EMPTY);
        let gone = (1..=masters).filter(|number| once(number) && !holders.contains(number)).collect();
        // While masters are told something else their marks are written anew: a run that is killed in between leaves none.
        let proven = observed.tag(identity::TELLING).is_some() || (1..=masters).any(|number| once(&number));
        Self { masters, proven, holders, gone }
    }

    /// Whether a majority is left that knows what the cluster knows: whoever is new learns from it.
    pub(super) fn teaches(&self) -> bool {
        self.proven && self.masters > 1 && self.holders.len() >= usize::from(majority(self.masters))
    }

    /// Whether there are to be more masters than there are.
    pub(super) fn grows(&self, masters: u16) -> bool {
        self.masters > 0 && self.masters < masters
    }

    /// Whether a master may have what the cluster knows.
    pub(super) fn holds(&self, number: u16) -> bool {
        self.holders.contains(&number)
    }

    /// Whether a machine is made in the place of one that was in the ensemble.
    pub(super) fn is_successor(&self, number: u16) -> bool {
        self.proven && number <= self.masters
    }

    /// A majority that was set up is no more: those made anew could elect each other, and the others would take over the
    /// nothing that they know.
    fn is_lost(&self, obstacles: &mut Vec<Obstacle>) -> bool {
        // One alone is made anew: there is nobody whose knowledge could be overwritten.
        if self.masters < 2 || self.gone.is_empty() || self.teaches() {
            return false;
        }
        let names = |numbers: &BTreeSet<u16>| {
            numbers.iter().map(|number| format!("master-{number}")).collect::<Vec<_>>().join(", ")
        };
        let left = match self.holders.is_empty() {
            true => "none of them is left".to_owned(),
            false => format!(
                "{} alone cannot tell them, and would take over that they know nothing",
                names(&self.holders)
            ),
        };
        let message = format!(
            "{} of {} masters are lost with their machines ({}): those made anew could elect each other, {left}",
            usize::from(self.masters) - self.holders.len(),
            self.masters,
            names(&self.gone),
        );
        obstacles.push(Obstacle::new("cluster", message).help(
            "bring their machines back in the cloud if it still has them; else what the masters knew (agents, frameworks, \
             Marathon's applications) is lost: `mesostack destroy`, then apply begins anew",
        ));
        true
    }
}

/// Of how many masters the network's tags say that the ensemble is: more than one number where a run was broken off.
pub(super) fn written_masters(observed: &Observed) -> impl Iterator<Item = u16> {
    let tags = observed.network.iter().flat_map(|network| network.tags.keys());
    tags.filter_map(|key| identity::masters_of_tag(key))
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
pub(super) fn check(
    desired: &Desired,
    observed: &Observed,
    (unfit, standing): (&Unfit<'_>, &Standing),
    obstacles: &mut Vec<Obstacle>,
) {
    if standing.is_lost(obstacles) {
        return;
    }
    let (from, to) = (standing.masters, desired.spec.cluster.masters);
    let being_told = observed.tag(identity::TELLING).is_some();
    let serves = |number: u16| {
        let name = node::host_name_of(&desired.spec, NodeName { role: Role::Master, number });
        let runs = observed.machine(&name).is_some_and(|machine| machine.state == MachineState::Running);
        // A mark that is written anew may be missing. Whether the master does serve is asked before it is told anything.
        observed.serves(&name) || being_told && runs && standing.holds(number)
    };
    let named = |number| format!("master-{number}");
    let is_unfit =
        |number| unfit.has(&node::host_name_of(&desired.spec, NodeName { role: Role::Master, number }));
    let (unfit, fit): (Vec<_>, Vec<_>) = (1..=from).partition(|number| is_unfit(*number));
    let (serving, absent): (Vec<_>, Vec<_>) = fit.into_iter().partition(|number| serves(*number));
    let unfit = unfit.into_iter().map(named).collect::<Vec<_>>();
    let absent = absent.into_iter().map(named).collect::<Vec<_>>();
    if standing.grows(to) {
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
        } else if let Some(new) = (from + 1..=to).find(|number| is_unfit(*number)) {
            let message = format!("{}: it is not taken in", untold(&[named(new)]));
            let help =
                "nothing is known by it yet: destroy its machine in the cloud, and an apply makes it anew";
            obstacles.push(Obstacle::new("cluster.masters", message).help(help));
        } else if !unfit.is_empty() {
            let message = format!("{}: an ensemble grows only while all of it is there", untold(&unfit));
            let help = format!(
                "with `masters = {from}` in the file, `mesostack plan` shows why, and what makes it one that can"
            );
            obstacles.push(Obstacle::new("cluster.masters", message).help(help));
        }
    }
    let Some(replaced) = desired.changes.replace.filter(|node| node.role == Role::Master) else { return };
    let others = absent.into_iter().filter(|name| *name != replaced.to_string()).collect::<Vec<_>>();
    // Who cannot be asked cannot stand in.
    let left = serving.iter().filter(|number| **number != replaced.number).count();
    let refused = match (to, others.is_empty()) {
        (1, _) => Some(format!("{replaced} is the only master: what it knows would be lost")),
        (2, _) => Some(format!("{replaced} is one of two masters: the quorum is both of them")),
        (_, false) => Some(format!("{}: the quorum may not outlive {replaced}", idle(&others))),
        _ if !unfit.is_empty() && left < usize::from(majority(to)) => {
            Some(format!("{}: the quorum may not outlive {replaced}", untold(&unfit)))
        }
        _ if standing.grows(to) => {
            Some(format!("masters are being added; {replaced} has to wait until that is over"))
        }
        _ => None,
    };
    if let Some(message) = refused {
        let help = "masters are replaced while the others serve; `mesostack apply` mends what is missing, and `mesostack plan` \
                    says what the rest takes";
        obstacles.push(Obstacle::new("cluster.masters", message).help(help));
    }
}

fn idle(masters: &[String]) -> String {
    let do_not = if masters.len() == 1 { "does not" } else { "do not" };
    format!("{} {do_not} serve", masters.join(", "))
}

fn untold(masters: &[String]) -> String {
    format!("{} can be neither asked nor told anything", masters.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::plan;
    use crate::cluster::{
        action::Action,
        model::{carry_out, desired, empty, whole},
    };

    fn steps(plan: &crate::cluster::Plan) -> Vec<&Action> {
        plan.steps.iter().map(|step| &step.action).collect()
    }

    /// So many masters, without these machines.
    fn without(masters: u16, gone: &[&str]) -> Observed {
        let wanted = desired(masters, 1);
        let mut observed = whole(&wanted);
        for name in gone {
            let machine = observed.machine(name).expect("a machine").named.id.clone();
            let why = String::new();
            carry_out(
                &wanted,
                &mut observed,
                &Action::Discard { host_name: (*name).to_owned(), machine, why },
            );
        }
        observed
    }

    #[test]
    fn when_most_masters_are_lost_no_empty_ones_are_set_up_side_by_side() {
        let mut observed = without(3, &["mesos-master-1", "mesos-master-2"]);
        for state in [MachineState::Running, MachineState::Stopped] {
            let last = observed.machines.iter_mut().find(|machine| machine.named.name == "mesos-master-3");
            last.expect("it").state = state;
            let plan = plan(&desired(3, 1), &observed);
            assert_eq!(plan.obstacles.len(), 1, "{plan}");
            let said = &plan.obstacles[0].message;
            assert!(
                said.contains("2 of 3 masters are lost with their machines (master-1, master-2)"),
                "{said}"
            );
            assert!(said.contains("master-3 alone"), "{said}");
        }
        let alone = plan(&desired(1, 1), &without(1, &["mesos-master-1"]));
        assert!(alone.obstacles.is_empty(), "one alone is made anew: {alone}");
    }

    #[test]
    fn a_master_in_the_place_of_another_is_set_up_after_the_others_were_asked() {
        let plan = plan(&desired(3, 1), &without(3, &["mesos-master-2"]));
        let alone = |action: &&Action| matches!(action, Action::RollOut { host_names, .. } if *host_names == ["mesos-master-2"]);
        assert!(steps(&plan).iter().any(alone), "{plan}");
        let marked = |action: &&Action| matches!(action, Action::WriteTags { set, .. } if set.contains(&(identity::set_up_tag("mesos-master-2"), identity::EMPTY.to_owned())));
        assert!(steps(&plan).iter().any(marked), "{plan}");
    }

    #[test]
    fn masters_that_never_became_healthy_are_an_ensemble_all_the_same() {
        let wanted = desired(3, 1);
        let mut observed = empty(&wanted);
        let first = plan(&wanted, &observed);
        for action in steps(&first).into_iter().filter(|action| !matches!(action, Action::MarkSetUp { .. })) {
            carry_out(&wanted, &mut observed, action);
        }
        assert_eq!(Standing::of(&wanted, &observed).masters, 3);
        let said = plan(&desired(5, 1), &observed).to_string();
        assert!(said.contains("an ensemble grows only while all of it is there"), "{said}");
        assert!(plan(&wanted, &observed).obstacles.is_empty());
    }

    #[test]
    fn masters_whose_marks_are_missing_since_they_are_written_anew_go_on_growing() {
        let mut observed = whole(&desired(4, 1));
        let tags = &mut observed.network.as_mut().expect("it").tags;
        tags.insert(identity::TELLING.to_owned(), identity::TOLD.to_owned());
        for number in 1..=4 {
            tags.remove(&identity::set_up_tag(&format!("mesos-master-{number}")));
        }
        let grown = plan(&desired(5, 1), &observed);
        assert!(grown.obstacles.is_empty(), "{grown}");
        assert!(steps(&grown).iter().any(|action| matches!(action, Action::RollOut { .. })), "{grown}");
        observed.network.as_mut().expect("it").tags.remove(identity::TELLING);
        assert_eq!(plan(&desired(5, 1), &observed).obstacles.len(), 1, "nobody has ever seen them serve");
    }

    #[test]
    fn before_masters_are_told_something_else_it_is_written_down() {
        let wanted = desired(3, 1);
        let mut observed = whole(&wanted);
        let key = identity::set_up_tag("mesos-master-1");
        let tags = &mut observed.network.as_mut().expect("it").tags;
        let other = identity::set_up_mark(tags[&key].split(' ').next().expect("a machine"), "other", Some(3));
        tags.insert(key, other);
        let plan = plan(&wanted, &observed);
        let Some(Action::WriteTags { set, .. }) = steps(&plan).first().copied() else { panic!("{plan}") };
        assert_eq!(*set, [(identity::TELLING.to_owned(), identity::TOLD.to_owned())]);
        let told = plan.steps.iter().find(|step| matches!(step.action, Action::RollOut { .. })).expect("it");
        assert!(told.after.contains(&0));
    }

    #[test]
    fn as_long_as_one_may_believe_in_fewer_those_are_what_an_ensemble_grows_from() {
        let wanted = desired(4, 1);
        let mut observed = whole(&wanted);
        let tags = &mut observed.network.as_mut().expect("it").tags;
        tags.remove(&identity::masters_tag(4));
        tags.insert(identity::masters_tag(3), identity::TOLD.to_owned());
        assert_eq!(Standing::of(&wanted, &observed).masters, 4, "all are marked");
        let key = identity::set_up_tag("mesos-master-2");
        let old = observed.tag(&key).expect("a mark").trim_end_matches('4').to_owned() + "3";
        observed.network.as_mut().expect("it").tags.insert(key, old);
        assert_eq!(Standing::of(&wanted, &observed).masters, 3);
    }

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
