//! The data disks that a machine has: which block device of this host it sees under which name. A file beside the machine's
//! root says so, and is what it is started with, also when it reboots by itself; a running machine is given further ones, and
//! has them taken away, by nodes in its `/dev`. Nothing of the machine's runs for it, and its links lead nowhere outside.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use uuid::Uuid;

use super::disk::Disks;
use super::error::{At, HostError, Result};
use super::machine::Place;
use super::{enter, files, loops};
use crate::driver::{DataDisk, Machine};

/// A device as the machine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    /// Where the machine sees it, below its root: `dev/vdb`.
    path: String,
    /// Which device of this host it is.
    device: PathBuf,
    /// The volume that it is.
    volume: Uuid,
}

/// What a disk at this place is called: a machine's second one is `vdb`, as with KVM.
fn name_of(place: u32) -> String {
    let letter = |number: u32| char::from(b'a' + u8::try_from(number % 26).unwrap_or(0));
    match place {
        0..26 => format!("vd{}", letter(place)),
        _ => format!("vd{}{}", letter(place / 26 - 1), letter(place)),
    }
}

/// Where a machine sees a disk: by its place, and by the first 20 digits of its volume's id, as with KVM.
fn nodes_of(disk: &DataDisk, device: &Path) -> [Node; 2] {
    let id = disk.volume.simple().to_string();
    let serial = id.get(..20).unwrap_or(&id);
    [format!("dev/{}", name_of(disk.place)), format!("dev/disk/by-id/virtio-{serial}")].map(|path| Node {
        path,
        device: device.to_owned(),
        volume: disk.volume,
    })
}

fn line(node: &Node) -> String {
    format!("/{} {} {}\n", node.path, node.device.display(), node.volume)
}

fn parse(line: &str) -> Option<Node> {
    let mut words = line.split(' ');
    let (path, device, volume) = (words.next()?, words.next()?, words.next()?);
    Some(Node {
        path: path.strip_prefix('/')?.to_owned(),
        device: PathBuf::from(device),
        volume: Uuid::try_parse(volume).ok()?,
    })
}

impl Place<'_> {
    /// Has every data disk of the machine be a block device, and writes down under which names it is to see them.
    pub(super) fn provide(&self, machine: &Machine, disks: &Disks) -> Result<()> {
        let mut nodes = Vec::new();
        for disk in &machine.disks {
            nodes.extend(nodes_of(disk, &loops::attach(&disks.provide(disk)?)?));
        }
        self.write(&nodes)
    }

    /// Has the running machine have these disks and no others; of one that does not run, lets go of all.
    pub(crate) fn equip(&self, machine: &Machine, disks: &Disks) -> Result<()> {
        if !self.runs() {
            return self.clear();
        }
        let guest = Guest::open(self)?;
        let had = self.nodes()?;
        let wanted: BTreeSet<Uuid> = machine.disks.iter().map(|disk| disk.volume).collect();
        let (kept, gone): (Vec<Node>, Vec<Node>) =
            had.into_iter().partition(|node| wanted.contains(&node.volume));
        for node in &gone {
            if loops::attached_to(&node.device, &disks.image(node.volume)) && loops::is_taken(&node.device)? {
                return Err(HostError::Other(format!(
                    "{} is in use in the machine {}: unmount it there, then detach it again",
                    name_of_node(node, &gone),
                    machine.host_name
                )));
            }
        }
        for node in &gone {
            guest.remove(&node.path)?;
        }
        self.write(&kept)?;
        for volume in gone.iter().map(|node| node.volume).collect::<BTreeSet<_>>() {
            loops::release(&disks.image(volume))?;
        }
        self.provide(machine, disks)?;
        let nodes = self.nodes()?;
        // A disk that came back at another place.
        for old in kept.iter().filter(|old| nodes.iter().all(|node| node.path != old.path)) {
            guest.remove(&old.path)?;
        }
        nodes.iter().try_for_each(|node| guest.make(node))
    }

    /// Lets go of the disks of a machine that does not run.
    pub(super) fn let_go(&self) -> Result<()> {
        let disks = Disks::new(self.state);
        for volume in self.nodes()?.iter().map(|node| node.volume).collect::<BTreeSet<_>>() {
            loops::release(&disks.image(volume))?;
        }
        files::remove(&self.devices())
    }

    /// The volumes that it has as disks.
    pub(super) fn volumes(&self) -> Result<BTreeSet<Uuid>> {
        Ok(self.nodes()?.into_iter().map(|node| node.volume).collect())
    }

    fn nodes(&self) -> Result<Vec<Node>> {
        let path = self.devices();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().filter_map(parse).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).at("read", &path),
        }
    }

    fn write(&self, nodes: &[Node]) -> Result<()> {
        match nodes {
            [] => files::remove(&self.devices()),
            _ => files::write_whole(&self.devices(), nodes.iter().map(line).collect::<String>().as_bytes()),
        }
    }
}

