//! Ctrl-C: once to stop in good order, twice to stop at once.

use std::{io::Write, sync::mpsc::channel, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use crate::progress::Progress;

/// Cancels the token at the first SIGINT or SIGTERM, and ends the process at the second.
pub(crate) fn watch(stop: CancellationToken, progress: Progress) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        // Where there is a tree it says so, and shows what is still under way.
        if !progress.stopping() {
            let _ = writeln!(std::io::stderr(), "stopping in good order; Ctrl-C again to stop at once");
        }
        stop.cancel();
        either(&mut interrupt, &mut terminate).await;
        // The tree's last lines, unless the terminal takes none.
        let (done, over) = channel();
        std::thread::spawn(move || {
            progress.finish();
            let _ = done.send(());
        });
        let _ = over.recv_timeout(Duration::from_millis(300));
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
