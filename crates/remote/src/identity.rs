//! The operator's key: read, made, kept.

use std::{
    fmt, fs, io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use russh::keys::{HashAlg, PrivateKey, PublicKey, decode_secret_key, ssh_key::LineEnding};
use secrecy::{ExposeSecret, SecretString};

/// A private key we log in with. It cannot be printed.
#[derive(Clone)]
pub struct Identity {
    key: Arc<PrivateKey>,
}

/// A private key that cannot be used or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the private key {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read the file.
    #[error(
        "the private key {} can be read by others (mode {mode:04o}); run `chmod 600 {}`",
        path.display(),
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The key is protected by a passphrase.
    #[error(
        "{what} is protected by a passphrase, which cannot be asked for here; take the passphrase off a copy with \
         `ssh-keygen -p`, or use a key of its own for the cluster"
    )]
    Encrypted {
        /// The file, or "the private key".
        what: String,
    },
    /// A public key where the private one is needed.
    #[error("{what} is a public key; the private one is needed, usually the file without .pub")]
    Public {
        /// The file, or "the private key".
        what: String,
    },
    /// Not a key we can read.
    #[error("{what} is no private key in OpenSSH's or PEM format: {reason}")]
    Unknown {
        /// The file, or "the private key".
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file exists already, and is never overwritten.
    #[error("{} exists already; a private key is never overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the private key {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Identity {
    /// Makes an ed25519 key from the system's randomness.
    pub fn generate() -> Self {
        Self { key: Arc::new(crate::host_key::new_ed25519()) }
    }

    /// Reads a key file: ed25519, ECDSA or RSA, in OpenSSH's format or PEM. Reads one small file, so call it where blocking
    /// for that is fine.
    ///
    /// # Errors
    /// When the file cannot be read, others may read it, or it holds no usable private key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(io::Error::other("not a regular file")));
        }
        // A public key may be open to all: say what it is before complaining about its mode.
        let text = SecretString::from(fs::read_to_string(path).map_err(unreadable)?);
        let what = path.display().to_string();
        if is_public(text.expose_secret()) {
            return Err(KeyError::Public { what });
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        Self::parse(&text, what)
    }

    /// Reads a key from its text: OpenSSH's format, or PEM as CloudStack's createSSHKeyPair returns it.
    ///
    /// # Errors
    /// When the text holds no usable private key.
    pub fn from_openssh_or_pem(text: &SecretString) -> Result<Self, KeyError> {
        Self::parse(text, "the private key".to_owned())
    }

    fn parse(text: &SecretString, what: String) -> Result<Self, KeyError> {
        use russh::keys::Error as Keys;
        let text = text.expose_secret();
        if is_public(text) {
            return Err(KeyError::Public { what });
        }
        // In PEM only a header tells; the decoder would stumble over the body.
        if text.contains("Proc-Type: 4,ENCRYPTED") || text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
            return Err(KeyError::Encrypted { what });
        }
        // CloudStack's text may come with carriage returns or blanks around it; the decoder compares whole lines.
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let tidy = zeroize::Zeroizing::new(lines.join("\n"));
        match decode_secret_key(&tidy, None) {
            Ok(key) if key.is_encrypted() => Err(KeyError::Encrypted { what }),
            Ok(key) => Ok(Self { key: Arc::new(key) }),
            Err(Keys::KeyIsEncrypted) => Err(KeyError::Encrypted { what }),
            Err(other) => Err(KeyError::Unknown { what, reason: other.to_string() }),
        }
    }

    /// The public half as an authorized-keys line: `ssh-ed25519 AAAA…`, without a comment.
    pub fn public_openssh(&self) -> String {
        // Writing a key that was read or made has no way to fail.
        PublicKey::new(self.key.public_key().key_data().clone(), "").to_openssh().unwrap_or_default()
    }

    /// The SHA-256 fingerprint, as ssh-keygen prints it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Writes the key in OpenSSH's format to a new file, which only its owner may read.
    ///
    /// # Errors
    /// When the file exists already, or cannot be written.
    pub fn save_new(&self, path: &Path) -> Result<(), KeyError> {
        let unwritable = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists { path: path.to_owned() },
            _ => KeyError::Unwritable { path: path.to_owned(), source },
        };
        let text = self.key.to_openssh(LineEnding::LF).map_err(|e| unwritable(io::Error::other(e)))?;
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unwritable)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|source| {
            // Half a key is of no use, and would be in the way of the next attempt.
            let _ = fs::remove_file(path);
            unwritable(source)
        })
    }

    pub(crate) fn key(&self) -> Arc<PrivateKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} {})", self.key.algorithm(), self.fingerprint())
    }
}

fn is_public(text: &str) -> bool {
    PublicKey::from_openssh(text.trim()).is_ok() || text.contains("BEGIN PUBLIC KEY")
}
