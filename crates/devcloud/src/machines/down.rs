//! Taking a zone off the host without knowing anything but its name: found by names, control groups and mounts, never by
//! records, so that it works after any crash, and twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ipnet::Ipv4Net;

use super::cgroup::Hierarchies;
use super::error::{At, HostError, Result};
use super::names::Owner;
use super::{loops, machine, mounts, namespace, router, uplink};
use crate::host::ZoneName;

/// What of a zone stands on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether its public bridge is there.
    pub bridge: bool,
    /// Routers, by their namespaces.
    pub routers: usize,
    /// Machines that run.
    pub machines: usize,
}

/// What of the zone stands on this host.
///
/// # Errors
/// When the host has no unified control groups or cannot be looked at.
pub fn standing(zone: &ZoneName) -> Result<Standing, HostError> {
    let groups = Hierarchies::find()?.zone(zone).children();
    let runs = |name: &str| machine::of_group(name).is_some();
    Ok(Standing {
        bridge: uplink::link_exists(&zone.public_bridge()),
        routers: namespace::all()?
            .iter()
            .filter(|name| matches!(zone.owner(name), Some(Owner::Router(_))))
            .count(),
        machines: groups.iter().filter(|group| runs(group.name()) && group.populated()).count(),
    })
}

/// Removes everything of the zone from this host: processes, mounts, namespaces, interfaces, rules, routes, and the
/// state directory with all disks in it. Touches nothing that does not carry the zone's name. What cannot be removed
/// keeps nothing else from being removed. Without the public range (when the zone has not even written that down) there
/// is no route to look for.
///
/// # Errors
/// Everything that could not be removed, in one error.
pub fn remove_everything(
    zone: &ZoneName,
    state: &Path,
    public_range: Option<Ipv4Net>,
) -> Result<(), HostError> {
    let mut left = Vec::new();
    let mut step = |outcome: Result<()>| left.extend(outcome.err().map(|error| error.to_string()));

    let group = Hierarchies::find()?.zone(zone);
    step(group.kill());
    step(unmount_below(state));
    step(loops::release_below(state, &[]));
    step(remove_namespaces(zone));
    step(uplink::lower(zone, public_range));
    machine::clear_nspawn(zone);
    step(group.remove());
    group.remove_parent_if_unused();
    step(remove_state(state));

    if left.is_empty() { Ok(()) } else { Err(HostError::Other(left.join("; "))) }
}

fn remove_namespaces(zone: &ZoneName) -> Result<()> {
    for name in namespace::all()?.into_iter().filter(|name| zone.owner(name).is_some()) {
        // At once, not some time after: what is left of links would be seen in the host's namespace.
        router::delete_links(&name)?;
        namespace::remove(&name)?;
    }
    Ok(())
}

fn unmount_below(state: &Path) -> Result<()> {
    let mounted: BTreeSet<_> = mounts::all()?
        .into_iter()
        .map(|mount| mount.place)
        .filter(|place| place.starts_with(state) && place != state)
        .collect();
    for place in mounted.iter().rev() {
        let lock = machine::lock_of(place);
        mounts::unmount_if_mounted(place)?;
        if let Some(lock) = lock {
            super::files::remove(&lock)?;
        }
    }
    Ok(())
}

fn remove_state(state: &Path) -> Result<()> {
    if state.exists() { fs::remove_dir_all(state).at("remove", state) } else { Ok(()) }
}
