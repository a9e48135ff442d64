//! Data disks: files without holes filled in, which machines have as block devices.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::disk::{COPYING, Disks, size};
use super::error::{At, Result};
use super::files;
use super::program::Program;
use crate::driver::{Captured, DataDisk, LayerId};

/// Makes a file system of the tree that layers are together (`$1`, the highest first) in the file `$2`; where they are put
/// together (`$3`), only this program sees them.
const FILE_SYSTEM_OF: &str = r#"mount -t overlay overlay -o "ro,index=off,lowerdir=$1" "$3" &&
exec mke2fs -q -F -t ext4 -d "$3" "$2""#;

impl Disks {
    /// The file that a data disk is.
    pub(crate) fn image(&self, volume: Uuid) -> PathBuf {
        self.volume(volume).join("disk")
    }

    /// The data disk's file, as large as it has to be: made of what the disk begins with when there is none.
    pub(crate) fn provide(&self, disk: &DataDisk) -> Result<PathBuf> {
        let image = self.image(disk.volume);
        if !image.exists() {
            let directory = self.volume(disk.volume);
            fs::create_dir_all(&directory).at("make", &directory)?;
            let unfinished = directory.join(".disk.unfinished");
            files::remove(&unfinished)?;
            self.begin(disk, &unfinished)?;
            keep(&unfinished, &image)?;
        }
        let file = OpenOptions::new().write(true).open(&image).at("open", &image)?;
        if file.metadata().at("look at", &image)?.len() != disk.bytes {
            file.set_len(disk.bytes).at("resize", &image)?;
        }
        Ok(image)
    }

    /// Makes the file of a disk that nothing was written to.
    fn begin(&self, disk: &DataDisk, unfinished: &Path) -> Result<()> {
        let resized = |file: &File| file.set_len(disk.bytes).at("resize", unfinished);
        let Some(last) = disk.layers.last() else {
            return resized(&File::create(unfinished).at("make", unfinished)?);
        };
        let last = self.layer(last)?;
        if last.is_file() {
            return copy(&last, unfinished);
        }
        resized(&File::create(unfinished).at("make", unfinished)?)?;
        let together = self.volume(disk.volume).join(".tree");
        fs::create_dir_all(&together).at("make", &together)?;
        let mut layers = disk.layers.iter().rev().map(|layer| Ok(self.layer(layer)?.display().to_string()));
        let mut layers = layers.by_ref().collect::<Result<Vec<_>>>()?;
        if layers.len() == 1 {
            // overlayfs without a writable layer wants two.
            layers.push(together.display().to_string());
        }
        let arguments = [layers.join(":"), unfinished.display().to_string(), together.display().to_string()];
        let program = Program::new("unshare").line("--mount --propagation private -- sh -c");
        let made = program.args([FILE_SYSTEM_OF, "sh"]).args(arguments).within_time(COPYING).run();
        absent(&together)?;
        made.map(drop)
    }

    /// Copies all that the disk holds as the layer of this name, unless it was done before.
    pub(crate) fn copy_disk(&self, disk: &DataDisk, layer: &LayerId) -> Result<Captured> {
        let copied = self.layer(layer)?;
        if !copied.exists() {
            let image = self.provide(disk)?;
            let layers = self.layers();
            fs::create_dir_all(&layers).at("make", &layers)?;
            let unfinished = layers.join(format!(".{}.unfinished", layer.0));
            files::remove(&unfinished)?;
            copy(&image, &unfinished)?;
            keep(&unfinished, &copied)?;
        }
        Ok(Captured { bytes: size(&copied)?, layer: layer.clone() })
    }
}

fn absent(directory: &Path) -> Result<()> {
    fs::remove_dir(directory).at("remove", directory)
}

/// Copies a file with its holes; where the file system can, both share what they have in common.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let program = Program::new("cp").args(["--sparse=always", "--reflink=auto", "--"]);
    program.args([from.to_string_lossy(), to.to_string_lossy()]).within_time(COPYING).run().map(drop)
}

/// Gives a finished file its name: whole or not there, whenever the power goes.
fn keep(unfinished: &Path, kept: &Path) -> Result<()> {
    File::open(unfinished).and_then(|file| file.sync_all()).at("sync", unfinished)?;
    fs::rename(unfinished, kept).at("keep", unfinished)?;
    files::sync_directory(kept.parent().unwrap_or(Path::new("/")))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom, Write};

    use super::*;

    fn disks() -> (tempfile::TempDir, Disks) {
        let directory = tempfile::tempdir().expect("a directory");
        let disks = Disks::new(directory.path());
        fs::create_dir_all(disks.layers()).expect("layers");
        (directory, disks)
    }

    fn disk(number: u128, layers: &[&str], bytes: u64) -> DataDisk {
        let layers = layers.iter().map(|layer| LayerId((*layer).into())).collect();
        DataDisk { volume: Uuid::from_u128(number), place: 1, layers, bytes }
    }

    fn write(path: &Path, at: u64, text: &str) {
        let mut file = OpenOptions::new().write(true).open(path).expect("a file");
        file.seek(SeekFrom::Start(at)).expect("a place");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn read(path: &Path, at: u64, bytes: usize) -> String {
        let mut text = vec![0; bytes];
        let mut file = File::open(path).expect("a file");
        file.seek(SeekFrom::Start(at)).expect("a place");
        file.read_exact(&mut text).expect("read");
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn a_disk_takes_no_room_before_it_is_written_to_and_keeps_what_is_there_when_it_grows() {
        let (_directory, disks) = disks();
        let image = disks.provide(&disk(1, &[], 1 << 30)).expect("a disk");
        assert_eq!(fs::metadata(&image).expect("a file").len(), 1 << 30);
        assert!(size(&image).expect("a size") < 1 << 20);
        write(&image, 1 << 20, "kept");
        assert_eq!(disks.provide(&disk(1, &[], 2 << 30)).expect("the same"), image);
        assert_eq!(fs::metadata(&image).expect("a file").len(), 2 << 30);
        assert_eq!(read(&image, 1 << 20, 4), "kept");
    }

    #[test]
    fn a_copy_is_what_the_disk_was_then_and_another_disk_begins_as_it() {
        let (_directory, disks) = disks();
        let (first, layer) = (disk(1, &[], 1 << 20), LayerId("snapshot-1".into()));
        let image = disks.provide(&first).expect("a disk");
        write(&image, 4096, "then");
        let copied = disks.copy_disk(&first, &layer).expect("copied");
        write(&image, 4096, "now!");
        assert_eq!(disks.copy_disk(&first, &layer).expect("there already"), copied);
        let second = disks.provide(&disk(2, &["base", "snapshot-1"], 2 << 20)).expect("a disk");
        assert_eq!(read(&second, 4096, 4), "then");
        assert_eq!(fs::metadata(&second).expect("a file").len(), 2 << 20);
        disks.remove_layer(&layer).expect("removed");
        assert_eq!(disks.whole_layers().expect("layers"), []);
        disks.remove(first.volume).expect("removed");
        assert!(!image.exists());
        assert_eq!(read(&image_of(&disks, 2), 4096, 4), "then", "the other one stays");
    }

    fn image_of(disks: &Disks, number: u128) -> PathBuf {
        disks.image(Uuid::from_u128(number))
    }

    #[test]
    fn a_disk_whose_layer_is_missing_is_not_made() {
        let (_directory, disks) = disks();
        assert!(disks.provide(&disk(1, &["gone"], 1 << 20)).is_err());
        assert!(!image_of(&disks, 1).exists());
    }
}
