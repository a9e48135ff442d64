//! What a zone's process says, and a simulated zone's state kept and brought back.

use std::time::Instant;

use devcloud::host::{self, SnapshotName, ZoneName};
use serde_json::json;

use super::{Zone, places};
use crate::{
    cli::{exit::Exit, report::While, run::Run},
    progress::readable,
};

/// Prints the end of the log of the process that serves the zone.
pub(super) fn logs(run: &Run, zone: &ZoneName, lines: usize) -> miette::Result<Exit> {
    let path = host::log(&places()?, zone).tried("there is no log to be shown")?;
    let text = std::fs::read(&path).tried(format!("could not read {}", path.display()))?;
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    let last = &all[all.len().saturating_sub(lines)..];
    run.answer(&json!({ "file": path, "lines": last }), || last.join("\n"))?;
    Ok(Exit::Done)
}

/// Keeps the zone as it is.
pub(super) async fn snapshot(run: &Run, zone: &ZoneName, snapshot: &SnapshotName) -> miette::Result<Exit> {
    let kept = run.carry_out(host::snapshot(&places()?, zone, snapshot)).await?;
    kept.tried(format!("zone {zone} was not kept"))?;
    run.conclude(&json!({ "zone": zone.as_str(), "snapshot": snapshot.to_string() }), || {
        format!("zone {zone} is kept as {snapshot}; `mesostack zone reset --name {zone} {snapshot}` brings it back")
    })?;
    Ok(Exit::Done)
}

/// Has the zone be as it was.
pub(super) async fn reset(
    run: &Run,
    zone: &ZoneName,
    snapshot: Option<&SnapshotName>,
) -> miette::Result<Exit> {
    let began = Instant::now();
    let places = places()?;
    // Once begun it is not broken off: the zone might be left unserved.
    let reset = run.carry_out(host::reset(&places, zone, snapshot)).await?;
    let status = reset.tried(format!("zone {zone} was not reset"))?;
    run.conclude(&Zone::of(status), || {
        let now = match snapshot {
            None => "as new, with the same keys".to_owned(),
            Some(snapshot) => format!("as it was at {snapshot}, keys included"),
        };
        format!("zone {zone} is {now} ({})", readable(began.elapsed()))
    })?;
    Ok(Exit::Done)
}
