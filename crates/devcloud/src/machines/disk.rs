//! Root disks: stacks of read-only layers with one writable layer on top, joined by overlayfs.
//!
//! Freezing a disk renames its writable layer; nothing is copied. What is frozen is written down in the volume before
//! it is done, so that the disk keeps what it has written even when the daemon dies before the zone has recorded the
//! new layer.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};
use uuid::Uuid;

use super::error::{At, HostError, Result};
use super::files;
use super::program::Program;
use crate::driver::{Captured, LayerId};

/// Where a zone keeps its disks.
#[derive(Clone, Debug)]
pub(crate) struct Disks {
    state: PathBuf,
}

impl Disks {
    /// The disks below the zone's state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// The directory of all layers.
    pub(crate) fn layers(&self) -> PathBuf {
        self.state.join("layers")
    }

    /// The directory of one layer. Layer names come from records: one that is no plain name is refused.
    fn layer(&self, layer: &LayerId) -> Result<PathBuf> {
        let plain = !layer.0.is_empty()
            && !layer.0.starts_with('.')
            && layer.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        match plain {
            true => Ok(self.layers().join(&layer.0)),
            false => Err(HostError::Other(format!("\"{}\" is no layer's name", layer.0))),
        }
    }

    fn volume(&self, volume: Uuid) -> PathBuf {
        self.state.join("volumes").join(volume.to_string())
    }

    /// Joins the layers with the volume's writable layer at `root`; the writable layer is made when there is none.
    pub(crate) fn mount(&self, volume: Uuid, layers: &[LayerId], root: &Path) -> Result<()> {
        let directory = self.volume(volume);
        for part in ["upper", "work"] {
            let path = directory.join(part);
            fs::create_dir_all(&path).at("make", &path)?;
        }
        fs::create_dir_all(root).at("make", root)?;
        let stack = self.stack(volume, layers)?;
        let lower: Vec<_> = stack.iter().rev().map(|layer| layer.0.as_str()).collect();
        if lower.is_empty() {
            return Err(HostError::Other(format!("the volume {volume} has no layer to start from")));
        }
        // Relative to the layers' directory: the kernel takes one page of options, and paths are long.
        let options = format!(
            "lowerdir={},upperdir={upper},workdir={work},index=off",
            lower.join(":"),
            upper = directory.join("upper").display(),
            work = directory.join("work").display()
        );
        let script = r#"cd "$0" && exec mount -t overlay overlay -o "$1" "$2""#;
        let (from, to) = (self.layers().display().to_string(), root.display().to_string());
        Program::new("sh").args(["-c", script, &from, &options, &to]).run()?;
        Ok(())
    }

    /// The volume's whole stack: what the zone knows, and layers frozen since that it may not know.
    fn stack(&self, volume: Uuid, layers: &[LayerId]) -> Result<Vec<LayerId>> {
        let mut stack = layers.to_vec();
        for layer in &stack {
            let path = self.layer(layer)?;
            if !path.is_dir() {
                return Err(HostError::Other(format!(
                    "the layer {} of volume {volume} is missing",
                    path.display()
                )));
            }
        }
        for frozen in self.frozen(volume)? {
            // Written down before it was done, it may not have been done.
            if !stack.contains(&frozen) && self.layer(&frozen)?.is_dir() {
                stack.push(frozen);
            }
        }
        Ok(stack)
    }

    fn frozen(&self, volume: Uuid) -> Result<Vec<LayerId>> {
        let path = self.volume(volume).join("frozen");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().map(|line| LayerId(line.to_owned())).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).at("read", &path),
        }
    }

    /// Freezes the volume's writable layer.
    pub(crate) fn capture(&self, volume: Uuid) -> Result<Captured> {
        let directory = self.volume(volume);
        let (upper, work) = (directory.join("upper"), directory.join("work"));
        fs::create_dir_all(&upper).at("make", &upper)?;
        let layer = LayerId(Uuid::new_v4().to_string());
        let frozen = self.layer(&layer)?;
        fs::create_dir_all(self.layers()).at("make", &self.layers())?;
        // What the machine wrote has to be on the disk before its new name is.
        File::open(&upper).and_then(|directory| Ok(rustix::fs::syncfs(&directory)?)).at("sync", &upper)?;
        let mut known = self.frozen(volume)?;
        known.push(layer.clone());
        let lines: String = known.iter().map(|layer| format!("{}\n", layer.0)).collect();
        files::write_whole(&directory.join("frozen"), lines.as_bytes())?;
        fs::rename(&upper, &frozen).at("freeze", &upper)?;
        files::remove_tree(&work)?;
        for path in [&upper, &work] {
            fs::create_dir(path).at("make", path)?;
        }
        files::sync_directory(&self.layers())?;
        files::sync_directory(&directory)?;
        Ok(Captured { bytes: size(&frozen)?, layer })
    }

    /// Throws away what the volume has written since its last layer.
    pub(crate) fn reset(&self, volume: Uuid) -> Result<()> {
        let directory = self.volume(volume);
        files::remove_tree(&directory.join("upper"))?;
        files::remove_tree(&directory.join("work"))
    }

    /// Removes the volume. Its layers stay: templates may rest on them.
    pub(crate) fn remove(&self, volume: Uuid) -> Result<()> {
        files::remove_tree(&self.volume(volume))
    }

    /// Removes a layer.
    pub(crate) fn remove_layer(&self, layer: &LayerId) -> Result<()> {
        files::remove_tree(&self.layer(layer)?)
    }
}

