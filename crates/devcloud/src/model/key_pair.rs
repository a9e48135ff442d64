//! SSH key pairs: only the public half is kept.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;

/// A registered public key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyPair {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) name: String,
    /// The key in OpenSSH's form, without a comment.
    pub(crate) public_key: String,
    /// MD5 of the key, in hexadecimal with colons.
    pub(crate) fingerprint: String,
}

impl Entity for KeyPair {
    const KIND: &'static str = "key pair";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}
