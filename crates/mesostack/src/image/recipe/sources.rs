//! How packages come into the machine: which are installed by name, which are fetched, and what has to be true of a source
//! before it is used.

use std::collections::BTreeSet;

use super::{
    WORKSHOP,
    material::{Key, LocalFile, Material, Source},
    quote::quote,
};

/// What ClusterD's package needs and does not declare, and what runs Marathon's container image.
const CLUSTERD_NEEDS: &[&str] =
    &["curl", "gnupg", "libsasl2-2", "libsasl2-modules", "libsvn1", "libunwind8", "podman", "zlib1g"];

/// What every image has from its distribution, and what fetching the rest takes. `zookeeper`, not `zookeeperd`: the
/// latter is only an init script that starts the daemon at once.
pub(super) fn base_packages(material: &Material) -> BTreeSet<String> {
    let mut names: BTreeSet<&str> =
        ["ca-certificates", "default-jre-headless", "haproxy", "zookeeper"].into_iter().collect();
    for source in &material.sources {
        match source {
            Source::ClusterD { .. } => names.extend(CLUSTERD_NEEDS),
            Source::Local(_) => {}
            Source::Url { .. } => names.extend(["curl"]),
            Source::Apt { .. } => names.extend(["curl", "gnupg"]),
        }
    }
    names.into_iter().map(quote).collect()
}

pub(super) fn cluster_packages(material: &Material) -> Vec<String> {
    let mut words = Vec::new();
    for (at, source) in material.sources.iter().enumerate() {
        match source {
            Source::ClusterD { .. } => words.push(quote("aventer-mesos")),
            Source::Local(file) => words.push(quote(&uploaded(file))),
            Source::Url { .. } => words.push(quote(&fetched(at))),
            Source::Apt { install, .. } => words.extend(install.iter().map(|name| quote(name))),
        }
    }
    words
}

pub(super) fn install<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let words: Vec<&str> = words.into_iter().map(String::as_str).collect();
    format!("apt-get -q install -- {}\n", words.join(" "))
}

pub(super) fn add_sources(material: &Material) -> String {
    let mut text = String::new();
    for (at, source) in material.sources.iter().enumerate() {
        match source {
            Source::ClusterD { .. } => text.push_str(include_str!("scripts/clusterd_source.sh")),
            Source::Local(_) => {}
            Source::Url { url, sha256 } => {
                let (url, file, sum) = (quote(url), quote(&fetched(at)), quote(sha256));
                text.push_str(&format!("fetch {url} {file}\nexpect_sum {sum} {file}\n"));
            }
            Source::Apt { source, key, fingerprint, .. } => {
                let name = format!("mesostack-source-{at}");
                let file = match key {
                    Key::Url(url) => {
                        let file = format!("{WORKSHOP}/{name}.key");
                        text.push_str(&format!("fetch {} {}\n", quote(url), quote(&file)));
                        file
                    }
                    Key::Local(file) => uploaded(file),
                };
                let (kind, rest) = source.split_once(char::is_whitespace).unwrap_or(("deb", source));
                let line = format!("{kind} [signed-by=/etc/apt/keyrings/{name}.gpg] {}", rest.trim_start());
                text.push_str(&format!(
                    "trust {name} {} {}\nprintf '%s\\n' {} >/etc/apt/sources.list.d/{name}.list\n",
                    quote(&file),
                    quote(fingerprint),
                    quote(&line),
                ));
            }
        }
    }
    text
}

/// Where a file of the builder's machine lies; its sum keeps files of one name apart.
pub(super) fn uploaded(file: &LocalFile) -> String {
    format!("{WORKSHOP}/{}/{}", &file.sha256[..12], file.name)
}

fn fetched(at: usize) -> String {
    format!("{WORKSHOP}/fetched-{at}.deb")
}