/// Takes the file system at `root` away, if one is mounted there.
pub(crate) fn unmount_if_mounted(root: &Path) -> Result<()> {
    match unmount(root, UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(()),
        // Not a mount point, or not there at all.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        // Something on the host still looks into it (a shell, an indexer): it goes when that leaves.
        Err(rustix::io::Errno::BUSY) => {
            tracing::warn!(root = %root.display(), "a machine's root is in use on the host; it is detached");
            unmount(root, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH).at("unmount", root)
        }
        Err(error) => Err(error).at("unmount", root),
    }
}

/// The bytes that a tree's files take up on the disk.
pub(crate) fn size(path: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::symlink_metadata(path).at("look at", path)?;
    let mut bytes = found.blocks() * 512;
    if found.is_dir() {
        for entry in fs::read_dir(path).at("list", path)? {
            bytes += size(&entry.at("list", path)?.path())?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disks() -> (tempfile::TempDir, Disks) {
        let directory = tempfile::tempdir().expect("a directory");
        let disks = Disks::new(directory.path());
        fs::create_dir_all(disks.layers().join("base")).expect("a layer");
        (directory, disks)
    }

    fn write(disks: &Disks, volume: Uuid, text: &str) {
        let upper = disks.volume(volume).join("upper");
        fs::create_dir_all(&upper).expect("upper");
        fs::write(upper.join("file"), text).expect("file");
    }

    #[test]
    fn a_frozen_layer_holds_what_was_written_and_the_volume_starts_empty_above_it() {
        let (_directory, disks) = disks();
        let (volume, base) = (Uuid::from_u128(1), LayerId("base".into()));
        write(&disks, volume, "first");
        let first = disks.capture(volume).expect("captured");
        assert_eq!(
            fs::read_to_string(disks.layers().join(&first.layer.0).join("file")).expect("file"),
            "first"
        );
        assert!(!disks.volume(volume).join("upper/file").exists());
        assert!(first.bytes >= 5);
        write(&disks, volume, "second");
        let second = disks.capture(volume).expect("captured");
        let stack = [base.clone(), first.layer.clone(), second.layer.clone()];
        assert_eq!(
            disks.stack(volume, &[base]).expect("a stack"),
            stack,
            "unknown to the records, yet not lost"
        );
        assert_eq!(disks.stack(volume, &stack).expect("a stack"), stack, "known to the records, not twice");
    }

    #[test]
    fn a_capture_that_died_before_its_rename_changes_nothing() {
        let (_directory, disks) = disks();
        let (volume, base) = (Uuid::from_u128(1), LayerId("base".into()));
        write(&disks, volume, "text");
        fs::write(disks.volume(volume).join("frozen"), "never-made\n").expect("written");
        assert_eq!(disks.stack(volume, std::slice::from_ref(&base)).expect("a stack"), [base]);
    }

    #[test]
    fn a_missing_layer_or_one_outside_the_zone_is_refused() {
        let (_directory, disks) = disks();
        for layer in ["gone", "../x", "", ".", "a/b", "a:b", "a,b"] {
            assert!(disks.stack(Uuid::nil(), &[LayerId(layer.into())]).is_err(), "{layer:?} was accepted");
        }
    }

    #[test]
    fn removing_what_is_not_there_is_fine() {
        let (_directory, disks) = disks();
        disks.remove(Uuid::nil()).expect("nothing to do");
        disks.reset(Uuid::nil()).expect("nothing to do");
        disks.remove_layer(&LayerId("gone".into())).expect("nothing to do");
        disks.remove_layer(&LayerId("base".into())).expect("removed");
        assert!(!disks.layers().join("base").exists());
    }
}
