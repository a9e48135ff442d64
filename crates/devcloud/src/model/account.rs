//! Accounts, each with its one user.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, secret};

/// Who owns things.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// Root admins see and may do everything; others only what is theirs.
    pub(crate) root_admin: bool,
    pub(crate) created: Timestamp,
    /// Limits that `updateResourceLimit` set, by the number of the resource type.
    pub(crate) limits: BTreeMap<u8, i64>,
    pub(crate) user: User,
}

/// Who calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) api_key: Option<String>,
    #[serde(with = "secret")]
    pub(crate) secret_key: SecretString,
    #[serde(with = "secret")]
    pub(crate) password: SecretString,
}

impl Entity for Account {
    const KIND: &'static str = "account";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}
