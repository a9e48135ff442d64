//! Builds an immutable Mesos image on Apache CloudStack, and deploys a cluster from it.
//!
//! Data moves one way: specification → desired and observed state → plan → apply → events → terminal.

pub mod cluster;
mod drawing;
pub mod events;
pub mod image;
pub mod key_pair;
pub mod node;
pub mod spec;
pub mod timeline;
