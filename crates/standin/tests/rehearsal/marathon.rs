//! Marathon instances elect one; the others pass on to it; what it keeps outlives it.

use std::time::Instant;

use mesos::Ping;
use serde_json::{Value, json};

use super::daemon::{Daemon, Plan};
use super::zookeeper::ZooKeeper;
use super::{active_agents, marathon_at, master, soon, until};

/// The instances' indices: the leader, and one that passes on to it.
async fn roles(instances: &[Daemon; 2]) -> (usize, usize) {
    until("one Marathon leads and the other passes on", || async {
        let first = marathon_at(&instances[0]).ping(soon()).await.ok()?;
        let second = marathon_at(&instances[1]).ping(soon()).await.ok()?;
        match (first, second) {
            (Ping::Leading, Ping::Proxied { via }) => {
                assert_eq!(via, format!("1.1 {}", instances[1].address()));
                Some((0, 1))
            }
            (Ping::Proxied { .. }, Ping::Leading) => Some((1, 0)),
            (Ping::Leading, Ping::Leading) => panic!("two lead"),
            _ => None,
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_marathon_leads_and_the_next_goes_on_with_its_framework_and_applications() {
    let Some(zookeeper) = ZooKeeper::start().await else { return };
    let leader = Plan::master(zookeeper.directory(), &zookeeper.mesos(), 1).start();
    let _agents: Vec<Daemon> =
        (0..2).map(|_| Plan::agent(zookeeper.directory(), &zookeeper.mesos()).start()).collect();
    active_agents(&leader, 2).await;
    let instances = [(); 2].map(|()| Plan::marathon(zookeeper.directory(), &zookeeper.address()).start());
    let (leads, passes) = roles(&instances).await;

    // What the one that passes on answers is the leader's, and said to be so.
    let info = until("it is subscribed", || async {
        let info = marathon_at(&instances[passes]).info(soon()).await.ok()?;
        info.framework_id.is_some().then_some(info)
    })
    .await;
    assert!(!info.is_leader);
    assert_eq!(info.leader, Some(instances[leads].address()));
    assert!(marathon_at(&instances[leads]).info(soon()).await.unwrap().is_leader);
    assert_eq!(
        marathon_at(&instances[passes]).leader(soon()).await.unwrap(),
        Some(instances[leads].address())
    );

    let app = json!({ "id": "/sleep", "cmd": "sleep 3600", "cpus": 0.1, "mem": 32, "instances": 2 });
    let (status, created) = instances[passes].ask("POST", "/v2/apps", &app);
    assert_eq!((status, created["id"].as_str()), (201, Some("/sleep")), "{created}");
    assert_eq!(instances[passes].ask("POST", "/v2/apps", &app).0, 409);
    let running = |daemon: &Daemon| {
        let (_, shown) = daemon.ask("GET", "/v2/apps/sleep", &Value::Null);
        shown["app"]["tasksRunning"].clone()
    };
    until("its two tasks are placed", || async { (running(&instances[passes]) == 2).then_some(()) }).await;
    assert_eq!(instances[passes].ask("GET", "/v2/deployments", &Value::Null).1, json!([]));
    until("the master knows the framework and its tasks", || async {
        let metrics = master(&leader).metrics(soon()).await.ok()?;
        (metrics.get("master/tasks_running") == Some(2.0)).then_some(())
    })
    .await;
    let state = master(&leader).state(soon()).await.unwrap().leading().unwrap();
    assert_eq!((state.frameworks.len(), state.frameworks[0].name.as_str()), (1, "marathon"));

    // kill -9: the other leads when the dead one's session has expired.
    let killed = Instant::now();
    let [first, second] = instances;
    let (dead, mut next) = if leads == 0 { (first, second) } else { (second, first) };
    dead.kill();
    until("the other leads", || async {
        (marathon_at(&next).ping(soon()).await.ok()? == Ping::Leading).then_some(())
    })
    .await;
    println!("after the leading Marathon's kill the other leads after {:?}", killed.elapsed());
    assert_eq!(marathon_at(&next).info(soon()).await.unwrap().framework_id, info.framework_id);
    assert_eq!(running(&next), 2);

    assert_eq!(next.ask("DELETE", "/v2/apps/sleep", &Value::Null).0, 200);
    assert_eq!(next.ask("GET", "/v2/apps/sleep", &Value::Null).0, 404);

    // Abdication and the loss of ZooKeeper end it with the real one's codes.
    assert_eq!(next.ask("DELETE", "/v2/leader", &Value::Null).0, 200);
    assert_eq!(next.ended().await.code(), Some(105));
    let mut last = next.kill().start();
    until("it leads again", || async {
        (marathon_at(&last).ping(soon()).await.ok()? == Ping::Leading).then_some(())
    })
    .await;
    drop(zookeeper);
    assert_eq!(last.ended().await.code(), Some(101));
}
