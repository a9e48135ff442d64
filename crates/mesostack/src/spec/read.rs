//! From text to [`Spec`]: every rule of the file in one pass, every breach in one report.

use std::{net::Ipv4Addr, path::Path, str::FromStr};

use ipnet::Ipv4Net;
use toml::de::DeTable;

use super::{
    Access, BuildAccess, Image, Network, Spec,
    access::read_access,
    addresses,
    cloud::read_cloud,
    cluster::read_cluster,
    files, names,
    pace::{read_deadlines, read_parallel},
    packages,
    place::Place,
    problem::{Error, Problem, Warning},
    section::{Findings, Located, Section},
    source::Source,
};

/// A specification with the file it was read from.
#[derive(Clone, Debug)]
pub struct Document {
    /// What the file says.
    pub spec: Spec,
    /// What a reader should know of it.
    pub warnings: Vec<Warning>,
    /// The file as it was written, for problems found later.
    pub source: Source,
}

impl Document {
    /// Reads a file, and checks what it names on this machine too.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong: all of it in one report.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let base = path.parent().map(Path::to_owned).unwrap_or_default();
        let base = std::path::absolute(if base.as_os_str().is_empty() { Path::new(".") } else { &base })
            .map_err(unreadable)?;
        let document = Self::parse(&text, &path.display().to_string(), &base)?;
        let problems = files::check(&document.spec, &document.source);
        if problems.is_empty() { Ok(document) } else { Err(document.source.refuse(problems)) }
    }

    /// Parses text; `name` is what the file is called in reports, `base` is where relative paths start.
    ///
    /// # Errors
    /// Something in the text is wrong: all of it in one report.
    pub fn parse(text: &str, name: &str, base: &Path) -> Result<Self, Error> {
        let place = Place { base: base.to_owned(), home: std::env::home_dir() };
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problems = errors
                .into_iter()
                .map(|error| {
                    let span = error.span().unwrap_or(0..0);
                    Problem::new(span, format!("this is not TOML: {}", error.message()))
                })
                .collect();
            return Err(Source::new(name, text, Default::default()).refuse(problems));
        }
        let mut found = Findings::default();
        let spec = read_spec(table.get_ref(), &mut found, &place);
        let source = Source::new(name, text, found.places);
        match spec {
            Some(spec) if found.problems.is_empty() => {
                let warnings = found.warnings.into_iter().map(|(span, message)| Warning {
                    message,
                    place: (name.to_owned(), source.line(span.start)),
                });
                Ok(Self { spec, warnings: warnings.collect(), source })
            }
            _ => Err(source.refuse(found.problems)),
        }
    }
}

impl Spec {
    /// Reads a file; what [`Document::read`] does, without the file's text.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong: all of it in one report.
    pub fn read(path: &Path) -> Result<(Self, Vec<Warning>), Error> {
        Document::read(path).map(|document| (document.spec, document.warnings))
    }

    /// Parses text; what [`Document::parse`] does, without the text's places.
    ///
    /// # Errors
    /// Something in the text is wrong: all of it in one report.
    pub fn parse(text: &str, name: &str, base: &Path) -> Result<(Self, Vec<Warning>), Error> {
        Document::parse(text, name, base).map(|document| (document.spec, document.warnings))
    }
}

/// `None` only together with a problem.
fn read_spec(table: &DeTable<'_>, found: &mut Findings, place: &Place) -> Option<Spec> {
    let mut root = Section::root(table);
    let cloud = read_cloud(root.section(found, "cloud"), found, place);
    let (access, ports) = read_access(root.section(found, "access"), found, place);
    let network = read_network(root.section(found, "network"), found);
    let image = read_image(root.section(found, "image"), found, place, access.as_ref());
    let cluster = read_cluster(root.section(found, "cluster"), found, &network, &ports);
    let deadlines = read_deadlines(root.section(found, "deadlines"), found);
    let parallel = read_parallel(root.section(found, "parallel"), found);
    root.finish(found);
    table.iter().for_each(|(_, value)| packages::refuse_dead_repository(value, found));
    // `packages` itself may have been refused for the same reason already.
    found.problems.dedup_by(|one, other| one == other);
    let network = network.value;
    Some(Spec { cloud: cloud?, access: access?, network, image, cluster, deadlines, parallel })
}

pub(super) fn read_login(section: &mut Section<'_>, found: &mut Findings, default: &str) -> String {
    // A default is not judged: where it was written, it has been.
    let Some(user) = section.text(found, "user") else { return default.to_owned() };
    if let Err(complaint) = names::login(&user.value) {
        found.refuse(Problem::new(user.span, complaint));
    }
    user.value
}

fn read_network(mut network: Section<'_>, found: &mut Findings) -> Located<Network> {
    let default = Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 24);
    let name = network.text_or(found, "name", "subnet01").value;
    let written = network.text_or(found, "range", &default.to_string());
    let range = match Ipv4Net::from_str(&written.value) {
        Ok(range) => {
            match addresses::check_range(range) {
                Ok(()) => {
                    let warning = addresses::warning(range);
                    warning.into_iter().for_each(|warning| found.warn(written.span.clone(), warning));
                }
                Err(complaint) => {
                    found.refuse(Problem::new(written.span.clone(), complaint.to_string()));
                }
            }
            range
        }
        Err(_) => {
            let message = format!("`{}` is not an IPv4 range", written.value);
            found.refuse(Problem::new(written.span.clone(), message).help(format!("such as \"{default}\"")));
            default
        }
    };
    let offering =
        network.text_or(found, "offering", "DefaultIsolatedNetworkOfferingWithSourceNatService").value;
    network.finish(found);
    written.map(|_| Network { name, range, offering })
}

fn read_image(mut image: Section<'_>, found: &mut Findings, place: &Place, access: Option<&Access>) -> Image {
    let name = image.text_or(found, "name", "mesos").value;
    let base = image.text_or(found, "base", "Debian 12").value;
    let offering = image.text_or(found, "offering", "t1.medium").value;
    let ways =
        [("forward", BuildAccess::Forward), ("guest", BuildAccess::Guest), ("none", BuildAccess::None)];
    let build_access = choice(&mut image, found, "access", ways);
    let network = image.text(found, "network");
    if build_access == BuildAccess::Guest && network.is_none() {
        let at = found.first_written(&["image.access"]).unwrap_or_else(|| image.span());
        let problem = Problem::new(at, "`image.access = \"guest\"` needs `image.network`");
        found.refuse(problem.help("the guest address is reached from a machine in that same network only"));
    }
    let user = read_login(&mut image, found, access.map_or("debian", |access| &access.user));
    let packages = packages::read(&mut image, found, place);
    image.finish(found);
    let network = network.map(|network| network.value);
    Image { name, base, offering, access: build_access, network, user, packages }
}

/// One of a few words; the first is the default.
pub(super) fn choice<T: Copy, const N: usize>(
    section: &mut Section<'_>,
    found: &mut Findings,
    key: &'static str,
    choices: [(&'static str, T); N],
) -> T {
    let Some(word) = section.text(found, key) else { return choices[0].1 };
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word.value) {
        return *choice;
    }
    let names = choices.map(|(name, _)| format!("\"{name}\"")).join(", ");
    let message = format!("`{}` is one of {names}", section.path_of(key));
    found.refuse(Problem::new(word.span, message));
    choices[0].1
}
