//! Files and directories that are whole or not there, whenever the power goes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::error::{At, HostError, Result};

/// What the name of something that is being removed ends with.
const REMOVED: &str = ".removed";

/// Writes a file whole: after a crash it holds the old text or the new one.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(directory).at("make a file in", directory)?;
    file.write_all(contents).and_then(|()| file.as_file().sync_data()).at("write", path)?;
    file.persist(path).map_err(|error| error.error).at("write", path)?;
    sync_directory(directory)
}

/// Makes renames in the directory last.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    File::open(path).and_then(|directory| directory.sync_all()).at("sync", path)
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    absent_is_fine(fs::remove_file(path)).at("remove", path)
}

/// Removes a directory, or a file, that may not be there. It is first given a name that says what is happening to it, so that a
/// crash never leaves half of it under its own name.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        HostError::Other(format!("{} has no name of its own and is not removed", path.display()))
    })?;
    let dying = path.with_file_name(format!("{name}{REMOVED}"));
    absent_is_fine(remove_whole(&dying)).at("remove", &dying)?;
    absent_is_fine(fs::rename(path, &dying)).at("remove", path)?;
    absent_is_fine(remove_whole(&dying)).at("remove", &dying)
}

/// The names of what is in a directory; nothing where there is none.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| Ok(entry.at("list", directory)?.file_name().to_string_lossy().into_owned()))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).at("list", directory),
    }
}

/// Whether something of this name is being made, or removed.
pub(crate) fn half_made(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(REMOVED)
}

/// Removes what a killed process was making or removing in a directory: while nobody works in it.
pub(crate) fn remove_half_made(directory: &Path) -> Result<()> {
    for name in names(directory)? {
        if half_made(&name) {
            let path = directory.join(name);
            remove_whole(&path).at("remove", &path)?;
        }
    }
    Ok(())
}

fn remove_whole(path: &Path) -> std::io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn absent_is_fine(outcome: std::io::Result<()>) -> std::io::Result<()> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
