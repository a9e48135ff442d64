//! Files put on a machine as root: each is there whole, with its mode and owner, or as it was before.

use std::{collections::BTreeMap, fmt};

use tokio::time::Instant;

use crate::{Command, Error, Session};

/// A file as it is to be on a machine.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Where: absolute and plain (no `.` or `..` in it). Missing directories are made, 0755 and root's.
    pub path: String,
    /// Its permissions, such as `0o644`.
    pub mode: u32,
    /// Its owner and group, `root:root`.
    pub owner: String,
    /// What is in it.
    pub contents: Vec<u8>,
}

impl fmt::Debug for RemoteFile {
    /// Leaves the contents out: they may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:04o} {} ({} bytes)", self.path, self.mode, self.owner, self.contents.len())
    }
}

impl Session {
    /// Puts files in place as root. They travel together and are moved into place one after another when all have arrived,
    /// so that no reader sees half a file, and a broken connection changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidPath`], [`Error::Delivery`] with what the machine said, or as [`Session::run`].
    pub async fn deliver(&self, files: &[RemoteFile], deadline: Instant) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        for file in files {
            check_path(&file.path)?;
        }
        let target = self.target().to_string();
        let broken = |detail: String| Error::Delivery { target: target.clone(), detail };
        let suffix = format!(".{:016x}", rand::random::<u64>());
        let archive = archive(files, &suffix).map_err(|source| broken(source.to_string()))?;
        let command = Command::new(script(files, &suffix)).as_root().stdin(archive);
        let output = self.run(&command, deadline, |_, _| ()).await?;
        if output.status.success() {
            Ok(())
        } else {
            Err(broken(format!("{} ({})", output.last_words(), output.status)))
        }
    }
}

fn check_path(path: &str) -> Result<(), Error> {
    let plain = path
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
        && !path.contains(['\0', '\n']);
    if plain { Ok(()) } else { Err(Error::InvalidPath { path: path.to_owned() }) }
}

/// Where a file waits until all are there: in its own directory, because only a move within a file system is atomic.
fn staged(path: &str, suffix: &str) -> String {
    match path.rsplit_once('/') {
        Some((directory, name)) => format!("{directory}/.{name}{suffix}"),
        None => format!(".{path}{suffix}"),
    }
}

fn archive(files: &[RemoteFile], suffix: &str) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.contents.len() as u64);
        // Its real permissions come after its real owner: until then it is root's alone.
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let name = staged(&file.path, suffix);
        archive.append_data(&mut header, name.trim_start_matches('/'), file.contents.as_slice())?;
    }
    archive.into_inner()
}

fn script(files: &[RemoteFile], suffix: &str) -> String {
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut modes: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut directories: Vec<String> = Vec::new();
    let mut all = Vec::new();
    let mut moves = String::new();
    for file in files {
        let waiting = quoted(&staged(&file.path, suffix));
        if let Some((directory, _)) =
            file.path.rsplit_once('/').filter(|(directory, _)| !directory.is_empty())
        {
            directories.push(quoted(directory));
        }
        owners.entry(&file.owner).or_default().push(waiting.clone());
        modes.entry(file.mode).or_default().push(waiting.clone());
        moves.push_str(&format!("mv -fT -- {waiting} {}\n", quoted(&file.path)));
        all.push(waiting);
    }
    directories.sort();
    directories.dedup();
    let all = all.join(" ");
    let mut script = format!("set -eu\numask 022\ntrap 'rm -f -- '{} EXIT\n", quoted(&all));
    if !directories.is_empty() {
        script.push_str(&format!("mkdir -p -- {}\n", directories.join(" ")));
    }
    script.push_str("umask 077\ntar -x -f - --no-same-owner -m -C /\n");
    for (owner, files) in owners {
        script.push_str(&format!("chown -- {} {}\n", quoted(owner), files.join(" ")));
    }
    for (mode, files) in modes {
        script.push_str(&format!("chmod -- {mode:04o} {}\n", files.join(" ")));
    }
    // On disk before they take the place of what was there: a machine that loses power has the old file or the new one.
    script.push_str(&format!("sync -- {all}\n"));
    script.push_str(&moves);
    script
}

/// A word of a shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_plain_paths_are_delivered_to() {
        for good in ["/etc/hosts", "/a", "/etc/mesostack/zoo keeper.cfg", "/it's"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "etc/hosts", "/etc/", "/etc//hosts", "/etc/../root", "/./a", "/a\nb", "/a\0b"] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_waits_hidden_beside_its_place() {
        assert_eq!(staged("/etc/zoo.cfg", ".7"), "/etc/.zoo.cfg.7");
        assert_eq!(staged("/top", ".7"), "/.top.7");
    }

    #[test]
    fn contents_are_not_shown() {
        let file = RemoteFile {
            path: "/etc/key".to_owned(),
            mode: 0o600,
            owner: "root:root".to_owned(),
            contents: b"hunter2".to_vec(),
        };
        assert_eq!(format!("{file:?}"), "/etc/key 0600 root:root (7 bytes)");
    }
}
