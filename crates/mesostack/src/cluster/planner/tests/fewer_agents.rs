//! Agents that go, by their number or by their name.

use super::*;

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
