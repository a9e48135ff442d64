//! From text to [`Spec`]: every rule of the file in one pass, every breach in one report.

use std::{net::Ipv4Addr, ops::Range, path::Path, str::FromStr};

use ipnet::Ipv4Net;
use toml::de::DeTable;

use super::{
    Access, Bootstrap, BuildAccess, Cloud, Cluster, Credentials, Image, Network, Spec,
    addresses::{self, Misplaced, Places},
    files, names, packages,
    place::Place,
    ports::{self, Owner},
    problem::{Error, Problem, Warning},
    section::{Findings, Located, Section},
    source::Source,
};

/// ZooKeeper's server ids are 1 to 255, and a master is a ZooKeeper server.
const MOST_MASTERS: u32 = 255;

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
    root.finish(found);
    table.iter().for_each(|(_, value)| packages::refuse_dead_repository(value, found));
    // `packages` itself may have been refused for the same reason already.
    found.problems.dedup_by(|one, other| one == other);
    Some(Spec { cloud: cloud?, access: access?, network: network.value, image, cluster })
}

fn read_cloud(mut cloud: Section<'_>, found: &mut Findings, place: &Place) -> Option<Cloud> {
    let api_url = cloud.text(found, "api_url");
    if let Some(url) = &api_url {
        check_api_url(url, found);
    }
    let credentials = read_credentials(&mut cloud, found, place);
    let ca_file = cloud.text(found, "ca_file").map(|file| place.resolve(&file.value));
    let verify_tls = cloud.boolean_or(found, "verify_tls", true);
    if !verify_tls {
        let span = found.places.get("cloud.verify_tls").cloned().unwrap_or(cloud.span());
        found.warn(
            span,
            "the server's certificate is not checked: whoever is in between can read the keys' effect",
        );
    }
    let zone = cloud.text(found, "zone");
    if zone.is_none() && !found.places.contains_key("cloud.zone") {
        let problem = Problem::new(cloud.span(), "the file names no zone");
        found.refuse(problem.help("zone = \"…\" in [cloud]; `mesostack zone up` makes one called devcloud"));
    }
    for key in ["api_key", "secret_key"] {
        if let Some(value) = cloud.value(found, key) {
            let problem = Problem::new(value.span(), format!("`{key}` does not belong in this file"));
            found.refuse(problem.label("a secret").help(
                "keys are named, never written: CLOUDSTACK_API_KEY and CLOUDSTACK_SECRET_KEY, profile, ini or command",
            ));
        }
    }
    cloud.finish(found);
    let api_url = api_url.map(|url| url.value);
    Some(Cloud { api_url, credentials, ca_file, verify_tls, zone: zone?.value })
}

fn check_api_url(url: &Located<String>, found: &mut Findings) {
    let complaint = match url::Url::parse(&url.value) {
        Err(error) => format!("this is not an address: {error}"),
        Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => {
            "the API's address begins with https:// or http://".to_owned()
        }
        Ok(parsed)
            if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some() =>
        {
            "the API's address holds no user, password or query".to_owned()
        }
        Ok(_) => return,
    };
    found.refuse(
        Problem::new(url.span.clone(), complaint).help("such as https://cloud.example.org/client/api"),
    );
}

fn read_credentials(cloud: &mut Section<'_>, found: &mut Findings, place: &Place) -> Credentials {
    let profile = cloud.text(found, "profile");
    let command = cloud.texts(found, "command");
    let has_ini = cloud.value(found, "ini").is_some();
    let ini = has_ini.then(|| {
        let mut ini = cloud.section(found, "ini");
        let file = ini.text(found, "file");
        let section = ini.text_or(found, "section", "cloudstack").value;
        if file.is_none() {
            found.refuse(Problem::new(ini.span(), "`cloud.ini` names no `file`"));
        }
        ini.finish(found);
        (file.map(|file| place.resolve(&file.value)).unwrap_or_default(), section)
    });
    let ways = [
        profile.as_ref().map(|profile| profile.span.clone()),
        command.as_ref().map(|command| command.span.clone()),
        has_ini.then(|| found.places.get("cloud.ini").cloned().unwrap_or_default()),
    ];
    if let Some(second) = ways.into_iter().flatten().nth(1) {
        let problem = Problem::new(second, "the keys come from one place: profile, ini or command");
        found.refuse(problem.label("the second place"));
    }
    match (profile, ini, command) {
        (Some(profile), ..) => Credentials::Profile(profile.value),
        (_, Some((file, section)), _) => Credentials::Ini { file, section },
        (.., Some(command)) => {
            if command.value.is_empty() {
                found.refuse(Problem::new(command.span, "`cloud.command` names no program"));
            }
            Credentials::Command(command.value.into_iter().map(|part| part.value).collect())
        }
        (None, None, None) => Credentials::Ambient,
    }
}

