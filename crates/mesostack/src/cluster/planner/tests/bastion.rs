//! Agents behind the masters, and the way there and back.

use super::*;

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
