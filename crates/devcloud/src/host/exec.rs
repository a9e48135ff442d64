//! Runs a command in a machine of a zone.

use std::process::ExitStatus;

use tokio_util::sync::CancellationToken;

use super::{Error, Places, Result, ZoneName, own};
use crate::own::Found;

/// Runs a command in a machine, named by its name or id, as its root, with this process's standard streams; at a terminal
/// the command has one too. A machine that only just began is waited for. Gives what the command ended with; nothing when
/// it was told to stop before: then the command has been ended.
///
/// # Errors
/// When the zone is simulated or not served, when there is no such machine or it does not run, and when it cannot be
/// entered.
pub async fn exec(
    places: &Places,
    name: &ZoneName,
    machine: &str,
    command: &[String],
    stop: &CancellationToken,
) -> Result<Option<ExitStatus>> {
    let Some(found) = stop.run_until_cancelled(own::machine(places, name, machine)).await else {
        return Ok(None);
    };
    let found = found?;
    if found.driver == "Simulator" {
        return Err(Error::Option(format!(
            "zone {name} is simulated: its machines are records, and nothing can run in {}",
            found.name
        )));
    }
    if found.state != "Running" {
        return Err(Error::Option(format!(
            "machine {} is {}; a command needs one that is Running",
            found.name, found.state
        )));
    }
    run(name, &found, command, stop).await
}

#[cfg(target_os = "linux")]
async fn run(
    name: &ZoneName,
    found: &Found,
    command: &[String],
    stop: &CancellationToken,
) -> Result<Option<ExitStatus>> {
    use std::io::IsTerminal;
    use std::time::Duration;
    use tokio::process::Command;

    /// How long what waits for a command may take to notice that it has been ended.
    const FAREWELL: Duration = Duration::from_secs(2);

    let Some(entrance) = stop.run_until_cancelled(entrance(name, found)).await.transpose()? else {
        return Ok(None);
    };
    let cannot = |error| Error::Option(format!("machine {} cannot be entered: {error}", found.name));
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    // What the machine's systemd runs outlives whoever waits for it here, so it has a name to be ended by.
    let unit = format!("mesostack-exec-{}.service", uuid::Uuid::new_v4().simple());
    let mut program = Command::from(entrance.run(&unit, command, terminal));
    if !terminal {
        keep_terminals(&mut program);
    }
    let mut waiting = program.kill_on_drop(true).spawn().map_err(cannot)?;
    let shown = pass_on(&mut waiting);
    let ended = stop.run_until_cancelled(waiting.wait()).await.transpose().map_err(cannot)?;
    if let Some(status) = ended
        && status.code().is_some()
    {
        futures::future::join_all(shown).await;
        return Ok(Some(status));
    }
    // We were told to stop; or what waited was, by the same key at the same terminal.
    let end = end(entrance.end(&unit)).await;
    // What waits for it here goes with it, and leaves the terminal as it was.
    if tokio::time::timeout(FAREWELL, waiting.wait()).await.is_err() {
        waiting.kill().await.map_err(cannot)?;
    }
    end.map_err(|error| {
        Error::Option(format!("the command may still run in machine {}, as {unit}: {error}", found.name))
    })?;
    Ok(None)
}

/// Whoever holds a terminal's descriptor may type on it, and a machine's root is not the one who sits here: what of the
/// standard streams is a terminal is passed on by us.
#[cfg(target_os = "linux")]
fn keep_terminals(program: &mut tokio::process::Command) {
    use std::io::IsTerminal;
    use std::process::Stdio;

    if std::io::stdin().is_terminal() {
        program.stdin(Stdio::piped());
    }
    if std::io::stdout().is_terminal() {
        program.stdout(Stdio::piped());
    }
    if std::io::stderr().is_terminal() {
        program.stderr(Stdio::piped());
    }
}

/// Passes on the standard streams that are pipes to us, until they end; what is given here is what shows the output.
#[cfg(target_os = "linux")]
fn pass_on(program: &mut tokio::process::Child) -> Vec<tokio::task::JoinHandle<()>> {
    use std::fs::File;
    use std::os::fd::{AsFd, OwnedFd};

    // Unbuffered: a prompt has no end of line.
    fn copy(from: std::io::Result<OwnedFd>, to: std::io::Result<OwnedFd>) {
        if let (Ok(from), Ok(to)) = (from, to) {
            let _ = std::io::copy(&mut File::from(from), &mut File::from(to));
        }
    }
    if let Some(stdin) = program.stdin.take() {
        // A thread of its own: nothing ends a read from a terminal, and nobody waits for this one.
        std::thread::spawn(move || {
            copy(std::io::stdin().as_fd().try_clone_to_owned(), stdin.into_owned_fd());
        });
    }
    let stdout = program.stdout.take().map(|stdout| {
        let to = std::io::stdout().as_fd().try_clone_to_owned();
        tokio::task::spawn_blocking(move || copy(stdout.into_owned_fd(), to))
    });
    let stderr = program.stderr.take().map(|stderr| {
        let to = std::io::stderr().as_fd().try_clone_to_owned();
        tokio::task::spawn_blocking(move || copy(stderr.into_owned_fd(), to))
    });
    stdout.into_iter().chain(stderr).collect()
}

/// The way into a machine, as soon as there is one.
#[cfg(target_os = "linux")]
async fn entrance(name: &ZoneName, found: &Found) -> Result<crate::machines::Entrance> {
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    /// How long a machine may take until it can be entered.
    const BOOT: Duration = Duration::from_secs(60);
    const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

    let deadline = Instant::now() + BOOT;
    loop {
        if let Some(entrance) = crate::machines::Entrance::find(name, found.id)? {
            return Ok(entrance);
        }
        if Instant::now() >= deadline {
            return Err(Error::Option(format!(
                "machine {machine} has not come so far within {} s that it can be entered; `mesostack zone console \
                 --name {name} {machine}` may show why",
                BOOT.as_secs(),
                machine = found.name
            )));
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

/// Ends a command nobody waits for any more.
#[cfg(target_os = "linux")]
async fn end(program: std::process::Command) -> std::io::Result<()> {
    use std::process::Stdio;
    use std::time::Duration;

    /// How long it may take to end; the machine's systemd kills it later than that.
    const PATIENCE: Duration = Duration::from_secs(10);

    let mut program = tokio::process::Command::from(program);
    program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // That it is not there is as well: it had ended, or not begun.
    tokio::time::timeout(PATIENCE, program.status()).await?.map(drop)
}

#[cfg(not(target_os = "linux"))]
async fn run(_: &ZoneName, found: &Found, _: &[String], _: &CancellationToken) -> Result<Option<ExitStatus>> {
    Err(Error::CannotRun(format!("machine {} needs Linux", found.name)))
}
