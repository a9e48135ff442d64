//! Where the packages come from, with everything that lies on this machine already read: what a recipe is made of.
//!
//! Reading files and running the stand-ins' packager happen here, before anything is made in the cloud; the recipe
//! itself is a pure function of the result.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use crate::{
    image::error::{Error, Result},
    spec::{ContainerImage, PackageSource, Packages},
};

/// The environment variable that names the stand-ins' packager where it is not beside this executable.
pub const STANDIN_VARIABLE: &str = "MESOSTACK_STANDIN";

/// The stand-ins' packager's file name.
const STANDIN_PROGRAM: &str = "mesostack-standin";

/// The packages of an image, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    pub(super) label: &'static str,
    pub(super) sources: Vec<Source>,
}

/// One source of packages, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    ClusterD { marathon: ContainerImage },
    Local(LocalFile),
    Url { url: String, sha256: String },
    Apt { source: String, key: Key, fingerprint: String, install: Vec<String> },
}

/// An apt source's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Url(String),
    Local(LocalFile),
}

/// A file of this machine that goes into the build machine.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct LocalFile {
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) contents: Arc<[u8]>,
}

impl std::fmt::Debug for LocalFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes, sha256 {})", self.name, self.contents.len(), self.sha256)
    }
}

impl LocalFile {
    fn new(name: String, contents: Vec<u8>) -> Self {
        Self { name, sha256: hex(&Sha256::digest(&contents)), contents: contents.into() }
    }

    async fn read(path: &Path) -> Result<Self> {
        let contents = tokio::fs::read(path)
            .await
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self::new(name, contents))
    }
}

/// Bytes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Material {
    /// Reads every local file that `packages` names, and has the stand-ins packaged when they are asked for.
    /// `standin` is the packager's path; else [`STANDIN_VARIABLE`] or the program beside this executable is taken.
    ///
    /// # Errors
    /// A file that cannot be read or is no Debian package, or a packager that is missing or fails.
    pub async fn load(packages: &Packages, standin: Option<&Path>) -> Result<Self> {
        Ok(match packages {
            Packages::ClusterD { marathon } => {
                Self { label: "clusterd", sources: vec![Source::ClusterD { marathon: marathon.clone() }] }
            }
            Packages::StandIn => {
                Self { label: "standin", sources: stand_ins(&find_packager(standin)?).await? }
            }
            Packages::Debs(list) => {
                let mut sources = Vec::with_capacity(list.len());
                for source in list {
                    sources.push(resolve(source).await?);
                }
                Self { label: "debs", sources }
            }
        })
    }

    pub(super) fn local_files(&self) -> impl Iterator<Item = &LocalFile> {
        self.sources.iter().filter_map(|source| match source {
            Source::Local(file) | Source::Apt { key: Key::Local(file), .. } => Some(file),
            _ => None,
        })
    }
}

async fn resolve(source: &PackageSource) -> Result<Source> {
    Ok(match source {
        PackageSource::File(path) => Source::Local(package(path).await?),
        PackageSource::Url { url, sha256 } => Source::Url { url: url.clone(), sha256: sha256.clone() },
        PackageSource::Apt { source, key, fingerprint, install } => Source::Apt {
            source: source.split_whitespace().collect::<Vec<_>>().join(" "),
            key: if key.starts_with("http://") || key.starts_with("https://") {
                Key::Url(key.clone())
            } else {
                Key::Local(LocalFile::read(Path::new(key)).await?)
            },
            fingerprint: fingerprint.replace(' ', "").to_ascii_uppercase(),
            install: install.clone(),
        },
    })
}

/// A Debian package is an `ar` archive whose first member is `debian-binary`.
async fn package(path: &Path) -> Result<LocalFile> {
    let file = LocalFile::read(path).await?;
    if file.contents.starts_with(b"!<arch>\ndebian-binary") {
        Ok(file)
    } else {
        Err(Error::NotAPackage { path: path.to_owned() })
    }
}

fn find_packager(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    if let Some(path) = std::env::var_os(STANDIN_VARIABLE).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(STANDIN_PROGRAM)));
    match beside {
        Some(path) if path.is_file() => Ok(path),
        looked_at => Err(Error::NoPackager { looked_at }),
    }
}

async fn stand_ins(packager: &Path) -> Result<Vec<Source>> {
    let failed = |reason: String| Error::Packager { program: packager.to_owned(), reason };
    let out = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let output = tokio::process::Command::new(packager)
        .arg("packages")
        .arg("--out")
        .arg(out.path())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}: {}", output.status, said.trim())));
    }
    let mut paths: Vec<PathBuf> = std::fs::read_dir(out.path())
        .map_err(|error| failed(error.to_string()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    if paths.is_empty() {
        return Err(failed("it made no package".to_owned()));
    }
    paths.sort();
    let mut sources = Vec::with_capacity(paths.len());
    for path in paths {
        sources.push(Source::Local(package(&path).await?));
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_that_is_no_package_is_refused_before_anything_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mesos.deb");
        std::fs::write(&path, "<html>404</html>").unwrap();
        let error = Material::load(&Packages::Debs(vec![PackageSource::File(path)]), None).await.unwrap_err();
        assert!(matches!(error, Error::NotAPackage { .. }), "{error}");
    }

    #[tokio::test]
    async fn the_stand_ins_are_packaged_by_their_own_program_and_then_like_any_local_package() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("packager");
        let script = "#!/bin/sh\n[ \"$1 $2\" = 'packages --out' ] || exit 9\n\
            for name in mesos marathon; do printf '!<arch>\\ndebian-binary %s' $name > \"$3/$name.deb\"; done\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let material = Material::load(&Packages::StandIn, Some(&program)).await.unwrap();
        let names: Vec<_> = material.local_files().map(|file| file.name.clone()).collect();
        assert_eq!(names, ["marathon.deb", "mesos.deb"]);
    }

    #[tokio::test]
    async fn a_packager_that_fails_is_quoted() {
        let error = Material::load(&Packages::StandIn, Some(Path::new("/bin/false"))).await.unwrap_err();
        assert!(error.to_string().contains("/bin/false"), "{error}");
    }
}
