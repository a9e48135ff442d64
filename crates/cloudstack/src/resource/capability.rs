//! What a server can do and allows.

use crate::command::command;
use crate::lenient::item;

item! {
    /// What the server can do and allows this caller.
    Capabilities {
        /// Its version.
        "cloudstackversion" cloudstack_version: String,
        /// Whether a user may expunge and recover machines.
        "allowuserexpungerecovervm" allow_user_expunge_recover_vm: bool,
        /// Whether a user sees machines that are destroyed and not yet expunged.
        "allowuserviewdestroyedvm" allow_user_view_destroyed_vm: bool,
        /// Whether a user may stop machines by force.
        "allowuserforcestopvm" allow_user_force_stop_vm: Option<bool>,
        /// Whether a user may publish templates.
        "userpublictemplateenabled" user_public_template_enabled: bool,
        /// Whether security groups are in use anywhere.
        "securitygroupsenabled" security_groups_enabled: bool,
        /// Whether roles are dynamic.
        "dynamicrolesenabled" dynamic_roles_enabled: bool,
        /// The window of throttling in seconds; absent without throttling.
        "apilimitinterval" api_limit_interval: Option<u32>,
        /// How many calls are let through in a window; absent without throttling.
        "apilimitmax" api_limit_max: Option<u32>,
    }
}

command! {
    /// Asks what the server can do and allows.
    ListCapabilities("listCapabilities") asks Capabilities;
}
