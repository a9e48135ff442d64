//! Where Mesos and Marathon come from, read from `image.packages`.
//!
//! What is fetched from elsewhere is named with what it has to be (a SHA-256, a key's fingerprint): a source that can
//! change under us is refused here, not at build time. Marathon's container image alone may be named by a tag; whoever
//! builds with it is warned.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{
    ContainerImage, PackageSource, Packages,
    place::Place,
    problem::Problem,
    section::{Findings, Located, Section, wrong_type},
};

const SHAPE: &str =
    "\"clusterd\", \"standin\", { clusterd = { marathon = \"…@sha256:…\" } }, or { debs = [ … ] }";
const DEAD: &str =
    "the Mesosphere package repository is dead: repos.mesosphere.com and repos.mesosphere.io answer no more";
const LIVING: &str = "use packages = \"clusterd\" (the living Mesos distribution), packages = { debs = [ … ] } (your own \
                      .deb files or apt sources), or packages = \"standin\" (a rehearsal without the internet)";

/// Reads `packages`; ClusterD when it is absent.
pub(super) fn read(image: &mut Section<'_>, found: &mut Findings, place: &Place) -> Packages {
    let path = image.path_of("packages");
    let Some(value) = image.value(found, "packages") else { return Packages::clusterd() };
    match value.get_ref() {
        DeValue::String(name) => match name.as_ref() {
            "clusterd" => return Packages::clusterd(),
            "standin" => return Packages::StandIn,
            dead if dead.to_lowercase().contains("mesosphere") => {
                found.refuse(dead_repository(value.span()));
            }
            _ => found.refuse(Problem::new(value.span(), format!("`{path}` is {SHAPE}"))),
        },
        DeValue::Table(table) => {
            let mut section = Section::inline(path, value.span(), table);
            if table.contains_key("clusterd") {
                let clusterd = section.section(found, "clusterd");
                section.finish(found);
                return read_clusterd(clusterd, found);
            }
            let debs = section.value(found, "debs");
            let sources = debs.map(|debs| read_debs(debs, found, place)).unwrap_or_default();
            if debs.is_none() {
                found.refuse(
                    Problem::new(value.span(), "`image.packages` names neither `debs` nor `clusterd`")
                        .help(SHAPE),
                );
            }
            section.finish(found);
            return Packages::Debs(sources);
        }
        other => found.refuse(wrong_type(&path, value.span(), SHAPE, other)),
    }
    Packages::clusterd()
}

/// ClusterD, with the one thing about it that can be chosen.
fn read_clusterd(mut clusterd: Section<'_>, found: &mut Findings) -> Packages {
    let marathon = clusterd.text(found, "marathon");
    clusterd.finish(found);
    let marathon = marathon.and_then(|text| match ContainerImage::parse(&text.value) {
        Ok(image) => Some(image),
        Err(reason) => {
            let help = "docker.io/mesosphere/marathon@sha256:…, as an image's manifest has it";
            found.refuse(Problem::new(text.span, reason).help(help));
            None
        }
    });
    Packages::ClusterD { marathon: marathon.unwrap_or_else(ContainerImage::marathon) }
}

fn read_debs(debs: &Spanned<DeValue<'_>>, found: &mut Findings, place: &Place) -> Vec<PackageSource> {
    const PATH: &str = "image.packages.debs";
    let entries: &DeArray<'_> = match debs.get_ref() {
        DeValue::Array(entries) if !entries.is_empty() => entries,
        DeValue::Array(_) => {
            found.refuse(Problem::new(debs.span(), "`image.packages.debs` lists no package at all"));
            return Vec::new();
        }
        other => {
            found.refuse(wrong_type(PATH, debs.span(), "a list of packages and apt sources", other));
            return Vec::new();
        }
    };
    let mut sources = Vec::new();
    for entry in entries {
        match entry.get_ref() {
            DeValue::String(file) => sources.extend(read_file(file, entry.span(), found, place)),
            DeValue::Table(table) => {
                let section = Section::inline(PATH.to_owned(), entry.span(), table);
                sources.extend(read_remote(section, table, found, place));
            }
            other => found.refuse(wrong_type(PATH, entry.span(), "a file or a table", other)),
        }
    }
    sources
}

fn read_file(file: &str, span: Range<usize>, found: &mut Findings, place: &Place) -> Option<PackageSource> {
    if is_address(file) {
        let problem = Problem::new(span, "a package from elsewhere is named with the SHA-256 it has to have");
        found.refuse(problem.help(format!("{{ url = \"{file}\", sha256 = \"…\" }}")));
        return None;
    }
    if !file.ends_with(".deb") {
        found.refuse(Problem::new(span, "a package is a .deb file"));
        return None;
    }
    let path = place.resolve(file);
    found.places.insert(format!("image.packages.debs.{}", path.display()), span);
    Some(PackageSource::File(path))
}

