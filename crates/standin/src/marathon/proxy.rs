//! Every request, even `/ping`, is the leader's: an instance that does not lead passes it on and marks the answer with
//! `X-Marathon-Via`. Only the stream of events is not passed on, but pointed to.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, HOST, LOCATION, TRANSFER_ENCODING};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::Marathon;
use super::latch::Standing;
use crate::{host, http};

/// How long a request waits for a leader to be there.
const FOR_A_LEADER: Duration = Duration::from_millis(2700);
const VIA: &str = "x-marathon-via";
const LEADER: &str = "x-marathon-leader";

/// The layer around all endpoints.
pub(super) async fn leader_filter(
    State(marathon): State<Arc<Marathon>>,
    request: Request,
    next: Next,
) -> Response {
    let mut standing = marathon.standing.subscribe();
    let known = standing.wait_for(|standing| standing.leader.is_some());
    let Standing { leader, leading } = match timeout(FOR_A_LEADER, known).await {
        Ok(Ok(standing)) => standing.clone(),
        _ => Standing::default(),
    };
    let Some(leader) = leader else {
        return (StatusCode::BAD_GATEWAY, "Could not determine the current leader").into_response();
    };
    if leading {
        let mut response = next.run(request).await;
        mark(&mut response, LEADER, &format!("http://{leader}"));
        return response;
    }
    if request.uri().path() == "/v2/events" {
        let location = format!("http://{leader}{}", request.uri());
        return (StatusCode::FOUND, [(LOCATION, location)]).into_response();
    }
    let own = &marathon.configuration.own;
    let looped =
        request.headers().get_all(VIA).iter().any(|via| via.to_str().is_ok_and(|via| via.contains(own)));
    if looped || leader == *own {
        return (StatusCode::BAD_GATEWAY, "Detected proxying loop.").into_response();
    }
    match pass_on(&marathon, &leader, request).await {
        Ok(mut response) => {
            mark(&mut response, VIA, &format!("1.1 {own}"));
            response
        }
        Err(reason) => (StatusCode::BAD_GATEWAY, reason).into_response(),
    }
}

fn mark(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

async fn pass_on(marathon: &Marathon, leader: &str, mut request: Request) -> Result<Response, String> {
    let configuration = &marathon.configuration;
    let (name, port) = leader
        .rsplit_once(':')
        .and_then(|(name, port)| Some((name, port.parse().ok()?)))
        .ok_or_else(|| format!("The leader's address '{leader}' is none"))?;
    let socket = host::resolve_socket(name, port).map_err(|unknown| unknown.to_string())?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    headers.insert(HOST, HeaderValue::from_str(leader).map_err(|error| error.to_string())?);
    let via = format!("1.1 {}", configuration.own);
    headers.append(VIA, HeaderValue::from_str(&via).map_err(|error| error.to_string())?);
    let answer =
        http::forward(socket, request, configuration.proxy_connecting, configuration.proxy_reading).await;
    let mut answer = answer.map_err(|failure| format!("The leader could not be asked: {failure}"))?;
    answer.headers_mut().remove(CONNECTION);
    answer.headers_mut().remove(TRANSFER_ENCODING);
    Ok(answer.map(Body::new))
}
