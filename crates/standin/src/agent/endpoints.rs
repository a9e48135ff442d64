//! The agent's HTTP endpoints, each under `/name` and `/slave(1)/name`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Agent;
use crate::master;
use crate::notice::{self, MESOS_VERSION};
use crate::protocol::{PING, Ping};

type Shared = State<Arc<Agent>>;

pub(super) fn router(agent: Arc<Agent>) -> Router {
    let endpoints = Router::new()
        .route("/health", get(StatusCode::OK))
        .route("/version", get(version))
        .route("/metrics/snapshot", get(snapshot))
        .route("/flags", get(flags))
        .route("/state", get(state))
        .route("/containers", get(none))
        .route("/monitor/statistics", get(none));
    Router::new()
        .route("/", get(page))
        .route(PING, post(ping))
        .nest("/slave(1)", endpoints.clone())
        .merge(endpoints)
        .with_state(agent)
}

async fn page(State(agent): Shared) -> Html<String> {
    let master =
        agent.registered.borrow().as_ref().map_or_else(|| "none".into(), |master| master.socket.to_string());
    let id = agent.identity().id().unwrap_or("none yet").to_owned();
    let facts = [("This agent", agent.info.pid()), ("Agent id", id), ("Registered with", master)];
    Html(notice::page("mesos-agent", MESOS_VERSION, &facts))
}

async fn version() -> Json<Value> {
    Json(json!({ "version": MESOS_VERSION, "build_user": "mesostack-standin" }))
}

async fn snapshot(State(agent): Shared) -> Json<Value> {
    let registered = agent.registered.borrow().is_some();
    Json(json!({
        "slave/registered": f64::from(u8::from(registered)),
        "slave/uptime_secs": master::now() - agent.started,
        "slave/recovery_errors": 0.0,
        "slave/tasks_running": 0.0,
        "slave/executors_running": 0.0,
        "slave/cpus_total": agent.info.resources.cpus,
        "slave/mem_total": agent.info.resources.mem,
        "slave/disk_total": agent.info.resources.disk,
    }))
}

async fn flags(State(agent): Shared) -> Json<Value> {
    Json(json!({ "flags": agent.flags.shown() }))
}

async fn state(State(agent): Shared) -> Json<Value> {
    let registered = agent.registered.borrow().clone();
    Json(json!({
        "version": MESOS_VERSION,
        "standin": true,
        "id": agent.identity().id().unwrap_or_default(),
        "pid": agent.info.pid(),
        "hostname": agent.info.hostname,
        "start_time": agent.started,
        "master_hostname": registered.map(|master| master.hostname),
        "resources": agent.info.resources.json(),
        "attributes": agent.info.attributes,
        "flags": agent.flags.shown(),
        "frameworks": [],
        "completed_frameworks": [],
    }))
}

/// No task ever runs in a stand-in.
async fn none() -> Json<Value> {
    Json(json!([]))
}

async fn ping(State(agent): Shared, Json(ping): Json<Ping>) -> Response {
    if agent.identity().id() != Some(ping.id.as_str()) {
        return (StatusCode::CONFLICT, "another agent is at this address").into_response();
    }
    *agent.pinged() = Instant::now();
    if !ping.connected {
        agent.forgotten.notify_one();
    }
    StatusCode::OK.into_response()
}
