//! Events: what was done, by whom, to what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;

/// How many events are kept; the oldest go first.
pub(super) const KEPT: usize = 5_000;

/// A line of the zone's history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    /// Who did it.
    #[serde(default)]
    pub(crate) user: Option<Uuid>,
    #[serde(default)]
    pub(crate) archived: bool,
    /// `VM.START` …
    pub(crate) kind: String,
    pub(crate) error: bool,
    pub(crate) description: String,
    /// Scheduled, Started, Completed or Created.
    pub(crate) state: String,
    pub(crate) created: Timestamp,
    pub(crate) resource_kind: Option<String>,
    pub(crate) resource: Option<Uuid>,
    /// The event that began what this one ends.
    pub(crate) parent: Option<Uuid>,
}

impl Entity for Event {
    const KIND: &'static str = "event";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl super::Model {
    /// Adds an event and lets the oldest ones go.
    pub(crate) fn record(&mut self, event: Event) {
        self.events.insert(event);
        while self.events.len() > KEPT {
            let Some(oldest) = self.events.iter().next().map(|event| event.id) else { break };
            self.events.remove(oldest);
        }
    }
}
