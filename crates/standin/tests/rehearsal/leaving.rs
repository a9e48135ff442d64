//! Agents leave: by dying, by falling silent, by being told to.

use std::time::Duration;

use mesos::Reply;
use serde_json::{Value, json};

use super::daemon::{Plan, free_port};
use super::{active_agents, master, soon, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_agent_is_inactive_at_once_and_lost_after_the_ping_timeouts_and_comes_back_as_itself() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let plan = Plan::standalone_master(directory.path(), port);
    let leader = plan.with("--agent_ping_timeout=2secs").with("--max_agent_ping_timeouts=3").start();
    let agent = Plan::agent(directory.path(), &format!("127.0.0.1:{port}")).start();
    let ids = active_agents(&leader, 1).await;

    let plan = agent.kill();
    let begun = std::time::Instant::now();
    until("the agent is listed as inactive", || async {
        match master(&leader).agents(soon()).await.ok()? {
            Reply::Leading(agents) => agents.first().is_some_and(|agent| !agent.active).then_some(()),
            Reply::NotLeading(_) => None,
        }
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(2), "sooner than a ping could fail: {:?}", begun.elapsed());
    until("the agent is unreachable", || async {
        let metrics = master(&leader).metrics(soon()).await.ok()?;
        (metrics.get("master/slaves_unreachable") == Some(1.0)).then_some(())
    })
    .await;
    assert!(begun.elapsed() > Duration::from_secs(3), "not before the time-outs: {:?}", begun.elapsed());

    let _agent = plan.start();
    assert_eq!(active_agents(&leader, 1).await, ids);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_marked_gone_ends_and_never_comes_back_under_its_id() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let leader = Plan::standalone_master(directory.path(), port).with("--agent_ping_timeout=1secs").start();
    let mut agent = Plan::agent(directory.path(), &format!("127.0.0.1:{port}")).start();
    let id = active_agents(&leader, 1).await.remove(0);
    let gone = json!({ "type": "MARK_AGENT_GONE", "mark_agent_gone": { "agent_id": { "value": id } } });
    assert_eq!(leader.ask("POST", "/api/v1", &gone).0, 200);
    assert_eq!(leader.ask("POST", "/api/v1", &gone).0, 200, "it is idempotent");
    assert!(agent.runs());
    let mut again = agent.kill().start();
    assert_eq!(again.ended().await.code(), Some(1));
    assert!(again.log().contains("marked gone"));
    assert_eq!(active_agents(&leader, 0).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_call_is_refused_as_the_real_master_does() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let leader = Plan::standalone_master(directory.path(), port).start();
    until("it is healthy", || async { master(&leader).health(soon()).await.ok() }).await;
    let unknown = json!({ "agent_id": { "value": "nobody" } });
    for (call, status) in [
        (json!({ "type": "NONSENSE" }), 400),
        (json!({ "type": "DRAIN_AGENT", "drain_agent": unknown }), 400),
        (json!({ "type": "REACTIVATE_AGENT", "reactivate_agent": unknown }), 400),
        (json!({ "type": "MARK_AGENT_GONE", "mark_agent_gone": unknown }), 404),
        (json!({ "type": "GET_VERSION" }), 200),
        (json!({ "type": "GET_AGENTS" }), 200),
    ] {
        assert_eq!(leader.ask("POST", "/api/v1", &call).0, status, "{call}");
    }
    assert_eq!(leader.ask("GET", "/api/v1", &Value::Null).0, 405);
    assert_eq!(leader.ask("GET", "/redirect/xyz", &Value::Null).0, 404);
    let (_, found) = leader.ask("POST", "/api/v1", &json!({ "type": "GET_MASTER" }));
    assert_eq!(found["get_master"]["master_info"]["port"], port);
    assert_eq!(found["get_master"]["master_info"]["ip"], 16_777_343, "127.0.0.1 as a little-endian number");
}
