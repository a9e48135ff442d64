//! Everything of this crate against a real sshd, started by each test on loopback with keys and settings of its own.
//! Where there is no sshd (package openssh-server), the tests say so and are skipped.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]

mod commands;
mod delivery;
mod login;
mod onwards;
mod server;
mod shell;

use std::time::Duration;

use remote::{Identity, Session};
use server::Server;
use tokio::time::Instant;

/// Long enough for a busy machine; nothing waits for it when all is well.
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A server that accepts a fresh key, and a session with it; `None` where there is no sshd.
async fn logged_in() -> Option<(Server, Session)> {
    let identity = Identity::generate();
    let server = Server::start(&[identity.public_openssh()])?;
    let session = remote::wait_until_reachable(&server.target(), &identity, deadline()).await.unwrap();
    Some((server, session))
}
