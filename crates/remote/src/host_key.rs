//! The keys by which machines prove who they are.

use std::{fmt, str::FromStr};

use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey, ssh_key::LineEnding};
use secrecy::SecretString;

/// The public half of a machine's host key: what a connection is pinned to. Comments do not count in comparisons.
#[derive(Clone)]
pub struct HostKey(PublicKey);

impl HostKey {
    /// The SHA-256 fingerprint, as ssh-keygen prints it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    pub(crate) fn of(key: PublicKey) -> Self {
        Self(PublicKey::new(key.key_data().clone(), ""))
    }

    /// Whether a signature of this kind is made by such a key; an RSA key signs with one of several hashes.
    pub(crate) fn is_of(&self, kind: &Algorithm) -> bool {
        match (self.0.algorithm(), kind) {
            (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
            (own, kind) => own == *kind,
        }
    }
}

impl PartialEq for HostKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key_data() == other.0.key_data()
    }
}

impl Eq for HostKey {}

impl FromStr for HostKey {
    type Err = InvalidHostKey;

    /// Reads one line as in a `.pub` file: `ssh-ed25519 AAAA…`, with or without a comment.
    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let key = PublicKey::from_openssh(line.trim())
            .map_err(|reason| InvalidHostKey { reason: reason.to_string() })?;
        Ok(Self::of(key))
    }
}

impl fmt::Display for HostKey {
    /// Writes `ssh-ed25519 AAAA…`, without a comment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_openssh().map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostKey({} {})", self.0.algorithm(), self.fingerprint())
    }
}

/// Not a public host key.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not a public key as in a .pub file: {reason}")]
pub struct InvalidHostKey {
    reason: String,
}

/// A host key made here, to be handed to a machine before it first boots.
#[derive(Clone, Debug)]
pub struct HostKeyPair {
    /// What connections are pinned to.
    pub public: HostKey,
    /// What the machine gets, in OpenSSH's format.
    pub private_openssh: SecretString,
}

impl HostKeyPair {
    /// Makes an ed25519 pair from the system's randomness.
    pub fn generate() -> Self {
        let key = new_ed25519();
        // Writing a fresh, unencrypted ed25519 key has no way to fail: it is only concatenation and base64.
        let private = key.to_openssh(LineEnding::LF).map(|text| text.to_string()).unwrap_or_default();
        Self { public: HostKey::of(key.public_key().clone()), private_openssh: private.into() }
    }
}

/// A fresh ed25519 key.
pub(crate) fn new_ed25519() -> PrivateKey {
    use russh::keys::ssh_key::private::Ed25519Keypair;
    PrivateKey::from(Ed25519Keypair::random(&mut rand::rng()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_generated_pair_belongs_together_and_reads_back() {
        let pair = HostKeyPair::generate();
        let private = PrivateKey::from_openssh(pair.private_openssh.expose_secret()).unwrap();
        assert_eq!(HostKey::of(private.public_key().clone()), pair.public);
        assert_eq!(pair.public.to_string().parse::<HostKey>().unwrap(), pair.public);
        assert!(pair.public.to_string().starts_with("ssh-ed25519 AAAA"));
    }

    #[test]
    fn a_comment_does_not_make_another_key() {
        let key = HostKeyPair::generate().public;
        assert_eq!(format!("{key} somebody@somewhere\n").parse::<HostKey>().unwrap(), key);
        assert_ne!(HostKeyPair::generate().public, key);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----"] {
            assert!(text.parse::<HostKey>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_pair_does_not_show_its_private_half() {
        let pair = HostKeyPair::generate();
        assert!(!format!("{pair:?}").contains("PRIVATE KEY"));
    }
}
