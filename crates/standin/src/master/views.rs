//! What the leading master shows of its knowledge, in the shapes of its endpoints.

use serde_json::{Map, Value, json};

use super::Master;
use super::cluster::{Agent, Cluster, Entry, Framework};
use crate::notice::MESOS_VERSION;

/// `/state`.
pub(super) fn state(master: &Master, cluster: &Cluster) -> Value {
    let standing = master.standing.borrow();
    let configuration = &master.configuration;
    let deactivated = cluster.agents.values().filter(|agent| !active(agent)).count();
    let mut state = json!({
        "version": MESOS_VERSION,
        "standin": true,
        "id": master.info.id,
        "pid": master.info.pid(),
        "hostname": master.info.hostname,
        "start_time": master.started,
        "activated_slaves": cluster.agents.len() - deactivated,
        "deactivated_slaves": deactivated,
        "unreachable_slaves": cluster.unreachable.len(),
        "slaves": agents(cluster),
        "recovered_slaves": recovered(cluster),
        "frameworks": frameworks(cluster),
        "completed_frameworks": [],
        "flags": configuration.flags.shown(),
    });
    let mut set =
        |key: &str, value: Value| drop(state.as_object_mut().map(|state| state.insert(key.into(), value)));
    if let Some(name) = &configuration.cluster {
        set("cluster", json!(name));
    }
    if let Some(elected) = standing.elected {
        set("elected_time", json!(elected));
    }
    if let Some(leader) = &standing.leader {
        set("leader", json!(leader.pid()));
        let info = json!({
            "id": leader.id, "pid": leader.pid(), "port": leader.port, "hostname": leader.hostname,
        });
        set("leader_info", info);
    }
    state
}

/// `/state-summary`.
pub(super) fn summary(master: &Master, cluster: &Cluster) -> Value {
    let mut summary = json!({
        "hostname": master.info.hostname,
        "slaves": agents(cluster),
        "frameworks": cluster.frameworks.values().map(framework_head).collect::<Vec<_>>(),
    });
    if let (Some(name), Some(summary)) = (&master.configuration.cluster, summary.as_object_mut()) {
        summary.insert("cluster".into(), json!(name));
    }
    summary
}

/// `/slaves`, one agent by its id or all.
pub(super) fn slaves(cluster: &Cluster, id: Option<&str>) -> Value {
    let wanted = |shown: &Value| id.is_none_or(|id| shown["id"] == id);
    let keep = |shown: Vec<Value>| shown.into_iter().filter(wanted).collect::<Vec<_>>();
    json!({ "slaves": keep(agents(cluster)), "recovered_slaves": keep(recovered(cluster)) })
}

/// The list in `/frameworks` and `/state`.
pub(super) fn frameworks(cluster: &Cluster) -> Vec<Value> {
    cluster
        .frameworks
        .values()
        .map(|framework| {
            let mut shown = framework_head(framework);
            let tasks: Vec<Value> = framework
                .subscription
                .tasks
                .iter()
                .map(|task| {
                    json!({
                        "id": task.id, "name": task.name, "framework_id": framework.id, "slave_id": task.agent_id,
                        "state": "TASK_RUNNING", "resources": { "cpus": task.cpus, "mem": task.mem },
                    })
                })
                .collect();
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("tasks".into(), tasks.into());
            }
            shown
        })
        .collect()
}

fn framework_head(framework: &Framework) -> Value {
    let subscription = &framework.subscription;
    json!({
        "id": framework.id,
        "name": subscription.name,
        "user": subscription.user,
        "pid": format!("scheduler@{}:{}", subscription.ip, subscription.port),
        "hostname": subscription.hostname,
        "webui_url": subscription.webui_url,
        "failover_timeout": subscription.failover_timeout,
        "checkpoint": true,
        "active": framework.connected,
        "connected": framework.connected,
        "registered_time": framework.registered,
        "reregistered_time": framework.reregistered,
    })
}

fn active(agent: &Agent) -> bool {
    agent.connected && !agent.entry.deactivated
}

fn agents(cluster: &Cluster) -> Vec<Value> {
    cluster
        .agents
        .values()
        .map(|agent| {
            let mut shown = entry(&agent.entry);
            shown.insert("active".into(), json!(active(agent)));
            shown.insert("registered_time".into(), json!(agent.registered));
            if let Some(reregistered) = agent.reregistered {
                shown.insert("reregistered_time".into(), json!(reregistered));
            }
            let (cpus, mem) = used(cluster, &agent.entry.id);
            shown.insert(
                "used_resources".into(),
                json!({ "cpus": cpus, "mem": mem, "disk": 0.0, "gpus": 0.0 }),
            );
            if let Some(drain) = drain_info(cluster, agent) {
                shown.insert("drain_info".into(), drain);
            }
            Value::Object(shown)
        })
        .collect()
}

fn recovered(cluster: &Cluster) -> Vec<Value> {
    cluster.recovered.values().map(|recovered| Value::Object(entry(recovered))).collect()
}

fn used(cluster: &Cluster, agent_id: &str) -> (f64, f64) {
    cluster.tasks_on(agent_id).fold((0.0, 0.0), |(cpus, mem), (_, task)| (cpus + task.cpus, mem + task.mem))
}

fn entry(entry: &Entry) -> Map<String, Value> {
    let shown = json!({
        "id": entry.id,
        "hostname": entry.info.hostname,
        "port": entry.info.port,
        "pid": entry.info.pid(),
        "attributes": entry.info.attributes,
        "resources": entry.info.resources.json(),
        "deactivated": entry.deactivated,
        "version": entry.info.version,
        "capabilities": ["MULTI_ROLE", "HIERARCHICAL_ROLE", "AGENT_UPDATE", "AGENT_DRAINING"],
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

/// How far an agent's draining is, in the operator API's words.
pub(super) fn drain_info(cluster: &Cluster, agent: &Agent) -> Option<Value> {
    let drain = agent.entry.drain.as_ref()?;
    let mut config = json!({ "mark_gone": drain.mark_gone });
    if let (Some(seconds), Some(config)) = (drain.max_grace_seconds, config.as_object_mut()) {
        let nanoseconds = json!({ "nanoseconds": seconds.saturating_mul(1_000_000_000) });
        config.insert("max_grace_period".into(), nanoseconds);
    }
    let state = if cluster.drained(agent) { "DRAINED" } else { "DRAINING" };
    Some(json!({ "state": state, "config": config }))
}
