//! Ctrl-C: once to stop in good order, twice to stop at once.

use std::io::Write;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;

/// Cancels the token at the first SIGINT or SIGTERM, and ends the process at the second.
pub(crate) fn watch(stop: CancellationToken) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        let _ = writeln!(std::io::stderr(), "stopping in good order; Ctrl-C again to stop at once");
        stop.cancel();
        either(&mut interrupt, &mut terminate).await;
        #[expect(clippy::exit, reason = "the user asked twice: nothing may hold the process up any more")]
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    Ok(())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
