//! What plans promise, tried on a cloud in the mind.

use cloudstack::Id;
use proptest::prelude::*;

use super::plan;
use crate::{
    cluster::{
        Changes, OperatorKey,
        action::{Action, Lane, Phase, Sign},
        identity,
        model::*,
        observed::*,
        openings::Opening,
        plan::{Obstacle, Plan},
    },
    spec::{
        AgentAccess::{self, Bastion},
        NodeName, Role,
    },
};

fn has(plan: &Plan, what: impl Fn(&Action) -> bool) -> bool {
    plan.steps.iter().any(|step| what(&step.action))
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.lines().into_iter().map(|(sign, line)| format!("{} {line}", sign.as_char())).collect()
}

#[track_caller]
fn blocked(plan: &Plan, what: &str) {
    assert!(plan.steps.is_empty(), "nothing is done while something is in the way");
    assert!(plan.obstacles.iter().any(|obstacle| obstacle.message.contains(what)), "{:#?}", plan.obstacles);
}

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

/// So many masters and agents, and how agents are reached.
fn reached(agents_by: AgentAccess, masters: u16, agents: u16) -> crate::cluster::Desired {
    let nodes = format!("masters = {masters}\nagents = {agents}");
    let mut spec = desired_from(&nodes, "\"10.0.0.0/8\"").spec;
    spec.access.agents = agents_by;
    let key = OperatorKey { public: "ssh-ed25519 AAAA".to_owned(), fingerprint: "aa:bb".to_owned() };
    crate::cluster::Desired::of(&spec, Some(key))
}

#[test]
fn agents_behind_the_masters_have_neither_a_forward_nor_an_open_port() {
    let desired = reached(Bastion, 1, 2);
    let mut observed = empty(&desired);
    let first = plan(&desired, &observed);
    let ports =
        lines(&first).into_iter().filter(|line| line.contains("firewall") || line.contains("forwarding"));
    assert_eq!(
        ports.collect::<Vec<_>>(),
        [
            "+ firewall rule tcp 1222 from 10.0.0.0/8",
            "+ firewall rule tcp 5050 from 10.0.0.0/8",
            "+ firewall rule tcp 8080 from 10.0.0.0/8",
            "+ port forwarding rule 1222 → mesos-master-1:22",
        ]
    );
    carry_out_all(&desired, &mut observed, &first);
    assert!(plan(&desired, &observed).is_empty());
}

#[test]
fn taking_agents_behind_the_masters_closes_their_ports_and_removes_their_forwards_only() {
    let grown = {
        let mut observed = whole(&reached(AgentAccess::Forward, 1, 1));
        let more = plan(&reached(AgentAccess::Forward, 1, 2), &observed);
        carry_out_all(&reached(AgentAccess::Forward, 1, 2), &mut observed, &more);
        observed
    };
    let behind = reached(Bastion, 1, 2);
    let mut observed = grown;
    let next = plan(&behind, &observed);
    assert!(next.drift.is_empty(), "{:?}", next.drift);
    assert_eq!(
        lines(&next),
        [
            "- firewall rule tcp 2222 from 10.0.0.0/8 (agents are reached through the masters)",
            "- firewall rule tcp 2223 from 10.0.0.0/8 (agents are reached through the masters)",
            "- port forwarding rule 2222 → mesos-agent-1:22 (agents are reached through the masters)",
            "- port forwarding rule 2223 → mesos-agent-2:22 (agents are reached through the masters)",
        ]
    );
    assert_eq!(next.steps.len(), 4, "no node is set up again");
    carry_out_all(&behind, &mut observed, &next);
    assert!(plan(&behind, &observed).is_empty());

    let back = plan(&reached(AgentAccess::Forward, 1, 2), &observed);
    assert_eq!(
        lines(&back),
        [
            "+ firewall rule tcp 2222-2223 from 10.0.0.0/8",
            "+ port forwarding rule 2222 → mesos-agent-1:22",
            "+ port forwarding rule 2223 → mesos-agent-2:22",
        ]
    );
    assert_eq!(back.steps.len(), 3);
}

#[test]
fn a_removal_that_ended_halfway_is_begun_again() {
    let mut observed = whole(&reached(Bastion, 1, 1));
    let before = whole(&reached(AgentAccess::Forward, 1, 1));
    observed.going.forwards = before.forwards;
    observed.going.firewall = before.firewall;
    observed.going.forwards.iter_mut().for_each(|forward| {
        let name = if forward.public.0 == 2222 { "mesos-agent-1" } else { "mesos-master-1" };
        forward.machine =
            observed.machines.iter().find(|m| m.named.name == name).expect("it").named.id.clone();
    });
    assert_eq!(
        lines(&plan(&reached(Bastion, 1, 1), &observed)),
        [
            "- firewall rule tcp 2222 from 10.0.0.0/8 (agents are reached through the masters)",
            "- port forwarding rule 2222 → mesos-agent-1:22 (agents are reached through the masters)",
        ]
    );
    let back = plan(&reached(AgentAccess::Forward, 1, 1), &observed);
    assert!(lines(&back).iter().all(|line| line.starts_with('+')), "{back}");
}

