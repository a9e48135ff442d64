//! What is mounted on the host, as the kernel tells it.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};

use super::error::{At, Result};

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) place: PathBuf,
    /// Its own options, separated by commas.
    pub(crate) options: String,
}

/// Everything that is mounted.
pub(crate) fn all() -> Result<Vec<Mount>> {
    let path = Path::new("/proc/self/mountinfo");
    Ok(parse(&fs::read_to_string(path).at("read", path)?))
}

fn parse(mountinfo: &str) -> Vec<Mount> {
    let one = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let place = unescape(left.split(' ').nth(4)?);
        Some(Mount { place, options: right.rsplit(' ').next()?.to_owned() })
    };
    mountinfo.lines().filter_map(one).collect()
}

/// Blanks and the like stand there as a backslash and three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

/// Takes the file system at `root` away, if one is mounted there.
pub(crate) fn unmount_if_mounted(root: &Path) -> Result<()> {
    match unmount(root, UnmountFlags::NOFOLLOW) {
        // The last two: not a mount point, or not there at all.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        // Something on the host still looks into it (a shell, an indexer): it goes when that leaves.
        Err(rustix::io::Errno::BUSY) => {
            tracing::warn!(root = %root.display(), "a machine's root is in use on the host; it is detached");
            unmount(root, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH).at("unmount", root)
        }
        Err(error) => Err(error).at("unmount", root),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_has_its_place_and_its_own_options() {
        let line =
            "71 27 0:39 / /var/a\\040b rw,relatime shared:1 - overlay overlay rw,lowerdir=x,upperdir=/u";
        let expected =
            Mount { place: PathBuf::from("/var/a b"), options: "rw,lowerdir=x,upperdir=/u".to_owned() };
        assert_eq!(parse(line), [expected]);
    }

    #[test]
    fn mount_points_with_odd_characters_are_read_as_they_are() {
        assert_eq!(unescape("/var/a\\040b\\134c"), Path::new("/var/a b\\c"));
        assert_eq!(unescape("/var/lib"), Path::new("/var/lib"));
    }
}
