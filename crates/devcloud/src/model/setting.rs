//! Settings that were changed while the zone was up.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;

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
