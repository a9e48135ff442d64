//! Volumes: root and data disks.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;
use crate::parameters::TagList;
use crate::resource::{Success, Tag};

item! {
    /// A volume.
    Volume {
        /// Its id.
        "id" id: Id,
        /// Its name.
        "name" name: String,
        /// `ROOT` or `DATADISK`.
        "type" type_: String,
        /// `Allocated`, `Ready`, `Destroy`, …
        "state" state: String,
        /// Its size in bytes.
        "size" size: u64,
        /// The machine that has it.
        "virtualmachineid" virtual_machine_id: Option<Id>,
        /// That machine's name.
        "vmname" vm_name: Option<String>,
        /// That machine's state.
        "vmstate" vm_state: Option<String>,
        /// Its place in the machine; 0 is the root disk's.
        "deviceid" device_id: Option<u32>,
        /// The template it was made from.
        "templateid" template_id: Option<Id>,
        /// Its disk offering.
        "diskofferingid" disk_offering_id: Option<Id>,
        /// Its zone.
        "zoneid" zone_id: Id,
        /// Its account.
        "account" account: String,
        /// Its tags.
        "tags" tags: Vec<Tag>,
        /// When it was made.
        "created" created: Option<jiff::Timestamp>,
    }
}

item! {
    /// A kind of data disks.
    DiskOffering {
        /// Its id.
        "id" id: Id,
        /// Its name.
        "name" name: String,
        /// Its description.
        "displaytext" display_text: String,
        /// Its size in GB; 0 when the maker of a volume chooses.
        "disksize" disk_size: u64,
        /// Whether the maker of a volume chooses the size.
        "iscustomized" is_customized: bool,
    }
}

command! {
    /// Lists volumes.
    ListVolumes("listVolumes") lists Volume;
    optional {
        /// The volume with this id.
        id: Id,
        /// Those of this name, in whole.
        name: String,
        /// `ROOT` or `DATADISK`.
        type_: String,
        /// Those of this machine.
        virtual_machine_id: Id,
        /// Those in this zone.
        zone_id: Id,
        /// Also those of others, for administrators.
        list_all: bool,
    }
    maps {
        /// Those with one of these tags.
        tags: TagList,
    }
}

command! {
    /// Lists disk offerings.
    ListDiskOfferings("listDiskOfferings") lists DiskOffering;
    optional {
        /// The offering with this id.
        id: Id,
        /// The offering of this name, in whole.
        name: String,
        /// Those for this zone.
        zone_id: Id,
    }
}

command! {
    /// Makes a data disk, from a disk offering or a snapshot. It comes into being when a machine is given it.
    CreateVolume("createVolume") starts Volume;
    required {
        /// The name.
        name: String,
    }
    optional {
        /// The zone.
        zone_id: Id,
        /// The disk offering; or
        disk_offering_id: Id,
        /// the snapshot.
        snapshot_id: Id,
        /// The size in GB, where the offering leaves it open.
        size: u64,
    }
}

command! {
    /// Gives a volume to a machine.
    AttachVolume("attachVolume") starts Volume;
    required {
        /// The volume.
        id: Id,
        /// The machine.
        virtual_machine_id: Id,
    }
    optional {
        /// Its place in the machine.
        device_id: u32,
    }
}

command! {
    /// Takes a volume from its machine.
    DetachVolume("detachVolume") starts Volume;
    required {
        /// The volume.
        id: Id,
    }
}

command! {
    /// Changes a volume's size.
    ResizeVolume("resizeVolume") starts Volume;
    required {
        /// The volume.
        id: Id,
    }
    optional {
        /// The new size in GB.
        size: u64,
        /// The new disk offering.
        disk_offering_id: Id,
        /// Whether it may become smaller.
        shrink_ok: bool,
    }
}

command! {
    /// Removes a volume that no machine has.
    DeleteVolume("deleteVolume") changes Success;
    required {
        /// The volume.
        id: Id,
    }
}
