//! The leader's HTTP endpoints.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use futures::stream::{self, Stream, StreamExt as _};
use serde_json::{Map, Value, json};

use super::apps::{Change, Refused};
use super::{Marathon, proxy};
use crate::notice::{self, MARATHON_VERSION};

type Shared = State<Arc<Marathon>>;
type Parameters = Query<HashMap<String, String>>;
type Definition = Json<Map<String, Value>>;

pub(super) fn router(marathon: &Arc<Marathon>) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/ui/") }))
        .route("/ui", get(page))
        .route("/ui/", get(page))
        .route("/ping", get(|| async { "pong" }))
        .route("/metrics", get(|| async { Json(json!({ "version": "3.0.0" })) }))
        .route("/v2/info", get(info))
        .route("/v2/leader", get(leader).delete(abdicate))
        .route("/v2/apps", post(create).get(list))
        .route("/v2/apps/", get(list))
        .route("/v2/apps/{*id}", get(show).put(update).delete(delete))
        .route("/v2/deployments", get(deployments))
        .route("/v2/events", get(events))
        .layer(middleware::from_fn_with_state(Arc::clone(marathon), proxy::leader_filter))
        .with_state(Arc::clone(marathon))
}

async fn page(State(marathon): Shared) -> Html<String> {
    let id = marathon.framework_id().clone().unwrap_or_else(|| "none yet".to_owned());
    let facts = [("Leader", marathon.configuration.own.clone()), ("Framework id", id)];
    Html(notice::page("Marathon", MARATHON_VERSION, &facts))
}

async fn info(State(marathon): Shared) -> Json<Value> {
    let configuration = &marathon.configuration;
    let mut info = json!({
        "name": configuration.framework_name,
        "version": MARATHON_VERSION,
        "buildref": "mesostack-standin",
        "elected": true,
        "leader": configuration.own,
        "marathon_config": {
            "master": configuration.master_shown(),
            "failover_timeout": configuration.failover_timeout,
            "framework_name": configuration.framework_name,
            "ha": configuration.elects,
            "checkpoint": true,
            "hostname": configuration.hostname,
            "mesos_leader_ui_url": configuration.mesos_leader_ui_url,
            "webui_url": configuration.webui_url,
        },
        "zookeeper_config": { "zk": configuration.ensemble.to_string() },
        "http_config": { "http_port": configuration.http_port, "https_port": 8443 },
    });
    if let (Some(id), Some(info)) = (marathon.framework_id().clone(), info.as_object_mut()) {
        info.insert("frameworkId".into(), id.into());
    }
    Json(info)
}

async fn leader(State(marathon): Shared) -> Json<Value> {
    Json(json!({ "leader": marathon.configuration.own }))
}

async fn abdicate(State(marathon): Shared) -> Json<Value> {
    tracing::info!("Asked to abdicate");
    marathon.abdicate.notify_one();
    Json(json!({ "message": "Leadership abdicated" }))
}

async fn create(
    State(marathon): Shared,
    Query(parameters): Parameters,
    Json(definition): Definition,
) -> Response {
    let change = change(&parameters);
    let created = {
        let mut apps = marathon.apps();
        apps.create(definition, &change).and_then(|id| apps.show(&id))
    };
    match created {
        Ok(shown) => deployed(&marathon, StatusCode::CREATED, &change, shown),
        Err(refused) => refusal(&refused),
    }
}

async fn list(State(marathon): Shared) -> Json<Value> {
    Json(marathon.apps().list())
}

async fn show(State(marathon): Shared, Path(id): Path<String>) -> Response {
    match marathon.apps().show(&absolute(&id)) {
        Ok(shown) => Json(json!({ "app": shown })).into_response(),
        Err(refused) => refusal(&refused),
    }
}

async fn update(
    State(marathon): Shared,
    Path(id): Path<String>,
    Query(parameters): Parameters,
    Json(definition): Definition,
) -> Response {
    let change = change(&parameters);
    let updated = marathon.apps().update(&absolute(&id), definition, &change);
    match updated {
        Ok(is_new) => {
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            deployed(&marathon, status, &change, receipt(&change))
        }
        Err(refused) => refusal(&refused),
    }
}

async fn delete(State(marathon): Shared, Path(id): Path<String>, Query(parameters): Parameters) -> Response {
    let change = change(&parameters);
    let deleted = marathon.apps().delete(&absolute(&id), &change);
    match deleted {
        Ok(()) => deployed(&marathon, StatusCode::OK, &change, receipt(&change)),
        Err(refused) => refusal(&refused),
    }
}

async fn deployments(State(marathon): Shared) -> Json<Value> {
    Json(marathon.apps().deployments())
}

/// The stream is there, but a stand-in tells nothing on it after the first event.
async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let attached =
        Event::default().event("event_stream_attached").data(r#"{"eventType":"event_stream_attached"}"#);
    let stream = stream::iter([Ok(attached)]).chain(stream::pending());
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(5)))
}

fn absolute(id: &str) -> String {
    format!("/{}", id.trim_matches('/'))
}

fn change(parameters: &HashMap<String, String>) -> Change {
    Change {
        deployment: uuid::Uuid::new_v4().to_string(),
        version: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        force: parameters.get("force").is_some_and(|force| force == "true"),
    }
}

fn receipt(change: &Change) -> Value {
    json!({ "version": change.version, "deploymentId": change.deployment })
}

fn deployed(marathon: &Marathon, status: StatusCode, change: &Change, body: Value) -> Response {
    marathon.stir.notify_one();
    (status, [("Marathon-Deployment-Id", change.deployment.clone())], Json(body)).into_response()
}

fn refusal(refused: &Refused) -> Response {
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut body = json!({ "message": refused.to_string() });
    if let (Refused::Locked(locks), Some(body)) = (refused, body.as_object_mut()) {
        body.insert("deployments".into(), locks.iter().map(|id| json!({ "id": id })).collect());
    }
    (status, Json(body)).into_response()
}
