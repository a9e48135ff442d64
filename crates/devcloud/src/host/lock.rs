//! Locks between processes: files held by the kernel for whoever has them open, free again with their holder's end.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{At, Result};

/// A lock that is held.
#[derive(Debug)]
pub(super) struct Held {
    file: File,
    path: PathBuf,
}

/// Takes the lock if nobody holds it.
pub(super) fn try_take(path: &Path) -> Result<Option<Held>> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .at("open", path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).at("lock", path),
        }
        // Its last holder may have removed the file meanwhile: then this is a lock that nobody else will find.
        let here = file.metadata().at("look at", path)?;
        if std::fs::metadata(path).is_ok_and(|there| there.ino() == here.ino() && there.dev() == here.dev()) {
            return Ok(Some(Held { file, path: path.to_owned() }));
        }
    }
}

/// Takes the lock as soon as it is free; none when that took longer than `patience`.
pub(super) async fn take(path: &Path, patience: Duration) -> Result<Option<Held>> {
    const LOOK_AGAIN: Duration = Duration::from_millis(50);
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if let Some(held) = try_take(path)? {
            return Ok(Some(held));
        }
        if tokio::time::Instant::now() >= deadline {
            return Ok(None);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

impl Held {
    /// Says who holds it.
    pub(super) fn sign(&mut self) -> Result<()> {
        let text = format!("{}\n", std::process::id());
        self.write(&text)
    }

    /// Says nothing of who holds it.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.write("")
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .at("write", &self.path)
    }

    /// Lets the lock go together with its file.
    pub(super) fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The process that holds the lock, if any does and has signed it.
pub(super) fn holder(path: &Path) -> Option<u32> {
    let mut file = File::open(path).ok()?;
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_says_by_whom() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        assert_eq!(holder(&path), None);
        let mut held = try_take(&path).expect("a look").expect("free");
        held.sign().expect("signed");
        assert!(try_take(&path).expect("a look").is_none());
        assert_eq!(holder(&path), Some(std::process::id()));
        held.remove();
        assert!(!path.exists());
        assert!(try_take(&path).expect("a look").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_lock_ends() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        let _held = try_take(&path).expect("a look").expect("free");
        assert!(take(&path, Duration::from_secs(60)).await.expect("a look").is_none());
    }
}