#[test]
fn what_others_have_in_the_agents_former_ports_stays() {
    let mut observed = whole(&reached(AgentAccess::Forward, 1, 3));
    let allow = ["10.0.0.0/8".parse().expect("a range")];
    // Theirs: a port of agent-2 forwarded to a web server on it, and one to its SSH that the file never gave it.
    for (forward, public, private) in [(1, 2223, 80), (2, 2300, 22)] {
        observed.forwards[forward + 1].public = (public, public);
        observed.forwards[forward + 1].private = private;
    }
    observed
        .firewall
        .retain(|rule| rule.text.contains("1222") || rule.opening.as_ref().is_some_and(|o| o.first > 5000));
    for port in [2222, 2223, 2224, 2300] {
        let opening = Opening::new(port, port, allow);
        let id = Id::from(format!("theirs-{port}"));
        observed.firewall.push(FirewallRule { id, text: opening.to_string(), opening: Some(opening) });
    }
    let next = plan(&reached(Bastion, 1, 3), &observed);
    assert_eq!(
        lines(&next),
        [
            "- firewall rule tcp 2222 from 10.0.0.0/8 (agents are reached through the masters)",
            "- firewall rule tcp 2224 from 10.0.0.0/8 (agents are reached through the masters)",
            "- port forwarding rule 2222 → mesos-agent-1:22 (agents are reached through the masters)",
        ]
    );
    let drift = next.drift.iter().map(|drift| drift.what.as_str()).collect::<Vec<_>>();
    assert_eq!(
        drift,
        [
            "firewall rule tcp 2223 from 10.0.0.0/8",
            "firewall rule tcp 2300 from 10.0.0.0/8",
            "port forwarding rule tcp 2223",
            "port forwarding rule tcp 2300",
        ]
    );
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
fn growing_adds_two_agents_and_touches_nothing_else() {
    let observed = whole(&desired(3, 3));
    let plan = plan(&desired(3, 5), &observed);
    assert!(plan.obstacles.is_empty() && plan.drift.is_empty());
    assert_eq!(
        lines(&plan),
        [
            "+ firewall rule tcp 2225-2226 from 10.0.0.0/8",
            "+ virtual machine mesos-agent-4 172.16.0.103 (t1.medium, mesos)",
            "+ virtual machine mesos-agent-5 172.16.0.104 (t1.medium, mesos)",
            "+ port forwarding rule 2225 → mesos-agent-4:22",
            "+ port forwarding rule 2226 → mesos-agent-5:22",
        ]
    );
    let new = ["mesos-agent-4", "mesos-agent-5"];
    for step in &plan.steps {
        match &step.action {
            Action::SetUp { host_name, .. } | Action::Start { host_name, .. } => {
                assert!(new.contains(&host_name.as_str()))
            }
            Action::AwaitHealth { host_names } | Action::MarkSetUp { host_names } => {
                assert_eq!(*host_names, new)
            }
            Action::WriteTags { set, host_keys, drop } => {
                assert!(set.is_empty() && drop.is_empty());
                assert_eq!(*host_keys, new);
            }
            _ => {}
        }
    }
    // The router runs: a machine's start waits for its own record only.
    assert!(!has(&plan, |action| *action == Action::WrittenDown));
}

#[test]
fn a_machine_that_was_lost_is_made_anew_with_a_new_key_and_put_back_behind_the_balancer() {
    let desired = desired(3, 3);
    let mut observed = whole(&desired);
    let lost = observed.machine("mesos-master-2").expect("a machine").named.id.clone();
    let destroy = Action::Destroy { host_name: "mesos-master-2".to_owned(), machine: lost };
    carry_out(&desired, &mut observed, &destroy);
    let next = plan(&desired, &observed);
    assert_eq!(lines(&next).len(), 5, "{next}");
    let tags = next.steps.iter().find_map(|step| match &step.action {
        Action::WriteTags { set, drop, .. } => Some((set.clone(), drop.clone())),
        _ => None,
    });
    let (set, drop) = tags.expect("tags");
    assert_eq!(drop, [identity::host_key_tag("mesos-master-2")], "its old key");
    let mark = (identity::set_up_tag("mesos-master-2"), identity::EMPTY.to_owned());
    assert_eq!(set, [mark], "and a mark that it knows nothing yet");
    assert!(has(
        &next,
        |action| matches!(action, Action::AssignBalancer { machines, .. } if machines == &["mesos-master-2"])
    ));
    carry_out_all(&desired, &mut observed, &next);
    assert!(plan(&desired, &observed).is_empty());
}

#[test]
fn a_stopped_machine_is_started_and_a_failed_one_made_again() {
    let desired = desired(3, 3);
    let mut observed = whole(&desired);
    observed.machines[4].state = MachineState::Stopped;
    observed.machines[5].state = MachineState::Failed;
    let next = plan(&desired, &observed);
    assert_eq!(
        lines(&next),
        [
            "- virtual machine mesos-agent-3 (its first start failed)",
            "+ virtual machine mesos-agent-3 172.16.0.102 (t1.medium, mesos)",
            "+ port forwarding rule 2224 → mesos-agent-3:22",
            "~ virtual machine mesos-agent-2: start",
            "~ node mesos-agent-2: set up",
        ]
    );
    carry_out_all(&desired, &mut observed, &next);
    assert!(plan(&desired, &observed).is_empty());
}

#[test]
fn another_configuration_is_brought_to_the_nodes_it_concerns() {
    let observed = whole(&desired(1, 2));
    let next = plan(&desired_from("masters = 1\nagents = 2\nname = \"mesos\"", "\"10.0.0.0/8\""), &observed);
    assert!(next.is_empty());
}

/// The steps, by their names, from the first that goes to a node on.
fn on_nodes(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().skip_while(|step| step.action.phase() != Phase::Nodes);
    steps.map(|step| step.action.name()).collect()
}

#[test]
fn two_more_masters_are_taken_in_one_at_a_time_and_then_the_agents_are_told() {
    let mut observed = whole(&desired(3, 2));
    let next = plan(&desired(5, 2), &observed);
    assert_eq!(
        on_nodes(&next),
        [
            "set up masters one at a time",
            "set up mesos-agent-1",
            "set up mesos-agent-2",
            "await health",
            "mark nodes as set up",
        ]
    );
    let roll = next.steps.iter().position(|step| matches!(step.action, Action::RollOut { .. })).expect("it");
    let Action::RollOut { stages, .. } = &next.steps[roll].action else { unreachable!() };
    assert_eq!(stages.len(), 5);
    assert!((1..=2).all(|more| next.steps[roll + more].once_over.contains(&roll)));
    assert!(lines(&next).contains(
        &"~ nodes mesos-master-1, mesos-master-2, mesos-master-3, mesos-master-4, mesos-master-5: set up, one at a time, \
          who leads last"
            .to_owned()
    ));
    carry_out_all(&desired(5, 2), &mut observed, &next);
    assert!(plan(&desired(5, 2), &observed).is_empty());
}

#[test]
fn an_ensemble_grows_only_while_all_of_it_serves_and_never_from_one() {
    blocked(&plan(&desired(3, 1), &whole(&desired(1, 1))), "one master cannot become 3");
    let mut observed = whole(&desired(3, 1));
    observed.machines[1].state = MachineState::Stopped;
    blocked(&plan(&desired(5, 1), &observed), "master-2 does not serve");
}

#[test]
fn any_masters_mark_tells_how_many_there_are() {
    let mut observed = whole(&desired(3, 1));
    let key = identity::set_up_tag("mesos-master-1");
    let machine = observed.machine("mesos-master-1").expect("it").named.id.clone();
    let tags = &mut network(&mut observed).tags;
    tags.retain(|key, _| !["mesos-master-2", "mesos-master-3"].map(identity::set_up_tag).contains(key));
    tags.insert(key, identity::set_up_mark(machine.as_str(), "of old", Some(3)));
    let next = plan(&desired(3, 1), &observed);
    carry_out_all(&desired(3, 1), &mut observed, &next);
    assert!(plan(&desired(3, 1), &observed).is_empty());
}

#[test]
fn masters_that_serve_are_told_of_a_change_one_at_a_time() {
    let mut observed = whole(&desired(3, 1));
    for key in ["mesos-master-1", "mesos-master-2", "mesos-master-3"].map(identity::set_up_tag) {
        let tags = &mut network(&mut observed).tags;
        let machine = tags[&key].split(' ').next().expect("a machine").to_owned();
        tags.insert(key, identity::set_up_mark(&machine, "of old", Some(3)));
    }
    let next = plan(&desired(3, 1), &observed);
    assert_eq!(on_nodes(&next), ["set up masters one at a time", "await health", "mark nodes as set up"]);
    carry_out_all(&desired(3, 1), &mut observed, &next);
    assert!(plan(&desired(3, 1), &observed).is_empty());
}

/// The same, with a node that is to be made anew.
fn replacing(masters: u16, agents: u16, node: &str) -> crate::cluster::Desired {
    let replace = Some(node.parse().expect("a node's name"));
    desired(masters, agents).asking(Changes { replace, ..Changes::default() })
}

#[test]
fn an_agent_that_is_replaced_is_drained_and_keeps_its_name_address_and_port() {
    let mut observed = thinned(3, 3, &["agent-1"]);
    let next = plan(&replacing(3, 2, "agent-3"), &observed);
    assert_eq!(
        lines(&next),
        [
            "~ agent mesos-agent-3: drain",
            "- virtual machine mesos-agent-3 (to be made anew)",
            "+ virtual machine mesos-agent-3 172.16.0.102 (t1.medium, mesos)",
            "+ port forwarding rule 2224 → mesos-agent-3:22",
        ]
    );
    assert!(next.steps.iter().all(|step| step.action.host_name().is_none_or(|name| name == "mesos-agent-3")));
    // Broken off once it is destroyed: the next apply makes it anew, and not the first of the free numbers.
    carry_out_some(&replacing(3, 2, "agent-3"), &mut observed, &next, |at| {
        !matches!(next.steps[at].action, Action::WriteTags { .. })
    });
    assert_eq!(agents(&observed), ["2"]);
    // And once more, right before it is made.
    let rest = plan(&desired(3, 2), &observed);
    carry_out_some(&desired(3, 2), &mut observed, &rest, |at| {
        matches!(rest.steps[at].action, Action::WriteTags { .. })
    });
    let rest = plan(&desired(3, 2), &observed);
    carry_out_all(&desired(3, 2), &mut observed, &rest);
    assert_eq!(agents(&observed), ["2", "3"]);
    let after = plan(&desired(3, 2), &observed);
    assert!(after.is_empty() && after.drift.is_empty(), "{after}");
    assert!(network(&mut observed).tags.keys().all(|key| !key.contains("leaving")));
}

#[test]
fn a_drained_agent_goes_whoever_comes_next() {
    let mut observed = whole(&desired(3, 3));
    let asked = without(3, 2, &["agent-1"]);
    let next = plan(&asked, &observed);
    assert_eq!(
        lines(&next)[0..2],
        ["~ agent mesos-agent-1: drain", "- virtual machine mesos-agent-1 (the file asks for 2 agents)"]
    );
    carry_out_some(&asked, &mut observed, &next, |at| {
        !matches!(next.steps[at].action, Action::Discard { .. })
    });
    assert_eq!(agents(&observed), ["1", "2", "3"]);
    // Nobody names it any more, and it goes all the same; where it is needed after all it is made anew.
    let mut needed = observed.clone();
    for (asked, mut observed, left) in
        [(desired(3, 2), observed, vec!["2", "3"]), (desired(3, 3), needed.clone(), vec!["1", "2", "3"])]
    {
        let next = plan(&asked, &observed);
        assert!(has(
            &next,
            |action| matches!(action, Action::Discard { host_name, .. } if host_name == "mesos-agent-1")
        ));
        carry_out_all(&asked, &mut observed, &next);
        assert_eq!(agents(&observed), left);
        let after = plan(&asked, &observed);
        assert!(after.is_empty() && after.drift.is_empty(), "{after}");
    }
    // A mark of another machine says nothing of this one.
    needed
        .machines
        .iter_mut()
        .for_each(|machine| machine.named.id = Id::from(format!("new-{}", machine.named.name)));
    assert!(!has(&plan(&desired(3, 3), &needed), |action| matches!(action, Action::Discard { .. })));
}

#[test]
fn a_master_is_replaced_right_after_the_quorum_was_asked_and_put_behind_the_rules_again() {
    let mut observed = whole(&desired(3, 1));
    let next = plan(&replacing(3, 1, "master-2"), &observed);
    assert_eq!(
        lines(&next),
        [
            "~ quorum: has to outlive mesos-master-2, or nothing is done to it",
            "- virtual machine mesos-master-2 (to be made anew)",
            "+ virtual machine mesos-master-2 172.16.0.21 (t1.medium, mesos)",
            "~ load balancer rule 5050: members mesos-master-2",
            "~ load balancer rule 8080: members mesos-master-2",
            "+ port forwarding rule 1223 → mesos-master-2:22",
            "~ node mesos-master-2: set up, once the others can do without it",
        ]
    );
    let asked = next.steps.iter().position(|step| matches!(step.action, Action::CheckQuorum { .. }));
    let gone = next.steps.iter().find(|step| matches!(step.action, Action::Discard { .. })).expect("it");
    assert_eq!(gone.after, [asked.expect("it")]);
    carry_out_all(&replacing(3, 1, "master-2"), &mut observed, &next);
    let after = plan(&desired(3, 1), &observed);
    assert!(after.is_empty() && after.drift.is_empty(), "{after}");
}

#[test]
fn a_master_that_the_quorum_needs_is_not_replaced() {
    blocked(&plan(&replacing(1, 1, "master-1"), &whole(&desired(1, 1))), "is the only master");
    blocked(&plan(&replacing(2, 1, "master-1"), &whole(&desired(2, 1))), "one of two masters");
    let mut observed = whole(&desired(3, 1));
    observed.machines[2].state = MachineState::Stopped;
    blocked(&plan(&replacing(3, 1, "master-1"), &observed), "master-3 does not serve");
    assert!(plan(&replacing(3, 1, "master-3"), &observed).obstacles.is_empty(), "the ill one itself");
    blocked(&plan(&replacing(3, 1, "agent-2"), &whole(&desired(3, 1))), "the cluster has no agent-2");
}

#[test]
fn replacing_mends_what_has_another_address_or_an_unknown_key() {
    let mut observed = whole(&desired(3, 1));
    observed.machines[3].address = "172.16.0.7".parse().ok();
    network(&mut observed).tags.remove("mesostack.hostkey.mesos-agent-1");
    let refused = plan(&desired(3, 1), &observed);
    assert_eq!(refused.obstacles.len(), 2);
    assert!(refused.obstacles.iter().all(|obstacle| {
        obstacle.help.as_ref().is_some_and(|help| help.contains("mesostack replace agent-1"))
    }));
    let next = plan(&replacing(3, 1, "agent-1"), &observed);
    carry_out_all(&replacing(3, 1, "agent-1"), &mut observed, &next);
    assert!(plan(&desired(3, 1), &observed).is_empty());
}

#[test]
fn what_nobody_asked_for_is_removed_when_that_is_asked_for() {
    let wanted = desired(1, 1);
    let mut observed = whole(&wanted);
    let before = observed.clone();
    observed.machines.push(Machine {
        named: named("jumphost"),
        address: None,
        ..observed.machines[0].clone()
    });
    observed.egress.push(foreign_egress_rule());
    let id = |name: &str| Id::from(name);
    observed.forwards.push(Forward { id: id("f"), public: (99, 99), ..observed.forwards[0].clone() });
    observed.balancers.push(Balancer { id: id("b"), public_port: 98, ..observed.balancers[0].clone() });
    let address = "198.18.0.11".parse().expect("an address");
    observed.addresses.push(Address { id: id("a"), address, source_nat: false });
    observed.firewall.push(FirewallRule {
        id: id("w"),
        opening: None,
        text: "udp from 0.0.0.0/0".to_owned(),
    });
    let left_alone = plan(&wanted, &observed);
    assert!(left_alone.is_empty());
    let noted = left_alone.drift.iter().map(|drift| drift.what.clone()).collect::<Vec<_>>();

    let pruning = wanted.clone().asking(Changes { prune: true, ..Changes::default() });
    let next = plan(&pruning, &observed);
    assert!(next.drift.is_empty(), "{next}");
    assert_eq!(
        lines(&next),
        [
            "- firewall rule udp from 0.0.0.0/0 (not in the file)",
            "- egress rule udp from 172.16.0.0/24 (not in the file)",
            "- port forwarding rule tcp 99 (not in the file)",
            "- load balancer rule 98 (not in the file)",
            "- virtual machine jumphost (not this cluster's)",
            "- public address 198.18.0.11 (not in the file)",
        ]
    );
    let mut removed = lines(&next);
    removed.iter_mut().for_each(|line| *line = line[2..line.find(" (").expect("why")].to_owned());
    removed.sort();
    let mut noted = noted;
    noted.sort();
    assert_eq!(removed, noted, "just what is noted without it");
    carry_out_all(&pruning, &mut observed, &next);
    assert_eq!(observed.machines[..], before.machines[..]);
    assert_eq!((observed.addresses.len(), observed.balancers.len(), observed.egress.len()), (1, 2, 1));
    assert!(plan(&pruning, &observed).is_empty());
}

/// The same, with what nobody asked for to be removed.
fn pruning(desired: &crate::cluster::Desired) -> crate::cluster::Desired {
    desired.clone().asking(Changes { prune: true, ..Changes::default() })
}

#[test]
fn a_rule_that_kept_our_ports_open_is_removed_before_ours_are_opened() {
    let wanted = desired(1, 1);
    let mut observed = whole(&wanted);
    let everything = Opening::new(1, 65_535, ["0.0.0.0/0".parse().expect("a range")]);
    let text = everything.to_string();
    observed.firewall = vec![FirewallRule { id: Id::from("w"), opening: Some(everything), text }];
    assert!(plan(&wanted, &observed).is_empty(), "they are open");
    let next = plan(&pruning(&wanted), &observed);
    let removed = next.steps.iter().position(|step| matches!(step.action, Action::RemoveRule { .. }));
    let removed = removed.expect("it goes");
    let opened = next.steps.iter().filter(|step| matches!(step.action, Action::OpenPorts { .. }));
    let opened = opened.collect::<Vec<_>>();
    assert_eq!(opened.len(), 4, "{next}");
    assert!(opened.iter().all(|step| step.after.contains(&removed)));
    carry_out_all(&pruning(&wanted), &mut observed, &next);
    let after = plan(&pruning(&wanted), &observed);
    assert!(after.is_empty() && after.drift.is_empty(), "{after}");
}

#[test]
fn rules_in_our_ports_of_another_address_are_shown_and_go_with_it() {
    let wanted = desired(1, 1);
    let mut observed = whole(&wanted);
    let before = observed.clone();
    let (other, address) = (Id::from("a"), "198.18.0.11".parse().expect("an address"));
    observed.addresses.push(Address { id: other.clone(), address, source_nat: false });
    let forward = Forward { id: Id::from("f"), address: other.clone(), ..observed.forwards[0].clone() };
    let balancer = Balancer { id: Id::from("b"), address: other, ..observed.balancers[0].clone() };
    observed.forwards.push(forward);
    observed.balancers.push(balancer);
    let shown = plan(&wanted, &observed).drift.into_iter().map(|drift| drift.what).collect::<Vec<_>>();
    assert_eq!(
        shown,
        [
            "port forwarding rule tcp 1222 of 198.18.0.11",
            "load balancer rule 5050 of 198.18.0.11",
            "public address 198.18.0.11"
        ]
    );
    let next = plan(&pruning(&wanted), &observed);
    assert_eq!(next.totals().remove, 3, "{next}");
    carry_out_all(&pruning(&wanted), &mut observed, &next);
    assert_eq!((&observed.forwards, &observed.balancers), (&before.forwards, &before.balancers));
}

#[test]
fn an_image_build_at_work_in_the_network_is_never_pruned() {
    let wanted = desired(1, 1);
    let mut observed = whole(&wanted);
    let name = "mesostack-build-0123456789ab";
    observed.machines.push(Machine { named: named(name), address: None, ..observed.machines[0].clone() });
    let machine = named(name).id;
    let at = |id: &str, port, machine: &Id| Forward {
        id: Id::from(id),
        public: (port, port),
        machine: machine.clone(),
        ..whole(&wanted).forwards[0].clone()
    };
    let theirs = observed.machines[0].named.id.clone();
    observed.forwards.extend([at("build", 50_000, &machine), at("theirs", 50_007, &theirs)]);
    let rule = |first, last| {
        let opening = Opening::new(first, last, ["10.0.0.0/8".parse().expect("a range")]);
        let text = opening.to_string();
        FirewallRule { id: Id::from(text.clone()), opening: Some(opening), text }
    };
    observed.firewall.extend([rule(50_000, 50_001), rule(50_006, 50_007), rule(49_000, 51_000)]);
    let next = plan(&pruning(&wanted), &observed);
    assert_eq!(
        lines(&next),
        [
            "- firewall rule tcp 50006-50007 from 10.0.0.0/8 (not in the file)",
            "- firewall rule tcp 49000-51000 from 10.0.0.0/8 (not in the file)",
            "- port forwarding rule tcp 50007 (not in the file)",
        ]
    );
    let left = next.drift.iter().map(|drift| drift.what.as_str()).collect::<Vec<_>>();
    assert_eq!(
        left,
        [
            "virtual machine mesostack-build-0123456789ab",
            "firewall rule tcp 50000-50001 from 10.0.0.0/8",
            "port forwarding rule tcp 50000",
        ]
    );
    assert!(next.drift.iter().all(|drift| drift.note.contains("mesostack image gc")), "{next}");
}

#[test]
fn a_machine_that_is_in_another_network_too_is_shown_and_never_pruned() {
    let wanted = desired(1, 1);
    let mut observed = whole(&wanted);
    let shared =
        Machine { named: named("gateway"), address: None, elsewhere: true, ..observed.machines[0].clone() };
    observed.machines.push(shared);
    for desired in [wanted.clone(), pruning(&wanted)] {
        let next = plan(&desired, &observed);
        assert!(next.is_empty(), "{next}");
        assert_eq!(next.drift[0].what, "virtual machine gateway");
        assert!(next.drift[0].note.contains("in another network too"), "{next}");
    }
}

#[test]
fn an_agent_is_drained_by_the_address_it_has() {
    let mut observed = whole(&desired(3, 1));
    observed.machines[3].address = "172.16.0.7".parse().ok();
    let next = plan(&replacing(3, 1, "agent-1"), &observed);
    let drained = next.steps.iter().find_map(|step| match &step.action {
        Action::Drain { node, .. } => Some(node.address),
        _ => None,
    });
    assert_eq!(drained, observed.machines[3].address);
}

#[test]
fn a_narrower_allow_closes_what_is_not_allowed_any_more() {
    let wide = desired_from("masters = 1\nagents = 0", "\"10.0.0.0/8\", \"192.168.0.0/16\"");
    let mut observed = whole(&wide);
    let narrow = desired_from("masters = 1\nagents = 0", "\"10.0.0.0/8\"");
    let next = plan(&narrow, &observed);
    assert_eq!((next.totals().add, next.totals().remove), (3, 3), "{next}");
    carry_out_all(&narrow, &mut observed, &next);
    assert!(plan(&narrow, &observed).is_empty());
}

#[test]
fn what_nobody_asked_for_is_shown_and_left_alone() {
    let desired = desired(1, 1);
    let mut observed = whole(&desired);
    let foreign = Machine {
        named: named("jumphost"),
        state: MachineState::Running,
        address: Some("172.16.0.200".parse().expect("an address")),
        elsewhere: false,
        offering: named("t1.small"),
        template: named("other"),
    };
    observed.machines.push(foreign);
    observed.machines[1].offering = named("t1.large");
    let opening = Opening::new(9999, 9999, ["0.0.0.0/0".parse().expect("a range")]);
    observed.firewall.push(FirewallRule {
        id: Id::from("x"),
        opening: Some(opening),
        text: "tcp 9999 from 0.0.0.0/0".to_owned(),
    });
    let plan = plan(&desired, &observed);
    assert!(plan.is_empty(), "{plan}");
    let drift = plan.drift.iter().map(|drift| drift.what.as_str()).collect::<Vec<_>>();
    assert_eq!(
        drift,
        [
            "virtual machine mesos-agent-1: t1.large instead of t1.medium",
            "virtual machine jumphost",
            "firewall rule tcp 9999 from 0.0.0.0/0",
        ]
    );
}

/// So many agents, with these asked to go.
fn without(masters: u16, agents: u16, remove: &[&str]) -> crate::cluster::Desired {
    let remove = remove.iter().map(|name| name.parse().expect("a node's name")).collect();
    desired(masters, agents).asking(Changes { remove, ..Changes::default() })
}

/// A cluster from which these agents were taken away by their names.
fn thinned(masters: u16, agents: u16, gone: &[&str]) -> Observed {
    let mut observed = whole(&desired(masters, agents));
    let fewer = without(masters, agents - u16::try_from(gone.len()).expect("few"), gone);
    let next = plan(&fewer, &observed);
    assert!(next.obstacles.is_empty(), "{next}");
    carry_out_all(&fewer, &mut observed, &next);
    observed
}

fn agents(observed: &Observed) -> Vec<&str> {
    let names = observed.machines.iter().map(|machine| machine.named.name.as_str());
    let mut names = names.filter_map(|name| name.strip_prefix("mesos-agent-")).collect::<Vec<_>>();
    names.sort_unstable();
    names
}

#[test]
fn fewer_agents_in_the_file_let_the_highest_go_with_all_that_was_theirs() {
    let fewer = desired(3, 1);
    let mut observed = whole(&desired(3, 3));
    let next = plan(&fewer, &observed);
    assert_eq!(
        lines(&next),
        [
            "~ agent mesos-agent-2: drain",
            "- virtual machine mesos-agent-2 (the file asks for 1 agent)",
            "~ agent mesos-agent-3: drain",
            "- virtual machine mesos-agent-3 (the file asks for 1 agent)",
            "- firewall rule tcp 2222-2224 from 10.0.0.0/8 (no agent is behind it any more)",
            "+ firewall rule tcp 2222 from 10.0.0.0/8",
            "- tags of mesos-agent-2, mesos-agent-3",
        ]
    );
    carry_out_all(&fewer, &mut observed, &next);
    let after = plan(&fewer, &observed);
    assert!(after.is_empty() && after.drift.is_empty(), "{after}");
    assert_eq!((agents(&observed), observed.forwards.len()), (vec!["1"], 4));
    assert!(network(&mut observed).tags.keys().all(|key| !key.ends_with("agent-2")));
}

#[test]
fn an_agent_that_is_named_goes_and_the_others_keep_their_names_and_ports() {
    let mut observed = thinned(3, 3, &["agent-1"]);
    assert_eq!(agents(&observed), ["2", "3"]);
    for asked in [desired(3, 2), without(3, 2, &["agent-1"])] {
        let again = plan(&asked, &observed);
        assert!(again.is_empty() && again.drift.is_empty() && again.obstacles.is_empty(), "{again}");
    }
    assert!(observed.firewall.iter().any(|rule| rule.text == "tcp 2222-2224 from 10.0.0.0/8"));
    let grown = plan(&desired(3, 3), &observed);
    assert_eq!(
        lines(&grown),
        [
            "+ virtual machine mesos-agent-1 172.16.0.100 (t1.medium, mesos)",
            "+ port forwarding rule 2222 → mesos-agent-1:22",
        ]
    );
    carry_out_all(&desired(3, 3), &mut observed, &grown);
    assert!(plan(&desired(3, 3), &observed).is_empty());
}

#[test]
fn a_removal_that_the_file_does_not_ask_for_is_refused() {
    let observed = whole(&desired(3, 3));
    let refused =
        |agents, remove: &[&str], what| blocked(&plan(&without(3, agents, remove), &observed), what);
    refused(3, &["agent-1"], "without agent-1 there are 2 agents, and the file asks for 3");
    refused(2, &["agent-7"], "without agent-7 there are 3 agents, and the file asks for 2");
    refused(1, &["agent-1"], "without agent-1 there are 2 agents, and the file asks for 1");
    refused(2, &["master-1"], "masters are not removed one by one");
    blocked(&plan(&desired(1, 3), &observed), "masters are not taken away");
}

#[test]
fn who_leaves_already_is_named_where_another_is_asked_to_go() {
    let mut observed = whole(&desired(3, 3));
    let begun = plan(&without(3, 2, &["agent-1"]), &observed);
    carry_out_some(&without(3, 2, &["agent-1"]), &mut observed, &begun, |at| {
        matches!(begun.steps[at].action, Action::MarkLeaving { .. })
    });
    let refused = plan(&without(3, 2, &["agent-2"]), &observed);
    let told =
        "without agent-2 and those that leave already (agent-1) there is 1 agent, and the file asks for 2";
    blocked(&refused, told);
}

#[test]
fn a_file_that_moves_agents_out_of_its_range_removes_none() {
    let observed = whole(&desired(1, 3));
    let moved = desired_from("masters = 1\nagents = 1\nfirst_agent = 253", "\"10.0.0.0/8\"");
    blocked(&plan(&moved, &observed), "there is no address or no port for agent-3");
    let clash = desired_from("masters = 1\nagents = 1\nfirst_agent = 19", "\"10.0.0.0/8\"");
    blocked(&plan(&clash, &observed), "agent-2 would have its address or port in common with master-1");
}

#[test]
fn what_others_have_among_the_ports_of_agents_that_go_stays() {
    let mut observed = whole(&desired(1, 3));
    observed.forwards.push(Forward {
        id: Id::from("theirs"),
        public: (2223, 2223),
        private: 80,
        ..observed.forwards[0].clone()
    });
    observed.forwards.retain(|forward| forward.id != *"forward-2223");
    let next = plan(&desired(1, 1), &observed);
    assert!(!lines(&next).iter().any(|line| line.contains("firewall rule")), "{next}");
    assert!(next.drift.iter().any(|drift| drift.what == "port forwarding rule tcp 2223"), "{next}");
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
fn what_is_in_the_way_is_told_before_anything_is_done() {
    let desired = desired(1, 1);
    let fresh = empty(&desired);
    let with = |change: &dyn Fn(&mut Observed)| {
        let mut observed = whole(&desired);
        change(&mut observed);
        plan(&desired, &observed)
    };
    blocked(
        &plan(&desired, &Observed { namesakes: vec![Id::from("n")], ..fresh.clone() }),
        "not this cluster's",
    );
    blocked(&plan(&desired, &Observed { key_pair: Some("cc:dd".to_owned()), ..fresh.clone() }), "is not");
    blocked(
        &with(&|observed| drop(network(observed).tags.remove("mesostack.hostkey.mesos-agent-1"))),
        "host key of mesos-agent-1",
    );
    blocked(
        &with(&|observed| network(observed).range = "10.0.0.0/24".parse().ok()),
        "has the range 10.0.0.0/24",
    );
    blocked(&with(&|observed| network(observed).named = named("other")), "is in the network other");
    blocked(
        &with(&|observed| observed.forwards[0].machine = Id::from("x")),
        "public port 1222 leads elsewhere",
    );
    blocked(&with(&|observed| observed.balancers[0].private_port = 1), "public port 5050 leads elsewhere");
    blocked(
        &with(&|observed| observed.machines[1].address = "172.16.0.7".parse().ok()),
        "has the address 172.16.0.7",
    );
    blocked(&with(&|observed| observed.machines[1].state = MachineState::Going), "is being destroyed");
    let group = AffinityGroup { id: Id::from("g"), ours: false };
    blocked(&plan(&desired, &Observed { affinity_group: Some(group), ..fresh.clone() }), "affinity group");
    let keyless = crate::cluster::Desired { key: None, ..desired.clone() };
    blocked(&plan(&keyless, &Observed { key_pair: Some("cc:dd".to_owned()), ..fresh }), "does not");
}

fn network(observed: &mut Observed) -> &mut Network {
    observed.network.as_mut().expect("a network")
}

#[test]
fn what_the_zone_lacks_matters_only_when_something_is_made_of_it() {
    let desired = desired(1, 1);
    let lacking = |mut observed: Observed| {
        observed.catalogue.template = None;
        observed.catalogue.absent.push(Obstacle::new("image.name", "there is no image called mesos"));
        plan(&desired, &observed)
    };
    assert!(lacking(whole(&desired)).is_empty());
    blocked(&lacking(empty(&desired)), "no image called mesos");
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

/// Carries out a part of a plan as an interrupted run would: any step may be missing, and then all that need it are.
fn carry_out_some(
    desired: &crate::cluster::Desired,
    observed: &mut Observed,
    plan: &Plan,
    done: impl Fn(usize) -> bool,
) {
    let mut happened = vec![false; plan.steps.len()];
    for (at, step) in plan.steps.iter().enumerate() {
        // What has only to be over first has either happened or failed, so it does not hold anything up. The barrier
        // itself does nothing that could fail.
        if (done(at) || step.action == Action::WrittenDown)
            && step.after.iter().all(|before| happened[*before])
        {
            carry_out(desired, observed, &for_what_is_set_up(&step.action, plan, &happened));
            happened[at] = true;
        }
    }
}

/// Nodes are marked that were set up, whatever became of the others.
fn for_what_is_set_up(action: &Action, plan: &Plan, happened: &[bool]) -> Action {
    let Action::MarkSetUp { host_names } = action else { return action.clone() };
    let set_up = plan.steps.iter().zip(happened).filter(|(_, happened)| **happened);
    let set_up = set_up.filter(|(step, _)| matches!(step.action, Action::SetUp { .. }));
    let set_up = set_up.filter_map(|(step, _)| step.action.host_name()).collect::<Vec<_>>();
    let marked = host_names.iter().filter(|name| set_up.contains(&name.as_str()));
    Action::MarkSetUp { host_names: marked.cloned().collect() }
}

proptest! {
    #[test]
    fn any_plan_cut_to_the_infrastructure_refers_to_what_is_before_it(
        agents in 0u16..5, more in 0u16..4, prune in any::<bool>(), lost in prop::collection::vec(any::<bool>(), 8),
        theirs in prop::collection::vec(any::<bool>(), 4),
    ) {
        let mut observed = whole(&desired(1, agents));
        let mut lost = lost.into_iter();
        observed.machines.retain(|_| !lost.next().unwrap_or(false));
        let there = observed.clone();
        let theirs = |kind: usize| theirs[kind];
        if let (true, Some(machine)) = (theirs(0), there.machines.first()) {
            observed.machines.push(Machine { named: named("jumphost"), address: None, ..machine.clone() });
        }
        if theirs(1) {
            observed.egress.push(foreign_egress_rule());
        }
        if theirs(2) {
            let address = "198.18.0.11".parse().expect("an address");
            observed.addresses.push(Address { id: Id::from("a"), address, source_nat: false });
        }
        if theirs(3) {
            let everything = Opening::new(1, 65_535, ["0.0.0.0/0".parse().expect("a range")]);
            let text = everything.to_string();
            observed.firewall = vec![FirewallRule { id: Id::from("w"), opening: Some(everything), text }];
        }
        let wanted = desired(1, more).asking(Changes { prune, ..Changes::default() });
        let whole = plan(&wanted, &observed);
        for plan in [whole.clone().only_infrastructure(), whole] {
            for (at, step) in plan.steps.iter().enumerate() {
                prop_assert!(step.after.iter().chain(&step.once_over).all(|before| *before < at), "{}", plan);
            }
        }
    }

    #[test]
    fn interrupted_anywhere_and_planned_again_it_ends_in_the_same_cluster(
        masters in 1u16..5, agents in 0u16..5,
        interruptions in prop::collection::vec(prop::collection::vec(any::<bool>(), 60), 0..4),
    ) {
        let desired = desired(masters, agents);
        let mut observed = empty(&desired);
        for done in &interruptions {
            let next = plan(&desired, &observed);
            prop_assert!(next.obstacles.is_empty(), "{}", next);
            carry_out_some(&desired, &mut observed, &next, |at| done.get(at).copied().unwrap_or(false));
        }
        let last = plan(&desired, &observed);
        prop_assert!(last.obstacles.is_empty(), "{}", last);
        carry_out_all(&desired, &mut observed, &last);
        let after = plan(&desired, &observed);
        prop_assert!(after.is_empty() && after.drift.is_empty(), "{}", after);
        prop_assert_eq!(count(&observed, &desired, Role::Master), usize::from(masters));
        prop_assert_eq!(observed.forwards.len(), usize::from(masters + agents));
        prop_assert!(observed.balancers.iter().all(|rule| rule.members.len() == usize::from(masters)));
    }

    #[test]
    fn agents_go_behind_the_masters_and_back_whatever_interrupts_it(
        masters in 1u16..4, agents in 0u16..6, more in 0u16..3, there in any::<bool>(),
        interruptions in prop::collection::vec(prop::collection::vec(any::<bool>(), 30), 0..4),
    ) {
        let (from, to) = if there { (AgentAccess::Forward, Bastion) } else { (Bastion, AgentAccess::Forward) };
        let mut observed = whole(&reached(from, masters, agents));
        let before = observed.clone();
        let wanted = reached(to, masters, agents + more);
        for done in &interruptions {
            let next = plan(&wanted, &observed);
            prop_assert!(next.obstacles.is_empty() && next.drift.is_empty(), "{}", next);
            for (sign, line) in next.lines() {
                let rule = line.starts_with("firewall rule") || line.starts_with("port forwarding rule");
                let expected = if rule && there { Sign::Remove } else { Sign::Add };
                // What a step before has begun may be left to do: starting a machine, setting a node up.
                prop_assert!(sign == expected || sign == Sign::Change, "{}", next);
            }
            carry_out_some(&wanted, &mut observed, &next, |at| done.get(at).copied().unwrap_or(false));
        }
        let last = plan(&wanted, &observed);
        carry_out_all(&wanted, &mut observed, &last);
        let after = plan(&wanted, &observed);
        prop_assert!(after.is_empty() && after.drift.is_empty(), "{}", after);
        let ports = if there { masters } else { masters + agents + more };
        prop_assert_eq!(observed.forwards.len(), usize::from(ports));
        for machine in &before.machines {
            prop_assert!(observed.machines.contains(machine), "a machine was touched");
        }
        let open = |port: u16| observed.firewall.iter().any(|rule| {
            rule.opening.as_ref().is_some_and(|opening| opening.first <= port && port <= opening.last)
        });
        for number in 0..agents + more {
            prop_assert_eq!(open(2222 + number), !there);
        }
        prop_assert!(open(1222) && open(5050) && open(8080));
    }

    #[test]
    fn any_size_grows_to_any_other_without_touching_what_is_there(
        masters in 1u16..4, agents in 0u16..6, more in 1u16..6,
    ) {
        let observed = whole(&desired(masters, agents));
        let next = plan(&desired(masters, agents + more), &observed);
        prop_assert!(next.obstacles.is_empty());
        prop_assert!(next.lines().iter().all(|(sign, _)| *sign == Sign::Add), "{}", next);
        let machines = next.steps.iter().filter(|step| matches!(step.action, Action::Deploy { .. })).count();
        prop_assert_eq!(machines, usize::from(more));
    }

    #[test]
    fn from_any_agents_to_any_number_whatever_interrupts_it_and_nobody_else_is_touched(
        there in prop::collection::btree_set(1u16..9, 0..7), count in 0u16..8, behind in any::<bool>(),
        named in prop::option::of(prop::collection::vec(any::<bool>(), 9)),
        interruptions in prop::collection::vec(prop::collection::vec(any::<bool>(), 40), 0..4),
    ) {
        let by = if behind { Bastion } else { AgentAccess::Forward };
        // A cluster with any agents: those of a larger one, less the others.
        let most = there.last().copied().unwrap_or(0);
        let others = (1..=most).filter(|number| !there.contains(number));
        let agent = |number| NodeName { role: Role::Agent, number };
        let first = reached(by, 2, most);
        let mut observed = whole(&first);
        let fewer = reached(by, 2, u16::try_from(there.len()).expect("few"));
        let fewer = fewer.asking(Changes { remove: others.map(agent).collect(), ..Changes::default() });
        let thinning = plan(&fewer, &observed);
        prop_assert!(thinning.obstacles.is_empty(), "{}", thinning);
        carry_out_all(&fewer, &mut observed, &thinning);

        // Where some are named, as many as are named go.
        let remove = named.iter().flatten().zip(1u16..).filter(|(goes, _)| **goes).map(|(_, number)| number);
        let remove = remove.filter(|number| there.contains(number)).collect::<std::collections::BTreeSet<_>>();
        let count = if remove.is_empty() { usize::from(count) } else { there.len() - remove.len() };
        let expected = if remove.is_empty() {
            let kept = there.iter().copied().take(count).collect::<std::collections::BTreeSet<_>>();
            let new = (1..).filter(|number| !there.contains(number)).take(count - kept.len());
            kept.iter().copied().chain(new).collect()
        } else {
            &there - &remove
        };
        let wanted = reached(by, 2, u16::try_from(count).expect("few"));
        let wanted = wanted.asking(Changes { remove: remove.into_iter().map(agent).collect(), ..Changes::default() });
        let before = observed.clone();
        for done in &interruptions {
            let next = plan(&wanted, &observed);
            prop_assert!(next.obstacles.is_empty() && next.drift.is_empty(), "{}", next);
            carry_out_some(&wanted, &mut observed, &next, |at| done.get(at).copied().unwrap_or(false));
        }
        let last = plan(&wanted, &observed);
        prop_assert!(last.obstacles.is_empty() && last.drift.is_empty(), "{}", last);
        carry_out_all(&wanted, &mut observed, &last);
        let after = plan(&wanted, &observed);
        prop_assert!(after.is_empty() && after.drift.is_empty(), "{}", after);
        let numbers = observed.machines.iter().filter_map(|machine| {
            identity::node_of("mesos", &machine.named.name).filter(|node| node.role == Role::Agent)
        });
        prop_assert_eq!(numbers.map(|node| node.number).collect::<std::collections::BTreeSet<_>>(), expected.clone());
        for machine in &before.machines {
            let node = identity::node_of("mesos", &machine.named.name).expect("ours");
            let stays = node.role == Role::Master || expected.contains(&node.number);
            prop_assert_eq!(observed.machines.contains(machine), stays, "{}", machine.named.name);
        }
        let forwards = if behind { 2 } else { 2 + count };
        prop_assert_eq!(observed.forwards.len(), forwards);
        let open = |port: u16| observed.firewall.iter().any(|rule| {
            rule.opening.as_ref().is_some_and(|opening| opening.first <= port && port <= opening.last)
        });
        let last = expected.last().copied().filter(|_| !behind).unwrap_or(0);
        for number in 1u16..12 {
            prop_assert_eq!(open(2221 + number), number <= last, "agent {}", number);
        }
        let tags = observed.network.iter().flat_map(|network| network.tags.keys());
        let tagged = tags.filter_map(|key| identity::node_of_tag("mesos", key));
        prop_assert!(tagged.filter(|node| node.role == Role::Agent).all(|node| expected.contains(&node.number)));
    }

    #[test]
    fn a_step_waits_only_for_earlier_ones(masters in 1u16..5, agents in 0u16..5) {
        let desired = desired(masters, agents);
        for plan in [plan(&desired, &empty(&desired)), crate::cluster::plan_destruction(&desired, &whole(&desired))] {
            for (at, step) in plan.steps.iter().enumerate() {
                prop_assert!(step.after.iter().chain(&step.once_over).all(|before| *before < at));
            }
            let names = plan.steps.iter().map(|step| step.action.name()).collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(names.len(), plan.steps.len(), "events need distinct names");
        }
    }
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
