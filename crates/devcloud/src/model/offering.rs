//! Offerings: sizes of machines and of data disks. The zone's own are there from its first opening; root admins make more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Model, VirtualMachine};

/// A size of machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceOffering {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) disk_offering: Uuid,
    pub(crate) name: String,
    pub(crate) display_text: String,
    /// None leaves it to whoever makes a machine.
    pub(crate) size: Option<Size>,
    /// GiB of root disks; 0 is as much as the template has.
    pub(crate) root_gigabytes: u64,
    pub(crate) dynamically_scalable: bool,
    pub(crate) offers_ha: bool,
    pub(crate) active: bool,
    pub(crate) created: Timestamp,
}

/// Processors and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) processors: u32,
    pub(crate) speed_mhz: u32,
    pub(crate) memory_mib: u64,
}

/// A size of data disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DiskOffering {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) display_text: String,
    /// 0 leaves it to whoever makes a disk.
    pub(crate) gigabytes: u64,
    pub(crate) active: bool,
    pub(crate) created: Timestamp,
}

impl Entity for ServiceOffering {
    const KIND: &'static str = "service offering";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Entity for DiskOffering {
    const KIND: &'static str = "disk offering";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Model {
    /// What a machine has: its own size, or its offering's.
    pub(crate) fn size_of(&self, machine: &VirtualMachine) -> Size {
        let offered = || self.service_offerings.get(machine.offering).and_then(|offering| offering.size);
        machine.size.or_else(offered).unwrap_or(Size { processors: 0, speed_mhz: 0, memory_mib: 0 })
    }
}
