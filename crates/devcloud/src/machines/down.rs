//! Taking a zone off the host without knowing anything but its name: found by names, control groups and mounts, never by
//! records, so that it works after any crash, and twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;

use super::cgroup::Hierarchies;
use super::disk::unmount_if_mounted;
use super::error::{At, HostError, Result};
use super::names::Owner;
use super::{machine, namespace, router, uplink};
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
    let path = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(path).at("read", path)?;
    let mounted: BTreeSet<PathBuf> = text
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape)
        .filter(|mount| mount.starts_with(state) && mount != state)
        .collect();
    for mount in mounted.iter().rev() {
        let lock = machine::lock_of(mount);
        unmount_if_mounted(mount)?;
        if let Some(lock) = lock {
            super::files::remove(&lock)?;
        }
    }
    Ok(())
}

/// Blanks and the like stand in mountinfo as a backslash and three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

fn remove_state(state: &Path) -> Result<()> {
    if state.exists() { fs::remove_dir_all(state).at("remove", state) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_with_blanks_are_read_as_they_are() {
        assert_eq!(unescape("/var/a\\040b\\134c"), Path::new("/var/a b\\c"));
        assert_eq!(unescape("/var/lib"), Path::new("/var/lib"));
    }
}
