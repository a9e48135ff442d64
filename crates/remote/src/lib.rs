//! SSH with host keys known before the first connection.
//!
//! A [`Session`] is one authenticated connection to a [`Target`], whose [`HostKey`] the caller knew beforehand: a server
//! that shows another key is refused before it is told who we are. On one session run many commands
//! ([`Session::run`]), deliveries of files ([`Session::deliver`]), streams to what the server can reach
//! ([`Session::open_stream`]), further sessions through it ([`Session::connect_through`]) and terminals
//! ([`Session::interactive`]), side by side. Everything takes a deadline, and everything stops when its future is dropped.
//!
//! This room knows nothing of clouds or clusters.

mod command;
mod deliver;
mod error;
mod host_key;
mod identity;
mod reach;
mod session;
mod severable;
mod stream;
mod terminal;

pub use command::{Command, ExitStatus, Output, OutputStream};
pub use deliver::RemoteFile;
pub use error::Error;
pub use host_key::{HostKey, HostKeyPair, InvalidHostKey};
pub use identity::{Identity, KeyError};
pub use reach::{wait_until_reachable, wait_until_reachable_through};
pub use session::{Session, Target};
pub use stream::Stream;
pub use terminal::{Attachment, TerminalSize};
