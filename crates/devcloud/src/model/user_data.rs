//! User-data that is kept under a name, for machines made later.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;

/// Registered user-data.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct UserData {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) name: String,
    /// Base64.
    pub(crate) data: String,
    /// The names of its variables, as they came.
    pub(crate) params: Option<String>,
}

impl std::fmt::Debug for UserData {
    // User-data may hold private keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserData").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Entity for UserData {
    const KIND: &'static str = "user data";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}
