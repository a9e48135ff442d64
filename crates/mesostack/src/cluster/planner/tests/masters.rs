//! Masters: how they are told, taken in and replaced.

use super::*;

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
          who leads last, since 3 masters become 5"
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
    // One that was only just made is told to be destroyed: it cannot be replaced while masters are taken in.
    let mut observed = whole(&desired(3, 1));
    let next = plan(&desired(4, 1), &observed);
    carry_out_some(&desired(4, 1), &mut observed, &next, |at| next.steps[at].action.phase() != Phase::Nodes);
    network(&mut observed).tags.remove(&identity::host_key_tag("mesos-master-4"));
    blocked(
        &plan(&desired(4, 1), &observed),
        "master-4 can be neither asked nor told anything: it is not taken in",
    );
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
            "~ node mesos-master-2: set up, once the others can do without it, since its machine is made anew",
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
