//! One node made anew.

use super::*;

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

/// What is shown of nodes to which nothing is done.
fn remaining(plan: &Plan) -> Vec<String> {
    plan.remains().map(ToString::to_string).collect()
}

#[track_caller]
fn mended_one_after_the_other(observed: &mut Observed, (masters, agents): (u16, u16), nodes: &[&str]) {
    let wanted = desired(masters, agents);
    for (at, node) in nodes.iter().enumerate() {
        let now = plan(&wanted, observed);
        assert!(now.is_empty() && now.obstacles.is_empty(), "{now}");
        assert_eq!(remaining(&now).len(), nodes.len() - at, "{now}");
        let next = plan(&replacing(masters, agents, node), observed);
        assert!(next.obstacles.is_empty(), "{next}");
        assert_eq!(remaining(&next).len(), nodes.len() - at - 1, "{next}");
        carry_out_all(&replacing(masters, agents, node), observed, &next);
    }
    let after = plan(&wanted, observed);
    assert!(after.is_empty() && after.drift.is_empty(), "{after}");
}

#[test]
fn two_agents_at_other_addresses_are_made_anew_one_after_the_other() {
    let mut observed = whole(&desired(3, 2));
    observed.machines[3].address = "172.16.0.7".parse().ok();
    observed.machines[4].address = "172.16.0.8".parse().ok();
    assert_eq!(
        remaining(&plan(&desired(3, 2), &observed)),
        [
            "~ virtual machine mesos-agent-1: 172.16.0.7 instead of 172.16.0.100: nothing is done to it; a machine keeps its \
             address as long as it lives: put the file back, or make it anew with `mesostack replace agent-1`",
            "~ virtual machine mesos-agent-2: 172.16.0.8 instead of 172.16.0.101: nothing is done to it; a machine keeps its \
             address as long as it lives: put the file back, or make it anew with `mesostack replace agent-2`",
        ]
    );
    mended_one_after_the_other(&mut observed, (3, 2), &["agent-1", "agent-2"]);
}

#[test]
fn two_agents_whose_keys_are_lost_are_made_anew_one_after_the_other() {
    let mut observed = whole(&desired(3, 2));
    for name in ["mesos-agent-1", "mesos-agent-2"] {
        network(&mut observed).tags.remove(&identity::host_key_tag(name));
    }
    let told = remaining(&plan(&desired(3, 2), &observed));
    assert!(told[0].contains("its host key is not known") && told[0].contains("mesostack replace agent-1"));
    mended_one_after_the_other(&mut observed, (3, 2), &["agent-2", "agent-1"]);
}

#[test]
fn two_masters_whose_keys_are_lost_are_made_anew_where_the_others_are_a_quorum() {
    let lost = |masters| {
        let mut observed = whole(&desired(masters, 1));
        for name in ["mesos-master-1", "mesos-master-2"] {
            network(&mut observed).tags.remove(&identity::host_key_tag(name));
        }
        observed
    };
    mended_one_after_the_other(&mut lost(5), (5, 1), &["master-2", "master-1"]);
    // Of three, one alone cannot say that the quorum outlives another.
    let refused = plan(&replacing(3, 1, "master-1"), &lost(3));
    blocked(&refused, "master-2 can be neither asked nor told anything: the quorum may not outlive master-1");
    // Where the key of one is written back, the other is made anew.
    let mut observed = lost(3);
    network(&mut observed)
        .tags
        .insert(identity::host_key_tag("mesos-master-1"), "ssh-ed25519 AAAA".to_owned());
    mended_one_after_the_other(&mut observed, (3, 1), &["master-2"]);
}

#[test]
fn everything_else_is_done_while_a_node_can_be_told_nothing() {
    let mut observed = whole(&desired(3, 2));
    network(&mut observed).tags.remove(&identity::host_key_tag("mesos-agent-1"));
    observed.machines[3].state = MachineState::Stopped;
    observed.forwards.retain(|forward| forward.public.0 != 2222);
    observed.machines[4].state = MachineState::Stopped;
    let wanted = desired(3, 3);
    let next = plan(&wanted, &observed);
    assert!(next.obstacles.is_empty(), "{next}");
    assert_eq!(remaining(&next).len(), 1, "{next}");
    assert!(!next.steps.iter().any(|step| step.action.host_name() == Some("mesos-agent-1")), "{next}");
    carry_out_all(&wanted, &mut observed, &next);
    let after = plan(&wanted, &observed);
    assert!(after.is_empty(), "{after}");
    assert_eq!(remaining(&after), remaining(&next));
}

