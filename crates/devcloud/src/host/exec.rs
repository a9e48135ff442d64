//! Runs a command in a machine of a zone.

use std::process::ExitStatus;

use super::{Error, Places, Result, ZoneName, own};

/// Runs a command in a machine, named by its name or id, as its root, with this process's standard streams; at a terminal
/// the command has one too. Gives what it ended with.
///
/// # Errors
/// When the zone is simulated or not served, when there is no such machine or it does not run, and when it cannot be
/// entered.
pub async fn exec(places: &Places, name: &ZoneName, machine: &str, command: &[String]) -> Result<ExitStatus> {
    let found = own::machine(places, name, machine).await?;
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
    run(name, &found, command).await
}

#[cfg(target_os = "linux")]
async fn run(name: &ZoneName, found: &crate::own::Found, command: &[String]) -> Result<ExitStatus> {
    use std::io::IsTerminal;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let program = crate::machines::command_in(name, found.id, command, terminal)?;
    let mut child = tokio::process::Command::from(program);
    child.kill_on_drop(true);
    let status = child.status().await;
    status.map_err(|error| Error::Option(format!("machine {} cannot be entered: {error}", found.name)))
}

#[cfg(not(target_os = "linux"))]
async fn run(_: &ZoneName, found: &crate::own::Found, _: &[String]) -> Result<ExitStatus> {
    Err(Error::CannotRun(format!("machine {} needs Linux", found.name)))
}
