//! Keys, and where people keep them.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// The pair of keys a user of the API has. Neither is ever printed.
#[derive(Clone)]
pub struct Credentials {
    /// Names the user.
    pub api_key: SecretString,
    /// Signs requests; never sent.
    pub secret_key: SecretString,
}

impl Credentials {
    /// The pair.
    pub fn new(api_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self { api_key: api_key.into().into(), secret_key: secret_key.into().into() }
    }

    /// The text without the keys that may be in it.
    pub(crate) fn redact(&self, text: &str) -> String {
        [&self.api_key, &self.secret_key]
            .into_iter()
            .map(ExposeSecret::expose_secret)
            .filter(|key| !key.is_empty())
            .fold(
                text.to_owned(),
                |text, key| if text.contains(key) { text.replace(key, "[key]") } else { text },
            )
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}