/// Where the first forwards are, and where the file says so.
struct FirstPorts {
    master: Located<u32>,
    agent: Located<u32>,
}

fn read_access(mut access: Section<'_>, found: &mut Findings, place: &Place) -> (Option<Access>, FirstPorts) {
    let key_pair = access.text_or(found, "key_pair", "mesostack").value;
    let private_key = place.resolve(&access.text_or(found, "private_key", "~/.ssh/mesostack").value);
    let user = read_login(&mut access, found, "debian");
    let allow = read_allow(&mut access, found);
    let bootstraps = [("ssh", Bootstrap::Ssh), ("user-data", Bootstrap::UserData)];
    let bootstrap = choice(&mut access, found, "bootstrap", bootstraps);
    let master = access.number_or(found, "first_master_port", 1..=65535, 1222);
    let agent = access.number_or(found, "first_agent_port", 1..=65535, 2222);
    access.finish(found);
    let port = |port: &Located<u32>| u16::try_from(port.value).unwrap_or(u16::MAX);
    let (first_master_port, first_agent_port) = (port(&master), port(&agent));
    let access = allow.map(|allow| Access {
        key_pair,
        private_key,
        user,
        allow,
        bootstrap,
        first_master_port,
        first_agent_port,
    });
    (access, FirstPorts { master, agent })
}

fn read_login(section: &mut Section<'_>, found: &mut Findings, default: &str) -> String {
    // A default is not judged: where it was written, it has been.
    let Some(user) = section.text(found, "user") else { return default.to_owned() };
    if let Err(complaint) = names::login(&user.value) {
        found.refuse(Problem::new(user.span, complaint));
    }
    user.value
}

fn read_allow(access: &mut Section<'_>, found: &mut Findings) -> Option<Vec<Ipv4Net>> {
    const HELP: &str = "the networks operators come from, such as allow = [\"203.0.113.0/24\"]; to open the cluster \
                        to the world, write allow = [\"0.0.0.0/0\"]";
    let Some(entries) = access.texts(found, "allow") else {
        if !found.places.contains_key("access.allow") {
            let problem =
                Problem::new(access.span(), "`access.allow` has to be given: nothing is opened unasked");
            found.refuse(problem.help(HELP));
        }
        return None;
    };
    if entries.value.is_empty() {
        let problem = Problem::new(entries.span, "`access.allow` is empty: nobody could reach the cluster");
        found.refuse(problem.help(HELP));
        return None;
    }
    let mut allow = Vec::new();
    for entry in entries.value {
        match read_source(&entry.value) {
            Ok(range) => {
                if range.prefix_len() == 0 {
                    found.warn(entry.span, "SSH and both user interfaces are open to the whole world");
                }
                if !allow.contains(&range) {
                    allow.push(range);
                }
            }
            Err(complaint) => found.refuse(Problem::new(entry.span, complaint)),
        }
    }
    Some(allow)
}

/// A range, or one address without a prefix.
fn read_source(text: &str) -> Result<Ipv4Net, String> {
    if let Ok(address) = Ipv4Addr::from_str(text) {
        return Ok(Ipv4Net::from(address));
    }
    let range = Ipv4Net::from_str(text).map_err(|_| format!("`{text}` is not an IPv4 address or range"))?;
    if range.trunc() != range {
        return Err(format!("{range} has bits set beyond its prefix; {} is the range", range.trunc()));
    }
    Ok(range)
}

