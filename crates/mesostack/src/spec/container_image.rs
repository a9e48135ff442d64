//! A container image by its whole name, and pinned by its digest where the reader wants to be sure of it.

use std::fmt;

/// A container image, as podman is told of it: `docker.io/mesosphere/marathon:v1.11.24`, or with the digest it has to have
/// instead of a tag. The owner of a registry may lead a tag to something else at any time; a digest leads to one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerImage {
    name: String,
    /// A digest is all that counts where there is one: older versions of podman refuse both in one name.
    version: Version,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    Tag(String),
    Digest(String),
}

impl ContainerImage {
    /// Marathon's last release: the only form it can still be had in from its makers.
    pub fn marathon() -> Self {
        Self {
            name: "docker.io/mesosphere/marathon".to_owned(),
            version: Version::Tag("v1.11.24".to_owned()),
        }
    }

    /// Reads `registry/path:tag`, `registry/path@sha256:…` or both.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if !is_whole_name(name) {
            return Err(
                "a container image is named with its registry, such as docker.io/mesosphere/marathon",
            );
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err("a tag has letters, digits and `._-` only");
        }
        let version = match (digest, tag) {
            (Some(digest), _) => {
                let sum = digest.strip_prefix("sha256:").unwrap_or_default().to_ascii_lowercase();
                if sum.len() != 64 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err("a digest is `sha256:` and 64 hexadecimal digits");
                }
                Version::Digest(sum)
            }
            (None, Some(tag)) => Version::Tag(tag.to_owned()),
            (None, None) => return Err("a container image is named with its digest (or at least its tag)"),
        };
        Ok(Self { name: name.to_owned(), version })
    }

    /// Whether it is named by its digest, and so cannot become another.
    pub fn is_pinned(&self) -> bool {
        matches!(self.version, Version::Digest(_))
    }
}

impl fmt::Display for ContainerImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}:{tag}", self.name),
            Version::Digest(sum) => write!(f, "{}@sha256:{sum}", self.name),
        }
    }
}

/// `registry/path`: without the registry podman would ask, or search.
fn is_whole_name(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    let Some((registry, path)) = name.split_once('/') else { return false };
    let (host, port) = registry.split_once(':').unwrap_or((registry, "0"));
    let is_registry = host.contains('.') || host == "localhost" || registry.contains(':');
    is_registry && part(host) && port.parse::<u16>().is_ok() && path.split('/').all(part)
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUM: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_digest_is_kept_and_counts_more_than_a_tag() {
        let pinned =
            ContainerImage::parse(&format!("docker.io/mesosphere/marathon:v1.11.24@sha256:{SUM}")).unwrap();
        assert!(pinned.is_pinned());
        assert_eq!(pinned.to_string(), format!("docker.io/mesosphere/marathon@sha256:{SUM}"));
        let tagged = ContainerImage::parse("registry.example.org:5000/marathon:v1").unwrap();
        assert!(!tagged.is_pinned());
        assert_eq!(tagged.to_string(), "registry.example.org:5000/marathon:v1");
    }

    #[test]
    fn what_podman_would_have_to_guess_is_refused() {
        for text in [
            "marathon:v1",
            "mesosphere/marathon:v1",
            "docker.io/mesosphere/marathon",
            "docker.io/Mesosphere/marathon:v1",
            "docker.io/mesosphere/marathon@sha256:abc",
            "docker.io/mesosphere/marathon@md5:abc",
            "docker.io/mesosphere/marathon:v 1",
            "docker.io//marathon:v1",
            "docker.io/x:$(reboot)",
            "docker.io/x:%n",
        ] {
            assert!(ContainerImage::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            ContainerImage::parse(&ContainerImage::marathon().to_string()),
            Ok(ContainerImage::marathon())
        );
    }

    proptest! {
        /// It stands in a systemd unit and in scripts: nothing that means something there gets through.
        #[test]
        fn what_is_accepted_is_plain_and_read_back_the_same(text in "(docker\\.io|localhost|h:5000)/\\PC{0,12}(:\\PC{0,5})?(@sha256:[0-9a-f]{64})?") {
            if let Ok(image) = ContainerImage::parse(&text) {
                let written = image.to_string();
                prop_assert!(written.chars().all(|c| c.is_ascii_alphanumeric() || "./:@_-".contains(c)), "{}", written);
                prop_assert_eq!(ContainerImage::parse(&written), Ok(image));
            }
        }
    }
}
