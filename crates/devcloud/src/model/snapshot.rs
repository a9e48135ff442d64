//! Snapshots: what a volume held at a moment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, VolumeKind};
use crate::driver::LayerId;

/// A volume as it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) name: String,
    /// The volume; it may be gone.
    pub(crate) volume: Uuid,
    pub(crate) volume_name: String,
    pub(crate) volume_kind: VolumeKind,
    pub(crate) template: Option<Uuid>,
    pub(crate) os_type: Option<Uuid>,
    /// What the volume rested on and what it had written, lowest first; while it is being made, what it rests on and
    /// the name of the layer that will hold the rest.
    pub(crate) layers: Vec<LayerId>,
    /// The volume's size in bytes.
    pub(crate) bytes: u64,
    /// Bytes that the snapshot itself holds.
    pub(crate) physical_bytes: u64,
    pub(crate) created: Timestamp,
    pub(crate) ready: bool,
}

impl Entity for Snapshot {
    const KIND: &'static str = "snapshot";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}
