//! The password service of a network's router: a guest asks for its password when it boots, and says when it has taken
//! it. One that was taken is not told again, whatever becomes of this process or of the router.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error::Result;
use super::files;
use super::metadata::Guests;
use crate::driver::{Guest, Password};

/// What a guest that has a password already, or gets none, is answered.
const SAVED: &str = "saved_password";

/// Which password each machine has taken: a file a machine, with the password's digest.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    directory: PathBuf,
}

impl Taken {
    /// Kept in this directory.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn file(&self, machine: Uuid) -> PathBuf {
        self.directory.join(machine.simple().to_string())
    }

    fn has(&self, machine: Uuid, password: &Password) -> bool {
        fs::read(self.file(machine)).is_ok_and(|taken| taken == digest(password))
    }

    fn note(&self, machine: Uuid, password: &Password) -> Result<()> {
        files::write_whole(&self.file(machine), &digest(password))
    }

    /// Forgets a machine.
    pub(super) fn forget(&self, machine: Uuid) -> Result<()> {
        files::remove(&self.file(machine))
    }
}

fn digest(password: &Password) -> Vec<u8> {
    Sha256::digest(password.expose()).to_vec()
}

/// What a guest that asks for this is answered, from CloudStack's own words: its password, or that it has it.
fn answer<'g>(guest: &'g Guest, request: &str, taken: &Taken) -> Result<&'g str> {
    match (request, &guest.password) {
        ("send_my_password", Some(password)) if !taken.has(guest.machine, password) => Ok(password.expose()),
        ("saved_password", Some(password)) => taken.note(guest.machine, password).map(|()| SAVED),
        ("send_my_password" | "saved_password", _) => Ok(SAVED),
        _ => Ok("bad_request"),
    }
}

/// The service's door.
pub(super) fn door(guests: Guests, taken: Taken) -> Router {
    Router::new().fallback(ask).with_state((guests, Arc::new(taken)))
}

async fn ask(
    State((guests, taken)): State<(Guests, Arc<Taken>)>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let IpAddr::V4(client) = client.ip() else { return StatusCode::NOT_FOUND.into_response() };
    let guest = guests.read().unwrap_or_else(PoisonError::into_inner).get(&client).cloned();
    let Some(guest) = guest else { return StatusCode::NOT_FOUND.into_response() };
    let request = headers.get("DomU_Request").and_then(|request| request.to_str().ok()).unwrap_or_default();
    let request = request.to_owned();
    let answered = tokio::task::spawn_blocking(move || {
        answer(&guest, &request, &taken).map(str::to_owned).inspect_err(
            |error| tracing::warn!(machine = %guest.machine, %error, "that a password was taken could not be kept"),
        )
    });
    match answered.await {
        Ok(Ok(text)) => text.into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn guest(password: Option<&str>) -> Guest {
        Guest {
            machine: Uuid::from_u128(7),
            host_name: "node-1".parse().expect("a host name"),
            mac: "02:00:00:00:00:01".parse().expect("a hardware address"),
            address: Ipv4Addr::new(172, 16, 0, 20),
            metadata: Vec::new(),
            user_data: None,
            password: password.map(Password::new),
        }
    }

    #[test]
    fn a_password_is_told_until_it_was_taken_and_a_new_one_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let taken = Taken::new(directory.path().to_owned());
        let ask = |guest: &Guest, request: &str| answer(guest, request, &taken).expect("answered").to_owned();
        let first = guest(Some("one"));
        assert_eq!(ask(&first, "send_my_password"), "one");
        assert_eq!(ask(&first, "send_my_password"), "one", "it may have got lost");
        assert_eq!(ask(&first, "saved_password"), SAVED);
        assert_eq!(ask(&first, "send_my_password"), SAVED);
        // Another process, with the same directory.
        let later = Taken::new(directory.path().to_owned());
        assert_eq!(answer(&first, "send_my_password", &later).expect("answered"), SAVED);
        assert_eq!(ask(&guest(Some("two")), "send_my_password"), "two");
        taken.forget(Uuid::from_u128(8)).expect("another one");
        assert_eq!(ask(&first, "send_my_password"), SAVED);
        taken.forget(first.machine).expect("forgotten");
        assert_eq!(ask(&first, "send_my_password"), "one", "its machine was gone");
    }

    #[test]
    fn who_has_no_password_is_told_so_and_nonsense_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let taken = Taken::new(directory.path().to_owned());
        assert_eq!(answer(&guest(None), "send_my_password", &taken).expect("answered"), SAVED);
        assert_eq!(answer(&guest(Some("one")), "", &taken).expect("answered"), "bad_request");
        assert_eq!(answer(&guest(Some("one")), "give", &taken).expect("answered"), "bad_request");
    }
}
