//! One node of the cluster: its files, how they reach it, and how it is doing.
//!
//! Everything a node is told is a pure function of the specification, the node and the few [`Facts`] only the cloud knows:
//! [`render`] gives its files and which services it runs, with a digest over all of it. The same [`Configuration`] travels
//! either over SSH ([`set_up`]) or in the machine's user-data ([`user_data`]), and the same script puts it into force. The
//! services' unit files are part of the image ([`units`]); a node's files only say what they have to know.
//!
//! The engine meets nodes through the trait [`Nodes`] alone; [`SshNodes`] is the real one.

mod configuration;
mod connect;
mod drain;
mod environment;
mod gateway;
mod health;
mod hosts;
mod nodes;
mod places;
mod quorum;
mod reach;
mod render;
mod script;
mod set_up;
mod status;
mod unit;
mod user_data;
mod zookeeper;

pub use configuration::{Configuration, File};
pub use drain::Drained;
pub use health::Health;
pub use nodes::{Error, Nodes, Tell};
pub(crate) use places::{GATEWAY_MARATHON_PORT, GATEWAY_MESOS_PORT};
pub use places::{host_name, host_name_of};
pub use reach::{SshNodes, Whereabouts};
pub use render::{Ensemble, Facts, render, render_in};
pub use set_up::{SetUp, set_up};
pub use status::{AgentStatus, MarathonStatus, MasterStatus, Status, ZooKeeperRole, ZooKeeperStatus, status};
pub use unit::{Unit, units};
pub use user_data::user_data;

#[cfg(test)]
mod tests;