fn read_remote(
    mut entry: Section<'_>,
    table: &DeTable<'_>,
    found: &mut Findings,
    place: &Place,
) -> Option<PackageSource> {
    let source = if table.contains_key("apt") {
        read_apt(&mut entry, found, place)
    } else if table.contains_key("url") {
        read_url(&mut entry, found)
    } else {
        let problem = Problem::new(entry.span(), "this entry says neither `url` nor `apt`");
        found.refuse(
            problem.help("a package is \"file.deb\", { url, sha256 } or { apt, key, fingerprint, install }"),
        );
        // Its other keys are judged when it is known what it is meant to be.
        return None;
    };
    entry.finish(found);
    source
}

fn read_url(entry: &mut Section<'_>, found: &mut Findings) -> Option<PackageSource> {
    let url = required(entry, found, "url");
    let sha256 = required(entry, found, "sha256");
    let (url, sha256) = (url?, sha256?);
    if !is_address(&url.value) {
        found.refuse(Problem::new(url.span.clone(), "`url` is an http:// or https:// address"));
    }
    let digest = sha256.value.to_ascii_lowercase();
    if !is_hexadecimal(&digest, &[64]) {
        let problem = Problem::new(sha256.span, "a SHA-256 has 64 hexadecimal digits");
        found.refuse(problem.label(format!("{} characters", sha256.value.chars().count())));
        return None;
    }
    is_address(&url.value).then_some(PackageSource::Url { url: url.value, sha256: digest })
}

fn read_apt(entry: &mut Section<'_>, found: &mut Findings, place: &Place) -> Option<PackageSource> {
    let source = required(entry, found, "apt");
    let key = required(entry, found, "key");
    let fingerprint = required(entry, found, "fingerprint");
    let install = entry.texts(found, "install");
    if install.as_ref().is_none_or(|install| install.value.is_empty()) {
        found.refuse(Problem::new(entry.span(), "`install` lists the packages to install from this source"));
    }
    let (source, key, fingerprint, install) = (source?, key?, fingerprint?, install?);

    let fields = source.value.split_whitespace().collect::<Vec<_>>();
    if fields.len() < 3 || fields[0] != "deb" || !is_address(fields[1]) {
        let problem = Problem::new(source.span.clone(), "an apt source is `deb ADDRESS SUITE COMPONENT…`");
        found.refuse(problem.help("write it without options: the key is named beside it"));
    }
    let pinned = fingerprint.value.split_whitespace().collect::<String>().to_ascii_uppercase();
    if !is_hexadecimal(&pinned, &[40, 64]) {
        let problem =
            Problem::new(fingerprint.span.clone(), "a key's fingerprint has 40 (or 64) hexadecimal digits");
        found.refuse(problem.help("gpg --show-keys --with-fingerprint FILE prints it"));
    }
    for package in &install.value {
        if !is_package(&package.value) {
            let message = format!("`{}` is no package's name", package.value);
            found.refuse(Problem::new(package.span.clone(), message));
        }
    }
    let key =
        if is_address(&key.value) { key.value } else { place.resolve(&key.value).display().to_string() };
    Some(PackageSource::Apt {
        source: source.value,
        key,
        fingerprint: pinned,
        install: install.value.into_iter().map(|package| package.value).collect(),
    })
}

fn required(entry: &mut Section<'_>, found: &mut Findings, key: &'static str) -> Option<Located<String>> {
    let text = entry.value(found, key).is_some().then(|| entry.text(found, key));
    text.unwrap_or_else(|| {
        found.refuse(Problem::new(entry.span(), format!("this entry lacks `{key}`")));
        None
    })
}

/// Notes every text of the file that names the dead repository, wherever it stands.
pub(super) fn refuse_dead_repository(value: &Spanned<DeValue<'_>>, found: &mut Findings) {
    match value.get_ref() {
        DeValue::String(text) if names_dead_repository(text) => found.refuse(dead_repository(value.span())),
        DeValue::Array(entries) => entries.iter().for_each(|entry| refuse_dead_repository(entry, found)),
        DeValue::Table(table) => table.iter().for_each(|(_, value)| refuse_dead_repository(value, found)),
        _ => {}
    }
}

fn names_dead_repository(text: &str) -> bool {
    let text = text.to_lowercase();
    ["mesosphere.com", "mesosphere.io", "repos.mesosphere"].iter().any(|host| text.contains(host))
}

fn dead_repository(span: Range<usize>) -> Problem {
    Problem::new(span, DEAD).label("dead").help(LIVING)
}

fn is_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty())
    })
}

fn is_hexadecimal(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A Debian package's name, perhaps with a version: `mesos`, `mesos=1.11.0-2`.
fn is_package(text: &str) -> bool {
    let (name, version) = text.split_once('=').unwrap_or((text, "0"));
    let name_character = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let version_character = |c: char| c.is_ascii_alphanumeric() || "+-.:~".contains(c);
    name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(name_character)
        && version.starts_with(|c: char| c.is_ascii_digit())
        && version.chars().all(version_character)
}
