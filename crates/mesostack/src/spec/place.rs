//! Where paths in a file start from.

use std::path::{Path, PathBuf};

/// The directory relative paths are relative to, and the one `~` stands for.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) base: PathBuf,
    pub(super) home: Option<PathBuf>,
}

impl Place {
    /// The path a text of the file means.
    pub(super) fn resolve(&self, text: &str) -> PathBuf {
        match (text.strip_prefix('~').map(|rest| rest.strip_prefix('/').unwrap_or(rest)), &self.home) {
            (Some(""), Some(home)) => home.clone(),
            (Some(rest), Some(home)) if text.starts_with("~/") => home.join(rest),
            _ => self.base.join(Path::new(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_and_the_tilde_is_home() {
        let place = Place { base: "/srv/mesos".into(), home: Some("/home/ada".into()) };
        for (text, path) in [
            ("ca.pem", "/srv/mesos/ca.pem"),
            ("/etc/ca.pem", "/etc/ca.pem"),
            ("~/.ssh/mesostack", "/home/ada/.ssh/mesostack"),
            ("~", "/home/ada"),
            ("~bob/key", "/srv/mesos/~bob/key"),
        ] {
            assert_eq!(place.resolve(text), PathBuf::from(path), "{text}");
        }
    }
}
