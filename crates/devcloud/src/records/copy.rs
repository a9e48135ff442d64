//! Copies of a zone's records, and their return. A copy is one file, whole or not there.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Records, RecordsError};
use crate::model::{Account, Domain, Entity, Project};

impl Records {
    /// Copies records, also while a zone writes them: what is durable at this moment.
    ///
    /// # Errors
    /// When either file cannot be read or written.
    pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), RecordsError> {
        let new = beside(to);
        remove(&new)?;
        // There beforehand, so that it is its owner's alone from its first byte on: it holds keys.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(file(&new))?;
        let connection = open(from)?;
        connection.execute("vacuum into ?1", [new.to_string_lossy()]).map_err(sqlite(from))?;
        close(connection, from)?;
        put(&new, to)
    }

    /// Has records, which nobody may have open, be a copy's; without one, those of a new zone with the same accounts,
    /// domains and projects.
    ///
    /// # Errors
    /// When either file cannot be read or written; then the records are what they were.
    pub(crate) fn replace(records: &Path, copy: Option<&Path>) -> Result<(), RecordsError> {
        // With its last connection the write-ahead log goes into the file. One that stayed behind would be taken for the
        // new file's.
        let connection = open(records)?;
        let busy: i64 = connection
            .query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))
            .map_err(sqlite(records))?;
        close(connection, records)?;
        if busy != 0 || with_ending(records, "-wal").exists() {
            return Err(RecordsError::InUse { path: records.display().to_string() });
        }
        let new = beside(records);
        remove(&new)?;
        std::fs::copy(copy.unwrap_or(records), &new).map_err(file(&new))?;
        if copy.is_none() {
            let connection = open(&new)?;
            connection
                .execute(
                    "delete from record where kind not in (?1, ?2, ?3)",
                    [Account::KIND, Domain::KIND, Project::KIND],
                )
                .and_then(|_| connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())))
                .map_err(sqlite(&new))?;
            close(connection, &new)?;
        }
        put(&new, records)
    }

    /// Removes what was to take the records' place and was cut off. Nobody may be replacing them.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn remove_unfinished(records: &Path) -> Result<(), RecordsError> {
        remove(&beside(records))
    }
}

/// A name beside a file, for what is to take its place.
fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn open(path: &Path) -> Result<Connection, RecordsError> {
    use rusqlite::OpenFlags;
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite(path))
}

fn close(connection: Connection, path: &Path) -> Result<(), RecordsError> {
    connection.close().map_err(|(_, source)| sqlite(path)(source))
}

/// Removes what an attempt that was cut off has left.
fn remove(path: &Path) -> Result<(), RecordsError> {
    for ending in ["", "-wal", "-shm"] {
        match std::fs::remove_file(with_ending(path, ending)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file(path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Puts a file, durable and its owner's alone, in the place of another.
fn put(new: &Path, place: &Path) -> Result<(), RecordsError> {
    use std::os::unix::fs::PermissionsExt;
    let durable = std::fs::File::open(new)
        .and_then(|opened| {
            opened.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            opened.sync_all()
        })
        .and_then(|()| std::fs::rename(new, place))
        .and_then(|()| match place.parent() {
            Some(directory) => std::fs::File::open(directory)?.sync_all(),
            None => Ok(()),
        });
    durable.map_err(file(place))
}

fn sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> RecordsError + use<> {
    let path = path.display().to_string();
    move |source| RecordsError::Sqlite { path: path.clone(), source }
}

fn file(path: &Path) -> impl Fn(std::io::Error) -> RecordsError + use<> {
    let path = path.display().to_string();
    move |source| RecordsError::File { path: path.clone(), source }
}
