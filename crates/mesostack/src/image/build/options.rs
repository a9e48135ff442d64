//! How a build is to be done, and what becomes of a failed one.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use super::temporary::BuildId;
use crate::image::error::Error;

/// How a build is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// The longest the build may take; an hour unless given. Whatever it left is taken for dead after that.
    pub lifetime: Duration,
    /// What becomes of what was made when the build fails.
    pub on_error: OnError,
    /// Where the key of a kept machine is written.
    pub key_directory: PathBuf,
    /// Who builds, as others see it: `user@host`.
    pub holder: String,
    /// The build's id.
    pub build: BuildId,
    /// When it began, by this machine's clock.
    pub began: Timestamp,
}

impl Options {
    /// The defaults, for a build that begins now.
    pub fn new(holder: impl Into<String>) -> Self {
        let now = Timestamp::now();
        Self {
            lifetime: Duration::from_secs(3600),
            on_error: OnError::Cleanup,
            key_directory: PathBuf::from("."),
            holder: holder.into(),
            build: BuildId::random(),
            // To the second: that is what a reader wants.
            began: Timestamp::from_second(now.as_second()).unwrap_or(now),
        }
    }
}

/// What becomes of what was made when a build fails.
#[derive(Clone, Debug)]
pub enum OnError {
    /// It is removed.
    Cleanup,
    /// It stays, and how to get into the machine is told.
    Keep,
    /// The operator is asked; a cancelled build is always cleaned up.
    Ask(Arc<dyn Ask>),
}

/// Asks the operator.
#[async_trait]
pub trait Ask: Send + Sync + std::fmt::Debug {
    /// Whether to keep what a failed build has made, to look into it.
    async fn keep(&self, failure: &Error) -> bool;
}
