//! What a host must have for machines to run on it.

use std::path::{Path, PathBuf};

use super::{Error, Result};

/// Programs, and the Debian or Ubuntu package each is in.
const PROGRAMS: &[(&str, &str)] = &[
    ("systemd-nspawn", "systemd-container"),
    ("mmdebstrap", "mmdebstrap"),
    ("nft", "nftables"),
    ("dnsmasq", "dnsmasq-base"),
    ("haproxy", "haproxy"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("mke2fs", "e2fsprogs"),
    ("timeout", "coreutils"),
];

/// The keys that Debian's archive is signed with; other distributions have them in a package.
const KEYRING: (&str, &str) = ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring");

/// Packages that machines need and this host lacks.
pub fn missing_packages() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A user's path may leave out where the administrator's programs are.
    let directories: Vec<_> =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).collect();
    let there = |program: &str| directories.iter().any(|directory| directory.join(program).is_file());
    let mut missing: Vec<_> =
        PROGRAMS.iter().filter(|(program, _)| !there(program)).map(|(_, package)| *package).collect();
    if !Path::new(KEYRING.0).exists() {
        missing.push(KEYRING.1);
    }
    missing
}

/// Whether machines can run here once the missing packages are installed.
///
/// # Errors
/// [`Error::CannotRun`] with the reason.
pub fn can_run_machines() -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err(Error::CannotRun("they need Linux".into()));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Error::CannotRun("they need root".into()));
    }
    Ok(())
}

/// Fails unless machines can run here and now.
pub(super) fn check() -> Result<()> {
    can_run_machines()?;
    let missing = missing_packages();
    if missing.is_empty() { Ok(()) } else { Err(Error::Missing(missing)) }
}
