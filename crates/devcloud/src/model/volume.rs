//! Volumes: the machines' root disks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;
use crate::driver::LayerId;

/// A root disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) name: String,
    pub(crate) virtual_machine: Uuid,
    pub(crate) template: Uuid,
    /// The read-only layers below what it writes, lowest first.
    pub(crate) layers: Vec<LayerId>,
    pub(crate) bytes: u64,
    pub(crate) created: Timestamp,
    /// Whether its machine was ever started, so that there is a disk and not only a promise of one.
    pub(crate) ready: bool,
}

impl Entity for Volume {
    const KIND: &'static str = "volume";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}
