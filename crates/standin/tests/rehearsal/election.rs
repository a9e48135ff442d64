//! Masters elect one, and another when it dies; agents follow.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mesos::Reply;
use serde_json::Value;

use super::daemon::{Daemon, Plan, free_port};
use super::zookeeper::{self, ZooKeeper};
use super::{active_agents, agent, leading, master, soon, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_masters_elect_one_and_another_when_it_dies_and_agents_follow() {
    let Some(zookeeper) = ZooKeeper::start().await else { return };
    let begun = Instant::now();
    let mut masters: Vec<Option<Daemon>> =
        (0..3).map(|_| Some(Plan::master(zookeeper.directory(), &zookeeper.mesos(), 2).start())).collect();
    let agents: Vec<Daemon> =
        (0..2).map(|_| Plan::agent(zookeeper.directory(), &zookeeper.mesos()).start()).collect();

    let first = leading(&masters).await;
    let leader = masters[first].as_ref().unwrap();
    let ids = active_agents(leader, 2).await;
    println!("from start to two active agents: {:?}", begun.elapsed());

    // Every master: healthy, counts three, and points to the leader; the leader even to itself.
    for daemon in masters.iter().flatten() {
        let client = master(daemon);
        client.health(soon()).await.unwrap();
        assert_eq!(client.version(soon()).await.unwrap(), "1.11.0");
        until("three masters are in the log's ensemble", || async {
            let metrics = client.metrics(soon()).await.ok()?;
            (metrics.log_ensemble_size() == Some(3) && metrics.log_recovered()).then_some(())
        })
        .await;
        assert_eq!(client.leader(soon()).await.unwrap(), Some(leader.address()));
        match client.agents(soon()).await.unwrap() {
            Reply::Leading(registered) => {
                assert_eq!(client.address(), &leader.address());
                let found: BTreeSet<_> = registered.into_iter().filter_map(|agent| agent.address).collect();
                assert_eq!(found, agents.iter().map(Daemon::address).collect());
            }
            Reply::NotLeading(pointed) => {
                assert_ne!(client.address(), &leader.address());
                assert_eq!(pointed, Some(leader.address()));
            }
        }
    }
    for daemon in &agents {
        agent(daemon).health(soon()).await.unwrap();
        until("the agent knows that it is registered", || async {
            agent(daemon).metrics(soon()).await.ok()?.registered().then_some(())
        })
        .await;
    }

    let killed = Instant::now();
    masters[first].take().unwrap().kill();
    let second = leading(&masters).await;
    let elected = killed.elapsed();
    let leader = masters[second].as_ref().unwrap();
    assert_eq!(active_agents(leader, 2).await, ids, "agents keep their ids");
    println!(
        "after the leader's kill: another elected after {elected:?}, agents back after {:?}",
        killed.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_without_a_quorum_leads_but_registers_nobody() {
    let Some(zookeeper) = ZooKeeper::start().await else { return };
    let first = Plan::master(zookeeper.directory(), &zookeeper.mesos(), 2).start();
    let _agent = Plan::agent(zookeeper.directory(), &zookeeper.mesos()).start();
    until("the only master is elected", || async {
        master(&first).metrics(soon()).await.ok()?.elected().then_some(())
    })
    .await;
    until("the agent has been refused", || async {
        _agent.log().contains("Not registered yet").then_some(())
    })
    .await;
    let metrics = master(&first).metrics(soon()).await.unwrap();
    assert!(!metrics.log_recovered());
    assert_eq!((metrics.log_ensemble_size(), metrics.active_agents()), (Some(1), Some(0)));
    let call = serde_json::json!({ "type": "GET_HEALTH" });
    let (status, reason) = first.ask("POST", "/api/v1", &call);
    assert_eq!((status, reason), (503, Value::String("Master has not finished recovery".into())));

    let _second = Plan::master(zookeeper.directory(), &zookeeper.mesos(), 2).start();
    active_agents(&first, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_waits_for_zookeeper_and_dies_with_it_only_when_it_leads() {
    if zookeeper::java().is_none() {
        return;
    }
    let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
    let zk = format!("zk://127.0.0.1:{port}/mesos");
    let mut masters: Vec<Option<Daemon>> =
        (0..2).map(|_| Some(Plan::master(directory.path(), &zk, 2).start())).collect();
    for daemon in masters.iter().flatten() {
        until("it is healthy", || async { master(daemon).health(soon()).await.ok() }).await;
        assert_eq!(master(daemon).leader(soon()).await.unwrap(), None);
        assert_eq!(master(daemon).agents(soon()).await.unwrap(), Reply::NotLeading(None));
    }
    let zookeeper = ZooKeeper::start_at(port).await.unwrap();
    let leads = leading(&masters).await;
    drop(zookeeper);
    let mut leader = masters.remove(leads).unwrap();
    assert_eq!(leader.ended().await.code(), Some(1));
    assert!(leader.log().contains("Lost leadership... committing suicide!"), "{}", leader.log());
    let mut follower = masters.remove(0).unwrap();
    until("the follower knows of no leader", || async {
        master(&follower).leader(soon()).await.ok()?.is_none().then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(follower.runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_credentials_masters_write_and_anyone_may_still_find_the_leader() {
    let Some(zookeeper) = ZooKeeper::start().await else { return };
    let file = zookeeper.directory().join("zk");
    std::fs::write(&file, format!("zk://mesos:pass-word_1@{}/mesos\n", zookeeper.address())).unwrap();
    let zk = format!("file://{}", file.display());
    let leader = Plan::master(zookeeper.directory(), &zk, 1).start();
    let _agent = Plan::agent(zookeeper.directory(), &zookeeper.mesos()).start();
    active_agents(&leader, 1).await;
    let (status, flags) = leader.ask("GET", "/flags", &Value::Null);
    assert_eq!(
        (status, flags["flags"]["zk"].as_str()),
        (200, Some(zk.as_str())),
        "the password is not shown"
    );
    // A master without the password may not stand for election there.
    let intruder = Plan::master(zookeeper.directory(), &zookeeper.mesos(), 1).start();
    until("it is refused by ZooKeeper", || async { intruder.log().contains("not authorized").then_some(()) })
        .await;
    assert!(master(&leader).metrics(soon()).await.unwrap().elected());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_without_zookeeper_leads_alone() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let leader = Plan::standalone_master(directory.path(), port).start();
    let _agent = Plan::agent(directory.path(), &format!("127.0.0.1:{port}")).start();
    active_agents(&leader, 1).await;
    let (status, script) = leader.ask("GET", "/master/state?jsonp=show", &Value::Null);
    let script = script.as_str().unwrap();
    assert!(status == 200 && script.starts_with("show({") && script.ends_with("});"), "{script}");
    let state = master(&leader).state(soon()).await.unwrap().leading().unwrap();
    assert_eq!((state.agents.len(), state.leader.unwrap().port), (1, port));
    let (_, page) = leader.ask("GET", "/", &Value::Null);
    assert!(page.as_str().unwrap().contains("stand-in"));
}
