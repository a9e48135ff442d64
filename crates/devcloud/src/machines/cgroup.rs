//! Control groups: who belongs to the zone, and how much a machine may use.
//!
//! Every process the zone starts outside of its daemon lies in a group of its own below the zone's. That is the truth
//! about what runs: it needs no file of process ids, outlives the daemon, cannot be confused by a process id used again,
//! and everything in a group can be killed at once, machines' own processes included (a machine survives the death of
//! its `systemd-nspawn`).

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::error::{At, HostError, Result};
use crate::host::ZoneName;

/// The directory of all zones within each hierarchy.
const PARENT: &str = "mesostack";

/// The mounted hierarchies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    /// The unified one (version 2); on hybrid hosts beside the older ones.
    unified: PathBuf,
    /// The older ones (version 1) with their controllers.
    older: Vec<(String, PathBuf)>,
}

impl Hierarchies {
    /// What is mounted on this host.
    pub(crate) fn find() -> Result<Self> {
        let path = Path::new("/proc/self/mountinfo");
        let text = fs::read_to_string(path).at("read", path)?;
        Self::parse(&text).ok_or_else(|| {
            HostError::Other(
                "no unified control group hierarchy (cgroup2) is mounted; machines need one, mounted at \
                 /sys/fs/cgroup or /sys/fs/cgroup/unified"
                    .into(),
            )
        })
    }

    fn parse(mountinfo: &str) -> Option<Self> {
        let mut unified = None;
        let mut older = Vec::new();
        for line in mountinfo.lines() {
            let (left, right) = line.split_once(" - ")?;
            let mount_point = PathBuf::from(left.split(' ').nth(4)?);
            let mut right = right.split(' ');
            match (right.next()?, right.next_back()?) {
                ("cgroup2", _) if unified.is_none() => unified = Some(mount_point),
                ("cgroup", options) => {
                    let controllers = options.split(',').map(|option| option.trim_start_matches("name="));
                    older.extend(controllers.map(|name| (name.to_owned(), mount_point.clone())));
                }
                _ => {}
            }
        }
        Some(Self { unified: unified?, older })
    }

    fn of(&self, controller: &str) -> Option<&Path> {
        self.older.iter().find(|(name, _)| name == controller).map(|(_, path)| path.as_path())
    }

    /// The group of everything in the zone.
    pub(crate) fn zone(&self, zone: &ZoneName) -> Group {
        let mut older: Vec<_> =
            self.older.iter().map(|(_, path)| path.join(PARENT).join(zone.as_str())).collect();
        older.dedup();
        Group { hierarchies: self.clone(), name: Path::new(PARENT).join(zone.as_str()), older }
    }
}

/// One group, in all hierarchies that have it.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    hierarchies: Hierarchies,
    name: PathBuf,
    older: Vec<PathBuf>,
}

/// What a group may use. None is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Memory in bytes.
    pub(crate) memory: Option<u64>,
    /// Processors.
    pub(crate) processors: Option<u32>,
}

/// The period over which processors are shared out, in microseconds; the kernel's default.
const PERIOD: u32 = 100_000;

impl Group {
    /// A group within this one.
    pub(crate) fn child(&self, name: &str) -> Self {
        Self {
            hierarchies: self.hierarchies.clone(),
            name: self.name.join(name),
            older: self.older.iter().map(|path| path.join(name)).collect(),
        }
    }

    fn path(&self) -> PathBuf {
        self.hierarchies.unified.join(&self.name)
    }

    /// Makes the group, limits it as far as the host's controllers allow, and gives the files that a process has to
    /// write itself into to belong to it.
    pub(crate) fn make(&self, limits: Limits) -> Result<Vec<PathBuf>> {
        let path = self.path();
        fs::create_dir_all(&path).at("make the control group", &path)?;
        let mut members = vec![path.join("cgroup.procs")];
        if limits != Limits::default() {
            self.pass_controllers_down();
            if let Some(bytes) = limits.memory {
                let text = bytes.to_string();
                self.limit("memory", "memory.max", &text, "memory.limit_in_bytes", &text, &mut members);
            }
            if let Some(processors) = limits.processors {
                let quota = (u64::from(processors) * u64::from(PERIOD)).to_string();
                let both = format!("{quota} {PERIOD}");
                self.limit("cpu", "cpu.max", &both, "cpu.cfs_quota_us", &quota, &mut members);
            }
        }
        Ok(members)
    }

    /// Makes this process a member.
    pub(crate) fn join(&self) -> Result<()> {
        for file in self.make(Limits::default())? {
            fs::write(&file, std::process::id().to_string()).at("join the control group by", &file)?;
        }
        Ok(())
    }

    /// Hands the controllers down to this group, where the host lets us: a host may keep them for itself.
    fn pass_controllers_down(&self) {
        let mut directory = self.hierarchies.unified.clone();
        for part in &self.name {
            for controller in ["+memory", "+cpu"] {
                let _ = fs::write(directory.join("cgroup.subtree_control"), controller);
            }
            directory.push(part);
        }
    }

