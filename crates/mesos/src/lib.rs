//! ZooKeeper, Mesos and Marathon as an operator sees them: who leads, who is registered, who is well.
//!
//! Every question goes over a stream that the caller provides ([`Connect`]), so the same clients ask directly over
//! TCP or through an SSH connection. Every question has a deadline. What comes back is read by pure parsers that
//! accept any bytes; what they cannot read is an [`Error`] saying what was asked of whom and what came back.
//!
//! ```no_run
//! # async fn example() -> Result<(), mesos::Error> {
//! use std::sync::Arc;
//! use std::time::Duration;
//! use mesos::{Address, Master, Reply, TcpConnect};
//! use tokio::time::Instant;
//!
//! let master = Master::new(Arc::new(TcpConnect), Address::new("10.0.0.11", 5050));
//! match master.agents(Instant::now() + Duration::from_secs(5)).await? {
//!     Reply::Leading(agents) => println!("{} agents", agents.iter().filter(|agent| agent.active).count()),
//!     Reply::NotLeading(leader) => println!("ask {leader:?}"),
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod address;
mod agent;
mod connect;
mod error;
mod http;
mod marathon;
mod master;
mod metrics;
pub mod zookeeper;

pub use address::Address;
pub use agent::Agent;
pub use connect::{Connect, Stream, TcpConnect};
pub use error::{Error, Peer, Service};
pub use marathon::{Info, Marathon, Ping};
pub use master::{Framework, LeaderInfo, Master, RegisteredAgent, Reply, State};
pub use metrics::Metrics;
