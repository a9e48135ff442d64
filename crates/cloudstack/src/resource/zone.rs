//! Zones: the data centres of a cloud.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;
use crate::resource::Tag;

item! {
    /// A zone.
    Zone {
        /// Its id.
        "id" id: Id,
        /// Its name.
        "name" name: String,
        /// `Advanced` (isolated networks with virtual routers) or `Basic`.
        "networktype" network_type: String,
        /// `Enabled` or `Disabled`; users see enabled ones only.
        "allocationstate" allocation_state: String,
        /// Whether security groups stand between its machines.
        "securitygroupsenabled" security_groups_enabled: bool,
        /// Its tags.
        "tags" tags: Vec<Tag>,
    }
}

command! {
    /// Lists the zones the caller may use.
    ListZones("listZones") lists Zone;
    optional {
        /// The zone with this id.
        id: Id,
        /// The zone of this name, in whole.
        name: String,
        /// `true` also lists zones in which the caller has nothing yet, as leaving it out does.
        available: bool,
    }
}
