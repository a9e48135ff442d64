//! Hypervisors a cloud has.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;

item! {
    /// A kind of hypervisor.
    Hypervisor {
        /// Its name, such as `KVM`.
        "name" name: String,
    }
}

command! {
    /// Lists the kinds of hypervisors.
    ListHypervisors("listHypervisors") lists Hypervisor;
    optional {
        /// Those in this zone.
        zone_id: Id,
    }
}
