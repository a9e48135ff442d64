//! SSH key pairs: made, registered, listed, deleted.
//!
//! By default the key is made here (ed25519) and only its public half leaves this machine. The cloud can make one too, as
//! the original had it (RSA): then the private half comes over the wire once, is written to a new file that only its
//! owner may read, and is nowhere else. A file that exists is never written over, and is looked at before anything is
//! made in the cloud.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use cloudstack::{
    Client,
    resource::{CreateSshKeyPair, DeleteSshKeyPair, ListSshKeyPairs, RegisterSshKeyPair, SshKeyPair},
};
use remote::{Identity, KeyError};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::{fs, task::spawn_blocking};

#[cfg(test)]
mod tests;

/// Why a key pair could not be made, registered or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file for the private half is there already.
    #[error("{} exists already; a private key is never written over: give another file, or remove it yourself", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The private half could not be kept; the key pair has been taken back from the cloud.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The private half could not be written; the key pair has been taken back from the cloud.
    #[error("cannot write the private key to {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file of the public half cannot be read.
    #[error("cannot read the public key {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else than one public key.
    #[error("{} is no public key: {reason}", path.display())]
    NotPublic {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The cloud made a key pair and sent no private half.
    #[error("the cloud made key pair {name} without sending its private half; it has been deleted again")]
    NoPrivateHalf {
        /// The key pair.
        name: String,
    },
    /// The cloud did not answer whether it made the key pair.
    #[error(
        "whether the cloud has made key pair {name} is not known ({source}); if it has, nobody has the private half: be rid of \
         it with `mesostack keypair delete {name}`, then try again"
    )]
    PerhapsMade {
        /// The key pair.
        name: String,
        /// What happened.
        source: cloudstack::Error,
    },
    /// The cloud did not answer whether it took the public half.
    #[error(
        "whether the cloud has key pair {name} now is not known ({source}); its private half is kept in {}. `mesostack keypair \
         list` shows whether it is there; if not, remove that file and try again",
        path.display()
    )]
    PerhapsRegistered {
        /// The key pair.
        name: String,
        /// The file of the private half.
        path: PathBuf,
        /// What happened.
        source: cloudstack::Error,
    },
    /// There is no key pair of that name.
    #[error("there is no key pair \"{name}\"{}", meant.as_ref().map(|meant| format!("; is \"{meant}\" meant?")).unwrap_or_default())]
    NoSuchKeyPair {
        /// The name.
        name: String,
        /// The nearest that there is.
        meant: Option<String>,
    },
    /// The cloud refused or failed.
    #[error("{doing}: {source}")]
    Cloud {
        /// What was being done.
        doing: String,
        /// What the cloud said.
        source: cloudstack::Error,
    },
}

/// Who makes the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Maker {
    /// This machine: ed25519; the private half never leaves it.
    #[default]
    Here,
    /// The cloud: RSA; the private half comes over the wire once.
    Cloud,
}

/// A key pair as the cloud knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyPair {
    /// Its name.
    pub name: String,
    /// The MD5 fingerprint of the public half, as CloudStack shows it.
    pub fingerprint: String,
}

impl From<SshKeyPair> for KeyPair {
    fn from(pair: SshKeyPair) -> Self {
        Self { name: pair.name, fingerprint: pair.fingerprint }
    }
}

/// Makes a key pair `name`, and writes the private half to the new file `path`, mode 0600.
///
/// Not to be dropped before its end, which every call's own time limit brings about: the private half that the cloud makes
/// is in its one answer, and nowhere else.
///
/// # Errors
/// A file that exists (nothing is made then), a name that is taken, or a file that cannot be written (what was made in the
/// cloud is deleted again).
pub async fn create(client: &Client, name: &str, path: &Path, maker: Maker) -> Result<KeyPair, Error> {
    if fs::symlink_metadata(path).await.is_ok() {
        return Err(Error::Exists { path: path.to_owned() });
    }
    match maker {
        Maker::Here => create_here(client, name, path).await,
        Maker::Cloud => create_in_cloud(client, name, path).await,
    }
}

/// The file comes first: a key in the cloud whose private half nobody has is of no use.
async fn create_here(client: &Client, name: &str, path: &Path) -> Result<KeyPair, Error> {
    let file = path.to_owned();
    let public = spawn_blocking(move || {
        let identity = Identity::generate();
        identity.save_new(&file).map(|()| identity.public_openssh())
    })
    .await
    .map_err(|error| Error::Unwritable { path: path.to_owned(), source: io::Error::other(error) })?
    .map_err(|error| match error {
        KeyError::Exists { path } => Error::Exists { path },
        error => Error::Key(error),
    })?;
    let command = RegisterSshKeyPair::new(name, public);
    match client.call(&command).await {
        Ok(pair) => Ok(pair.into()),
        // Kept when the key may have been registered after all: then it is the only copy.
        Err(source) if source.is_outcome_unknown() => {
            Err(Error::PerhapsRegistered { name: name.to_owned(), path: path.to_owned(), source })
        }
        Err(source) => {
            let _ = fs::remove_file(path).await;
            Err(Error::Cloud { doing: format!("register key pair {name}"), source })
        }
    }
}

