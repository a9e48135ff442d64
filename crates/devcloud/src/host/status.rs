//! How a zone is, and the way into it.

use std::collections::BTreeMap;
use std::path::Path;

use ipnet::Ipv4Net;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{At, Error, Places, Result, ZoneName, lock, url};

/// How a zone on this host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The zone.
    pub name: ZoneName,
    /// The process that serves it; none when it is not served.
    pub process: Option<u32>,
    /// Where its API answers, or would.
    pub url: String,
    /// Its public range.
    pub public_range: Ipv4Net,
    /// Whether it keeps records only.
    pub simulator: bool,
    /// Routers that stand.
    pub routers: usize,
    /// Machines that run.
    pub machines: usize,
}

/// What the serving process leaves for whoever may read it.
#[derive(Deserialize, Serialize)]
pub(super) struct KeyFile {
    /// The process.
    pub(super) process: u32,
    /// Where the API answers.
    pub(super) url: String,
    /// API key and secret key by account.
    pub(super) keys: BTreeMap<String, (String, String)>,
    /// What devcloud's own paths want to see.
    #[serde(default)]
    pub(super) token: String,
}

impl KeyFile {
    /// The file, if there is one.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            text => serde_json::from_slice(&text.at("read", path)?)
                .map_err(std::io::Error::other)
                .at("read", path),
        }
    }
}

/// How the zone is.
///
/// # Errors
/// [`Error::NoZone`] when there is none of that name, and when this user may not look.
pub fn status(places: &Places, name: &ZoneName) -> Result<Status> {
    let place = places.zone(name);
    let settings = place.settings()?.ok_or_else(|| Error::NoZone(name.clone()))?;
    let (routers, machines) = if settings.simulator { (0, 0) } else { standing(name)? };
    Ok(Status {
        name: name.clone(),
        process: lock::holder(&place.serving()),
        url: url(settings.port),
        public_range: settings.public_range,
        simulator: settings.simulator,
        routers,
        machines,
    })
}

#[cfg(target_os = "linux")]
fn standing(name: &ZoneName) -> Result<(usize, usize)> {
    let standing = crate::machines::standing(name)?;
    Ok((standing.routers, standing.machines))
}

#[cfg(not(target_os = "linux"))]
fn standing(_: &ZoneName) -> Result<(usize, usize)> {
    Ok((0, 0))
}

/// The way into a zone as one account.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Where the API answers.
    pub url: String,
    /// The account.
    pub account: String,
    /// Its API key.
    pub api_key: SecretString,
    /// Its secret key.
    pub secret_key: SecretString,
}

/// The keys of an account of a zone that is served: `mesostack`, a normal user, or `admin`, the root admin.
///
/// # Errors
/// When there is no such zone or account, or the zone is not served.
pub fn credentials(places: &Places, name: &ZoneName, account: &str) -> Result<Credentials> {
    let file = key_file(places, name)?;
    let Some((api_key, secret_key)) = file.keys.get(account) else {
        return Err(Error::Option(format!("zone {name} has no ready-made account \"{account}\"")));
    };
    Ok(Credentials {
        url: file.url,
        account: account.to_owned(),
        api_key: api_key.clone().into(),
        secret_key: secret_key.clone().into(),
    })
}

/// What the process that serves the zone has left.
pub(super) fn key_file(places: &Places, name: &ZoneName) -> Result<KeyFile> {
    let place = places.zone(name);
    if !place.exists() {
        return Err(Error::NoZone(name.clone()));
    }
    match (lock::holder(&place.serving()), KeyFile::read(&place.keys())?) {
        (Some(process), Some(file)) if file.process == process => Ok(file),
        _ => Err(Error::NotServed(name.clone())),
    }
}

/// Where the zone's process writes what happens to it.
///
/// # Errors
/// When there is no such zone, or it was never served.
pub fn log(places: &Places, name: &ZoneName) -> Result<std::path::PathBuf> {
    let log = places.zone(name).log();
    if log.exists() {
        return Ok(log);
    }
    if places.zone(name).exists() {
        return Err(Error::Option(format!(
            "zone {name} has no log: no `mesostack zone up` has raised it in the background"
        )));
    }
    Err(Error::NoZone(name.clone()))
}
