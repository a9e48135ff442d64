//! A virtual machine: systemd-nspawn on an overlay root, in a network namespace and a control group of its own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use uuid::Uuid;

use super::cgroup::{Group, Limits};
use super::disk::Disks;
use super::error::{At, HostError, Result};
use super::process::{Detached, tail};
use super::{files, mounts, namespace, router};
use crate::driver::{Machine, Stop};
use crate::host::ZoneName;

/// How long a start may take until the machine's first process runs.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// Runs a command with the data disks that the file `$0` names at that time, and again when it ends with the status by which
/// systemd-nspawn says that its machine has rebooted itself.
const START_AGAIN: &str = r#"while :; do
disks=; [ ! -e "$0" ] || while read -r path device volume; do disks="$disks --bind=$device:$path"; done < "$0"
"$@" $disks; ended=$?; [ $ended -eq 133 ] || exit $ended; done"#;

/// Where systemd-nspawn keeps what it knows of machines.
const NSPAWN_RUN: &str = "/run/systemd/nspawn";

/// One machine's place on the host.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// The zone.
    pub(crate) zone: &'a ZoneName,
    /// The machine.
    pub(crate) machine: Uuid,
    /// The zone's group.
    pub(crate) group: &'a Group,
    /// The zone's state directory.
    pub(crate) state: &'a Path,
}

/// The beginning of a machine's control group's name.
const GROUP_PREFIX: &str = "machine-";

/// The machine a group of the zone belongs to, if it is a machine's.
pub(crate) fn of_group(name: &str) -> Option<Uuid> {
    Uuid::try_parse(name.strip_prefix(GROUP_PREFIX)?).ok()
}

/// A machine's control group in its zone's.
pub(crate) fn group_of(zone: &Group, machine: Uuid) -> Group {
    zone.child(&format!("{GROUP_PREFIX}{}", machine.simple()))
}

