use super::*;
use proptest::prelude::*;

fn change() -> Change {
    Change { deployment: "d".into(), version: "v".into(), force: false }
}

fn definition(id: &str, instances: usize) -> Map<String, Value> {
    json!({ "id": id, "cmd": "sleep 1", "cpus": 0.5, "mem": 32, "instances": instances })
        .as_object()
        .unwrap()
        .clone()
}

fn agent(number: u8, standing: AgentStanding) -> KnownAgent {
    KnownAgent {
        id: format!("S{number}"),
        hostname: format!("agent-{number}"),
        cpus: 2.0,
        mem: 1024.0,
        standing,
    }
}

fn place(apps: &mut Apps, agents: &[KnownAgent]) {
    let mut number = 0;
    apps.place(agents, || {
        number += 1;
        number.to_string()
    });
}

#[test]
fn tasks_are_spread_and_a_deployment_ends_when_all_run() {
    let mut apps = Apps::default();
    apps.create(definition("sleep", 2), &change()).unwrap();
    assert_eq!(apps.create(definition("/sleep", 1), &change()), Err(Refused::Exists("/sleep".into())));
    assert!(matches!(apps.update("/sleep", definition("x", 3), &change()), Err(Refused::Locked(_))));
    place(&mut apps, &[agent(1, AgentStanding::Open), agent(2, AgentStanding::Open)]);
    assert_eq!(apps.deployments(), json!([]));
    let mut on: Vec<_> = apps.tasks().into_iter().map(|task| task.agent_id).collect();
    on.sort();
    assert_eq!(on, ["S1", "S2"]);
    assert_eq!(apps.show("/sleep").unwrap()["tasksRunning"], 2);
}

#[test]
fn tasks_stay_on_a_disconnected_agent_and_leave_a_draining_or_lost_one() {
    let mut apps = Apps::default();
    apps.create(definition("a", 1), &change()).unwrap();
    place(&mut apps, &[agent(1, AgentStanding::Open)]);
    place(&mut apps, &[agent(1, AgentStanding::Closed), agent(2, AgentStanding::Open)]);
    assert_eq!(apps.tasks()[0].agent_id, "S1");
    place(&mut apps, &[agent(1, AgentStanding::Draining), agent(2, AgentStanding::Open)]);
    assert_eq!(apps.tasks()[0].agent_id, "S2");
    place(&mut apps, &[agent(3, AgentStanding::Open)]);
    assert_eq!(apps.tasks()[0].agent_id, "S3");
}

#[test]
fn what_is_no_application_is_refused() {
    for definition in [
        json!({ "id": "UPPER", "cmd": "x" }),
        json!({ "cmd": "x" }),
        json!({ "id": "a" }),
        json!({ "id": "a", "cmd": "x", "instances": -1 }),
        json!({ "id": "a", "cmd": "x", "instances": 1.5 }),
        json!({ "id": "a", "cmd": "x", "cpus": "many" }),
    ] {
        let refused = Apps::default().create(definition.as_object().unwrap().clone(), &change()).unwrap_err();
        assert_eq!(refused.status(), 422, "{definition}");
    }
    assert_eq!(Apps::default().delete("/a", &change()).unwrap_err().status(), 404);
}

#[test]
fn applications_survive_being_written_down() {
    let mut apps = Apps::default();
    apps.create(definition("a", 3), &change()).unwrap();
    place(&mut apps, &[agent(1, AgentStanding::Open)]);
    apps.unsaved = false;
    assert_eq!(serde_json::from_slice::<Apps>(&serde_json::to_vec(&apps).unwrap()).unwrap(), apps);
}

proptest! {
    #[test]
    fn no_agent_is_given_more_than_it_has(instances in proptest::collection::vec(0usize..8, 1..4), agents in 0u8..4) {
        let mut apps = Apps::default();
        for (number, instances) in instances.iter().enumerate() {
            apps.create(definition(&format!("a{number}"), *instances), &change()).unwrap();
        }
        let agents: Vec<_> = (0..agents).map(|number| agent(number, AgentStanding::Open)).collect();
        place(&mut apps, &agents);
        for agent in &agents {
            let cpus: f64 = apps.tasks().iter().filter(|task| task.agent_id == agent.id).map(|task| task.cpus).sum();
            prop_assert!(cpus <= agent.cpus);
        }
        let wanted: usize = instances.iter().sum();
        prop_assert_eq!(apps.tasks().len(), wanted.min(agents.len() * 4));
        prop_assert!(!apps.place(&agents, String::new), "placing again changes nothing");
    }
}
