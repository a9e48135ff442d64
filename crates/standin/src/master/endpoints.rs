//! The master's HTTP endpoints, each under `/name` and `/master/name`. Who does not lead sends leader-only questions
//! on to the leader's advertised address, without a scheme; `/redirect` does so even on the leader itself.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::{Value, json};

use super::api::{self, Outcome};
use super::info::MasterInfo;
use super::{Master, members, metrics, now, registry, views};
use crate::notice;
use crate::protocol::{AGENTS, FRAMEWORKS, UNREGISTER};

type Shared = State<Arc<Master>>;
type Parameters = Query<HashMap<String, String>>;

pub(super) fn router(master: Arc<Master>) -> Router {
    let endpoints = Router::new()
        .route("/health", get(StatusCode::OK))
        .route("/redirect", get(redirect))
        .route("/version", get(version))
        .route("/metrics/snapshot", get(snapshot))
        .route("/flags", get(flags))
        .route("/state", get(state))
        .route("/state.json", get(state))
        .route("/state-summary", get(summary))
        .route("/slaves", get(slaves))
        .route("/frameworks", get(frameworks))
        .route("/maintenance/status", get(maintenance_status))
        .route("/api/v1", any(operator_api));
    Router::new()
        .route("/", get(page))
        .route(AGENTS, post(members::register))
        .route(UNREGISTER, post(members::unregister))
        .route(FRAMEWORKS, post(members::subscribe))
        .nest("/master", endpoints.clone())
        .merge(endpoints)
        .with_state(master)
}

async fn page(State(master): Shared) -> Html<String> {
    let standing = master.standing.borrow().clone();
    let leader = standing.leader.map_or_else(|| "none".to_owned(), |leader| leader.pid());
    let agents = master.cluster().agents.len().to_string();
    let facts =
        [("This master", master.info.pid()), ("Leading master", leader), ("Agents (on the leader)", agents)];
    Html(notice::page("mesos-master", notice::MESOS_VERSION, &facts))
}

async fn redirect(State(master): Shared) -> Response {
    to_leader(master.standing.borrow().leader.as_ref(), "")
}

async fn version(Query(parameters): Parameters) -> Response {
    let version = json!({
        "version": notice::MESOS_VERSION,
        "build_date": "1970-01-01 00:00:00",
        "build_time": 0.0,
        "build_user": "mesostack-standin",
    });
    answer(&parameters, &version)
}

async fn snapshot(State(master): Shared, Query(parameters): Parameters) -> Response {
    let standing = master.standing.borrow().clone();
    let values = metrics::snapshot(&standing, &master.cluster(), now() - master.started);
    answer(&parameters, &json!(values))
}

async fn flags(State(master): Shared, Query(parameters): Parameters) -> Response {
    answer(&parameters, &json!({ "flags": master.configuration.flags.shown() }))
}

async fn state(State(master): Shared, Query(parameters): Parameters, uri: Uri) -> Response {
    leading(&master, &uri, || answer(&parameters, &views::state(&master, &master.cluster())))
}

async fn summary(State(master): Shared, Query(parameters): Parameters, uri: Uri) -> Response {
    leading(&master, &uri, || answer(&parameters, &views::summary(&master, &master.cluster())))
}

async fn slaves(State(master): Shared, Query(parameters): Parameters, uri: Uri) -> Response {
    let id = parameters.get("slave_id").map(String::as_str);
    leading(&master, &uri, || answer(&parameters, &views::slaves(&master.cluster(), id)))
}

async fn frameworks(State(master): Shared, Query(parameters): Parameters, uri: Uri) -> Response {
    leading(&master, &uri, || {
        let frameworks = views::frameworks(&master.cluster());
        answer(&parameters, &json!({ "frameworks": frameworks, "completed_frameworks": [] }))
    })
}

/// No maintenance is ever scheduled with a stand-in.
async fn maintenance_status(State(master): Shared, Query(parameters): Parameters, uri: Uri) -> Response {
    leading(&master, &uri, || answer(&parameters, &json!({})))
}

async fn operator_api(
    State(master): Shared,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (elected, serving) = {
        let standing = master.standing.borrow();
        (standing.elected.is_some(), standing.serving)
    };
    if !elected {
        return leading(&master, &uri, || StatusCode::OK.into_response());
    }
    if !serving {
        return (StatusCode::SERVICE_UNAVAILABLE, "Master has not finished recovery").into_response();
    }
    if method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, format!("Expecting 'POST', received '{method}'"))
            .into_response();
    }
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    match content_type {
        None => {
            return (StatusCode::BAD_REQUEST, "Expecting 'Content-Type' to be present").into_response();
        }
        Some("application/json") => {}
        Some(_) => {
            let reason = "Expecting 'Content-Type' of application/json (this stand-in knows no protobuf)";
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, reason).into_response();
        }
    }
    let call = match serde_json::from_slice(&body) {
        Ok(call) => call,
        Err(error) => {
            return (StatusCode::BAD_REQUEST, format!("Failed to parse the call: {error}")).into_response();
        }
    };
    let outcome = api::answer(&master, &mut master.cluster(), call);
    match outcome {
        Outcome::Answer(value) => answer(&HashMap::new(), &value),
        Outcome::Refused(status, reason) => {
            (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), reason).into_response()
        }
        Outcome::Changed => match registry::store(&master).await {
            Ok(()) => StatusCode::OK.into_response(),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
        },
    }
}

/// The answer of the leader; from anyone else the way to it.
fn leading(master: &Master, uri: &Uri, answer: impl FnOnce() -> Response) -> Response {
    let standing = master.standing.borrow().clone();
    if standing.elected.is_some() {
        return answer();
    }
    to_leader(standing.leader.as_ref(), uri.path_and_query().map_or("", |rest| rest.as_str()))
}

fn to_leader(leader: Option<&MasterInfo>, rest: &str) -> Response {
    match leader {
        Some(leader) => {
            let location = format!("//{}:{}{rest}", leader.hostname, leader.port);
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "No leader elected").into_response(),
    }
}

/// JSON, or a script that calls the function named by `jsonp`.
fn answer(parameters: &HashMap<String, String>, value: &Value) -> Response {
    match parameters.get("jsonp").filter(|function| !function.is_empty()) {
        Some(function) => {
            ([(CONTENT_TYPE, "text/javascript")], format!("{function}({value});")).into_response()
        }
        None => ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response(),
    }
}
