//! Files and directories that are whole or not there, whenever the power goes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::error::{At, HostError, Result};

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

/// Removes a directory that may not be there. It is first given a name that says what is happening to it, so that a
/// crash never leaves half of it under its own name.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        HostError::Other(format!("{} has no name of its own and is not removed", path.display()))
    })?;
    let dying = path.with_file_name(format!("{name}.removed"));
    absent_is_fine(fs::remove_dir_all(&dying)).at("remove", &dying)?;
    absent_is_fine(fs::rename(path, &dying)).at("remove", path)?;
    absent_is_fine(fs::remove_dir_all(&dying)).at("remove", &dying)
}

fn absent_is_fine(outcome: std::io::Result<()>) -> std::io::Result<()> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
