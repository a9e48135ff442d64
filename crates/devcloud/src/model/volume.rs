//! Volumes: root disks and data disks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Key, Model};
use crate::driver::{DataDisk, LayerId};

/// A disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) name: String,
    /// The machine it is attached to.
    pub(crate) virtual_machine: Option<Uuid>,
    /// What a root disk was made from.
    pub(crate) template: Option<Uuid>,
    #[serde(default)]
    pub(crate) kind: VolumeKind,
    /// Its place among its machine's disks; a root disk has 0.
    #[serde(default)]
    pub(crate) device: u32,
    #[serde(default)]
    pub(crate) disk_offering: Option<Uuid>,
    /// The snapshot a data disk was made from.
    #[serde(default)]
    pub(crate) snapshot: Option<Uuid>,
    #[serde(default)]
    pub(crate) attached: Option<Timestamp>,
    #[serde(default)]
    pub(crate) destroyed: bool,
    #[serde(default)]
    pub(crate) delete_protection: bool,
    /// Whether what it has written above its layers is to be thrown away before anything uses it again: it was reverted.
    #[serde(default)]
    pub(crate) stale: bool,
    /// The read-only layers below what it writes, lowest first.
    pub(crate) layers: Vec<LayerId>,
    pub(crate) bytes: u64,
    pub(crate) created: Timestamp,
    /// Whether its machine was ever started, or it was attached to one, so that there is a disk and not only a promise of one.
    pub(crate) ready: bool,
}

impl Volume {
    /// Whether it is a data disk that this machine has.
    pub(crate) fn is_data_of(&self, machine: Uuid) -> bool {
        self.virtual_machine == Some(machine) && self.kind == VolumeKind::Data
    }

    /// A data disk as the driver knows it.
    pub(crate) fn as_disk(&self) -> DataDisk {
        DataDisk { volume: self.id, place: self.device, layers: self.layers.clone(), bytes: self.bytes }
    }

    /// Takes it from its machine.
    pub(crate) fn detach(&mut self) {
        (self.virtual_machine, self.attached, self.device) = (None, None, 0);
    }
}

/// What a volume is to a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum VolumeKind {
    /// What it starts from; made and removed with it.
    #[default]
    Root,
    /// A further disk.
    Data,
}

impl VolumeKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Root => "ROOT",
            Self::Data => "DATADISK",
        }
    }
}

impl Entity for Volume {
    const KIND: &'static str = "volume";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
    /// The machine it is a data disk of.
    fn keys(&self) -> Vec<Key> {
        self.virtual_machine.filter(|machine| self.is_data_of(*machine)).map(Key::of).into_iter().collect()
    }
}

impl Model {
    /// The data disks that a machine has.
    pub(crate) fn data_disks_of(&self, machine: Uuid) -> impl Iterator<Item = &Volume> {
        self.volumes.under(Key::of(machine)).filter(move |disk| disk.is_data_of(machine))
    }
}
