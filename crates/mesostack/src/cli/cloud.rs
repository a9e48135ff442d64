//! The client a file asks for: where its keys come from, where its API is, whom it trusts.

use std::time::Duration;

use cloudstack::{
    Client,
    credentials::{self, Connection},
};
use mesostack::spec::{Cloud, Credentials};

use super::{
    environment,
    report::{Refused, While},
};

/// How long a program that prints keys may take; a person may have to touch something.
const KEYS_WITHIN: Duration = Duration::from_secs(60);

/// The client for a file's cloud. Nothing is sent yet.
pub(crate) async fn connect(cloud: &Cloud) -> miette::Result<Client> {
    let found = find(&cloud.credentials).await.tried("could not get the API keys")?;
    let written = match &cloud.api_url {
        Some(url) => Some(url.clone()),
        None => std::env::var(environment::API_URL.name).ok().filter(|url| !url.is_empty()),
    };
    let endpoint = match written {
        Some(url) => url.parse().tried(format!("`{url}` is not an API's address"))?,
        None => found.endpoint.ok_or_else(|| {
            Refused::new(
                "nothing says where the API is",
                "write cloud.api_url into the file, set CLOUDSTACK_API_URL, or name a profile that says it",
            )
        })?,
    };
    let verify = cloud.verify_tls && found.verify_tls != Some(false);
    let mut builder =
        Client::builder(endpoint, found.credentials).danger_accept_invalid_certificates(!verify);
    if let Some(most) = cloud.calls_per_second {
        builder = builder.calls_per_second(most.into());
    }
    if let Some(file) = cloud.ca_file.as_ref().or(found.ca_file.as_ref()) {
        let authorities = tokio::fs::read(file).await;
        builder = builder.ca_file(authorities.tried(format!("could not read {}", file.display()))?);
    }
    builder.build().tried("could not prepare the connection to the API")
}

async fn find(source: &Credentials) -> Result<Connection, credentials::Error> {
    let default_path = || credentials::cmk_default_path().unwrap_or_default();
    match source {
        Credentials::Ambient if std::env::var_os(environment::API_KEY.name).is_some() => {
            credentials::environment()
        }
        Credentials::Ambient => match credentials::cmk_profile(&default_path(), None) {
            // Most have no cloudmonkey: then what is missing is the variable.
            Err(credentials::Error::Unreadable { .. }) => credentials::environment(),
            found => found,
        },
        Credentials::Profile(name) => credentials::cmk_profile(&default_path(), Some(name)),
        Credentials::Ini { file, section } => credentials::ini(file, Some(section)),
        Credentials::Command(command) => credentials::command(command, KEYS_WITHIN).await,
    }
}
