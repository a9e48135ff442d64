//! How this host reaches Debian's packages, as far as a guest has to know it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// The suite of the base template.
pub(super) const SUITE: &str = "bookworm";

/// Where the host's administrator puts certificate authorities.
const LOCAL_AUTHORITIES: &str = "/usr/local/share/ca-certificates";

/// Mirrors, settings and authorities for packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct HostPackages {
    /// Lines for sources.list.
    pub(super) sources: Vec<String>,
    /// Settings for apt.conf.
    pub(super) settings: Vec<String>,
    /// Lines for /etc/environment: proxies.
    pub(super) environment: Vec<String>,
    /// Certificate authorities by file name.
    pub(super) authorities: Vec<(String, String)>,
}

impl HostPackages {
    /// What this host uses. On another distribution or suite, Debian's own mirrors.
    pub(super) fn find() -> Self {
        let targets = output("apt-get", &["indextargets", "--format", TARGET_FORMAT, "Created-By: Packages"]);
        let dump = output("apt-config", &["dump"]);
        let environment: Vec<_> = std::env::vars().collect();
        Self {
            sources: sources(&targets),
            settings: settings(&dump, &environment),
            environment: proxies(&environment).map(|(name, value)| format!("{name}={value}")).collect(),
            authorities: authorities(Path::new(LOCAL_AUTHORITIES)),
        }
    }
}

const TARGET_FORMAT: &str = "$(REPO_URI) $(RELEASE) $(COMPONENT)";

/// A program's answer; nothing if the host has no such program.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn sources(targets: &str) -> Vec<String> {
    let mut lines: Vec<String> = targets
        .lines()
        .filter_map(|line| {
            let [uri, release, component]: [&str; 3] =
                line.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
            let ours = release.starts_with(SUITE) && uri.starts_with("http");
            ours.then(|| format!("deb {uri} {release} {component}"))
        })
        .collect();
    lines.sort();
    lines.dedup();
    let main = format!(" {SUITE} main");
    if lines.iter().any(|line| line.ends_with(&main)) {
        return lines;
    }
    vec![
        format!("deb http://deb.debian.org/debian {SUITE} main"),
        format!("deb http://deb.debian.org/debian {SUITE}-updates main"),
        format!("deb http://deb.debian.org/debian-security {SUITE}-security main"),
    ]
}

/// The settings that say how to fetch, not what; and the environment's proxies, which apt obeys too.
fn settings(dump: &str, environment: &[(String, String)]) -> Vec<String> {
    const CARRIED: [&str; 6] = [
        "Acquire::http::",
        "Acquire::https::",
        "Acquire::Check-Valid-Until ",
        "Acquire::Check-Date ",
        "Acquire::Retries ",
        "Acquire::ForceIPv4 ",
    ];
    // What names a program or file of the host means nothing in a guest.
    let of_the_host = |line: &str| line.contains("Auto-Detect") || line.contains("\"/");
    let mut lines: Vec<String> = dump
        .lines()
        .filter(|line| CARRIED.iter().any(|key| line.starts_with(key)))
        .filter(|line| !of_the_host(line) && !on_loopback(line))
        .map(str::to_owned)
        .collect();
    for scheme in ["http", "https"] {
        let key = format!("Acquire::{scheme}::Proxy ");
        let named =
            proxies(environment).find(|(name, _)| name.eq_ignore_ascii_case(&format!("{scheme}_proxy")));
        if let Some((_, proxy)) = named.filter(|_| !lines.iter().any(|line| line.starts_with(&key))) {
            lines.push(format!("{key}\"{proxy}\";"));
        }
    }
    lines.sort();
    lines
}

/// Proxies in the environment that a guest can use too: one on the host's loopback it cannot reach.
fn proxies(environment: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    const NAMES: [&str; 3] = ["http_proxy", "https_proxy", "no_proxy"];
    let mut found: Vec<_> = environment
        .iter()
        .filter(|(name, value)| {
            NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) && !value.is_empty()
        })
        .filter(|(name, value)| name.eq_ignore_ascii_case("no_proxy") || !on_loopback(value))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    found.sort_unstable();
    found.into_iter()
}

fn on_loopback(text: &str) -> bool {
    ["//127.", "//localhost", "//[::1]"].iter().any(|loopback| text.contains(loopback))
}

fn authorities(directory: &Path) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let text = fs::read_to_string(entry.path()).ok()?;
            name.ends_with(".crt").then_some((name, text))
        })
        .collect();
    found.sort();
    found
}

/// Mirrors and proxies of this host that lie in private ranges, which guests could not reach otherwise: address and TCP
/// port. Asks the host's resolver; blocks.
pub fn reachable() -> Vec<(Ipv4Addr, u16)> {
    let packages = HostPackages::find();
    let texts = packages.sources.iter().chain(&packages.settings).chain(&packages.environment);
    let mut found: Vec<_> = texts
        .filter_map(|text| host_and_port(text))
        .filter_map(|target| target.to_socket_addrs().ok())
        .flatten()
        .filter_map(|address| match address.ip() {
            IpAddr::V4(ip) if ip.is_private() || ip.octets()[0] == 100 => Some((ip, address.port())),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Whom the first URL in a text leads to.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (before, after) = text.split_once("://")?;
    let usual = if before.ends_with("https") { 443 } else { 80 };
    let authority = after.split(['/', ' ', '"', ';']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => Some((authority.to_owned(), usual)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_mirror_is_taken_where_it_has_the_suite() {
        let targets = "http://mirror.example/debian/ bookworm main\nhttp://mirror.example/debian/ bookworm main\n\
                       https://other.example/ nodistro main\n";
        assert_eq!(sources(targets), ["deb http://mirror.example/debian/ bookworm main"]);
    }

    #[test]
    fn a_host_of_another_suite_falls_back_to_debians_mirrors() {
        let sources = sources("http://archive.ubuntu.com/ubuntu/ noble main\n");
        assert_eq!(
            sources.first().map(String::as_str),
            Some("deb http://deb.debian.org/debian bookworm main")
        );
        assert_eq!(sources.len(), 3);
    }

    #[test]
    fn settings_that_say_how_to_fetch_are_carried_and_programs_of_the_host_are_not() {
        let dump = "Acquire::http::Proxy \"http://10.0.0.5:3128\";\nAcquire::http::Proxy-Auto-Detect \"/usr/bin/x\";\n\
                    Acquire::https::Proxy \"http://127.0.0.1:9\";\nAcquire::Check-Date \"false\";\nDir \"/\";\n";
        assert_eq!(
            settings(dump, &[]),
            ["Acquire::Check-Date \"false\";", "Acquire::http::Proxy \"http://10.0.0.5:3128\";"]
        );
    }

    #[test]
    fn the_environments_proxy_reaches_apt() {
        let environment = [("HTTP_PROXY".to_owned(), "http://proxy.example:3128".to_owned())];
        assert_eq!(settings("", &environment), ["Acquire::http::Proxy \"http://proxy.example:3128\";"]);
    }

    #[test]
    fn whom_a_setting_leads_to_is_read_from_its_url() {
        for (text, host, port) in [
            ("deb http://a.example/debian x main", "a.example", 80),
            ("Acquire::http::Proxy \"http://10.0.0.5:3128\";", "10.0.0.5", 3128),
            ("https_proxy=https://user:word@b.example/", "b.example", 443),
        ] {
            assert_eq!(host_and_port(text), Some((host.to_owned(), port)), "{text}");
        }
    }
}
