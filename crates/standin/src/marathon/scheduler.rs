//! The leader as a framework of Mesos: it subscribes with whoever leads there, and tells its tasks every few seconds;
//! the answer lists the agents, by which it places tasks anew. The master holds on to it through a port of its own
//! (`LIBPROCESS_IP`, `LIBPROCESS_PORT`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Marathon, code, store};
use crate::agent::Leader;
use crate::ending::Ending;
use crate::http;
use crate::protocol::{FRAMEWORKS, PING, Ping, Subscribed, Subscription};
use crate::zookeeper::{Session, SessionLost};

/// How often the master is told of the tasks.
const INTERVAL: Duration = Duration::from_secs(3);
/// How soon a refused subscription is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long one telling may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Works as a framework for as long as the instance leads.
pub(super) async fn run(marathon: &Arc<Marathon>, session: &Session) -> Result<Ending, SessionLost> {
    let address = marathon.configuration.scheduler;
    let bound = async {
        let listener = http::listen(address).await?;
        let bound = listener.local_addr()?;
        std::io::Result::Ok((listener, bound))
    };
    let (listener, bound): (TcpListener, SocketAddr) = match bound.await {
        Ok(bound) => bound,
        Err(error) => {
            return Ok(Ending::failed(
                code::BIND,
                format!("Failed to bind LIBPROCESS on {address}: {error}"),
            ));
        }
    };
    let router = Router::new().route(PING, post(ping)).with_state(Arc::clone(marathon));
    let master = watch::Sender::new(None);
    let master_known = master.subscribe();
    tokio::select! {
        error = http::serve(listener, router) => {
            Ok(Ending::failed(code::BIND, format!("Failed to serve: {error}")))
        }
        never = marathon.configuration.master.follow(&master) => match never {},
        lost = subscribe(marathon, session, bound, master_known) => Err(lost),
    }
}

async fn subscribe(
    marathon: &Marathon,
    session: &Session,
    bound: SocketAddr,
    mut master: watch::Receiver<Option<Leader>>,
) -> SessionLost {
    let mut subscribed_with = None;
    loop {
        let leader = master.borrow_and_update().clone();
        let mut again = false;
        let mut pause = INTERVAL;
        if let Some(leader) = &leader {
            let subscription = subscription(marathon, bound);
            let answer = tokio::select! {
                answer = http::post::<Subscribed>(leader.socket, FRAMEWORKS, &subscription, PATIENCE) => answer,
                changed = master.changed() => {
                    drop(changed);
                    continue;
                }
            };
            match answer {
                Ok(answer) => {
                    if subscribed_with.as_ref() != Some(leader) {
                        tracing::info!("Subscribed with master@{} as framework {}", leader.socket, answer.id);
                        subscribed_with = Some(leader.clone());
                    }
                    match settle(marathon, session, answer).await {
                        Ok(changed) => again = changed,
                        Err(lost) => return lost,
                    }
                }
                Err(failure) => {
                    tracing::warn!("Not subscribed: {failure}; trying again");
                    subscribed_with = None;
                    pause = RETRY;
                }
            }
        }
        if !again {
            tokio::select! {
                () = sleep(pause) => {}
                changed = master.changed() => drop(changed),
                () = marathon.stir.notified() => {}
            }
        }
    }
}

/// Takes the master's answer in. Returns whether the master has to be told at once.
async fn settle(marathon: &Marathon, session: &Session, answer: Subscribed) -> Result<bool, SessionLost> {
    if marathon.framework_id().as_ref() != Some(&answer.id) {
        store::keep_framework_id(marathon, session, &answer.id).await?;
    }
    let changed = marathon.apps().place(&answer.agents, || uuid::Uuid::new_v4().to_string());
    if changed || std::mem::take(&mut marathon.apps().unsaved) {
        store::keep_apps(marathon, session).await?;
    }
    Ok(changed)
}

fn subscription(marathon: &Marathon, bound: SocketAddr) -> Subscription {
    let configuration = &marathon.configuration;
    Subscription {
        id: marathon.framework_id().clone(),
        name: configuration.framework_name.clone(),
        user: configuration.user.clone(),
        hostname: configuration.hostname.clone(),
        ip: bound.ip().to_string(),
        port: bound.port(),
        webui_url: configuration.webui_url.clone().unwrap_or_else(|| format!("http://{}", configuration.own)),
        failover_timeout: configuration.failover_timeout,
        tasks: marathon.apps().tasks(),
    }
}

async fn ping(State(marathon): State<Arc<Marathon>>, Json(ping): Json<Ping>) -> StatusCode {
    if marathon.framework_id().as_ref() != Some(&ping.id) {
        // Its first subscription is still being answered.
        return if marathon.framework_id().is_none() { StatusCode::OK } else { StatusCode::CONFLICT };
    }
    if !ping.connected {
        marathon.stir.notify_one();
    }
    StatusCode::OK
}
