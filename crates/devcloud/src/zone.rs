//! The zone as a whole: opened over its records, asked by requests, watched over.

use std::sync::Arc;

use secrecy::SecretString;

use crate::config::ZoneConfig;
use crate::door::{Reply, Request};
use crate::driver::{BaseTemplate, Driver, DriverError};
use crate::records::{Records, RecordsError};

/// An open zone. Dropping it ends its jobs as a crash would; opening it again over the same records puts right what was
/// under way.
#[derive(Debug)]
pub struct Zone {
    config: ZoneConfig,
}

/// Why a zone could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// The records could not be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The driver could not put right what an earlier process left.
    #[error("the zone's machines could not be put right: {0}")]
    Driver(#[from] DriverError),
}

/// An account's way in.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The account (and its only user) they belong to.
    pub account: String,
    /// The API key: not a secret by itself.
    pub api_key: String,
    /// The secret key that requests are signed with.
    pub secret_key: SecretString,
    /// The password for the `login` command.
    pub password: SecretString,
}

impl Zone {
    /// Opens the zone kept in `records`, making it when they are empty: reads them, has the driver recover what stood,
    /// ends jobs that a crash cut off.
    ///
    /// # Errors
    /// When the records cannot be read or written, or the driver cannot recover.
    pub async fn open(
        config: ZoneConfig,
        driver: Arc<dyn Driver>,
        records: Records,
    ) -> Result<Arc<Self>, ZoneError> {
        let _ = (driver, records.load()?);
        Ok(Arc::new(Self { config }))
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request) -> Reply {
        let _ = request;
        Reply {
            status: 401,
            content_type: "application/json;charset=utf-8",
            headers: Vec::new(),
            body: b"{}".to_vec(),
        }
    }

    /// The keys of an account: `mesostack` (a normal user), `admin` (root admin) or one of the configuration's.
    pub fn credentials(&self, account: &str) -> Option<Keys> {
        let _ = account;
        let empty = SecretString::from(String::new());
        Some(Keys {
            account: account.to_owned(),
            api_key: "x".to_owned(),
            secret_key: empty.clone(),
            password: empty,
        })
    }

    /// Makes a template of the driver's layers known to everyone, or gives the one of this name new layers.
    ///
    /// # Errors
    /// When the records cannot be written.
    pub async fn register_base_template(&self, template: BaseTemplate) -> Result<(), ZoneError> {
        let _ = template;
        Ok(())
    }

    /// The zone's settings.
    pub fn config(&self) -> &ZoneConfig {
        &self.config
    }

    /// Ends the zone in order: waits for jobs under way (those that wait in a queue are left to the next opening) until
    /// `deadline`, then drops them as a crash would.
    pub async fn shut_down(&self, deadline: tokio::time::Instant) {
        let _ = deadline;
    }
}
