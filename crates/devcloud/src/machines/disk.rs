//! Root disks: stacks of read-only layers with one writable layer on top, joined by overlayfs.
//!
//! Freezing a disk renames its writable layer to a name the zone has chosen and written down before; nothing is copied,
//! and asking for the same name again finds it done.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use super::error::{At, HostError, Result};
use super::program::Program;
use super::{files, loops, mounts};
use crate::driver::{Captured, LayerId};

/// How large a fetched archive may be, in bytes; what CloudStack's `max.template.iso.size` is unless it was changed.
const LARGEST_TEMPLATE: u64 = 50 << 30;

/// How long an archive may take to come.
const FETCHING: Duration = Duration::from_secs(3000);

/// How long a copy of a whole disk may take.
pub(super) const COPYING: Duration = Duration::from_secs(1800);

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
    pub(super) fn layer(&self, layer: &LayerId) -> Result<PathBuf> {
        let plain = !layer.0.is_empty()
            && !layer.0.starts_with('.')
            && layer.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        match plain {
            true => Ok(self.layers().join(&layer.0)),
            false => Err(HostError::Other(format!("\"{}\" is no layer's name", layer.0))),
        }
    }

    pub(super) fn volume(&self, volume: Uuid) -> PathBuf {
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
        for layer in layers {
            let path = self.layer(layer)?;
            if !path.is_dir() {
                return Err(HostError::Other(format!(
                    "the layer {} of volume {volume} is missing",
                    path.display()
                )));
            }
        }
        let lower: Vec<_> = layers.iter().rev().map(|layer| layer.0.as_str()).collect();
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

    /// Freezes the volume's writable layer under that name, unless it was done before.
    pub(crate) fn capture(&self, volume: Uuid, layer: &LayerId) -> Result<Captured> {
        let directory = self.volume(volume);
        let upper = directory.join("upper");
        let frozen = self.layer(layer)?;
        if !frozen.is_dir() {
            self.unmount(volume)?;
            for path in [&upper, &self.layers()] {
                fs::create_dir_all(path).at("make", path)?;
            }
            // What the machine wrote has to be on the disk before its new name is.
            File::open(&upper)
                .and_then(|directory| Ok(rustix::fs::syncfs(&directory)?))
                .at("sync", &upper)?;
            // Whatever an unmount left half-done in there belongs to the old writable layer.
            files::remove_tree(&directory.join("work"))?;
            fs::rename(&upper, &frozen).at("freeze", &upper)?;
            files::sync_directory(&self.layers())?;
            files::sync_directory(&directory)?;
        }
        Ok(Captured { bytes: size(&frozen)?, layer: layer.clone() })
    }

    /// Fetches an archive of a root file system and unpacks it as a layer.
    pub(crate) fn fetch(&self, url: &str, layer: &LayerId) -> Result<Captured> {
        let fetched = self.layer(layer)?;
        if !fetched.is_dir() {
            let unfinished = self.layers().join(format!(".{}.unfinished", layer.0));
            let archive = self.layers().join(format!(".{}.tar", layer.0));
            files::remove_tree(&unfinished)?;
            fs::create_dir_all(&unfinished).at("make", &unfinished)?;
            let (from, to) = (archive.display().to_string(), unfinished.display().to_string());
            // What is no file yet has no size to ask for: the kernel counts.
            let unpacked = Program::new("prlimit")
                .args([
                    &format!("--fsize={LARGEST_TEMPLATE}"),
                    "curl",
                    "-fsSL",
                    "--globoff",
                    "--proto",
                    "=http,https,ftp",
                    "--proto-redir",
                    "=http,https",
                    "--max-redirs",
                    "5",
                    "-o",
                    &from,
                    "--",
                    url,
                ])
                .within_time(FETCHING)
                .run()
                .and_then(|_| {
                    let program = Program::new("tar").args(["-x", "--numeric-owner", "-f", &from, "-C", &to]);
                    program.within_time(COPYING).run()
                });
            files::remove(&archive)?;
            unpacked?;
            fs::rename(&unfinished, &fetched).at("keep", &unfinished)?;
            files::sync_directory(&self.layers())?;
        }
        Ok(Captured { bytes: size(&fetched)?, layer: layer.clone() })
    }

    /// Copies the volume's writable layer under that name, unless it was done before. Whiteouts and the attributes that
    /// overlayfs keeps are part of it; a running machine's last writes may not be.
    pub(crate) fn copy(&self, volume: Uuid, layer: &LayerId) -> Result<Captured> {
        let upper = self.volume(volume).join("upper");
        let copied = self.layer(layer)?;
        if !copied.is_dir() {
            let unfinished = self.layers().join(format!(".{}.unfinished", layer.0));
            for path in [&upper, &self.layers()] {
                fs::create_dir_all(path).at("make", path)?;
            }
            files::remove_tree(&unfinished)?;
            let (from, to) = (upper.display().to_string(), unfinished.display().to_string());
            Program::new("cp").args(["-a", "--reflink=auto", &from, &to]).within_time(COPYING).run()?;
            File::open(&unfinished)
                .and_then(|directory| Ok(rustix::fs::syncfs(&directory)?))
                .at("sync", &unfinished)?;
            fs::rename(&unfinished, &copied).at("keep", &unfinished)?;
            files::sync_directory(&self.layers())?;
        }
        Ok(Captured { bytes: size(&copied)?, layer: layer.clone() })
    }

    /// A machine that powered itself off leaves its disk mounted until it is started or stopped again.
    fn unmount(&self, volume: Uuid) -> Result<()> {
        let upper = format!("upperdir={}", self.volume(volume).join("upper").display());
        for mount in mounts::all()? {
            if mount.options.split(',').any(|option| option == upper) {
                mounts::unmount_if_mounted(&mount.place)?;
            }
        }
        Ok(())
    }

    /// Removes the volume. Its layers stay: templates may rest on them.
    pub(crate) fn remove(&self, volume: Uuid) -> Result<()> {
        self.unmount(volume)?;
        loops::release(&self.image(volume))?;
        files::remove_tree(&self.volume(volume))
    }

    /// The layers that are whole.
    pub(crate) fn whole_layers(&self) -> Result<Vec<LayerId>> {
        let names = files::names(&self.layers())?.into_iter();
        Ok(names.filter(|name| !files::half_made(name)).map(LayerId).collect())
    }

    /// Removes what a killed process was making or removing.
    pub(crate) fn remove_half_made(&self) -> Result<()> {
        files::remove_half_made(&self.layers())?;
        files::remove_half_made(&self.state.join("volumes"))
    }

    /// Removes a layer.
    pub(crate) fn remove_layer(&self, layer: &LayerId) -> Result<()> {
        files::remove_tree(&self.layer(layer)?)
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
        let (volume, layer) = (Uuid::from_u128(1), LayerId("frozen".into()));
        write(&disks, volume, "first");
        assert!(disks.capture(volume, &layer).expect("captured").bytes >= 5);
        assert_eq!(fs::read_to_string(disks.layers().join("frozen/file")).expect("file"), "first");
        assert!(!disks.volume(volume).join("upper/file").exists());
    }

    #[test]
    fn capturing_again_under_the_same_name_takes_nothing_more() {
        let (_directory, disks) = disks();
        let (volume, layer) = (Uuid::from_u128(1), LayerId("frozen".into()));
        write(&disks, volume, "first");
        let first = disks.capture(volume, &layer).expect("captured");
        write(&disks, volume, "second");
        assert_eq!(disks.capture(volume, &layer).expect("captured"), first);
        assert_eq!(fs::read_to_string(disks.layers().join("frozen/file")).expect("file"), "first");
        assert_eq!(fs::read_to_string(disks.volume(volume).join("upper/file")).expect("file"), "second");
    }

    #[test]
    fn a_missing_layer_or_one_outside_the_zone_is_refused() {
        let (_directory, disks) = disks();
        for layer in ["gone", "../layers", "", ".", "a/b", "a:b", "a,b"] {
            let root = disks.state.join("root");
            let layers = [LayerId("base".into()), LayerId(layer.into())];
            assert!(disks.mount(Uuid::nil(), &layers, &root).is_err(), "{layer:?} was accepted");
        }
    }

    #[test]
    fn what_was_half_made_or_half_removed_is_no_layer_and_goes() {
        let (_directory, disks) = disks();
        for name in [".snapshot-1.unfinished", "template-2.removed", "template-3"] {
            fs::create_dir_all(disks.layers().join(name).join("etc")).expect("a tree");
        }
        fs::write(disks.layers().join(".template-4.tar"), "half").expect("a file");
        let whole = || {
            let mut whole = disks.whole_layers().expect("layers");
            whole.sort();
            whole
        };
        assert_eq!(whole(), ["base", "template-3"].map(|name| LayerId(name.into())));
        disks.remove_half_made().expect("removed");
        assert_eq!(whole(), ["base", "template-3"].map(|name| LayerId(name.into())));
        assert_eq!(files::names(&disks.layers()).expect("names").len(), 2);
    }

    #[test]
    fn removing_what_is_not_there_is_fine() {
        let (_directory, disks) = disks();
        disks.remove(Uuid::nil()).expect("nothing to do");
        disks.remove_layer(&LayerId("gone".into())).expect("nothing to do");
        disks.remove_layer(&LayerId("base".into())).expect("removed");
        assert!(!disks.layers().join("base").exists());
    }
}
