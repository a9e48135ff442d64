//! Settings that were changed while the zone was up.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Model};

/// A setting with the value it was given last; those that were never changed have no row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    /// CloudStack's name for it.
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Entity for Setting {
    const KIND: &'static str = "setting";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

/// What the clock's lead is kept under: a setting of devcloud's own, in nanoseconds.
const CLOCK_AHEAD: &str = "devcloud.clock.ahead";

impl Model {
    /// How far the zone's clock was moved ahead.
    pub(crate) fn clock_ahead(&self) -> Duration {
        let kept = self.settings.iter().find(|setting| setting.name == CLOCK_AHEAD);
        kept.and_then(|kept| kept.value.parse().ok()).map_or(Duration::ZERO, Duration::from_nanos)
    }

    pub(crate) fn set_clock_ahead(&mut self, ahead: Duration) {
        self.set_setting(CLOCK_AHEAD, u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX).to_string());
    }

    /// Gives a setting a value.
    pub(crate) fn set_setting(&mut self, name: &str, value: String) {
        let before = self.settings.iter().find(|setting| setting.name == name).map(|setting| setting.id);
        match before.and_then(|id| self.settings.edit(id)) {
            Some(setting) => setting.value = value,
            None => {
                let (number, id) = (self.next_number(), self.next_id());
                self.settings.insert(Setting { number, id, name: name.to_owned(), value });
            }
        }
    }
}
