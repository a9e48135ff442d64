//! Service offerings: sizes of machines.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;

item! {
    /// A size of machines.
    ServiceOffering {
        /// Its id.
        "id" id: Id,
        /// Its name.
        "name" name: String,
        /// Its description.
        "displaytext" display_text: String,
        /// `Active` or `Inactive`.
        "state" state: String,
        /// Number of virtual processors; absent when the deployer chooses.
        "cpunumber" cpu_number: Option<u32>,
        /// MHz of each.
        "cpuspeed" cpu_speed: Option<u32>,
        /// Memory in MiB; absent when the deployer chooses.
        "memory" memory: Option<u64>,
        /// Whether the deployer chooses processors and memory, as details of the deployment.
        "iscustomized" is_customized: bool,
        /// Size of the root disk in bytes; 0 is the template's.
        "rootdisksize" root_disk_size: Option<u64>,
        /// Labels a host needs to run such machines.
        "hosttags" host_tags: Option<String>,
        /// The disk offering behind its root disk.
        "diskofferingid" disk_offering_id: Option<Id>,
    }
}

command! {
    /// Lists service offerings.
    ListServiceOfferings("listServiceOfferings") lists ServiceOffering;
    optional {
        /// The offering with this id.
        id: Id,
        /// The offering of this name, in whole.
        name: String,
        /// Those that exist in this zone.
        zone_id: Id,
        /// Those to which this machine can be changed; its own is left out.
        virtual_machine_id: Id,
    }
}
