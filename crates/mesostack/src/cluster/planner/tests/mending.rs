//! What is missing, stopped or otherwise than the file says is mended, and nothing else is touched.

use super::*;

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
            "~ virtual machine mesos-agent-2: start, since it is stopped",
            "~ node mesos-agent-2: set up, since its machine did not run",
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

/// Why each step is done, of those of which that is said.
fn reasons(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter();
    steps.filter_map(|step| Some(format!("{}: {}", step.action.name(), step.why.as_ref()?))).collect()
}

#[test]
fn a_plan_says_why_where_a_reader_would_ask() {
    let wanted = desired(1, 4);
    assert_eq!(reasons(&plan(&wanted, &empty(&wanted))), [""; 0], "what is new needs no reason");
    let mut observed = whole(&wanted);
    let id = |name: &str| whole(&wanted).machine(name).expect("it").named.id.clone();
    let gone = Action::Destroy { host_name: "mesos-agent-1".to_owned(), machine: id("mesos-agent-1") };
    carry_out(&wanted, &mut observed, &gone);
    let tags = &mut network(&mut observed).tags;
    let mark = |machine: &Id, digest: &str| identity::set_up_mark(machine.as_str(), digest, None);
    tags.insert(identity::set_up_tag("mesos-agent-2"), mark(&id("mesos-agent-2"), "of old"));
    tags.insert(identity::set_up_tag("mesos-agent-3"), mark(&id("mesos-agent-1"), "of old"));
    tags.remove(&identity::set_up_tag("mesos-agent-4"));
    assert_eq!(
        reasons(&plan(&wanted, &observed)),
        [
            "deploy mesos-agent-1: its machine is gone",
            "set up mesos-agent-2: its configuration changed",
            "set up mesos-agent-3: its machine is not the one that was set up",
            "set up mesos-agent-4: it was never seen healthy",
        ]
    );
    let tags = &mut network(&mut observed).tags;
    tags.remove(&identity::set_up_tag("mesos-agent-1"));
    let told = identity::being_told(&tags[&identity::set_up_tag("mesos-agent-2")]);
    tags.insert(identity::set_up_tag("mesos-agent-2"), told);
    let next = plan(&wanted, &observed);
    assert!(reasons(&next)[0].ends_with(": its machine is gone, or a run was broken off before it was made"));
    assert!(reasons(&next)[1].ends_with(": a run that told it something else was broken off"));
    let line = "+ virtual machine mesos-agent-1 172.16.0.100 (t1.medium, mesos), since its machine is gone, or a run was \
                broken off before it was made";
    assert_eq!(lines(&next)[0], line);
    let document = serde_json::to_value(&next).expect("a document");
    let set_up = document["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .find(|step| step["name"] == "set up mesos-agent-4");
    assert_eq!(set_up.expect("it")["why"], "it was never seen healthy");
}
