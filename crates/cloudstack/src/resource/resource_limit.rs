//! Limits of an account.

use crate::command::command;
use crate::id::Id;
use crate::lenient::item;

item! {
    /// A limit of an account.
    ResourceLimit {
        /// The kind's number: 0 machines, 1 public addresses, 2 volumes, 3 snapshots, 4 templates, 6 networks,
        /// 8 processors, 9 memory in MiB, 10 primary storage in GiB, 11 secondary storage in GiB.
        "resourcetype" resource_type: u32,
        /// The kind's name, such as `user_vm`, `public_ip`, `cpu`, `memory`; absent on older servers.
        "resourcetypename" resource_type_name: Option<String>,
        /// The limit; -1 is none.
        "max" max: i64,
        /// The account.
        "account" account: Option<String>,
    }
}

command! {
    /// Lists the limits of the caller's account.
    ListResourceLimits("listResourceLimits") lists ResourceLimit;
    optional {
        /// The limit of this kind.
        resource_type: u32,
        /// Of another account, with `domain_id`.
        account: String,
        /// Of a domain.
        domain_id: Id,
    }
}