#[test]
fn an_agent_waits_for_its_address_as_long_as_another_one_has_it() {
    let moved = |agents| {
        desired_from(&format!("masters = 1\nagents = {agents}\nfirst_agent = 101"), "\"10.0.0.0/8\"")
    };
    let mut observed = whole(&desired(1, 3));
    let (host_name, machine) = ("mesos-agent-1".to_owned(), observed.machines[1].named.id.clone());
    carry_out(&desired(1, 3), &mut observed, &Action::Destroy { host_name, machine });
    let now = plan(&moved(3), &observed);
    assert!(now.obstacles.is_empty(), "{now}");
    let told = remaining(&now);
    assert_eq!(told.len(), 3, "{now}");
    assert_eq!(
        told[0],
        "~ virtual machine mesos-agent-1: mesos-agent-2 has its address 172.16.0.101: it is not made; `mesostack replace \
         agent-2` frees it"
    );
    let replacing = |node: &str| {
        moved(3).asking(Changes { replace: Some(node.parse().expect("a name")), ..Changes::default() })
    };
    let refused = plan(&replacing("agent-2"), &observed);
    blocked(&refused, "mesos-agent-3 has the address 172.16.0.102 of mesos-agent-2");
    assert!(
        refused.obstacles[0].help.as_ref().is_some_and(|help| help.contains("mesostack replace agent-3"))
    );
    for node in ["agent-3", "agent-2"] {
        let next = plan(&replacing(node), &observed);
        assert!(next.obstacles.is_empty(), "{next}");
        carry_out_all(&replacing(node), &mut observed, &next);
    }
    let last = plan(&moved(3), &observed);
    carry_out_all(&moved(3), &mut observed, &last);
    let after = plan(&moved(3), &observed);
    assert!(after.is_empty() && after.drift.is_empty(), "{after}");
}

#[test]
fn where_most_masters_are_elsewhere_than_the_file_says_nothing_is_done() {
    let moved = desired_from("masters = 3\nagents = 1\nfirst_master = 30", "\"10.0.0.0/8\"");
    let refused = plan(&moved, &whole(&desired(3, 1)));
    blocked(&refused, "mesos-master-1 has the address 172.16.0.20, and the file gives it 172.16.0.30");
    assert_eq!(refused.obstacles.len(), 3);
    let replace = Some("master-2".parse().expect("a name"));
    let refused = plan(&moved.asking(Changes { replace, ..Changes::default() }), &whole(&desired(3, 1)));
    blocked(&refused, "mesos-master-1 has the address 172.16.0.20");
    // One of three may be: the others are where everybody is told that they are.
    let mut observed = whole(&desired(3, 1));
    observed.machines[1].address = "172.16.0.7".parse().ok();
    mended_one_after_the_other(&mut observed, (3, 1), &["master-2"]);
}

#[test]
fn masters_are_told_nothing_new_while_the_quorum_might_not_outlive_it() {
    let otherwise = |masters| {
        let mut observed = whole(&desired(masters, 1));
        network(&mut observed).tags.remove(&identity::host_key_tag("mesos-master-1"));
        for number in 1..=masters {
            let key = identity::set_up_tag(&format!("mesos-master-{number}"));
            let tags = &mut network(&mut observed).tags;
            let machine = tags[&key].split(' ').next().expect("a machine").to_owned();
            tags.insert(key, identity::set_up_mark(&machine, "of old", Some(masters)));
        }
        observed
    };
    let of_three = plan(&desired(3, 1), &otherwise(3));
    assert!(of_three.is_empty() && of_three.obstacles.is_empty(), "{of_three}");
    assert!(
        remaining(&of_three)[1].starts_with("~ node mesos-master-2, mesos-master-3: set up: not as long as")
    );
    let of_five = plan(&desired(5, 1), &otherwise(5));
    let told =
        |action: &Action| matches!(action, Action::RollOut { host_names, .. } if host_names.len() == 4);
    assert!(has(&of_five, told), "{of_five}");
    blocked(&plan(&desired(5, 1), &otherwise(3)), "an ensemble grows only while all of it is there");
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
