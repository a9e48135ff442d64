//! Affinity groups: machines that shall, or shall not, share a host.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;
use crate::resource::Success;

/// The kind of group whose machines must all be on different hosts.
pub const HOST_ANTI_AFFINITY: &str = "host anti-affinity";
/// The kind of group whose machines are on different hosts where there are enough.
pub const NON_STRICT_HOST_ANTI_AFFINITY: &str = "non-strict host anti-affinity";

item! {
    /// An affinity group.
    AffinityGroup {
        /// Its id.
        "id" id: Id,
        /// Its name, unique in its account.
        "name" name: String,
        /// Its description.
        "description" description: Option<String>,
        /// Its kind; absent where a machine names its groups.
        "type" type_: String,
        /// Its machines.
        "virtualmachineIds" virtual_machine_ids: Vec<Id>,
    }
}

command! {
    /// Makes a group.
    CreateAffinityGroup("createAffinityGroup") starts AffinityGroup;
    required {
        /// The name.
        name: String,
        /// The kind, such as [`HOST_ANTI_AFFINITY`].
        type_: String,
    }
    optional {
        /// A description.
        description: String,
    }
}

command! {
    /// Lists groups.
    ListAffinityGroups("listAffinityGroups") lists AffinityGroup;
    optional {
        /// The group with this id.
        id: Id,
        /// The group of this name, in whole.
        name: String,
        /// Those whose name contains this.
        keyword: String,
        /// Those of this kind.
        type_: String,
        /// Those this machine is in.
        virtual_machine_id: Id,
    }
}

command! {
    /// Removes a group, with machines in it or not.
    DeleteAffinityGroup("deleteAffinityGroup") starts Success;
    required {
        /// The group.
        id: Id,
    }
}
