//! What can go wrong with images.

use std::{io, path::PathBuf, time::Duration};

use crate::cluster::Obstacle;

/// The outcome of anything in this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image could not be built, checked, listed or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A local file of the recipe cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },

    /// A local file that should be a package is none.
    #[error("{} is not a Debian package", path.display())]
    NotAPackage { path: PathBuf },

    /// The stand-ins are asked for, but what makes their packages is not there.
    #[error(
        "packages = \"standin\" needs the program mesostack-standin{}; build it with `make build`, or name it with {variable}",
        looked_at.as_ref().map(|path| format!(" (looked for {})", path.display())).unwrap_or_default(),
        variable = super::recipe::STANDIN_VARIABLE,
    )]
    NoPackager { looked_at: Option<PathBuf> },

    /// The stand-ins' packager failed.
    #[error("{} packages failed: {reason}", program.display())]
    Packager { program: PathBuf, reason: String },

    /// What the file says cannot be built; every problem at once, each with the key it is about.
    #[error("the image cannot be built as described:\n{}", list(&obstacles.iter().map(in_a_line).collect::<Vec<_>>()))]
    Obstacles { obstacles: Vec<Obstacle> },

    /// The cloud or the machine answered what nothing can be built on.
    #[error("the image cannot be built:\n{}", list(problems))]
    Invalid { problems: Vec<String> },

    /// The cloud refused or failed a call.
    #[error("{doing}: {source}")]
    Cloud { doing: String, source: Box<cloudstack::Error> },

    /// The build machine could not be reached or failed at the transport.
    #[error("{doing}: {source}")]
    Machine { doing: String, source: Box<dyn std::error::Error + Send + Sync> },

    /// A step of the recipe failed inside the machine.
    #[error("step \"{step}\" failed in the machine ({status}): {said}")]
    Step { step: String, status: String, said: String },

    /// The machine printed no manifest.
    #[error("the machine's manifest cannot be read: {source}")]
    Manifest { source: serde_json::Error },

    /// A wait came to its deadline.
    #[error("{waiting_for} took longer than {} s", limit.as_secs())]
    Deadline { waiting_for: String, limit: Duration },

    /// Ctrl-C, or whatever cancels for the caller.
    #[error("cancelled while {doing}")]
    Cancelled { doing: String },

    /// Something that a build made could not be removed.
    #[error(
        "build {build} could not be cleaned up{}: {reason}; `mesostack image gc` tries again",
        if things.is_empty() { String::new() } else { format!(" ({} is still there)", things.join(", ")) }
    )]
    LeftBehind { build: String, things: Vec<String>, reason: String },

    /// A machine still uses the image.
    #[error("image {image} is in use by {}; destroy them first", machines.join(", "))]
    InUse { image: String, machines: Vec<String> },

    /// No such image.
    #[error("there is no image {image} built by mesostack in zone {zone}; `mesostack image list` shows all")]
    NoSuchImage { image: String, zone: String },

    /// A name that several images have, where one is meant.
    #[error("{} images are called {image}: give the id of one ({})", ids.len(), ids.join(", "))]
    Ambiguous { image: String, ids: Vec<String> },
}

fn list(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n")
}

fn in_a_line(obstacle: &Obstacle) -> String {
    let help = obstacle.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{}: {}{help}", obstacle.path, obstacle.message)
}
