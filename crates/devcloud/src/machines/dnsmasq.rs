//! Leases and names of a network's guests: dnsmasq in the router's namespace, as real CloudStack routers have it, and
//! one more on the host that asks the host's own resolvers.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::cgroup::{Group, Limits};
use super::error::{At, Result};
use super::files;
use super::firewall::GUESTS;
use super::process::Detached;
use crate::driver::{Guest, Network};

/// What dnsmasq reads once, and what it reads again when told to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Configuration {
    fixed: String,
    leases: String,
    hosts: String,
}

impl Configuration {
    fn of(network: &Network, directory: &Path, upstream: Ipv4Addr, mtu: u32) -> Self {
        let Network { gateway, domain, range, .. } = network;
        let directory = directory.display();
        let fixed = format!(
            "interface={GUESTS}\nexcept-interface=lo\nbind-interfaces\nno-resolv\nno-hosts\nno-ping\n\
             user=root\ngroup=root\nserver={upstream}\nlocal=/{domain}/\ndomain={domain}\n\
             host-record=data-server,data-server.{domain},{gateway}\n\
             addn-hosts={directory}/hosts\n\
             dhcp-authoritative\ndhcp-leasefile={directory}/leases\ndhcp-range={},static,{},infinite\n\
             dhcp-hostsfile={directory}/dhcp-hosts\n\
             dhcp-option=option:router,{gateway}\ndhcp-option=option:dns-server,{gateway}\n\
             dhcp-option=option:mtu,{mtu}\n",
            range.network(),
            range.netmask(),
        );
        let (mut leases, mut hosts) = (String::new(), String::new());
        for guest in &network.guests {
            let Guest { host_name, mac, address, .. } = guest.as_ref();
            // Writing to a string cannot fail.
            let _ = writeln!(leases, "{mac},{address},{host_name},infinite");
            let _ = writeln!(hosts, "{address} {host_name}.{domain} {host_name}");
        }
        Self { fixed, leases, hosts }
    }
}

/// What has to be done for dnsmasq to know a new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Reload,
    Restart,
}

/// A reload only adds: dnsmasq keeps the lease of a guest that is gone, and would refuse its address to the next.
fn step(told: Option<&Configuration>, wanted: &Configuration) -> Step {
    let Some(told) = told else { return Step::Restart };
    if told == wanted {
        return Step::Nothing;
    }
    let wanted_leases: BTreeSet<_> = wanted.leases.lines().collect();
    let kept = told.leases.lines().all(|lease| wanted_leases.contains(lease));
    if told.fixed == wanted.fixed && kept { Step::Reload } else { Step::Restart }
}

/// Makes the router's dnsmasq run and know the network's guests.
pub(crate) fn serve(
    network: &Network,
    directory: &Path,
    namespace: &str,
    group: &Group,
    upstream: Ipv4Addr,
    mtu: u32,
) -> Result<()> {
    let wanted = Configuration::of(network, directory, upstream, mtu);
    let told_file = directory.join("dnsmasq.told");
    let told = fs::read(&told_file).ok().filter(|_| group.populated());
    let told = told.and_then(|text| serde_json::from_slice::<Configuration>(&text).ok());
    let step = step(told.as_ref(), &wanted);
    if step == Step::Nothing {
        return Ok(());
    }
    files::write_whole(&directory.join("dnsmasq.conf"), wanted.fixed.as_bytes())?;
    files::write_whole(&directory.join("dhcp-hosts"), wanted.leases.as_bytes())?;
    files::write_whole(&directory.join("hosts"), wanted.hosts.as_bytes())?;
    if step == Step::Reload && group.signal_recorded(&directory.join("dnsmasq.pid"), Signal::HUP) {
        return files::write_whole(&told_file, &as_told(&wanted));
    }
    files::remove(&told_file)?;
    group.kill()?;
    // Leases are all fixed: forgetting them costs nothing, keeping those of former guests does.
    files::remove(&directory.join("leases"))?;
    let configuration = format!("--conf-file={}", directory.join("dnsmasq.conf").display());
    start(Some(namespace), group, directory, vec![configuration])?;
    files::write_whole(&told_file, &as_told(&wanted))
}

/// As it is kept to know what the running dnsmasq was last told. Plain text always serialises.
fn as_told(configuration: &Configuration) -> Vec<u8> {
    serde_json::to_vec(configuration).unwrap_or_default()
}

/// Makes the host's end of the zone answer the routers' questions as the host itself would have them answered: guests
/// need not reach the host's resolver, which may be on its loopback.
pub(crate) fn serve_host(bridge: &str, address: Ipv4Addr, directory: &Path, group: &Group) -> Result<()> {
    if group.populated() {
        return Ok(());
    }
    fs::create_dir_all(directory).at("make", directory)?;
    let arguments = vec![
        "--conf-file=/dev/null".to_owned(),
        format!("--interface={bridge}"),
        format!("--listen-address={address}"),
        "--except-interface=lo".into(),
        "--bind-interfaces".into(),
        "--no-hosts".into(),
        "--user=root".into(),
        "--group=root".into(),
    ];
    start(None, group, directory, arguments)
}

/// Starts dnsmasq; it goes to the background itself once it listens, or says why it cannot.
fn start(namespace: Option<&str>, group: &Group, directory: &Path, arguments: Vec<String>) -> Result<()> {
    let mut command = vec![
        "dnsmasq".to_owned(),
        format!("--pid-file={}", directory.join("dnsmasq.pid").display()),
        format!("--log-facility={}", directory.join("dnsmasq.log").display()),
    ];
    command.extend(arguments);
    let log = &directory.join("dnsmasq.start.log");
    Detached { command, namespace, group, limits: Limits::default(), log, environment: &[] }
        .run_until_it_forks()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(leases: &str) -> Configuration {
        Configuration { fixed: "interface=guests\n".into(), leases: leases.into(), hosts: String::new() }
    }

    #[test]
    fn a_new_guest_is_told_by_a_reload() {
        let told = configuration("a\n");
        assert_eq!(step(Some(&told), &configuration("a\nb\n")), Step::Reload);
        assert_eq!(step(Some(&configuration("")), &configuration("b\n")), Step::Reload);
    }

    #[test]
    fn a_guest_that_is_gone_or_changed_needs_a_restart() {
        let told = configuration("a\nb\n");
        assert_eq!(step(Some(&told), &configuration("b\n")), Step::Restart);
        assert_eq!(step(Some(&told), &configuration("a\nc\n")), Step::Restart);
        assert_eq!(step(None, &configuration("a\n")), Step::Restart);
    }

    #[test]
    fn nothing_new_needs_nothing() {
        let same = configuration("a\n");
        assert_eq!(step(Some(&same), &same), Step::Nothing);
    }
}
