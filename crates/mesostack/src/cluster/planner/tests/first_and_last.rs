//! A cluster's first plan, one that needs nothing, and its last.

use super::*;

#[test]
fn a_first_plan_reads_as_what_will_be_there() {
    let desired = desired(1, 1);
    let plan = plan(&desired, &empty(&desired));
    assert_eq!(
        lines(&plan),
        [
            "+ network subnet01 172.16.0.0/24",
            "+ key pair mesostack",
            "+ affinity group mesos-masters (masters on different hosts)",
            "+ public address of the network",
            "+ firewall rule tcp 1222 from 10.0.0.0/8",
            "+ firewall rule tcp 2222 from 10.0.0.0/8",
            "+ firewall rule tcp 5050 from 10.0.0.0/8",
            "+ firewall rule tcp 8080 from 10.0.0.0/8",
            "+ egress rule: everything from 172.16.0.0/24",
            "+ load balancer rule mesos 5050 → 15050 on the masters",
            "+ load balancer rule marathon 8080 → 18080 on the masters",
            "+ virtual machine mesos-master-1 172.16.0.20 (t1.medium, mesos)",
            "+ virtual machine mesos-agent-1 172.16.0.100 (t1.medium, mesos)",
            "+ port forwarding rule 1222 → mesos-master-1:22",
            "+ port forwarding rule 2222 → mesos-agent-1:22",
        ]
    );
    assert_eq!(plan.totals().to_string(), "15 to add, 0 to change, 0 to remove");
}

#[test]
fn a_finished_cluster_needs_nothing() {
    let desired = desired(3, 3);
    let plan = plan(&desired, &whole(&desired));
    assert!(plan.is_empty(), "{plan}");
    assert!(plan.drift.is_empty(), "{:?}", plan.drift);
    assert_eq!(plan.to_string(), "cluster mesos: no changes");
}

#[test]
fn while_the_network_sleeps_everything_is_written_down_before_the_first_start() {
    let desired = desired(3, 3);
    let plan = plan(&desired, &empty(&desired));
    let queued = |at: &usize| plan.steps[*at].action.lane() == Lane::NetworkQueue;
    let rules = (0..plan.steps.len()).filter(queued).collect::<Vec<_>>();
    let written = plan.steps.iter().position(|step| step.action == Action::WrittenDown).expect("a barrier");
    assert!(rules.iter().all(|rule| plan.steps[written].once_over.contains(rule)));
    let starts = plan.steps.iter().filter(|step| matches!(step.action, Action::Start { .. }));
    assert_eq!(starts.clone().count(), 6);
    assert!(starts.clone().all(|start| start.after.contains(&written)));
}

#[test]
fn a_network_whose_router_changes_is_waited_for() {
    let desired = desired(1, 1);
    let mut observed = whole(&desired);
    observed.network.as_mut().expect("a network").state = NetworkState::Changing;
    observed.forwards.clear();
    let plan = plan(&desired, &observed);
    assert_eq!(plan.steps[0].action, Action::AwaitNetwork);
    let forwards = plan.steps.iter().filter(|step| matches!(step.action, Action::Forward { .. }));
    forwards.for_each(|forward| assert!(forward.after.contains(&0)));
}

#[test]
fn without_the_nodes_a_plan_ends_with_running_machines() {
    let desired = desired(1, 1);
    let cut = plan(&desired, &empty(&desired)).only_infrastructure();
    assert!(matches!(cut.steps.last().expect("steps").action, Action::Start { .. }));
    let mut observed = empty(&desired);
    carry_out_all(&desired, &mut observed, &cut);
    let rest = plan(&desired, &observed);
    assert!(rest.steps.iter().all(|step| matches!(
        step.action,
        Action::SetUp { .. } | Action::AwaitHealth { .. } | Action::MarkSetUp { .. }
    )));
}

#[test]
fn destroying_removes_everything_and_the_network_last() {
    let desired = desired(3, 3);
    let mut observed = whole(&desired);
    let down = crate::cluster::plan_destruction(&desired, &observed);
    assert_eq!(down.totals().to_string(), "0 to add, 0 to change, 9 to remove");
    let last = down.steps.last().expect("steps");
    assert!(matches!(last.action, Action::DeleteNetwork { .. }));
    let before = last.after.len() + last.once_over.len();
    assert_eq!(before, down.steps.len() - 1, "its tags say what else is ours, so it goes last");
    carry_out_all(&desired, &mut observed, &down);
    assert!(crate::cluster::plan_destruction(&desired, &observed).is_empty());
    assert!(observed.network.is_none() && observed.key_pair.is_none() && observed.affinity_group.is_none());
}

#[test]
fn destroying_leaves_alone_what_is_not_the_clusters() {
    let desired = desired(1, 1);
    let mut observed = whole(&desired);
    network(&mut observed).tags.remove(identity::KEY_PAIR);
    let down = crate::cluster::plan_destruction(&desired, &observed);
    assert!(!has(&down, |action| matches!(action, Action::DeleteKeyPair { .. })));
    observed.machines.push(Machine { named: named("jumphost"), ..observed.machines[0].clone() });
    blocked(&crate::cluster::plan_destruction(&desired, &observed), "jumphost is in the network");
    let strangers = Observed { namesakes: vec![Id::from("n")], ..empty(&desired) };
    assert!(crate::cluster::plan_destruction(&desired, &strangers).is_empty());
}
