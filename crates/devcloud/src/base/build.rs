//! Builds the base template with mmdebstrap, whole or not at all, and hands it to a zone as a layer.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::host_packages::SUITE;
use super::recipe::{PACKAGES, Recipe};
use crate::driver::LayerId;

/// A whole build on a slow line, in seconds.
const DEADLINE_SECONDS: &str = "1800";

/// Debian's own keys, for hosts that are not Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Why there is no base template.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// mmdebstrap could not be started.
    #[error("could not run {program}: {source}; install the package {program}")]
    Start {
        /// The program.
        program: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A step failed.
    #[error("could not {what}: {output}")]
    Step {
        /// What was tried.
        what: &'static str,
        /// What it said last.
        output: String,
    },
    /// A file or directory could not be handled.
    #[error("could not {action} {}: {source}", path.display())]
    Path {
        /// What was tried, as a verb.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, BaseError>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, BaseError> {
        self.map_err(|source| BaseError::Path { action, path: path.to_owned(), source })
    }
}

/// The size of a base template's layer that is there, in bytes.
pub(super) fn size_of(layer: &Path) -> Option<u64> {
    layer.is_dir().then(|| crate::machines::tree_size(layer).ok()).flatten()
}

/// Puts the base template into `layers` under its name, building it first where the cache does not have it; its size in
/// bytes.
pub(super) fn layer(
    recipe: &Recipe,
    cache: &Path,
    layer: &LayerId,
    layers: &Path,
    progress: &dyn Fn(&str),
) -> Result<u64, BaseError> {
    let there = layers.join(&layer.0);
    if let Some(bytes) = size_of(&there) {
        return Ok(bytes);
    }
    for path in [cache, layers] {
        fs::create_dir_all(path).at("make", path)?;
    }
    // One build at a time on this host; the second finds the result of the first.
    let lock_path = cache.join("base.lock");
    let lock = File::create(&lock_path).at("make", &lock_path)?;
    lock.lock().at("lock", &lock_path)?;
    let cached = cache.join(&layer.0);
    if !cached.is_dir() {
        build(recipe, &cached, progress)?;
    }
    drop(lock);
    progress("taking the base template into the zone");
    take(&cached, &there)?;
    size_of(&there).ok_or_else(|| BaseError::Step {
        what: "look at the base template",
        output: format!("{} is not a readable directory", there.display()),
    })
}

fn build(recipe: &Recipe, result: &Path, progress: &dyn Fn(&str)) -> Result<(), BaseError> {
    let building = result.with_extension("building");
    remove(&building)?;
    progress("building the base template (Debian 12) with mmdebstrap; this is done once");
    let outcome = bootstrap(recipe, &building, progress).and_then(|()| finish(recipe, &building));
    if let Err(error) = outcome {
        // What is left is removed by the next build at the latest.
        if let Err(error) = remove(&building) {
            tracing::warn!(%error, "a failed base template is left behind");
        }
        return Err(error);
    }
    File::open(&building).and_then(|tree| Ok(rustix::fs::syncfs(&tree)?)).at("sync", &building)?;
    fs::rename(&building, result).at("name", result)
}

fn bootstrap(recipe: &Recipe, tree: &Path, progress: &dyn Fn(&str)) -> Result<(), BaseError> {
    let mut command = Command::new("timeout");
    command
        .args(["--foreground", "--kill-after=10", DEADLINE_SECONDS, "mmdebstrap"])
        .args(["--mode=root", "--format=directory", "--variant=minbase", "--dpkgopt=force-unsafe-io"])
        .arg("--aptopt=Acquire::Languages \"none\"")
        .args(
            recipe
                .packages
                .settings
                .iter()
                .map(|setting| format!("--aptopt={}", setting.trim_end_matches(';'))),
        )
        .arg(format!("--include={}", PACKAGES.join(",")));
    if Path::new(KEYRING).exists() {
        command.arg(format!("--keyring={KEYRING}"));
    }
    command.arg(SUITE).arg(tree).args(&recipe.packages.sources);
    // mmdebstrap unpacks with the caller's mask.
    let mut child = command
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| BaseError::Start { program: "mmdebstrap", source })?;
    let mut last = Vec::new();
    if let Some(said) = child.stderr.take() {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            // "I: " are its own steps; the rest is progress bars and what programs say.
            if let Some(step) = line.strip_prefix("I: ") {
                progress(step);
            }
            last.push(line);
            if last.len() > 15 {
                last.remove(0);
            }
        }
    }
    let status = child.wait().map_err(|source| BaseError::Start { program: "mmdebstrap", source })?;
    if status.success() {
        return Ok(());
    }
    Err(BaseError::Step {
        what: "build the base template with mmdebstrap (does this host reach its Debian mirror?)",
        output: last.join("\n"),
    })
}

fn finish(recipe: &Recipe, tree: &Path) -> Result<(), BaseError> {
    for (path, text) in recipe.files() {
        let path = tree.join(path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).at("make", directory)?;
        }
        fs::write(&path, text).at("write", &path)?;
    }
    let output = Command::new("timeout")
        .args(["--kill-after=5", "120", "chroot"])
        .arg(tree)
        .args(["/bin/sh", "-c", &recipe.script()])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .map_err(|source| BaseError::Start { program: "chroot", source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(BaseError::Step {
        what: "finish the base template",
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Copies the cached tree by hard links where both are on one file system: a layer is never written to, and takes no
/// room twice.
fn take(cached: &Path, there: &Path) -> Result<(), BaseError> {
    let arriving = there.with_extension("arriving");
    remove(&arriving)?;
    let copy = |how: &str| {
        Command::new("cp")
            .args(["--archive", how, "--no-target-directory"])
            .args([cached, &arriving])
            .output()
            .map_err(|source| BaseError::Start { program: "cp", source })
    };
    let mut output = copy("--link")?;
    if !output.status.success() {
        remove(&arriving)?;
        output = copy("--reflink=auto")?;
    }
    if !output.status.success() {
        return Err(BaseError::Step {
            what: "take the base template into the zone",
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    fs::rename(&arriving, there).at("name", there)
}

fn remove(tree: &Path) -> Result<(), BaseError> {
    match fs::remove_dir_all(tree) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).at("remove", tree),
        _ => Ok(()),
    }
}
