//! The image: recipe, build, manifest, and what becomes of old ones.
//!
//! An image is a template that all nodes are made from: ZooKeeper, Mesos, Marathon, HAProxy and Java installed, nothing
//! enabled, nothing of the machine it was made on left inside. Its [recipe] is a pure function of the
//! specification; the build makes a machine from a base template, runs the recipe there and has the cloud make a template
//! of it.

mod error;
pub mod manifest;
pub mod recipe;

pub use error::{Error, Result};
