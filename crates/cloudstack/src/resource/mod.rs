//! The commands this crate knows, and the things they are about: one file a resource.
//!
//! A command is made by `new` with what it cannot do without, then given more by methods named after its parameters.
//! Things have every field that is of use to a caller; all may be missing in a reply.

mod address;
mod affinity_group;
mod async_job;
mod capability;
mod egress_firewall_rule;
mod event;
mod firewall_rule;
mod hypervisor;
mod load_balancer_rule;
mod network;
mod network_offering;
mod os_type;
mod port_forwarding_rule;
mod resource_limit;
mod service_offering;
mod snapshot;
mod ssh_key_pair;
mod success;
mod tag;
mod template;
mod user;
mod virtual_machine;
mod virtual_machine_life;
mod virtual_machine_settings;
mod volume;
mod zone;

pub use address::*;
pub use affinity_group::*;
pub use async_job::*;
pub use capability::*;
pub use egress_firewall_rule::*;
pub use event::*;
pub use firewall_rule::*;
pub use hypervisor::*;
pub use load_balancer_rule::*;
pub use network::*;
pub use network_offering::*;
pub use os_type::*;
pub use port_forwarding_rule::*;
pub use resource_limit::*;
pub use service_offering::*;
pub use snapshot::*;
pub use ssh_key_pair::*;
pub use success::*;
pub use tag::*;
pub use template::*;
pub use user::*;
pub use virtual_machine::*;
pub use virtual_machine_life::*;
pub use virtual_machine_settings::*;
pub use volume::*;
pub use zone::*;
