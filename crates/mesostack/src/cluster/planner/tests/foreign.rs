//! What nobody asked for: shown and left alone, or removed.

use super::*;

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
        affinity_groups: Vec::new(),
        key_pairs: Vec::new(),
        size: Default::default(),
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

#[test]
fn a_member_of_our_rules_that_is_no_master_is_shown_and_taken_out_when_that_is_asked_for() {
    let wanted = desired(3, 2);
    let mut observed = whole(&wanted);
    let before = observed.clone();
    let machine = |name: &str| before.machine(name).expect("it").named.id.clone();
    observed.balancers[0].members.push(machine("mesos-agent-1"));
    let shown = plan(&wanted, &observed);
    assert!(shown.is_empty(), "{shown}");
    assert_eq!(
        shown.drift.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "? load balancer rule 5050: member mesos-agent-1: no master; left alone (`--prune` takes it out of the rule)"
        ]
    );
    let next = plan(&pruning(&wanted), &observed);
    assert_eq!(lines(&next), ["- load balancer rule 5050: member mesos-agent-1 (no master)"]);
    carry_out_all(&pruning(&wanted), &mut observed, &next);
    assert_eq!(observed.balancers, before.balancers);
    // One that goes or is made anew takes its membership along.
    for desired in [desired(3, 1), replacing(3, 2, "agent-2")] {
        let mut observed = before.clone();
        observed.balancers[1].members.push(machine("mesos-agent-2"));
        assert!(plan(&desired, &observed).drift.is_empty());
        let next = plan(&pruning(&desired), &observed);
        assert!(!has(&next, |action| matches!(action, Action::RemoveMember { .. })), "{next}");
        carry_out_all(&desired, &mut observed, &next);
        assert_eq!(observed.balancers, before.balancers);
    }
    // So does a stranger that is destroyed.
    let jumphost = Machine { named: named("jumphost"), address: None, ..before.machines[0].clone() };
    observed.balancers[0].members.push(jumphost.named.id.clone());
    observed.machines.push(jumphost);
    assert_eq!(plan(&wanted, &observed).drift.len(), 2);
    assert_eq!(
        lines(&plan(&pruning(&wanted), &observed)),
        ["- virtual machine jumphost (not this cluster's)"]
    );
}

#[test]
fn a_master_that_is_not_kept_apart_is_shown_with_what_it_takes() {
    let wanted = desired(3, 1);
    let mut observed = whole(&wanted);
    observed.machines[1].affinity_groups.clear();
    let shown = plan(&wanted, &observed);
    assert!(shown.is_empty(), "{shown}");
    assert_eq!(
        shown.drift.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "~ master-2 not in the affinity group mesos-masters: may share a host with another master; `mesostack replace \
          master-2` makes it anew"
        ]
    );
    let next = plan(&replacing(3, 1, "master-2"), &observed);
    carry_out_all(&replacing(3, 1, "master-2"), &mut observed, &next);
    assert!(plan(&wanted, &observed).drift.is_empty());
}
