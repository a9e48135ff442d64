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
