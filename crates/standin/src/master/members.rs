//! Agents and frameworks come to the leading master here, and it holds on to them: the stand-ins' own protocol.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::cluster::{Link, Refused};
use super::{Master, now, registry};
use crate::link::{self, News};
use crate::protocol::{Ping, Registered, Registration, Subscribed, Subscription, Unregistration};

type Shared = State<Arc<Master>>;

fn not_leading(master: &Master) -> Option<Response> {
    let standing = master.standing.borrow();
    let reason = match (standing.elected, standing.serving) {
        (Some(_), true) => return None,
        (Some(_), false) => "Master has not finished recovery",
        (None, _) => "Not the leading master",
    };
    Some((StatusCode::SERVICE_UNAVAILABLE, reason).into_response())
}

fn unavailable(error: &registry::NotStored) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
}

pub(super) async fn register(State(master): Shared, Json(registration): Json<Registration>) -> Response {
    if let Some(refused) = not_leading(&master) {
        return refused;
    }
    let Ok(ip) = registration.info.ip.parse() else {
        return (StatusCode::BAD_REQUEST, "The agent's address is none").into_response();
    };
    let (again, pid) = (registration.id.is_some(), registration.info.pid());
    let peer = SocketAddr::new(ip, registration.info.port);
    let registered = master.cluster().register(registration, now());
    let link = match registered {
        Ok(link) => link,
        Err(gone @ Refused::Gone) => return (StatusCode::GONE, gone.to_string()).into_response(),
        Err(refused) => return (StatusCode::BAD_REQUEST, refused.to_string()).into_response(),
    };
    let id = link.id.clone();
    hold_agent(&master, link, peer);
    if let Err(error) = registry::store(&master).await {
        return unavailable(&error);
    }
    tracing::info!("{} agent {id} at {pid}", if again { "Re-registered" } else { "Registered" });
    let ping_timeout = master.configuration.pings.total().as_millis();
    Json(Registered { id, ping_timeout_ms: u64::try_from(ping_timeout).unwrap_or(u64::MAX) }).into_response()
}

pub(super) async fn unregister(State(master): Shared, Json(request): Json<Unregistration>) -> Response {
    if let Some(refused) = not_leading(&master) {
        return refused;
    }
    if master.cluster().unregister(&request.id) {
        tracing::info!("Agent {} unregistered", request.id);
        if let Err(error) = registry::store(&master).await {
            return unavailable(&error);
        }
    }
    Json(serde_json::json!({})).into_response()
}

pub(super) async fn subscribe(State(master): Shared, Json(subscription): Json<Subscription>) -> Response {
    if let Some(refused) = not_leading(&master) {
        return refused;
    }
    let Ok(ip) = subscription.ip.parse() else {
        return (StatusCode::BAD_REQUEST, "The framework's address is none").into_response();
    };
    let peer = SocketAddr::new(ip, subscription.port);
    let name = subscription.name.clone();
    let (id, link, went, agents) = {
        let mut cluster = master.cluster();
        let (id, link) = cluster.subscribe(subscription, now());
        let went = cluster.settle_drains();
        (id, link, went, cluster.known_agents())
    };
    if went && let Err(error) = registry::store(&master).await {
        tracing::warn!("{error}");
    }
    if let Some(link) = link {
        tracing::info!("Subscribed framework '{name}' with id {id} at {peer}");
        hold_framework(&master, link, peer);
    }
    Json(Subscribed { id, agents }).into_response()
}

fn hold_agent(master: &Arc<Master>, link: Link, peer: SocketAddr) {
    let master = Arc::clone(master);
    tokio::spawn(async move {
        let pings = master.configuration.pings;
        let ping = || {
            let cluster = master.cluster();
            let current = cluster.holds_agent(&link);
            current.then(|| Ping { id: link.id.clone(), connected: cluster.agent_connected(&link) })
        };
        let tell = |news| match news {
            News::Answered => master.cluster().holds_agent(&link),
            News::Silent => {
                let was = master.cluster().agent_connected(&link);
                if was {
                    tracing::warn!("Agent {} at {peer} disconnected", link.id);
                }
                master.cluster().agent_silent(&link)
            }
            News::Lost => {
                let lost = master.cluster().agent_lost(&link, now());
                if lost {
                    tracing::warn!("Agent {} at {peer} did not answer in time: marked unreachable", link.id);
                    let master = Arc::clone(&master);
                    tokio::spawn(async move {
                        if let Err(error) = registry::store(&master).await {
                            tracing::warn!("{error}");
                        }
                    });
                }
                lost
            }
        };
        link::hold(peer, pings, ping, tell).await;
    });
}

fn hold_framework(master: &Arc<Master>, link: Link, peer: SocketAddr) {
    let master = Arc::clone(master);
    tokio::spawn(async move {
        let pings = master.configuration.pings;
        let ping = || {
            let connected = master.cluster().framework_connected(&link);
            connected.then(|| Ping { id: link.id.clone(), connected })
        };
        let tell = |news| match news {
            News::Answered => master.cluster().framework_connected(&link),
            News::Silent | News::Lost => {
                tracing::warn!("Framework {} at {peer} disconnected", link.id);
                master.cluster().framework_silent(&link);
                false // It subscribes again by itself.
            }
        };
        link::hold(peer, pings, ping, tell).await;
    });
}
