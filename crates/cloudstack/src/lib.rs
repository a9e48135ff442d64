#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! - [`Client`] and [`ClientBuilder`]: how to reach a cloud, and the calls: [`Client::call`], [`Client::list`],
//!   [`Client::start`], [`Client::run`], [`Client::raw`].
//! - [`resource`]: the commands and what they are about.
//! - [`Jobs`]: waiting for what a command started.
//! - [`Error`]: what can go wrong, sorted by what to do about it.
//! - [`credentials`]: where keys come from.
//! - [`signature`]: how requests are signed, for servers as well.
//! - [`Transport`]: other ways for requests to take.
#![deny(missing_docs)]

mod client;
mod command;
pub mod credentials;
mod envelope;
mod error;
mod id;
mod jobs;
mod lenient;
mod parameters;
pub mod resource;
pub mod signature;
mod transport;

pub use client::{BuildError, CallCounts, Client, ClientBuilder, Fence, Started, Until};
pub use command::{AsyncCommand, Command, Effect, ListCommand, SyncCommand};
pub use credentials::Credentials;
pub use error::{ApiError, Error, Failure, TransportError, TransportFailure};
pub use id::{Id, JobId};
pub use jobs::{Expect, JobNews, Jobs, Over, hearing_of_jobs};
pub use lenient::{Secret, TextList};
pub use parameters::{Details, IpToNetworkList, Parameter, Parameters, TagList, UserData};
pub use resource::Success;
pub use transport::{HttpSettings, HttpTransport, Method, RawReply, SignedRequest, Transport};
