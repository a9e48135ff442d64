//! The metadata and password service of a network's router, as guests see it at their gateway.
//!
//! Whoever asks is known by its address, and is told of itself only. A listing names only what can be had: cloud-init
//! throws everything away when one listed name answers 404.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use super::error::{HostError, Result};
use super::password::Taken;
use super::{namespace, password};
use crate::driver::{Guest, Network};

/// What the service answers under one path to one guest; none is 404.
fn answer(guest: &Guest, path: &str) -> Option<Vec<u8>> {
    let path = path.trim_start_matches('/').strip_prefix("latest")?;
    match path.trim_start_matches('/') {
        "" if guest.user_data.is_some() => Some(b"meta-data/\nuser-data".to_vec()),
        "" => Some(b"meta-data/".to_vec()),
        "user-data" => guest.user_data.clone(),
        "meta-data" | "meta-data/" => {
            let names: Vec<_> = guest.metadata.iter().map(|(name, _)| name.as_ref()).collect();
            Some(names.join("\n").into_bytes())
        }
        leaf => {
            let leaf = leaf.strip_prefix("meta-data/").unwrap_or(leaf);
            guest.metadata.iter().find(|(name, _)| name == leaf).map(|(_, value)| value.clone().into_bytes())
        }
    }
}

/// The guests by address, as the service knows them now.
pub(super) type Guests = Arc<RwLock<BTreeMap<Ipv4Addr, Arc<Guest>>>>;

/// A network's service; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    guests: Guests,
    stop: CancellationToken,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Service {
    /// Listens in the router's namespace at the network's gateway. Sockets stay in the namespace they are made in, so
    /// the runtime serves them from where it is.
    pub(crate) fn start(network: &Network, router: &str, taken: Taken) -> Result<Self> {
        let gateway = network.gateway;
        let listen = |port| {
            let listener = TcpListener::bind((gateway, port))?;
            listener.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(listener)
        };
        let failed = |port: u16| {
            move |error| {
                HostError::Other(format!("could not listen for metadata at {gateway}:{port}: {error}"))
            }
        };
        let (metadata, passwords) = namespace::inside(router, || (listen(80), listen(8080)))?;
        let (metadata, passwords) = (metadata.map_err(failed(80))?, passwords.map_err(failed(8080))?);
        let service = Self { guests: Guests::default(), stop: CancellationToken::new() };
        service.know(network);
        let metadata_door = Router::new().fallback(ask).with_state(Arc::clone(&service.guests));
        serve(metadata, metadata_door, service.stop.clone());
        serve(passwords, password::door(Arc::clone(&service.guests), taken), service.stop.clone());
        Ok(service)
    }

    /// From now on, these are the guests.
    pub(crate) fn know(&self, network: &Network) {
        let guests = network.guests.iter().map(|guest| (guest.address, Arc::clone(guest))).collect();
        *self.guests.write().unwrap_or_else(PoisonError::into_inner) = guests;
    }
}

fn serve(listener: TcpListener, door: Router, stop: CancellationToken) {
    tokio::spawn(async move {
        let outcome = async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, door.into_make_service_with_connect_info::<SocketAddr>())
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
        };
        if let Err(error) = outcome.await {
            tracing::warn!(%error, "a router's metadata service ended");
        }
    });
}

async fn ask(
    State(guests): State<Guests>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response {
    let IpAddr::V4(client) = client.ip() else { return StatusCode::NOT_FOUND.into_response() };
    let guests = guests.read().unwrap_or_else(PoisonError::into_inner);
    match guests.get(&client).and_then(|guest| answer(guest, request.uri().path())) {
        Some(body) => body.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn guest(user_data: Option<&[u8]>) -> Guest {
        Guest {
            machine: Uuid::nil(),
            host_name: "node-1".parse().expect("a host name"),
            mac: "02:00:00:00:00:01".parse().expect("a hardware address"),
            address: Ipv4Addr::new(172, 16, 0, 20),
            metadata: vec![("instance-id".into(), "i-1".into()), ("local-hostname".into(), "node-1".into())],
            user_data: user_data.map(Into::into),
            password: None,
        }
    }

    #[test]
    fn everything_listed_can_be_had() {
        let guest = guest(None);
        let listing = answer(&guest, "/latest/meta-data/").expect("a listing");
        for name in String::from_utf8(listing).expect("text").lines() {
            assert!(
                answer(&guest, &format!("/latest/meta-data/{name}")).is_some(),
                "{name} is listed and missing"
            );
            assert!(answer(&guest, &format!("/latest/{name}")).is_some(), "{name} has no short path");
        }
    }

    #[test]
    fn what_is_not_there_is_not_answered() {
        assert_eq!(answer(&guest(None), "/latest/user-data"), None);
        assert_eq!(answer(&guest(None), "/latest/meta-data/public-keys"), None);
        assert_eq!(answer(&guest(None), "/1.0/meta-data/instance-id"), None);
    }

    #[test]
    fn user_data_is_answered_byte_for_byte() {
        assert_eq!(
            answer(&guest(Some(b"\x1f\x8b\x00")), "/latest/user-data"),
            Some(b"\x1f\x8b\x00".to_vec())
        );
    }
}
