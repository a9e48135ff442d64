//! The machines driver on this host: real machines, real packets, and nothing left behind.
//!
//! Needs root on Linux and the programs a zone needs; says why and passes otherwise. Every zone has a name and a public
//! range of its own, and is taken down when its guard is dropped, also by a panic. Packets stay within the zone and an
//! "outside" made of one more namespace on the zone's public bridge.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a test tells what it measures, and why it is skipped")]

mod balancing;
mod host;
mod keeping;
mod rehearsal;
mod rules;
