//! Saved plans as files: written whole or not at all, never over something else, and read as far as one can be large.

use std::{
    fs::{File, Permissions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use super::report::{Refused, While};
use mesostack::cluster::{LARGEST_SAVED_PLAN, SavedPlan};

/// Writes a plan to a file. Nothing in it is secret, so who may read it is up to the umask.
pub(super) fn write(path: &Path, plan: &SavedPlan) -> miette::Result<()> {
    let tried = || format!("could not save the plan to {}", path.display());
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).tried(tried()),
        // A specification written over by a slip of the pen would be lost.
        Ok(_) if !SavedPlan::is_one(&read_all(path).tried(tried())?) => {
            let message = format!("{} is there, and is not a saved plan", path.display());
            return Err(Refused::new(message, "name another file; this one stays as it is").into());
        }
        Ok(_) => {}
    }
    let text = plan.to_text().tried(tried())?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .tried(tried())?;
    file.write_all(text.as_bytes()).tried(tried())?;
    file.as_file().sync_all().tried(tried())?;
    file.persist(path).tried(tried())?;
    Ok(())
}

/// Reads a saved plan.
pub(super) fn read(path: &Path) -> miette::Result<SavedPlan> {
    let text = read_all(path).tried(format!("could not read the plan {}", path.display()))?;
    if text.len() as u64 > LARGEST_SAVED_PLAN {
        let message = format!("{} is too large to be a saved plan", path.display());
        return Err(Refused::new(message, "`mesostack plan --out FILE` writes one").into());
    }
    Ok(SavedPlan::parse(&text)?)
}

/// What is in a file, up to a little more than a saved plan can be large.
fn read_all(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST_SAVED_PLAN + 1).read_to_end(&mut text)?;
    Ok(text)
}
