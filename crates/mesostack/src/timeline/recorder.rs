//! Writes a run's journal: an event a line, each written as it happens, so that a killed run leaves all but its end.

use std::{
    fmt,
    io::Write,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::events::{Event, Listener, SCHEMA, seconds};

/// Hears a run, and writes its journal.
pub struct Recorder {
    began: Instant,
    began_at: Timestamp,
    journal: Mutex<Box<dyn Write + Send>>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("began_at", &self.began_at).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    #[serde(with = "seconds")]
    t: Duration,
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

impl Recorder {
    /// Writes to `journal` a run that begins now, which is `began_at` by the calendar.
    pub fn new(journal: impl Write + Send + 'static, began_at: Timestamp) -> Self {
        Self { began: Instant::now(), began_at, journal: Mutex::new(Box::new(journal)) }
    }
}

impl Listener for Recorder {
    fn hear(&self, event: Event) {
        // What machines print can be long, and can be anything.
        if matches!(event, Event::Output { .. }) {
            return;
        }
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that times never go back from one line to the next.
        let t = self.began.elapsed();
        let at = self.began_at.saturating_add(jiff::SignedDuration::try_from(t).unwrap_or_default());
        let at = format!("{:.3}", at.unwrap_or(self.began_at));
        if let Ok(mut line) = serde_json::to_string(&Line { v: SCHEMA, t, at, event: &event }) {
            line.push('\n');
            // A full disk must not stop a run: the picture of it is lost, and nothing else.
            let _ = journal.write_all(line.as_bytes());
        }
    }
}
