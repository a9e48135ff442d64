//! A public key to register. Each run has one of its own: an account takes a key once, under whatever name, and may still
//! have the key of a run that was killed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

/// An ed25519 key nobody has the private half of.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey {
    /// As it stands in `authorized_keys`.
    pub(crate) text: String,
    /// As CloudStack tells it: MD5 of the key's bytes, in pairs of digits.
    pub(crate) fingerprint: String,
}

impl PublicKey {
    /// Of these bytes.
    pub(crate) fn of(point: [u8; 32]) -> Self {
        let mut blob = Vec::new();
        for part in [b"ssh-ed25519".as_slice(), &point] {
            blob.extend(u32::try_from(part.len()).unwrap_or_default().to_be_bytes());
            blob.extend(part);
        }
        let pairs: Vec<String> = Md5::digest(&blob).iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            text: format!("ssh-ed25519 {} conformance", STANDARD.encode(&blob)),
            fingerprint: pairs.join(":"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ssh-keygen -l -E md5` tells of the first 32 numbers.
    #[test]
    fn text_and_fingerprint_are_those_of_openssh() {
        let key = PublicKey::of(std::array::from_fn(|at| u8::try_from(at).unwrap_or_default()));
        assert_eq!(
            key.text,
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f conformance"
        );
        assert_eq!(key.fingerprint, "0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba");
    }
}
