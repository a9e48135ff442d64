//! The zone's records: rows of JSON keyed by what they are and their number, kept so that a change which was answered
//! for is there after any crash. The model lives in memory and is only read from here when a zone is opened.

mod copy;
mod memory;
mod sqlite;

use std::path::Path;

pub use self::memory::MemoryRecords;
use self::sqlite::SqliteRecords;

/// Where a zone keeps its records.
#[derive(Debug)]
pub struct Records(Kind);

#[derive(Debug)]
enum Kind {
    Memory(MemoryRecords),
    Sqlite(SqliteRecords),
}

/// Why records could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// SQLite's own words.
    #[error("the zone's records in {path}: {source}")]
    Sqlite {
        /// The file.
        path: String,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// Somebody else has the file open, so that it cannot be put in another's place.
    #[error("the zone's records in {path} are open elsewhere, in another program; close it, and try again")]
    InUse {
        /// The file.
        path: String,
    },
    /// The file's directory or mode could not be set up.
    #[error("the zone's records in {path}: {source}")]
    File {
        /// The file or directory.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file was written by a newer mesostack.
    #[error(
        "the zone's records in {path} have format {found}, and this mesostack reads up to {known}: use the newer one, or remove the zone and make it again"
    )]
    Format {
        /// The file.
        path: String,
        /// The format it has.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// A row is not what it should be.
    #[error("the zone's records hold a broken {kind} with number {number}: {source}")]
    Row {
        /// What the row is.
        kind: String,
        /// Its number.
        number: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A write failed before; nothing is written any more.
    #[error(
        "the zone's records can't be written any more ({0}): free space or mend the disk, then start the zone again"
    )]
    Closed(String),
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// What it is: `virtual machine`, `network` …
    pub(crate) kind: &'static str,
    /// Its number among its kind.
    pub(crate) number: u64,
    /// Its JSON; none removes the row.
    pub(crate) json: Option<String>,
}

/// A row as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRow {
    pub(crate) kind: String,
    pub(crate) number: u64,
    pub(crate) json: String,
}

impl Records {
    /// Records in the SQLite file at `path`, made when it does not exist (mode 0600: it holds secret keys).
    ///
    /// # Errors
    /// When the file cannot be opened or is of a newer format.
    pub fn file(path: &Path) -> Result<Self, RecordsError> {
        Ok(Self(Kind::Sqlite(SqliteRecords::open(path)?)))
    }

    /// Records in memory: no thread, no disk. What is given in is what another zone left behind, for tests of restarts.
    pub fn memory(records: MemoryRecords) -> Self {
        Self(Kind::Memory(records))
    }

    /// Every row, in no particular order.
    pub(crate) fn load(&self) -> Result<Vec<StoredRow>, RecordsError> {
        match &self.0 {
            Kind::Memory(records) => Ok(records.load()),
            Kind::Sqlite(records) => records.load(),
        }
    }

    /// Hands over a transaction and gives its place in the order; call it under the model's lock, so that the order is
    /// the model's. An empty transaction is no transaction.
    pub(crate) fn submit(&self, rows: Vec<Row>) -> u64 {
        match &self.0 {
            Kind::Memory(records) => {
                records.apply(rows);
                0
            }
            Kind::Sqlite(records) => records.submit(rows),
        }
    }

    /// Waits until the transaction with this place, and so every one before it, is durable.
    pub(crate) async fn durable(&self, place: u64) -> Result<(), RecordsError> {
        match &self.0 {
            Kind::Memory(_) => Ok(()),
            Kind::Sqlite(records) => records.durable(place).await,
        }
    }
}
