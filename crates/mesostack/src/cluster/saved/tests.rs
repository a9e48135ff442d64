//! Saved plans: the same both ways, refused with the difference, and whatever may stand in a file.

use proptest::prelude::*;

use super::*;
use crate::cluster::{
    model::{carry_out, desired, desired_from, empty, named, whole},
    observed::MachineState,
    plan,
};

const CLOUD: &str = "https://cloud.example.org/client/api";

fn saved(desired: &Desired, observed: &Observed) -> SavedPlan {
    SavedPlan::of(&plan(desired, observed), desired, observed, CLOUD).expect("a document")
}

fn difference(then: &SavedPlan, now: &SavedPlan) -> Difference {
    match then.holds(now) {
        Err(Unusable::Moved(difference)) => *difference,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_comes_back_from_its_text_and_holds_while_nothing_moves() {
    for (masters, agents) in [(1, 0), (3, 3), (3, 50)] {
        let desired = desired(masters, agents);
        for observed in [empty(&desired), whole(&desired)] {
            let plan = saved(&desired, &observed);
            let read = SavedPlan::parse(plan.to_text().expect("a text").as_bytes()).expect("a plan");
            assert_eq!(read, plan);
            read.holds(&saved(&desired, &observed)).expect("nothing has moved");
        }
    }
}

#[test]
fn another_file_is_told_by_its_keys_with_what_it_would_change() {
    let before = desired(3, 3);
    let observed = whole(&before);
    let after = desired(3, 5);
    let difference = difference(&saved(&before, &observed), &saved(&after, &observed));
    assert_eq!(
        difference.file,
        [Moved { what: "cluster.agents".into(), then: Some("3".into()), now: Some("5".into()) }]
    );
    assert!(difference.cloud.is_empty() && difference.only_then.is_empty());
    for step in ["deploy mesos-agent-4", "start mesos-agent-5"] {
        assert!(difference.only_now.iter().any(|now| now == step), "{:?}", difference.only_now);
    }
}

#[test]
fn a_key_without_a_line_of_its_own_and_steps_that_are_the_same_still_count() {
    let before = desired(1, 1);
    let mut after = before.clone();
    after.spec.image.base = "Debian 13".to_owned();
    let observed = whole(&before);
    let difference = difference(&saved(&before, &observed), &saved(&after, &observed));
    assert_eq!(difference.file.len(), 1);
    assert_eq!(difference.file[0].what, "the file as a whole");
}

#[test]
fn where_the_operator_s_own_files_are_does_not_matter() {
    let before = desired(1, 1);
    let mut after = before.clone();
    after.spec.access.private_key = "/elsewhere/key".into();
    after.spec.cloud.credentials = crate::spec::Credentials::Profile("ci".to_owned());
    let observed = whole(&before);
    saved(&before, &observed).holds(&saved(&after, &observed)).expect("the same plan");
}

#[test]
fn a_machine_that_stopped_since_is_told_with_what_would_be_done_now() {
    let desired = desired(3, 3);
    let then = whole(&desired);
    let mut now = then.clone();
    now.machines[1].state = MachineState::Stopped;
    let difference = difference(&saved(&desired, &then), &saved(&desired, &now));
    assert_eq!(difference.cloud.len(), 1);
    let text = difference.to_string();
    assert!(text.contains("virtual machine mesos-master-2"), "{text}");
    assert!(text.contains("Running") && text.contains("Stopped"), "{text}");
    assert!(text.contains("would be done now, and was not planned:\n  "), "{text}");
    assert!(difference.only_now.contains(&"start mesos-master-2".to_owned()), "{text}");
}

#[test]
fn a_plan_that_somebody_else_has_carried_out_in_part_is_out_of_date() {
    let desired = desired(1, 1);
    let then = empty(&desired);
    let planned = plan(&desired, &then);
    let mut now = then.clone();
    planned.steps.iter().take(3).for_each(|step| carry_out(&desired, &mut now, &step.action));
    let difference = difference(&saved(&desired, &then), &saved(&desired, &now));
    assert!(difference.only_then.iter().any(|step| step.starts_with("create network")), "{difference}");
    assert!(difference.cloud.iter().any(|moved| moved.then.is_none()), "{difference}");
}

#[test]
fn another_image_of_the_same_name_is_told() {
    let desired = desired(1, 1);
    let then = empty(&desired);
    let mut now = then.clone();
    now.catalogue.template = Some(named("mesos-newer"));
    let difference = difference(&saved(&desired, &then), &saved(&desired, &now));
    assert_eq!(difference.cloud[0].what, "image");
    assert_eq!(difference.otherwise, ["deploy mesos-agent-1", "deploy mesos-master-1"]);
}

#[test]
fn a_plan_of_another_cluster_zone_or_cloud_is_refused_by_name() {
    let here = desired(1, 1);
    let plan = saved(&here, &empty(&here));
    let elsewhere = |change: fn(&mut SavedPlan)| {
        let mut other = plan.clone();
        change(&mut other);
        other.holds(&plan).expect_err("another place").to_string()
    };
    for (told, expected) in [
        (
            elsewhere(|plan| plan.cluster = "other".into()),
            "for the cluster other, and the file describes mesos",
        ),
        (elsewhere(|plan| plan.zone = "far".into()), "for the zone far, and the file describes lab"),
        (elsewhere(|plan| plan.cloud = "https://b.example".into()), "for the cloud https://b.example, and"),
    ] {
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn what_is_not_a_saved_plan_is_refused_in_words() {
    let plan = saved(&desired(1, 1), &empty(&desired(1, 1)));
    let text = plan.to_text().expect("a text");
    let told = |text: &str| SavedPlan::parse(text.as_bytes()).expect_err("no plan").to_string();
    assert!(told("").contains("not a saved plan"));
    assert!(told("[cluster]\nmasters = 3\n").contains("not a saved plan"));
    assert!(told("{}").contains("`kind`"));
    assert!(told(r#"{"kind":"mesostack plan"}"#).contains("`version`"));
    assert!(
        told(&text.replace("\"version\": 1,\n  \"digest", "\"version\": 2,\n  \"digest"))
            .contains("version 2")
    );
    assert!(told(&text.replace("mesos-agent-1", "mesos-agent-2")).contains("changed since it was saved"));
    assert!(
        told(&text.replacen("\"saved\"", "\"extra\": 1, \"saved\"", 1)).contains("unknown field `extra`")
    );
    assert!(told(&"[".repeat(100_000)).contains("not a saved plan"));
}

#[test]
fn what_a_file_says_is_compared_and_never_done() {
    // Somebody takes a step out and writes the right digest.
    let desired = desired(1, 1);
    let observed = empty(&desired);
    let plan = saved(&desired, &observed);
    let mut changed = plan.clone();
    changed.plan["steps"].as_array_mut().expect("steps").retain(|step| step["name"] != "open egress");
    let read = SavedPlan::parse(changed.to_text().expect("a text").as_bytes()).expect("whole");
    assert_eq!(difference(&read, &plan).only_now, ["open egress"]);
    // Or puts steps of no name, or none at all.
    for steps in [serde_json::json!([{}, 1, null]), serde_json::json!("all"), serde_json::json!(null)] {
        changed.plan["steps"] = steps;
        assert!(!difference(&changed, &plan).is_none());
    }
}

#[test]
fn the_document_is_pinned() {
    let desired = desired_from("masters = 1\nagents = 0", "\"10.0.0.0/8\"");
    let mut plan = saved(&desired, &whole(&desired));
    plan.mesostack = "0.1.0".to_owned();
    let text = plan.to_text().expect("a text");
    let settings = {
        let mut settings = insta::Settings::clone_current();
        settings.add_filter("[0-9a-f]{64}", "SHA-256");
        settings
    };
    settings.bind(|| insta::assert_snapshot!(text));
}

proptest! {
    #[test]
    fn a_text_that_was_cut_is_refused_wherever_it_was_cut(cut in any::<prop::sample::Index>()) {
        let desired = desired(1, 1);
        let text = saved(&desired, &empty(&desired)).to_text().expect("a text");
        // Without its last character, a line's end, it is still whole.
        let cut = cut.index(text.len() - 1);
        prop_assert!(SavedPlan::parse(&text.as_bytes()[..cut]).is_err());
    }

    #[test]
    fn a_byte_that_was_changed_is_noticed_or_says_the_same(
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let desired = desired(1, 1);
        let plan = saved(&desired, &empty(&desired));
        let mut text = plan.to_text().expect("a text").into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(read) = SavedPlan::parse(&text) {
            prop_assert_eq!(read, plan);
        }
    }

    #[test]
    fn anything_may_stand_in_a_file(text in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(SavedPlan::parse(&text).is_err());
    }

    #[test]
    fn a_change_of_the_cloud_that_changes_the_plan_is_never_missed(
        (masters, agents) in (1u16..4, 0u16..4),
        (done, more) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let desired = desired(masters, agents);
        let steps = plan(&desired, &empty(&desired)).steps;
        let after = |count: usize| {
            let mut observed = empty(&desired);
            steps.iter().take(count).for_each(|step| carry_out(&desired, &mut observed, &step.action));
            observed
        };
        let (then, now) = (after(done.index(steps.len())), after(more.index(steps.len())));
        let same = plan(&desired, &then).steps == plan(&desired, &now).steps;
        let holds = saved(&desired, &then).holds(&saved(&desired, &now)).is_ok();
        prop_assert!(same || !holds);
        prop_assert!(saved(&desired, &then).holds(&saved(&desired, &then)).is_ok());
    }
}
