//! The file format: an `ar` archive of a version, a control archive and a data archive, the latter two `.tar.gz`.
//! All times are 0, so that a package depends on its content alone.

use std::io::{self, Write as _};

use flate2::{Compression, GzBuilder};
use md5::{Digest as _, Md5};
use tar::{Builder, EntryType, Header};

/// Something a package installs.
#[derive(Debug, Clone)]
pub(super) struct Installed<'c> {
    /// Absolute path on the target.
    pub(super) path: String,
    pub(super) what: What<'c>,
}

/// What is installed at a path.
#[derive(Debug, Clone)]
pub(super) enum What<'c> {
    File {
        mode: u32,
        content: &'c [u8],
    },
    /// A link to an absolute path.
    Link(String),
}

/// The package as a file's bytes. `control` is the whole control file.
pub(super) fn deb(control: &str, installed: &[Installed<'_>]) -> io::Result<Vec<u8>> {
    let mut deb = b"!<arch>\n".to_vec();
    member(&mut deb, "debian-binary", b"2.0\n")?;
    member(&mut deb, "control.tar.gz", &control_archive(control, installed)?)?;
    member(&mut deb, "data.tar.gz", &data_archive(installed)?)?;
    Ok(deb)
}

fn member(deb: &mut Vec<u8>, name: &str, content: &[u8]) -> io::Result<()> {
    // Name, time, owner, group, mode, size, end mark: 60 bytes.
    writeln!(deb, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, "100644", content.len())?;
    deb.extend_from_slice(content);
    if content.len() % 2 == 1 {
        deb.push(b'\n');
    }
    Ok(())
}

fn control_archive(control: &str, installed: &[Installed<'_>]) -> io::Result<Vec<u8>> {
    let mut sums = String::new();
    for entry in installed {
        if let What::File { content, .. } = entry.what {
            let sum: String = Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
            sums.push_str(&format!("{sum}  {}\n", entry.path.trim_start_matches('/')));
        }
    }
    let mut archive = archive();
    directory(&mut archive, "./")?;
    file(&mut archive, "./control", 0o644, control.as_bytes())?;
    file(&mut archive, "./md5sums", 0o644, sums.as_bytes())?;
    archive.into_inner()?.finish()
}

fn data_archive(installed: &[Installed<'_>]) -> io::Result<Vec<u8>> {
    let mut archive = archive();
    let mut made = std::collections::BTreeSet::new();
    for entry in installed {
        let parents = entry.path.match_indices('/').map(|(end, _)| format!(".{}/", &entry.path[..end]));
        for parent in parents {
            if made.insert(parent.clone()) {
                directory(&mut archive, &parent)?;
            }
        }
        let path = format!(".{}", entry.path);
        match &entry.what {
            What::File { mode, content } => file(&mut archive, &path, *mode, content)?,
            What::Link(target) => {
                let mut header = header(EntryType::Symlink, 0o777, 0);
                header.set_link_name(target)?;
                append(&mut archive, header, &path, io::empty())?;
            }
        }
    }
    archive.into_inner()?.finish()
}

type Archive = Builder<flate2::write::GzEncoder<Vec<u8>>>;

fn archive() -> Archive {
    Builder::new(GzBuilder::new().mtime(0).write(Vec::new(), Compression::default()))
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    // The names are short enough to be set.
    let _ = header.set_username("root");
    let _ = header.set_groupname("root");
    header
}

fn directory(archive: &mut Archive, path: &str) -> io::Result<()> {
    append(archive, header(EntryType::Directory, 0o755, 0), path, io::empty())
}

fn file(archive: &mut Archive, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    append(archive, header(EntryType::Regular, mode, content.len() as u64), path, content)
}

/// Appends an entry under exactly this path: the library's own way would drop the leading "./" that dpkg writes.
fn append(archive: &mut Archive, mut header: Header, path: &str, content: impl io::Read) -> io::Result<()> {
    let name = &mut header.as_old_mut().name;
    if path.len() >= name.len() {
        return Err(io::Error::other(format!("the path {path} is too long for a package")));
    }
    name.fill(0);
    name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_cksum();
    archive.append(&header, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn members(deb: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut rest = deb.strip_prefix(b"!<arch>\n").unwrap();
        let mut members = Vec::new();
        while !rest.is_empty() {
            let head = std::str::from_utf8(&rest[..60]).unwrap();
            assert!(head.ends_with("`\n"));
            let size: usize = head[48..58].trim().parse().unwrap();
            members.push((head[..16].trim().to_owned(), rest[60..60 + size].to_vec()));
            rest = &rest[60 + size + size % 2..];
        }
        members
    }

    #[test]
    fn a_package_holds_version_control_and_data_in_this_order() {
        let installed = [
            Installed {
                path: "/usr/lib/x/tool".into(),
                what: What::File { mode: 0o755, content: b"#!/bin/sh\n" },
            },
            Installed { path: "/usr/bin/tool".into(), what: What::Link("/usr/lib/x/tool".into()) },
        ];
        let bytes = deb("Package: x\n", &installed).unwrap();
        assert_eq!(bytes, deb("Package: x\n", &installed).unwrap(), "the same bytes each time");
        let members = members(&bytes);
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["debian-binary", "control.tar.gz", "data.tar.gz"]);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&members[2].1[..]));
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = String::new();
                entry.read_to_string(&mut content).unwrap();
                let header = entry.header();
                (String::from_utf8_lossy(&entry.path_bytes()).into_owned(), header.mode().unwrap(), content)
            })
            .collect();
        let expect = |path: &str, mode, content: &str| (path.to_owned(), mode, content.to_owned());
        assert_eq!(
            entries,
            [
                expect("./", 0o755, ""),
                expect("./usr/", 0o755, ""),
                expect("./usr/lib/", 0o755, ""),
                expect("./usr/lib/x/", 0o755, ""),
                expect("./usr/lib/x/tool", 0o755, "#!/bin/sh\n"),
                expect("./usr/bin/", 0o755, ""),
                expect("./usr/bin/tool", 0o777, ""),
            ]
        );
    }
}
