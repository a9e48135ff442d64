//! The image: recipe, build, manifest, and what becomes of old ones.
//!
//! An image is a template that all nodes are made from: ZooKeeper, Mesos, Marathon, HAProxy and Java installed, nothing
//! enabled, nothing of the machine it was made on left inside. Its [recipe] is a pure function of the
//! specification; the [build] makes a machine from a base template, runs the recipe there and has the cloud make a
//! template of it. What a killed build left is found by [`leftover`]; what is there is listed by [`catalogue`].
//!
//! Several images may have one name: a build never touches an older one, and a cluster uses the newest that is ready.

pub mod build;
pub mod catalogue;
mod error;
pub mod leftover;
mod lookup;
pub mod manifest;
pub mod recipe;
pub mod validate;

#[cfg(test)]
pub(crate) mod testing;

pub use build::{Builder, Built};
pub use error::{Error, Result};