    /// Sets one limit in whichever hierarchy has its controller.
    fn limit(
        &self,
        controller: &str,
        unified_file: &str,
        unified_value: &str,
        older_file: &str,
        older_value: &str,
        members: &mut Vec<PathBuf>,
    ) {
        let unified = self.path().join(unified_file);
        let outcome = match self.hierarchies.of(controller) {
            _ if unified.exists() => fs::write(&unified, unified_value),
            Some(hierarchy) => {
                let older = hierarchy.join(&self.name);
                let outcome =
                    fs::create_dir_all(&older).and_then(|()| fs::write(older.join(older_file), older_value));
                if outcome.is_ok() {
                    members.push(older.join("cgroup.procs"));
                }
                outcome
            }
            None => Err(std::io::ErrorKind::Unsupported.into()),
        };
        if let Err(error) = outcome {
            tracing::debug!(group = %self.name.display(), controller, %error, "the host sets no such limit");
        }
    }

    /// Whether any process is in the group or below it.
    pub(crate) fn populated(&self) -> bool {
        fs::read_to_string(self.path().join("cgroup.events")).is_ok_and(|events| says_populated(&events))
    }

    /// Waits until no process is left in the group, at most `patience`; says whether that came true.
    pub(crate) fn wait_until_empty(&self, patience: Duration) -> Result<bool> {
        let deadline = Instant::now() + patience;
        let path = self.path().join("cgroup.events");
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
            file => file.at("open", &path)?,
        };
        loop {
            let mut events = String::new();
            // The group may be removed while it is looked at: then nothing is in it.
            if file.rewind().and_then(|()| file.read_to_string(&mut events)).is_err()
                || !says_populated(&events)
            {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let left = Timespec::try_from(left).map_err(|_| HostError::Other("a wait is too long".into()))?;
            // The kernel reports a change of the file as an exceptional condition.
            match poll(&mut [PollFd::new(&file, PollFlags::PRI)], Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).at("watch", &path),
            }
        }
    }

    /// Processes directly in the group.
    pub(crate) fn members(&self) -> Vec<Pid> {
        let text = fs::read_to_string(self.path().join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect()
    }

    /// Sends a signal to a process directly in the group; says whether it was there to get it.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) -> bool {
        // Held by a descriptor before it is looked up: a process id may change hands in between.
        pidfd_open(pid, PidfdFlags::empty())
            .is_ok_and(|process| self.members().contains(&pid) && pidfd_send_signal(process, signal).is_ok())
    }

    /// Sends a signal to the process a file names, if it is in the group; says whether it was.
    pub(crate) fn signal_recorded(&self, file: &Path, signal: Signal) -> bool {
        fs::read_to_string(file)
            .ok()
            .and_then(|text| Pid::from_raw(text.trim().parse().ok()?))
            .is_some_and(|pid| self.signal(pid, signal))
    }

    /// Kills everything in the group and below, and waits until it is gone.
    pub(crate) fn kill(&self) -> Result<()> {
        if !self.path().exists() {
            return Ok(());
        }
        let kill = self.path().join("cgroup.kill");
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.populated() {
            // Kernels before 5.14 have no such file: there, one by one, until none is born any more.
            if fs::write(&kill, "1").is_err() {
                self.kill_one_by_one();
            }
            if self.wait_until_empty(Duration::from_millis(200))? {
                break;
            }
            if Instant::now() > deadline {
                return Err(HostError::Other(format!(
                    "processes in the control group {} cannot be killed: {:?}",
                    self.name.display(),
                    self.members()
                )));
            }
        }
        Ok(())
    }

    fn kill_one_by_one(&self) {
        for pid in self.members() {
            self.signal(pid, Signal::KILL);
        }
        for child in self.children() {
            child.kill_one_by_one();
        }
    }

    /// The groups directly below this one.
    pub(crate) fn children(&self) -> Vec<Self> {
        directories(&self.path())
            .iter()
            .filter_map(|path| Some(self.child(path.file_name()?.to_str()?)))
            .collect()
    }

    /// The group's own name.
    pub(crate) fn name(&self) -> &str {
        self.name.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Removes the empty group from all hierarchies, with everything below it.
    pub(crate) fn remove(&self) -> Result<()> {
        for path in std::iter::once(self.path()).chain(self.older.iter().cloned()) {
            remove_tree(&path).at("remove the control group", &path)?;
        }
        Ok(())
    }

    /// Removes the directory of all zones if no zone is left in it.
    pub(crate) fn remove_parent_if_unused(&self) {
        let roots = std::iter::once(&self.hierarchies.unified)
            .chain(self.hierarchies.older.iter().map(|(_, path)| path));
        for root in roots {
            let _ = fs::remove_dir(root.join(PARENT));
        }
    }
}

fn says_populated(events: &str) -> bool {
    events.lines().any(|line| line == "populated 1")
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Groups are removed from the leaves; their files are not files that could be removed.
fn remove_tree(path: &Path) -> std::io::Result<()> {
    for below in directories(path) {
        remove_tree(&below)?;
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_host_has_the_unified_hierarchy_beside_the_older_ones() {
        let found = Hierarchies::parse(
            "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
             30 29 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
             36 29 0:32 / /sys/fs/cgroup/systemd rw,relatime shared:5 - cgroup cgroup rw,name=systemd\n\
             37 29 0:33 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
        )
        .expect("hierarchies");
        assert_eq!(found.unified, Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(found.of("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu")));
        assert_eq!(found.of("systemd"), Some(Path::new("/sys/fs/cgroup/systemd")));
        assert_eq!(found.of("memory"), None);
    }

    #[test]
    fn a_host_without_the_unified_hierarchy_is_noticed() {
        assert_eq!(Hierarchies::parse("30 29 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"), None);
    }
}
