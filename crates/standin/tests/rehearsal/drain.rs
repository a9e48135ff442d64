//! An operator takes an agent out of service: its tasks move, then it is drained, then it may go.

use serde_json::{Value, json};

use super::daemon::{Daemon, Plan};
use super::zookeeper::ZooKeeper;
use super::{active_agents, leading, until};

fn call(leader: &Daemon, kind: &str, agent: &str) -> (u16, Value) {
    let body = json!({ "type": kind, kind.to_lowercase(): { "agent_id": { "value": agent } } });
    leader.ask("POST", "/api/v1", &body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_agents_tasks_move_and_its_marks_outlive_the_leader() {
    let Some(zookeeper) = ZooKeeper::start().await else { return };
    let mut masters: Vec<Option<Daemon>> =
        (0..2).map(|_| Some(Plan::master(zookeeper.directory(), &zookeeper.mesos(), 1).start())).collect();
    let first = leading(&masters).await;
    let leader = masters[first].take().unwrap();
    let _agents: Vec<Daemon> =
        (0..2).map(|_| Plan::agent(zookeeper.directory(), &zookeeper.mesos()).start()).collect();
    let ids = active_agents(&leader, 2).await;
    let marathon = Plan::marathon(zookeeper.directory(), &zookeeper.address()).start();
    let app = json!({ "id": "web", "cmd": "x", "cpus": 0.1, "mem": 16, "instances": 2 });
    until("Marathon takes an application", || async {
        let ready = super::marathon_at(&marathon)
            .ping(super::soon())
            .await
            .is_ok_and(|ping| ping == mesos::Ping::Leading);
        (ready && matches!(marathon.ask("POST", "/v2/apps", &app).0, 201 | 409)).then_some(())
    })
    .await;
    let placed = |daemon: &Daemon| -> Vec<String> {
        let (_, shown) = daemon.ask("GET", "/v2/apps/web", &Value::Null);
        let tasks = shown["app"]["tasks"].as_array().cloned().unwrap_or_default();
        tasks.iter().filter_map(|task| task["slaveId"].as_str().map(str::to_owned)).collect()
    };
    until("a task is on each agent", || async {
        let mut on = placed(&marathon);
        on.sort();
        (on == ids).then_some(())
    })
    .await;

    assert_eq!(call(&leader, "DRAIN_AGENT", &ids[0]).0, 200);
    until("its task has moved and it is drained", || async {
        let (_, shown) = leader.ask("GET", "/slaves", &Value::Null);
        let drained = shown["slaves"]
            .as_array()?
            .iter()
            .any(|agent| agent["id"] == ids[0].as_str() && agent["drain_info"]["state"] == "DRAINED");
        let elsewhere = placed(&marathon).iter().all(|id| *id == ids[1]);
        (drained && elsewhere).then_some(())
    })
    .await;

    leader.kill();
    let second = leading(&masters).await;
    let leader = masters[second].take().unwrap();
    let drained = until("both agents are registered with the next leader", || async {
        let (_, found) = leader.ask("POST", "/api/v1", &json!({ "type": "GET_AGENTS" }));
        let agents = found["get_agents"]["agents"].as_array().filter(|agents| agents.len() == 2)?.clone();
        agents.into_iter().find(|agent| agent["agent_info"]["id"]["value"] == ids[0].as_str())
    })
    .await;
    assert_eq!((drained["deactivated"].as_bool(), drained["active"].as_bool()), (Some(true), Some(false)));

    assert_eq!(call(&leader, "REACTIVATE_AGENT", &ids[0]).0, 200);
    assert_eq!(call(&leader, "REACTIVATE_AGENT", &ids[0]).0, 400);
    active_agents(&leader, 2).await;
}
