//! The operator API, `POST /api/v1`: the calls by which an operator looks at masters and agents, and takes agents out
//! of service.

use serde::Deserialize;
use serde_json::{Value, json};

use super::cluster::{Cluster, Drain, Refused};
use super::views::drain_info;
use super::{Master, now};
use crate::notice::MESOS_VERSION;

/// A call, as far as the stand-in knows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Call {
    GetHealth,
    GetMaster,
    GetAgents,
    GetVersion,
    GetMaintenanceStatus,
    DrainAgent { drain_agent: DrainAgent },
    DeactivateAgent { deactivate_agent: OneAgent },
    ReactivateAgent { reactivate_agent: OneAgent },
    MarkAgentGone { mark_agent_gone: OneAgent },
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct OneAgent {
    agent_id: Id,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct DrainAgent {
    agent_id: Id,
    max_grace_period: Option<Seconds>,
    #[serde(default)]
    mark_gone: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Id {
    value: String,
}

/// `{"seconds":600}`; a text like "10mins" is refused, as the real master does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Seconds {
    seconds: i64,
}

/// What a call comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Answer(Value),
    /// Done; the registry has to be written before it is confirmed.
    Changed,
    /// Status and reason.
    Refused(u16, String),
}

/// Answers the call.
pub(super) fn answer(master: &Master, cluster: &mut Cluster, call: Call) -> Outcome {
    match call {
        Call::GetHealth => {
            Outcome::Answer(json!({ "type": "GET_HEALTH", "get_health": { "healthy": true } }))
        }
        Call::GetVersion => Outcome::Answer(
            json!({ "type": "GET_VERSION", "get_version": { "version_info": { "version": MESOS_VERSION } } }),
        ),
        Call::GetMaster => Outcome::Answer(json!({
            "type": "GET_MASTER",
            "get_master": {
                "master_info": master.info.json(),
                "start_time": master.started,
                "elected_time": master.standing.borrow().elected,
            },
        })),
        Call::GetAgents => Outcome::Answer(json!({ "type": "GET_AGENTS", "get_agents": agents(cluster) })),
        Call::GetMaintenanceStatus => Outcome::Answer(
            json!({ "type": "GET_MAINTENANCE_STATUS", "get_maintenance_status": { "status": {} } }),
        ),
        Call::DrainAgent { drain_agent: DrainAgent { agent_id, max_grace_period, mark_gone } } => {
            let max_grace_seconds = max_grace_period.map(|period| period.seconds);
            let drain = Drain { max_grace_seconds, mark_gone, started: now() };
            let outcome = cluster.drain(&agent_id.value, drain);
            cluster.settle_drains();
            changed(outcome)
        }
        Call::DeactivateAgent { deactivate_agent } => {
            changed(cluster.deactivate(&deactivate_agent.agent_id.value))
        }
        Call::ReactivateAgent { reactivate_agent } => {
            changed(cluster.reactivate(&reactivate_agent.agent_id.value))
        }
        Call::MarkAgentGone { mark_agent_gone } => match cluster.mark_gone(&mark_agent_gone.agent_id.value) {
            Err(refused @ Refused::UnknownAgent) => Outcome::Refused(404, refused.to_string()),
            outcome => changed(outcome),
        },
    }
}

fn changed(outcome: Result<(), Refused>) -> Outcome {
    match outcome {
        Ok(()) => Outcome::Changed,
        Err(refused @ Refused::Gone) => Outcome::Refused(409, refused.to_string()),
        Err(refused) => Outcome::Refused(400, refused.to_string()),
    }
}

/// As in Mesos, an empty list is left out.
fn agents(cluster: &Cluster) -> Value {
    let nanoseconds = |seconds: f64| json!({ "nanoseconds": (seconds * 1e9) as i64 });
    let info = |entry: &super::cluster::Entry| json!({ "id": { "value": entry.id }, "hostname": entry.info.hostname, "port": entry.info.port });
    let agents: Vec<Value> = cluster
        .agents
        .values()
        .map(|agent| {
            let mut shown = json!({
                "agent_info": info(&agent.entry),
                "active": agent.connected && !agent.entry.deactivated,
                "deactivated": agent.entry.deactivated,
                "version": agent.entry.info.version,
                "pid": agent.entry.info.pid(),
                "registered_time": nanoseconds(agent.registered),
            });
            if let (Some(drain), Some(shown)) = (drain_info(cluster, agent), shown.as_object_mut()) {
                shown.insert("drain_info".into(), drain);
                let started = agent.entry.drain.as_ref().map_or(0.0, |drain| drain.started);
                shown.insert("estimated_drain_start_time".into(), nanoseconds(started));
            }
            shown
        })
        .collect();
    let recovered: Vec<Value> = cluster.recovered.values().map(info).collect();
    let mut lists = serde_json::Map::new();
    for (name, list) in [("agents", agents), ("recovered_agents", recovered)] {
        if !list.is_empty() {
            lists.insert(name.into(), list.into());
        }
    }
    Value::Object(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Call, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_grace_period_is_given_in_seconds_and_not_as_text() {
        let drain = |period: &str| {
            parse(&format!(
                r#"{{"type":"DRAIN_AGENT","drain_agent":{{"agent_id":{{"value":"x"}},"max_grace_period":{period}}}}}"#
            ))
        };
        assert!(drain(r#"{"seconds":600}"#).is_ok());
        assert!(drain(r#""10mins""#).is_err());
    }

    #[test]
    fn an_unknown_call_is_refused() {
        assert!(parse(r#"{"type":"NONSENSE"}"#).is_err());
        assert_eq!(parse(r#"{"type":"GET_HEALTH"}"#), Ok(Call::GetHealth));
    }
}