impl Place<'_> {
    fn directory(&self) -> PathBuf {
        self.state.join("machines").join(self.machine.to_string())
    }

    fn root(&self) -> PathBuf {
        self.directory().join("root")
    }

    /// What the machine says on its console.
    pub(crate) fn console(&self) -> PathBuf {
        self.directory().join("console.log")
    }

    /// Which data disks it has, see [`super::devices`].
    pub(super) fn devices(&self) -> PathBuf {
        self.directory().join("devices")
    }

    fn namespace(&self) -> String {
        self.zone.machine_namespace(self.machine)
    }

    /// The machine's control group.
    pub(crate) fn group(&self) -> Group {
        group_of(self.group, self.machine)
    }

    /// Whether it runs.
    pub(crate) fn runs(&self) -> bool {
        self.group().populated()
    }

    /// Starts the machine, whose links are made by `connect` as soon as its namespace stands. What an earlier run left
    /// is cleared away first; a machine that runs is left alone.
    pub(crate) fn start(
        &self,
        machine: &Machine,
        disks: &Disks,
        connect: impl FnOnce(&str) -> Result<()>,
    ) -> Result<()> {
        if self.runs() {
            return Ok(());
        }
        self.clear()?;
        let directory = self.directory();
        fs::create_dir_all(&directory).at("make", &directory)?;
        let started = (|| {
            namespace::ensure(&self.namespace())?;
            connect(&self.namespace())?;
            disks.mount(machine.volume, &machine.layers, &self.root())?;
            self.provide(machine, disks)?;
            self.spawn(machine)
        })();
        if started.is_err() {
            // The first error is the one to be told.
            if let Err(error) = self.stop(Stop::Forced, Duration::ZERO) {
                tracing::warn!(machine = %self.machine, %error, "what a failed start left could not be cleared away");
            }
        }
        started
    }

    fn spawn(&self, machine: &Machine) -> Result<()> {
        let group = self.group();
        let log = &self.console();
        let command = vec![
            "sh".to_owned(),
            "-c".into(),
            START_AGAIN.into(),
            self.devices().display().to_string(),
            "systemd-nspawn".into(),
            "--quiet".into(),
            "--register=no".into(),
            "--keep-unit".into(),
            "--boot".into(),
            format!("--directory={}", self.root().display()),
            format!("--machine={}", self.zone.nspawn_machine(self.machine)),
            format!("--hostname={}", machine.host_name),
            format!("--network-namespace-path={}", namespace::path(&self.namespace()).display()),
            // Without it networkd leaves the interface alone.
            "--capability=CAP_NET_ADMIN".into(),
            // A machine's root could make itself any of the host's devices else, its disks among them.
            "--drop-capability=CAP_MKNOD".into(),
            "--kill-signal=SIGRTMIN+3".into(),
            "--resolv-conf=off".into(),
            "--timezone=off".into(),
            "--link-journal=no".into(),
        ];
        let limits =
            Limits { memory: Some(machine.memory_mib << 20), processors: Some(machine.processors.max(1)) };
        let environment = &[
            // The host may mix old and new control groups; machines get the new ones.
            ("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1"),
            // Otherwise a machine in a namespace made by someone else sees the host's interfaces under /sys.
            ("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network"),
        ];
        let mut child =
            Detached { command, namespace: None, group: &group, limits, log, environment }.start()?;
        // nspawn puts what it runs into a group "payload": from then on it is the machine's own affair.
        let payload = group.child("payload");
        let deadline = Instant::now() + START_PATIENCE;
        while !payload.populated() {
            let failed = match child.try_wait() {
                Ok(None) if Instant::now() < deadline => None,
                Ok(None) => Some(format!("its first process did not run within {START_PATIENCE:?}")),
                Ok(Some(status)) => Some(format!("systemd-nspawn ended with {status}")),
                Err(error) => Some(format!("systemd-nspawn cannot be watched: {error}")),
            };
            if let Some(failed) = failed {
                let console = tail(log, 2000).unwrap_or_default();
                return Err(HostError::Other(format!(
                    "machine {} ({}) did not start: {failed}; console: {}",
                    machine.host_name,
                    self.machine,
                    console.trim()
                )));
            }
            // Nothing tells when the group appears; this thread is not the runtime's, and the wait is a short one.
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Stops the machine and clears away everything but its disk and console.
    pub(crate) fn stop(&self, how: Stop, grace: Duration) -> Result<()> {
        let group = self.group();
        if how == Stop::Orderly && group.populated() {
            let supervisor = group.child("supervisor");
            for pid in supervisor.members() {
                supervisor.signal(pid, Signal::TERM);
            }
            if !group.wait_until_empty(grace)? {
                tracing::warn!(machine = %self.machine, ?grace, "the machine did not power off in time and is killed");
            }
        }
        group.kill()?;
        self.clear()
    }

    /// Removes what a machine that no longer runs has left on the host.
    pub(super) fn clear(&self) -> Result<()> {
        self.let_go()?;
        let root = self.root();
        let lock = lock_of(&root);
        mounts::unmount_if_mounted(&root)?;
        if let Some(lock) = lock {
            files::remove(&lock)?;
        }
        let propagated = Path::new(NSPAWN_RUN).join("propagate").join(self.zone.nspawn_machine(self.machine));
        let _ = fs::remove_dir(propagated);
        // The kernel takes a namespace apart some time after; its links have to be gone before the next start.
        router::delete_links(&self.namespace())?;
        namespace::remove(&self.namespace())?;
        self.group().remove()
    }

    /// Removes everything about a stopped machine but its disk.
    pub(crate) fn forget(&self) -> Result<()> {
        self.stop(Stop::Forced, Duration::ZERO)?;
        files::remove_tree(&self.directory())
    }
}

/// nspawn's lock on a machine's root, which is named after the root directory's file: to be looked up while the root is
/// mounted.
pub(crate) fn lock_of(root: &Path) -> Option<PathBuf> {
    let found = fs::metadata(root).ok()?;
    Some(Path::new(NSPAWN_RUN).join("locks").join(format!("inode-{}:{}", found.dev(), found.ino())))
}

/// Removes what nspawn keeps on machines of the zone; for when no record says which there were.
pub(crate) fn clear_nspawn(zone: &ZoneName) {
    let Ok(entries) = fs::read_dir(Path::new(NSPAWN_RUN).join("propagate")) else { return };
    for entry in entries.filter_map(std::result::Result::ok) {
        if entry.file_name().to_str().is_some_and(|name| zone.owns_nspawn_machine(name)) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}
