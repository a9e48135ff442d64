//! An Apache CloudStack zone in one process, with real or simulated machines.

pub mod driver;
