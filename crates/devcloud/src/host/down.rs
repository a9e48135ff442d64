//! Takes a zone away from this host, whatever state it is in.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::places::ZonePlace;
use super::up::BUSY;
use super::{At, Error, Places, Result, ZoneName, lock};

/// How long the serving process may take to be gone after it was killed.
const GONE: Duration = Duration::from_secs(10);

/// Removes the zone: the process that serves it, its machines, routers, mounts, interfaces, rules, routes and files. Says
/// whether there was anything of it. Works as well when nothing serves it, when it was never wholly raised, and when it
/// is gone already; touches nothing that is not the zone's own.
///
/// # Errors
/// When something of it could not be removed; the rest is.
pub async fn down(places: &Places, name: &ZoneName) -> Result<bool> {
    let place = places.zone(name);
    let there = place.exists() || stands(name);
    if !there {
        return Ok(false);
    }
    places.make()?;
    let held = lock::take(&place.lock, BUSY).await?.ok_or_else(|| Error::Busy(name.clone()))?;
    let settings = place.settings().unwrap_or_default();
    if place.exists() {
        // Its jobs need not end: all they work on goes.
        end_serving(&place, name).await?;
    }
    let simulated = settings.as_ref().is_some_and(|settings| settings.simulator);
    if !simulated {
        let range = settings.map(|settings| settings.public_range);
        remove_machines(name, &place.directory, range).await?;
    }
    match std::fs::remove_dir_all(&place.directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).at("remove", &place.directory);
        }
        _ => {}
    }
    held.remove();
    places.remove_if_empty();
    Ok(true)
}

/// Kills the process that serves the zone, if one does; nobody can serve it while what is given here is kept.
pub(super) async fn end_serving(place: &ZonePlace, name: &ZoneName) -> Result<lock::Held> {
    if let Some(pid) =
        lock::holder(&place.serving()).and_then(|process| Pid::from_raw(process.try_into().ok()?))
    {
        let _ = kill_process(pid, Signal::KILL);
    }
    lock::take(&place.serving(), GONE).await?.ok_or_else(|| {
        Error::Option(format!(
            "the process that serves zone {name} cannot be stopped; look at {}",
            place.serving().display()
        ))
    })
}

#[cfg(target_os = "linux")]
fn stands(name: &ZoneName) -> bool {
    crate::machines::standing(name).is_ok_and(|standing| standing != crate::machines::Standing::default())
}

#[cfg(not(target_os = "linux"))]
fn stands(_: &ZoneName) -> bool {
    false
}

#[cfg(target_os = "linux")]
async fn remove_machines(
    name: &ZoneName,
    directory: &std::path::Path,
    range: Option<ipnet::Ipv4Net>,
) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(()); // no machines were ever raised by this user
    }
    let (name, directory) = (name.clone(), directory.to_owned());
    tokio::task::spawn_blocking(move || crate::machines::remove_everything(&name, &directory, range))
        .await??;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn remove_machines(_: &ZoneName, _: &std::path::Path, _: Option<ipnet::Ipv4Net>) -> Result<()> {
    Ok(())
}
