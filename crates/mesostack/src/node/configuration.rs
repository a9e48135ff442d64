//! All that a node is told.

use sha2::{Digest, Sha256};

use super::Unit;

/// A file as it is to be on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where: absolute.
    pub path: String,
    /// Its permissions, such as `0o644`.
    pub mode: u32,
    /// Its owner and group, such as `root:root`.
    pub owner: String,
    /// What is in it.
    pub contents: String,
    /// The services that read it when they start, and have to start again when it changes.
    pub read_by: Vec<Unit>,
}

impl File {
    /// A file that everybody on the node may read.
    pub(super) fn public(path: impl Into<String>, contents: String, read_by: &[Unit]) -> Self {
        Self {
            path: path.into(),
            mode: 0o644,
            owner: "root:root".to_owned(),
            contents,
            read_by: read_by.to_vec(),
        }
    }
}

impl From<&File> for remote::RemoteFile {
    fn from(file: &File) -> Self {
        Self {
            path: file.path.clone(),
            mode: file.mode,
            owner: file.owner.clone(),
            contents: file.contents.clone().into_bytes(),
        }
    }
}

/// All that a node is told: its files, and the services it runs and does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Its files.
    pub files: Vec<File>,
    /// The services it runs, in the order they depend on each other.
    pub enable: Vec<Unit>,
    /// The services of other roles, which it must not run.
    pub disable: Vec<Unit>,
    /// SHA-256 over all of the above, in lower-case hexadecimal: two equal digests, two equal nodes.
    pub digest: String,
}

impl Configuration {
    pub(super) fn new(files: Vec<File>, enable: Vec<Unit>, disable: Vec<Unit>) -> Self {
        let mut sum = Sum::default();
        for file in &files {
            sum.file(file);
        }
        for unit in &enable {
            sum.field("enable");
            sum.field(unit.name());
        }
        for unit in &disable {
            sum.field("disable");
            sum.field(unit.name());
        }
        let digest = sum.end();
        Self { files, enable, disable, digest }
    }

    /// The digest over what one service reads.
    pub fn digest_of(&self, unit: Unit) -> String {
        let mut sum = Sum::default();
        for file in self.files.iter().filter(|file| file.read_by.contains(&unit)) {
            sum.file(file);
        }
        sum.end()
    }
}

/// A digest over fields, each preceded by its length, so that no two lists of fields look alike.
#[derive(Default)]
struct Sum(Sha256);

impl Sum {
    fn field(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn file(&mut self, file: &File) {
        self.field("file");
        self.field(&file.path);
        self.field(&format!("{:04o}", file.mode));
        self.field(&file.owner);
        self.field(&file.contents);
        for unit in &file.read_by {
            self.field(unit.name());
        }
    }

    fn end(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
