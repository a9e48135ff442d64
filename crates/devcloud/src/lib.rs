//! An Apache CloudStack zone in one process, with real or simulated machines.
//!
//! A request comes in by the [door](Zone::handle) (signature, parameters, envelope), goes to its command (one room a
//! resource), which asks the model's rules and changes the model in one transaction; what takes time becomes a job, and
//! jobs have the [driver] make it so. The records keep every change before it is answered for.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use devcloud::{MemoryRecords, Records, Zone, ZoneConfig, simulator::Simulator};
//!
//! let driver = Arc::new(Simulator::default());
//! let zone = Zone::open(ZoneConfig::default(), driver, Records::memory(MemoryRecords::default())).await?;
//! let keys = zone.credentials("mesostack").expect("a zone is made with this account");
//! # assert!(!keys.api_key.is_empty());
//! # Ok(()) }
//! ```

#[cfg(target_os = "linux")]
pub mod base;
mod catalogue;
mod clock;
mod command;
mod config;
mod dice;
mod door;
pub mod driver;
mod error;
pub mod faults;
pub mod host;
mod in_process;
mod job;
#[cfg(target_os = "linux")]
pub mod machines;
mod model;
mod own;
mod records;
mod serve;
pub mod simulator;
mod work;
mod zone;

pub use self::command::apis;
pub use self::config::{ClockSource, Delays, Limits, PublicRange, ServiceOffering, Throttle, ZoneConfig};
pub use self::door::{Method, Reply, Request};
pub use self::in_process::InProcess;
pub use self::own::ClockShown;
pub use self::records::{MemoryRecords, Records, RecordsError};
pub use self::serve::serve;
pub use self::zone::{Keys, Zone, ZoneError};
