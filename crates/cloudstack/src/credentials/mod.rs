//! Keys, and where people keep them: the environment, a cloudmonkey profile, a `cloudstack.ini`, or a program that
//! prints them. Each place gives a [`Connection`]: the keys, and whatever else it says of how to reach the cloud.
//!
//! ```no_run
//! use cloudstack::{Client, credentials};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connection = credentials::environment()?;
//! let endpoint = connection.endpoint.ok_or("CLOUDSTACK_API_URL is not set")?;
//! let client = Client::builder(endpoint, connection.credentials).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! No error of this module holds a key, nor any other value it has read.

mod command;
mod environment;
mod ini;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use command::command;
pub use environment::{environment, environment_by};
pub use ini::{cmk_default_path, cmk_profile, cmk_profile_in, ini, ini_in};

/// The pair of keys a user of the API has. Neither is ever printed.
///
/// ```
/// let credentials = cloudstack::Credentials::new("api key", "secret key");
/// assert_eq!(format!("{credentials:?}"), "Credentials { .. }");
/// ```
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
        let mut text = text.to_owned();
        for key in [&self.api_key, &self.secret_key].map(ExposeSecret::expose_secret) {
            if !key.is_empty() && text.contains(key) {
                text = text.replace(key, "[key]");
            }
        }
        text
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// What a place says of how to reach a cloud. What it does not say is `None`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// The address of the API.
    pub endpoint: Option<Url>,
    /// The keys.
    pub credentials: Credentials,
    /// Whether to check the server's certificate.
    pub verify_tls: Option<bool>,
    /// A file of certificate authorities to trust.
    pub ca_file: Option<PathBuf>,
}

/// Keys cannot be had from a place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something is not said that must be.
    #[error("{place} does not say {what}")]
    Missing {
        /// The place: `the environment`, `profile "x" in /home/me/.cmk/config`, …
        place: String,
        /// What it should say, by its name there.
        what: String,
    },
    /// The address is not one.
    #[error("{place} gives an address in {what} that cannot be used: {problem}")]
    Endpoint {
        /// The place.
        place: String,
        /// The name it has there.
        what: String,
        /// What is wrong with it.
        problem: url::ParseError,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of a file is neither section, setting nor comment.
    #[error("{place}, line {line}: expected `[section]` or `name = value`")]
    Syntax {
        /// The file.
        place: String,
        /// The line's number, from 1.
        line: usize,
    },
    /// A file has no such profile or section.
    #[error("{place} has no {what} \"{name}\"; it has {}", listed(known))]
    NoSection {
        /// The file.
        place: String,
        /// `profile` or `section`.
        what: &'static str,
        /// The one asked for.
        name: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// A profile is for logging in with a password, not for signing.
    #[error(
        "{place} has a user name and a password but no keys; make keys for that user (registerUserKeys) and write them there as {what}"
    )]
    PasswordOnly {
        /// The place.
        place: String,
        /// The names keys have there.
        what: &'static str,
    },
    /// The program that prints the keys cannot be run.
    #[error("the command `{program}` that prints the keys cannot be run")]
    NotRun {
        /// The program, without its arguments.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The program that prints the keys failed.
    #[error("the command `{program}` that prints the keys failed ({status})")]
    Failed {
        /// The program, without its arguments.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The program that prints the keys did not end.
    #[error("the command `{program}` that prints the keys had not ended after {} s", after.as_secs())]
    TooSlow {
        /// The program, without its arguments.
        program: String,
        /// How long was waited.
        after: Duration,
    },
    /// The program that prints the keys printed something else.
    #[error("the command `{program}` printed no JSON object with texts in `api_key` and `secret_key`")]
    NotJson {
        /// The program, without its arguments.
        program: String,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Reads an address that was found at a place under a name.
fn endpoint(text: Option<&str>, place: &str, what: &str) -> Result<Option<Url>, Error> {
    text.map(|text| {
        text.parse().map_err(|problem| Error::Endpoint {
            place: place.to_owned(),
            what: what.to_owned(),
            problem,
        })
    })
    .transpose()
}

/// Reads a truth value as people write it; anything else is `None`.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
