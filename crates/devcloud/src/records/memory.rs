//! Records that live and die with the process; what a test keeps of them stands for the disk of a crashed zone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Row, StoredRow};

/// Rows in memory. Clones share the rows, so that a clone can open a second zone where a first one ended.
#[derive(Clone, Debug, Default)]
pub struct MemoryRecords {
    rows: Arc<Mutex<BTreeMap<(String, u64), String>>>,
}

impl MemoryRecords {
    /// A copy that later changes don't reach: the disk as it was at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { rows: Arc::new(Mutex::new(rows)) }
    }

    pub(super) fn load(&self) -> Vec<StoredRow> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter()
            .map(|((kind, number), json)| StoredRow {
                kind: kind.clone(),
                number: *number,
                json: json.clone(),
            })
            .collect()
    }

    pub(super) fn apply(&self, changes: Vec<Row>) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for Row { kind, number, json } in changes {
            match json {
                Some(json) => rows.insert((kind.to_owned(), number), json),
                None => rows.remove(&(kind.to_owned(), number)),
            };
        }
    }
}
