//! Records in an SQLite file: write-ahead log, `synchronous=FULL`, one thread that owns the connection. Transactions are
//! taken in order; those that wait while one is being written go to the disk together with the next one, each still
//! whole or not at all, since they are consecutive parts of one order.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::{RecordsError, Row, StoredRow};

/// The format written today; `PRAGMA user_version` holds it.
const FORMAT: i64 = 1;

#[derive(Debug)]
pub(super) struct SqliteRecords {
    path: String,
    writer: mpsc::Sender<Vec<Row>>,
    submitted: AtomicU64,
    progress: watch::Receiver<Progress>,
}

#[derive(Clone, Debug, Default)]
struct Progress {
    durable: u64,
    failed: Option<String>,
}

impl SqliteRecords {
    pub(super) fn open(path: &Path) -> Result<Self, RecordsError> {
        let shown = path.display().to_string();
        let file_error = |source| RecordsError::File { path: shown.clone(), source };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(file_error)?;
        }
        // Made by us first, so that it never exists with a wider mode.
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(file_error)?;
        let connection =
            prepare(path).map_err(|source| RecordsError::Sqlite { path: shown.clone(), source })??;
        let (writer, transactions) = mpsc::channel::<Vec<Row>>();
        let (report, progress) = watch::channel(Progress::default());
        std::thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || write_all(connection, &transactions, &report))
            .map_err(file_error)?;
        Ok(Self { path: shown, writer, submitted: AtomicU64::new(0), progress })
    }

    pub(super) fn load(&self) -> Result<Vec<StoredRow>, RecordsError> {
        let wrap = |source| RecordsError::Sqlite { path: self.path.clone(), source };
        let connection = Connection::open(&self.path).map_err(wrap)?;
        let mut statement = connection.prepare("select kind, number, json from record").map_err(wrap)?;
        let rows = statement
            .query_map([], |row| {
                Ok(StoredRow {
                    kind: row.get(0)?,
                    number: row.get::<_, i64>(1)?.cast_unsigned(),
                    json: row.get(2)?,
                })
            })
            .map_err(wrap)?;
        rows.collect::<Result<_, _>>().map_err(wrap)
    }

    pub(super) fn submit(&self, rows: Vec<Row>) -> u64 {
        if rows.is_empty() {
            return self.submitted.load(Ordering::Acquire);
        }
        let place = self.submitted.fetch_add(1, Ordering::AcqRel) + 1;
        // A closed channel means that the thread gave up after a failed write; `durable` says so.
        let _ = self.writer.send(rows);
        place
    }

    pub(super) async fn durable(&self, place: u64) -> Result<(), RecordsError> {
        let mut progress = self.progress.clone();
        let reached = progress
            .wait_for(|progress| progress.failed.is_some() || progress.durable >= place)
            .await
            .map_err(|_| RecordsError::Closed("its writer ended".to_owned()))?;
        match &reached.failed {
            Some(why) => Err(RecordsError::Closed(why.clone())),
            None => Ok(()),
        }
    }
}

fn prepare(path: &Path) -> Result<Result<Connection, RecordsError>, rusqlite::Error> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // 32 MiB: what changes over and over again goes to its place in the file once, not each time.
    connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
    let found: i64 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
    if found > FORMAT {
        let path = path.display().to_string();
        return Ok(Err(RecordsError::Format { path, found, known: FORMAT }));
    }
    connection.execute_batch(
        "create table if not exists record (
             kind text not null, number integer not null, json text not null, primary key (kind, number)
         ) without rowid",
    )?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    Ok(Ok(connection))
}

/// The thread's life: until the zone is gone or a write fails. After a failed write the model is ahead of the disk, so
/// nothing more may be written.
fn write_all(
    mut connection: Connection,
    transactions: &mpsc::Receiver<Vec<Row>>,
    report: &watch::Sender<Progress>,
) {
    let mut durable = 0;
    while let Ok(first) = transactions.recv() {
        let waiting: Vec<Vec<Row>> =
            std::iter::once(first).chain(transactions.try_iter().take(1023)).collect();
        let count = waiting.len() as u64;
        if let Err(error) = write(&mut connection, &waiting) {
            tracing::error!(%error, "the zone's records could not be written");
            report.send_modify(|progress| progress.failed = Some(error.to_string()));
            return;
        }
        durable += count;
        report.send_modify(|progress| progress.durable = durable);
    }
}

fn write(connection: &mut Connection, waiting: &[Vec<Row>]) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    {
        let mut put = transaction.prepare_cached("insert or replace into record values (?1, ?2, ?3)")?;
        let mut remove = transaction.prepare_cached("delete from record where kind = ?1 and number = ?2")?;
        for row in waiting.iter().flatten() {
            let number = row.number.cast_signed();
            match &row.json {
                Some(json) => put.execute(params![row.kind, number, json])?,
                None => remove.execute(params![row.kind, number])?,
            };
        }
    }
    transaction.commit()
}
