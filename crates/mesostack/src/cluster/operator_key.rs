//! The operator's key: a file on this machine, and what the cloud knows of it.

use std::{fs, io, os::unix::fs::DirBuilderExt, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};
use remote::{Identity, KeyError};

use super::desired::OperatorKey;

impl OperatorKey {
    /// What the cloud knows of a private key.
    pub fn of(identity: &Identity) -> Self {
        let public = identity.public_openssh();
        let fingerprint = fingerprint(&public);
        Self { public, fingerprint }
    }
}

/// CloudStack's fingerprint of a public key: the MD5 of its blob, in pairs of hexadecimal digits with colons.
fn fingerprint(public: &str) -> String {
    let blob = public.split_whitespace().nth(1).and_then(|text| BASE64_STANDARD.decode(text).ok());
    let digest = Md5::digest(blob.unwrap_or_default());
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The private key at `path`; none when nothing is there. Reads one small file.
///
/// # Errors
/// Something is there, and is no private key that can be used.
pub fn find_key(path: &Path) -> Result<Option<Identity>, KeyError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => Identity::load(path).map(Some),
    }
}

/// The private key at `path`, made there (ed25519, for its owner alone) when nothing is.
///
/// # Errors
/// Something is there that is no private key that can be used, or the new key cannot be written.
pub fn find_or_make_key(path: &Path) -> Result<Identity, KeyError> {
    if let Some(identity) = find_key(path)? {
        return Ok(identity);
    }
    if let Some(directory) = path.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| KeyError::Unwritable { path: path.to_owned(), source })?;
    }
    let identity = Identity::generate();
    identity.save_new(path)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_the_one_cloudstack_shows() {
        // As a CloudStack 4.23 answered for this key.
        let public =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFbOIEMLGUANwD3DmFCpcpQFIMD7vcqj9VgGYp0ftJXS ed@example";
        assert_eq!(fingerprint(public), "8b:18:5f:40:fe:0c:d1:90:2a:85:a7:77:d1:c8:f1:cc");
    }

    #[test]
    fn a_key_is_made_once_and_found_afterwards() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("new/keys/ops");
        assert!(find_key(&path).expect("nothing wrong").is_none());
        let made = OperatorKey::of(&find_or_make_key(&path).expect("made"));
        let found = OperatorKey::of(&find_or_make_key(&path).expect("found"));
        assert_eq!(made, found);
    }
}