fn read_network(mut network: Section<'_>, found: &mut Findings) -> Located<Network> {
    let default = Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 24);
    let name = network.text_or(found, "name", "subnet01").value;
    let written = network.text_or(found, "range", &default.to_string());
    let range = match Ipv4Net::from_str(&written.value) {
        Ok(range) => {
            if let Err(complaint) = addresses::check_range(range) {
                found.refuse(Problem::new(written.span.clone(), complaint.to_string()));
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
        let problem = Problem::new(image.span(), "`image.access = \"guest\"` needs `image.network`");
        found.refuse(problem.help("the guest address is reached from a machine in that same network only"));
    }
    let user = read_login(&mut image, found, access.map_or("debian", |access| &access.user));
    let packages = packages::read(&mut image, found, place);
    image.finish(found);
    let network = network.map(|network| network.value);
    Image { name, base, offering, access: build_access, network, user, packages }
}

/// One of a few words; the first is the default.
fn choice<T: Copy, const N: usize>(
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

/// The nodes of one role, and where the file says so.
struct Group {
    count: Located<u32>,
    first: Located<u32>,
    first_port: Located<u32>,
}

impl Group {
    fn places(&self) -> Places {
        Places { first: self.first.value, count: self.count.value }
    }
}

fn read_cluster(
    mut cluster: Section<'_>,
    found: &mut Findings,
    network: &Located<Network>,
    ports: &FirstPorts,
) -> Cluster {
    let name = cluster.text_or(found, "name", "mesos");
    let master_offering = cluster.text_or(found, "master_offering", "t1.medium").value;
    let agent_offering = cluster.text_or(found, "agent_offering", "t1.medium").value;
    let masters = Group {
        count: cluster.number_or(found, "masters", 0..=MOST_MASTERS, 3),
        first: cluster.number_or(found, "first_master", 0..=65535, 20),
        first_port: ports.master.clone(),
    };
    let agents = Group {
        count: cluster.number_or(found, "agents", 0..=65535, 3),
        first: cluster.number_or(found, "first_agent", 0..=65535, 100),
        first_port: ports.agent.clone(),
    };
    cluster.finish(found);
    check_names(&name, &masters, &agents, found);
    check_quorum(&masters.count, found);
    check_places(&network.value, &network.span, &masters, &agents, found);
    check_ports(&masters, &agents, found);
    let count = |count: &Located<u32>| u16::try_from(count.value).unwrap_or(u16::MAX);
    Cluster {
        name: name.value,
        masters: count(&masters.count),
        agents: count(&agents.count),
        master_offering,
        agent_offering,
        first_master: masters.first.value,
        first_agent: agents.first.value,
    }
}

fn check_names(name: &Located<String>, masters: &Group, agents: &Group, found: &mut Findings) {
    if let Err(complaint) = names::host_label(&name.value) {
        let problem = Problem::new(name.span.clone(), complaint);
        found.refuse(problem.help("nodes are called after the cluster, such as mesos-master-1"));
        return;
    }
    let longest = [("master", masters.count.value), ("agent", agents.count.value)]
        .map(|(role, count)| format!("{}-{role}-{}", name.value, count.max(1)))
        .into_iter()
        .max_by_key(String::len)
        .unwrap_or_default();
    if longest.len() > names::LONGEST_HOST_NAME {
        let over = longest.len() - names::LONGEST_HOST_NAME;
        let message = format!("`{longest}` would be {over} characters longer than a host name may be");
        found.refuse(Problem::new(name.span.clone(), message).help("give the cluster a shorter name"));
    }
}

fn check_quorum(masters: &Located<u32>, found: &mut Findings) {
    match masters.value {
        0 => {
            let problem = Problem::new(masters.span.clone(), "a cluster needs at least one master");
            found.refuse(problem.help("3 masters survive the loss of one"));
        }
        1 => found.warn(masters.span.clone(), "one master: the cluster does not survive its loss"),
        even if even % 2 == 0 => {
            let survives = (even - 1) / 2;
            let message = format!(
                "{even} masters survive the loss of {survives}, as {} do; the quorum is {}",
                even - 1,
                even / 2 + 1
            );
            found.warn(masters.span.clone(), message);
        }
        _ => {}
    }
}

fn check_places(
    network: &Network,
    span: &Range<usize>,
    masters: &Group,
    agents: &Group,
    found: &mut Findings,
) {
    if addresses::check_range(network.range).is_err() {
        // Told already; places within it would only repeat it.
        return;
    }
    for (group, role) in [(masters, "master"), (agents, "agent")] {
        let first = group.first.value;
        match addresses::check_places(network.range, group.places()) {
            Ok(()) => {}
            Err(Misplaced::Reserved) => {
                let message = format!(
                    "`cluster.first_{role}` is 2 or more: places 0 and 1 are the network's and the router's"
                );
                found.refuse(Problem::new(group.first.span.clone(), message));
            }
            Err(Misplaced::Room(room)) => {
                let count = group.count.value;
                let message = format!(
                    "{} has room for {room} {role}s from place {first} on, not {count}",
                    network.range
                );
                found.refuse(Problem::new(span.clone(), message).label("too small").help(format!(
                    "a wider `network.range` (/{} at the widest), a lower `cluster.first_{role}`, or fewer {role}s",
                    addresses::SHORTEST_PREFIX
                )));
            }
        }
    }
    if let Some(place) = addresses::shared_place(masters.places(), agents.places()) {
        let master = place - u64::from(masters.first.value) + 1;
        let agent = place - u64::from(agents.first.value) + 1;
        let message = format!(
            "master {master} and agent {agent} would share an address, at place {place} of the range"
        );
        let problem = Problem::new(agents.first.span.clone(), message);
        found.refuse(problem.help("move `cluster.first_master` or `cluster.first_agent`"));
    }
}

fn check_ports(masters: &Group, agents: &Group, found: &mut Findings) {
    let block = |group: &Group| (group.first_port.value, group.count.value);
    for clash in ports::clashes(block(masters), block(agents)) {
        let (group, role) = match clash.mover() {
            Owner::Agent(_) => (agents, "agent"),
            _ => (masters, "master"),
        };
        let problem = Problem::new(group.first_port.span.clone(), clash.to_string());
        found.refuse(problem.help(format!("another `access.first_{role}_port`, or fewer {role}s")));
    }
}