/// The plainest name a machine knows a disk by.
fn name_of_node(of: &Node, among: &[Node]) -> String {
    let same = among.iter().filter(|node| node.volume == of.volume).map(|node| node.path.as_str());
    format!("/{}", same.min_by_key(|path| path.len()).unwrap_or(&of.path))
}

/// A running machine's root directory, as the machine sees it.
struct Guest {
    root: File,
    path: PathBuf,
}

impl Guest {
    fn open(place: &Place<'_>) -> Result<Self> {
        let first = enter::first_process(&place.group().child("payload")).ok_or_else(|| {
            HostError::Other(format!(
                "the machine {} has no first process: it is about to end",
                place.machine
            ))
        })?;
        let path = PathBuf::from(format!("/proc/{first}/root"));
        Ok(Self { root: File::open(&path).at("open", &path)?, path })
    }

    /// One of its directories. A link in the way is followed as the machine would follow it.
    fn directory(&self, path: &str) -> std::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?)
    }

    /// Makes the device be seen there.
    fn make(&self, node: &Node) -> Result<()> {
        let made = || -> std::io::Result<()> {
            let number = fs::metadata(&node.device)?.rdev();
            let (above, name) = split(&node.path);
            let mut below = String::new();
            for part in above.split('/') {
                let directory = self.directory(if below.is_empty() { "." } else { &below })?;
                match rustix::fs::mkdirat(&directory, part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                below = format!("{below}/{part}").trim_start_matches('/').to_owned();
            }
            let directory = self.directory(above)?;
            match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found)
                    if FileType::from_raw_mode(found.st_mode) == FileType::BlockDevice
                        && found.st_rdev == number =>
                {
                    return Ok(());
                }
                Ok(_) => rustix::fs::unlinkat(&directory, name, AtFlags::empty())?,
                Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            let mode = Mode::from_raw_mode(0o660);
            Ok(rustix::fs::mknodat(&directory, name, FileType::BlockDevice, mode, number)?)
        };
        made().at("make a device in the machine at", &self.path.join(&node.path))
    }

    /// Has nothing be seen there. What was mounted there for the machine goes with it.
    fn remove(&self, path: &str) -> Result<()> {
        let (above, name) = split(path);
        let removed = match self.directory(above) {
            Ok(directory) => {
                rustix::fs::unlinkat(&directory, name, AtFlags::empty()).map_err(std::io::Error::from)
            }
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.at("remove a device from the machine at", &self.path.join(path)),
        }
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or((".", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_called_by_their_places() {
        let names = [1, 2, 4, 25, 26, 63].map(name_of);
        assert_eq!(names, ["vdb", "vdc", "vde", "vdz", "vdaa", "vdbl"]);
    }

    #[test]
    fn what_is_written_down_of_a_device_is_read_again() {
        let volume = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
        let disk = DataDisk { volume, place: 1, layers: Vec::new(), bytes: 1 };
        let nodes = nodes_of(&disk, Path::new("/dev/loop7"));
        assert_eq!(line(&nodes[0]), format!("/dev/vdb /dev/loop7 {volume}\n"));
        assert_eq!(nodes[1].path, "dev/disk/by-id/virtio-123456789abcdef01234");
        for node in nodes {
            assert_eq!(parse(line(&node).trim_end()), Some(node));
        }
        assert_eq!(parse("torn"), None);
    }
}
