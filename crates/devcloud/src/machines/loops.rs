//! Loop devices: files of this host as block devices. The kernel says which there are and what lies behind each, so that
//! those of a zone are found by the zone's directory, with no record of them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{At, HostError, Result};
use super::files;
use super::program::Program;

/// Where the kernel shows its block devices.
const SHOWN: &str = "/sys/block";

/// How long a device may take to be let go of: what a machine that was killed had mounted is written out first.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file and the device it is seen as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loop {
    /// `/dev/loopN`.
    pub(crate) device: PathBuf,
    /// The file, by its real path.
    file: PathBuf,
}

/// All there are on this host.
fn all() -> Result<Vec<Loop>> {
    let names = files::names(Path::new(SHOWN))?.into_iter().filter(|name| name.starts_with("loop"));
    Ok(names
        .filter_map(|name| Some(Loop { file: behind(&name)?, device: Path::new("/dev").join(name) }))
        .collect())
}

/// The file behind the device of this name; none where it is free.
fn behind(name: &str) -> Option<PathBuf> {
    let shown = fs::read_to_string(Path::new(SHOWN).join(name).join("loop/backing_file")).ok()?;
    let shown = shown.trim_end_matches('\n');
    Some(PathBuf::from(shown.strip_suffix(" (deleted)").unwrap_or(shown)))
}

/// Has a file be a block device as large as the file is now. One that is one already stays the one that it is.
pub(crate) fn attach(file: &Path) -> Result<PathBuf> {
    let file = fs::canonicalize(file).at("find", file)?;
    let device = match all()?.into_iter().find(|known| known.file == file) {
        Some(known) => known.device,
        None => {
            let said =
                Program::new("losetup").args(["--find", "--show"]).args([file.to_string_lossy()]).run()?;
            PathBuf::from(said.trim())
        }
    };
    let size = fs::metadata(&file).at("look at", &file)?.len();
    if size_of(&device) != Some(size) {
        Program::new("losetup").args(["--set-capacity"]).args([device.to_string_lossy()]).run()?;
    }
    Ok(device)
}

fn size_of(device: &Path) -> Option<u64> {
    let sectors = fs::read_to_string(Path::new(SHOWN).join(device.file_name()?).join("size")).ok()?;
    Some(sectors.trim().parse::<u64>().ok()? * 512)
}

/// Whether it is this file that lies behind the device.
pub(crate) fn attached_to(device: &Path, file: &Path) -> bool {
    let name = device.file_name().and_then(|name| name.to_str());
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    name.and_then(behind) == Some(file)
}

/// Whether a file system on the device is mounted, or something else has it for itself.
pub(crate) fn is_taken(device: &Path) -> Result<bool> {
    let exclusive = i32::try_from(rustix::fs::OFlags::EXCL.bits()).unwrap_or(0);
    match OpenOptions::new().read(true).custom_flags(exclusive).open(device) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Ok(true),
        Err(error) => Err(error).at("open", device),
    }
}

/// Has a file be no block device any more.
pub(crate) fn release(file: &Path) -> Result<()> {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    release_those(&all()?.into_iter().filter(|known| known.file == file).collect::<Vec<_>>())
}

/// Has no file in this directory, or below it, be a block device any more, but for those files.
pub(crate) fn release_below(directory: &Path, kept: &[PathBuf]) -> Result<()> {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (directory, kept) = (real(directory), kept.iter().map(|path| real(path)).collect::<Vec<_>>());
    let stray =
        all()?.into_iter().filter(|known| known.file.starts_with(&directory) && !kept.contains(&known.file));
    release_those(&stray.collect::<Vec<_>>())
}

/// The kernel lets go of a device when the last one who has it open does; that is waited for.
fn release_those(loops: &[Loop]) -> Result<()> {
    let held = |known: &Loop| attached_to(&known.device, &known.file);
    let mut said = Ok(String::new());
    for known in loops.iter().filter(|known| held(known)) {
        said =
            said.and(Program::new("losetup").args(["--detach"]).args([known.device.to_string_lossy()]).run());
    }
    let deadline = Instant::now() + PATIENCE;
    while let Some(known) = loops.iter().find(|known| held(known)) {
        if Instant::now() > deadline {
            said?;
            return Err(HostError::Other(format!(
                "{} is still in use as {} after {PATIENCE:?}: something has it open",
                known.file.display(),
                known.device.display()
            )));
        }
        // Nothing tells when it has gone; this thread is not the runtime's.
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