/// The private half goes into a file of another name first, which becomes the one that was asked for when it is whole: a
/// run that ends in between leaves nothing in the way of the next.
async fn create_in_cloud(client: &Client, name: &str, path: &Path) -> Result<KeyPair, Error> {
    let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
    // Made beforehand, so that a folder nobody may write to is known before there is a key.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().prefix(".mesostack-key-").tempfile_in(folder).map_err(unwritable)?;
    match client.call(&CreateSshKeyPair::new(name)).await {
        Err(source) if source.is_outcome_unknown() => {
            Err(Error::PerhapsMade { name: name.to_owned(), source })
        }
        Err(source) => Err(Error::Cloud { doing: format!("have the cloud make key pair {name}"), source }),
        Ok(SshKeyPair { private_key: None, .. }) => {
            let _ = client.call(&DeleteSshKeyPair::new(name)).await;
            Err(Error::NoPrivateHalf { name: name.to_owned() })
        }
        Ok(SshKeyPair { private_key: Some(private), name, fingerprint, .. }) => {
            let kept = path.to_owned();
            let written = spawn_blocking(move || keep(file, private.expose_secret(), &kept)).await;
            match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(()) => Ok(KeyPair { name, fingerprint }),
                Err(source) => {
                    let _ = client.call(&DeleteSshKeyPair::new(name.as_str())).await;
                    match source.kind() {
                        io::ErrorKind::AlreadyExists => Err(Error::Exists { path: path.to_owned() }),
                        _ => Err(unwritable(source)),
                    }
                }
            }
        }
    }
}

/// Writes the private half into `file`, which only its owner may read, and gives it its name.
fn keep(mut file: NamedTempFile, private: &str, path: &Path) -> io::Result<()> {
    file.write_all(private.trim_end().as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map(|_| ()).map_err(|error| error.error)
}

/// Registers the public half that the file holds, as a line of an `authorized_keys` or `.pub` file.
///
/// # Errors
/// A file that holds no public key, or more than one; a name or a key that the cloud has already.
pub async fn register(client: &Client, name: &str, public_key: &Path) -> Result<KeyPair, Error> {
    let text = fs::read_to_string(public_key)
        .await
        .map_err(|source| Error::Unreadable { path: public_key.to_owned(), source })?;
    let line =
        the_public_key(&text).map_err(|reason| Error::NotPublic { path: public_key.to_owned(), reason })?;
    client
        .call(&RegisterSshKeyPair::new(name, line))
        .await
        .map(KeyPair::from)
        .map_err(|source| Error::Cloud { doing: format!("register key pair {name}"), source })
}

/// The one public key in `text`.
fn the_public_key(text: &str) -> Result<&str, &'static str> {
    const KINDS: &[&str] =
        &["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];
    if text.contains("PRIVATE KEY") {
        return Err("it is a private key; the public half is wanted, usually the file ending in .pub");
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (None, _) => Err("it is empty"),
        (Some(_), Some(_)) => Err("it holds more than one line; give a file with one key"),
        (Some(line), None) if KINDS.iter().any(|kind| line.split_whitespace().next() == Some(kind)) => {
            Ok(line)
        }
        (Some(_), None) => {
            Err("it does not begin with a kind of key that CloudStack takes, such as ssh-ed25519")
        }
    }
}

/// All key pairs of the account, by name.
///
/// # Errors
/// When the cloud cannot be asked.
pub async fn list(client: &Client) -> Result<Vec<KeyPair>, Error> {
    let pairs = client
        .list(&ListSshKeyPairs::new())
        .await
        .map_err(|source| Error::Cloud { doing: "list key pairs".to_owned(), source })?;
    let mut pairs: Vec<KeyPair> = pairs.into_iter().map(KeyPair::from).collect();
    pairs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(pairs)
}

/// Deletes a key pair from the cloud. Machines that have it keep it; files on this machine stay.
///
/// # Errors
/// [`Error::NoSuchKeyPair`] with the nearest name, or the cloud's refusal.
pub async fn delete(client: &Client, name: &str) -> Result<(), Error> {
    match client.call(&DeleteSshKeyPair::new(name)).await {
        Ok(_) => Ok(()),
        Err(source) if source.is_not_found() => {
            let pairs = list(client).await.unwrap_or_default();
            let nearest = pairs
                .into_iter()
                .map(|pair| (strsim::jaro_winkler(&pair.name, name), pair.name))
                .filter(|(likeness, _)| *likeness > 0.7)
                .max_by(|(one, _), (other, _)| one.total_cmp(other));
            Err(Error::NoSuchKeyPair { name: name.to_owned(), meant: nearest.map(|(_, name)| name) })
        }
        Err(source) => Err(Error::Cloud { doing: format!("delete key pair {name}"), source }),
    }
}
