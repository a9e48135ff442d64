//! Network namespaces: made, found, entered and removed by name.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::error::{At, HostError, Result};
use super::program::ip;

/// Where `ip netns` keeps namespaces.
pub(crate) const DIRECTORY: &str = "/run/netns";

/// What `statfs` says of a namespace's file (NSFS_MAGIC in linux/magic.h).
const NSFS_MAGIC: rustix::fs::FsWord = 0x6e73_6673;

/// The file of a namespace.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Whether the namespace stands. A file alone is what a killed `ip netns add` leaves.
pub(crate) fn exists(name: &str) -> bool {
    rustix::fs::statfs(path(name)).is_ok_and(|found| found.f_type == NSFS_MAGIC)
}

/// Makes the namespace with its loopback up, unless it stands already; says whether it was made.
pub(crate) fn ensure(name: &str) -> Result<bool> {
    if exists(name) {
        return Ok(false);
    }
    if path(name).exists() {
        fs::remove_file(path(name)).at("remove the half-made namespace", &path(name))?;
    }
    ip("netns add").args([name]).run()?;
    // Nothing in the zone speaks IPv6; without this, machines wait for addresses that never come.
    write_sysctl(name, "net/ipv6/conf/all/disable_ipv6", "1")?;
    write_sysctl(name, "net/ipv6/conf/default/disable_ipv6", "1")?;
    super::program::ip_in(name, "link set lo up").run()?;
    Ok(true)
}

/// Removes the namespace. Its interfaces go with the last process in it.
pub(crate) fn remove(name: &str) -> Result<()> {
    if exists(name) {
        ip("netns delete").args([name]).run()?;
    } else if path(name).exists() {
        fs::remove_file(path(name)).at("remove the half-made namespace", &path(name))?;
    }
    Ok(())
}

/// The names of all namespaces on the host.
pub(crate) fn all() -> Result<Vec<String>> {
    let directory = Path::new(DIRECTORY);
    match fs::read_dir(directory) {
        Ok(entries) => Ok(entries
            .filter_map(std::result::Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).at("list", directory),
    }
}

/// Does something inside the namespace, on a thread of its own that ends with it: sockets made there stay there, whoever
/// uses them later.
pub(crate) fn inside<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> Result<T> {
    let path = path(name);
    let file = File::open(&path).at("open the namespace", &path)?;
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .at("enter the namespace", &path)?;
                Ok(act())
            })
            .join()
            .map_err(|_| HostError::Other(format!("what was done inside the namespace {name} panicked")))?
    })
}

/// Writes one of the namespace's kernel settings, named as under `/proc/sys`. A setting the kernel lacks is skipped.
pub(crate) fn write_sysctl(name: &str, setting: &str, value: &str) -> Result<()> {
    let path = Path::new("/proc/sys").join(setting);
    match inside(name, || fs::write(&path, value))? {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.at("write", &path),
    }
}
