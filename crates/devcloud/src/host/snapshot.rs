//! Snapshots of a simulated zone, for test loops that begin at the same state again and again. All that such a zone is
//! stands in its records, so a snapshot is a copy of them.

use std::fmt;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::str::FromStr;

use super::places::ZonePlace;
use super::up::BUSY;
use super::{At, Error, Options, Places, Result, Settings, Status, ZoneName, down, lock, status, up};
use crate::Records;
use crate::faults::FaultsFile;

/// The longest name of a snapshot.
const LONGEST: usize = 64;

/// A snapshot's name: letters, digits, hyphens, underscores and dots, a letter or digit first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotName(String);

/// A name that a snapshot cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" cannot be a snapshot's name: use 1 to {LONGEST} letters, digits, hyphens, underscores and dots, starting with a \
     letter or a digit"
)]
pub struct InvalidSnapshotName(String);

impl FromStr for SnapshotName {
    type Err = InvalidSnapshotName;

    fn from_str(text: &str) -> Result<Self, InvalidSnapshotName> {
        let legal = (1..=LONGEST).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if legal { Ok(Self(text.to_owned())) } else { Err(InvalidSnapshotName(text.to_owned())) }
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Keeps the zone as it is at this moment under a name, in place of an earlier snapshot of that name. A zone that is
/// served goes on meanwhile; everything it has answered for is in the snapshot. Jobs under way will have failed when the
/// zone is reset to it.
///
/// # Errors
/// When there is no such zone, or it has machines.
pub async fn snapshot(places: &Places, name: &ZoneName, snapshot: &SnapshotName) -> Result<()> {
    let place = places.zone(name);
    settings(&place, name)?;
    let held = lock::take(&place.lock, BUSY).await?.ok_or_else(|| Error::Busy(name.clone()))?;
    let (records, kept) = (place.records(), place.snapshot(snapshot));
    tokio::task::spawn_blocking(move || {
        let directory = kept.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(directory).at("make", directory)?;
        Ok::<_, Error>(Records::copy(&records, &kept)?)
    })
    .await??;
    drop(held);
    Ok(())
}

/// Has the zone be as it was when the snapshot was taken; without one, as it was when it was new. Then its keys stay the same.
/// When it was served, it is served again. Killed at any instant, the zone is as before or as wanted.
///
/// # Errors
/// When there is no such zone or snapshot, the zone has machines, or it does not come up again.
pub async fn reset(places: &Places, name: &ZoneName, snapshot: Option<&SnapshotName>) -> Result<Status> {
    let place = places.zone(name);
    let settings = settings(&place, name)?;
    let options = options(name, settings)?;
    let held = lock::take(&place.lock, BUSY).await?.ok_or_else(|| Error::Busy(name.clone()))?;
    if let Some(snapshot) = snapshot
        && !place.snapshot(snapshot).exists()
    {
        return Err(unknown(&place, name, snapshot));
    }
    let served = lock::holder(&place.serving()).is_some();
    // Nobody else serves it while its records are changed.
    let mut serving = down::end_serving(&place, name).await?;
    // What the process left that was killed: its number, and keys for whoever has its port next.
    serving.clear()?;
    match std::fs::remove_file(place.keys()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).at("remove", &place.keys());
        }
        _ => {}
    }
    let (records, wanted) = (place.records(), snapshot.map(|snapshot| place.snapshot(snapshot)));
    tokio::task::spawn_blocking(move || Records::replace(&records, wanted.as_deref())).await??;
    drop(serving);
    if served {
        up::start(&place, &options).await?;
    }
    drop(held);
    status(places, name)
}

fn settings(place: &ZonePlace, name: &ZoneName) -> Result<Settings> {
    let settings = place.settings()?.ok_or_else(|| Error::NoZone(name.clone()))?;
    if settings.simulator {
        return Ok(settings);
    }
    Err(Error::Option(format!(
        "zone {name} has machines, whose disks are no part of its records: only a simulated zone can be kept and reset; \
         `mesostack zone down --name {name}` and `up` give a new one"
    )))
}

/// What the zone was raised with.
fn options(name: &ZoneName, settings: Settings) -> Result<Options> {
    let faults = settings.faults.as_deref().map(FaultsFile::parse).transpose();
    Ok(Options {
        name: name.clone(),
        port: settings.port,
        public_range: settings.public_range,
        simulator: settings.simulator,
        faults: faults.map_err(|_| {
            Error::Option(format!("the file of faults that zone {name} was raised with is broken"))
        })?,
    })
}

fn unknown(place: &ZonePlace, name: &ZoneName, snapshot: &SnapshotName) -> Error {
    let mut there = place.snapshots();
    there.sort_unstable();
    let there =
        if there.is_empty() { "it has none".to_owned() } else { format!("it has {}", there.join(", ")) };
    Error::Option(format!("zone {name} has no snapshot {snapshot}; {there}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_s_name_stays_within_its_directory() {
        for name in ["", ".", "..", "../x", "a/b", ".hidden", "-x", "a b", "ä"] {
            assert!(name.parse::<SnapshotName>().is_err(), "{name:?} was accepted");
        }
        for name in ["three-agents", "v1.2_a", "9"] {
            assert!(name.parse::<SnapshotName>().is_ok(), "{name:?} was refused");
        }
    }
}
