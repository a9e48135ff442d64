//! Where zones are kept on this host.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{At, Error, Result, Settings, SnapshotName, ZoneName};

/// The directories of all zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// What has to be kept: a directory a zone under `zones`.
    pub state: PathBuf,
    /// What can be made again: base templates.
    pub cache: PathBuf,
}

impl Places {
    /// `/var/lib/mesostack` and `/var/cache/mesostack` for root, the user's own data and cache directories otherwise.
    ///
    /// # Errors
    /// When a user has no home directory.
    pub fn usual() -> Result<Self> {
        if rustix::process::geteuid().is_root() {
            let (state, cache) = (PathBuf::from("/var/lib/mesostack"), PathBuf::from("/var/cache/mesostack"));
            return Ok(Self { state, cache });
        }
        let own = |variable: &str, below_home: &str| {
            let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
            named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(below_home)))
        };
        match (own("XDG_DATA_HOME", ".local/share"), own("XDG_CACHE_HOME", ".cache")) {
            (Some(state), Some(cache)) => {
                Ok(Self { state: state.join("mesostack"), cache: cache.join("mesostack") })
            }
            _ => Err(Error::Option(
                "there is no place for a zone: neither XDG_DATA_HOME nor HOME is set".into(),
            )),
        }
    }

    fn zones(&self) -> PathBuf {
        self.state.join("zones")
    }

    pub(super) fn zone(&self, name: &ZoneName) -> ZonePlace {
        ZonePlace {
            directory: self.zones().join(name.as_str()),
            lock: self.zones().join(format!(".{name}.lock")),
        }
    }

    /// The other zones of this host and what they were raised with.
    pub(super) fn others(&self, than: &ZoneName) -> Vec<(String, Settings)> {
        let Ok(entries) = fs::read_dir(self.zones()) else { return Vec::new() };
        entries
            .filter_map(|entry| {
                let name: ZoneName = entry.ok()?.file_name().to_str()?.parse().ok()?;
                let settings = self.zone(&name).settings().ok()??;
                (name != *than).then(|| (name.to_string(), settings))
            })
            .collect()
    }

    /// Makes the directory that all zones are in.
    pub(super) fn make(&self) -> Result<()> {
        fs::create_dir_all(self.zones()).at("make", &self.zones())
    }

    /// Removes the directories of all zones that hold nothing any more.
    pub(super) fn remove_if_empty(&self) {
        let _ = fs::remove_dir(self.zones());
        let _ = fs::remove_dir(&self.state);
    }
}

/// One zone's files.
#[derive(Clone, Debug)]
pub(super) struct ZonePlace {
    pub(super) directory: PathBuf,
    /// Held while the zone is raised or taken down; outside of the directory, which goes with the zone.
    pub(super) lock: PathBuf,
}

impl ZonePlace {
    pub(super) fn exists(&self) -> bool {
        self.directory.exists()
    }

    /// Makes the directory. It holds keys, and machines' disks with their own: for its owner only.
    pub(super) fn make(&self) -> Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.directory).at("make", &self.directory)?;
        let owner_only = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&self.directory, owner_only).at("close", &self.directory)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("serve.log")
    }

    pub(super) fn records(&self) -> PathBuf {
        self.directory.join("records.sqlite")
    }

    /// The file of faults that the zone is served with.
    pub(super) fn faults(&self) -> PathBuf {
        self.directory.join("faults.toml")
    }

    /// Held by the process that serves the zone, with its id inside.
    pub(super) fn serving(&self) -> PathBuf {
        self.directory.join("serve.lock")
    }

    /// The keys of the ready-made accounts. There while the zone is served and answers.
    pub(super) fn keys(&self) -> PathBuf {
        self.directory.join("keys.json")
    }

    /// Removes what a process that was killed had begun to write here and not given its name. For whoever serves the zone:
    /// nobody else writes in its directory then.
    pub(super) fn remove_unfinished(&self) -> Result<()> {
        let entries = fs::read_dir(&self.directory).at("list", &self.directory)?;
        for entry in entries {
            let entry = entry.at("list", &self.directory)?;
            let ours = entry.file_name().to_str().is_some_and(is_unfinished);
            if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                fs::remove_file(entry.path()).at("remove", &entry.path())?;
            }
        }
        Ok(crate::Records::remove_unfinished(&self.records())?)
    }

    /// A copy of the records.
    pub(super) fn snapshot(&self, name: &SnapshotName) -> PathBuf {
        self.directory.join("snapshots").join(format!("{name}.sqlite"))
    }

    /// The names of all copies of the records.
    pub(super) fn snapshots(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.directory.join("snapshots")) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".sqlite").map(str::to_owned)).collect()
    }

    /// What the zone was raised with, if it ever was.
    pub(super) fn settings(&self) -> Result<Option<Settings>> {
        let path = self.directory.join("settings.json");
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            text => serde_json::from_slice(&text.at("read", &path)?)
                .map_err(std::io::Error::other)
                .at("read", &path),
        }
    }

    pub(super) fn write_settings(&self, settings: &Settings) -> Result<()> {
        let path = self.directory.join("settings.json");
        let text = serde_json::to_vec(settings).map_err(std::io::Error::other).at("write", &path)?;
        write_whole(&path, &text)
    }
}

/// What a file is called until it is whole: this, and some letters and digits.
const UNFINISHED: &str = ".tmp";
const LETTERS: usize = 6;

fn is_unfinished(name: &str) -> bool {
    let letters = name.strip_prefix(UNFINISHED);
    letters.is_some_and(|rest| rest.len() == LETTERS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Writes a file whole or not at all, for its owner only.
pub(super) fn write_whole(path: &Path, text: &[u8]) -> Result<()> {
    use std::io::Write;
    let directory = path.parent().unwrap_or(Path::new("/"));
    // Such a file is 0600 from the beginning.
    let mut file = tempfile::Builder::new();
    let file = file.prefix(UNFINISHED).rand_bytes(LETTERS).tempfile_in(directory);
    let mut file = file.at("make a file in", directory)?;
    file.write_all(text).and_then(|()| file.as_file().sync_data()).at("write", path)?;
    file.persist(path).map_err(|error| error.error).at("write", path)?;
    Ok(())
}

/// The end of a log, or nothing.
pub(super) fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_and_not_ended_goes_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let places = Places { state: directory.path().to_owned(), cache: directory.path().join("cache") };
        let place = places.zone(&"z".parse().expect("a name"));
        place.make().expect("made");
        write_whole(&place.keys(), b"{}").expect("written");
        // As a process that is killed in between leaves one.
        let builder =
            tempfile::Builder::new().prefix(UNFINISHED).rand_bytes(LETTERS).tempfile_in(&place.directory);
        let (_, cut_off) = builder.expect("a file").keep().expect("kept");
        for name in ["records.sqlite", "records.new", "records.new-wal"] {
            fs::write(place.directory.join(name), "").expect("written");
        }
        let others = [".tmp", ".tmp-notes", ".tmpabcdefg", "x.tmpabcdef", ".hidden"];
        for name in others {
            fs::write(place.directory.join(name), "theirs").expect("written");
        }
        fs::create_dir(place.directory.join(".tmpABC123")).expect("a directory");
        place.remove_unfinished().expect("removed");
        assert!(!cut_off.exists());
        let mut left: Vec<_> = fs::read_dir(&place.directory)
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        left.sort();
        let mut kept: Vec<_> = others.iter().map(|name| (*name).to_owned()).collect();
        kept.extend([".tmpABC123", "keys.json", "records.sqlite"].map(str::to_owned));
        kept.sort();
        assert_eq!(left, kept);
    }
}
