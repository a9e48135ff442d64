//! The recipe's digest: two recipes that differ in anything have different ones.

use sha2::{Digest, Sha256};

use super::{File, Step, material::hex};

/// SHA-256 over steps, files and the `texts` that become steps only with a build's circumstances.
pub(super) fn digest(steps: &[Step], files: &[File], texts: &[&str]) -> String {
    // Every part goes in with its length: no two different recipes have the same sequence of bytes.
    fn part(hash: &mut Sha256, bytes: &[u8]) {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    let mut hash = Sha256::new();
    part(&mut hash, b"mesostack recipe 1");
    for step in steps {
        part(&mut hash, step.name.as_bytes());
        part(&mut hash, step.script.as_bytes());
    }
    for text in texts {
        part(&mut hash, text.as_bytes());
    }
    for file in files {
        part(&mut hash, file.path.as_bytes());
        part(&mut hash, &file.mode.to_be_bytes());
        part(&mut hash, &file.contents);
    }
    hex(&hash.finalize())
}
