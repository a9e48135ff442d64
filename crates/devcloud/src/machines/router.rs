//! A network's virtual router: a namespace between the zone's public range and the network's guests.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::cgroup::Group;
use super::error::{At, HostError, Result};
use super::firewall::{self, GUESTS, PUBLIC};
use super::names::guest_link;
use super::program::{Program, ip, ip_in};
use super::uplink::Uplink;
use super::{dnsmasq, files, haproxy, namespace};
use crate::driver::{MacAddress, Network};
use crate::host::ZoneName;

/// One network's router and what it needs of the zone.
#[derive(Debug)]
pub(crate) struct Router<'a> {
    /// The zone.
    pub(crate) zone: &'a ZoneName,
    /// The network.
    pub(crate) network: Uuid,
    /// The zone's group.
    pub(crate) group: &'a Group,
    /// The zone's state directory.
    pub(crate) state: &'a Path,
}

impl Router<'_> {
    /// The router's namespace.
    pub(crate) fn namespace(&self) -> String {
        self.zone.router_namespace(self.network)
    }

    fn directory(&self) -> PathBuf {
        self.state.join("routers").join(self.network.simple().to_string())
    }

    fn daemons(&self, name: &str) -> Group {
        self.group.child(&format!("{name}-{}", self.network.simple()))
    }

    /// Makes the router, or mends what is missing of it, and programs everything but the metadata service.
    pub(crate) fn raise(&self, network: &Network, uplink: &Uplink, mtu: u32) -> Result<()> {
        let router = &self.namespace();
        namespace::ensure(router)?;
        namespace::write_sysctl(router, "net/ipv4/ip_forward", "1")?;
        // What is bridged between guests is not the router's business, whatever the host does with its own bridges.
        namespace::write_sysctl(router, "net/bridge/bridge-nf-call-iptables", "0")?;
        let gateway = format!("{}/{}", network.gateway, network.range.prefix_len());
        if !link_exists_in(router, GUESTS)? {
            ip_in(router, "link add").args([GUESTS]).line("type bridge").run()?;
        }
        // A bridge without an address of its own takes that of a member, and changes it as members come and go.
        let hardware = hardware_address(self.network.as_bytes());
        ip_in(router, "link set").args([GUESTS]).line(&format!("address {hardware} mtu {mtu} up")).run()?;
        ip_in(router, "address replace").args([&gateway, "dev", GUESTS]).run()?;
        let (bridge, public_link) = (uplink.zone.public_bridge(), self.zone.public_link(self.network));
        if !link_exists_in(router, PUBLIC)? {
            ip("link add")
                .args([&public_link])
                .line(&format!("mtu {mtu} type veth peer name {PUBLIC} mtu {mtu}"))
                .args(["netns", router])
                .run()?;
        }
        let alias = format!("mesostack zone {} network {}", self.zone, self.network);
        ip("link set").args([&public_link, "alias", &alias, "master", &bridge, "up"]).run()?;
        ip_in(router, "link set").args([PUBLIC, "up"]).run()?;
        self.program(network, uplink, mtu)?;
        self.reconnect(network, mtu)
    }

    /// Makes the standing router's addresses, rules and daemons match the network.
    pub(crate) fn program(&self, network: &Network, uplink: &Uplink, mtu: u32) -> Result<()> {
        let router = &self.namespace();
        let directory = self.directory();
        fs::create_dir_all(&directory).at("make", &directory)?;
        // Rules before addresses: no address is open for a moment.
        let script = firewall::script(network);
        Program::new("nft").args(["-f", "-"]).within(router).run_with(script.as_bytes())?;
        self.hold_addresses(network, uplink)?;
        let upstream = uplink.host_address();
        dnsmasq::serve(network, &directory, router, &self.daemons("dnsmasq"), upstream, mtu)?;
        haproxy::serve(&network.balancers, &directory, router, &self.daemons("haproxy"))
    }

    fn hold_addresses(&self, network: &Network, uplink: &Uplink) -> Result<()> {
        let router = &self.namespace();
        let held = addresses(router, PUBLIC)?;
        let wanted: Vec<_> = network.addresses.iter().map(|public| public.address).collect();
        let bridge = self.zone.public_bridge();
        // Who held an address last is forgotten on the host, or it would be looked for at its old place.
        let forget =
            |address: &Ipv4Addr| ip("neighbour flush to").args([&address.to_string(), "dev", &bridge]).run();
        for gone in held.iter().filter(|address| !wanted.contains(address)) {
            ip_in(router, "address delete").args([&format!("{gone}/32"), "dev", PUBLIC]).run()?;
            forget(gone)?;
        }
        for new in wanted.iter().filter(|address| !held.contains(address)) {
            ip_in(router, "address replace").args([&format!("{new}/32"), "dev", PUBLIC]).run()?;
            forget(new)?;
        }
        let own = network.addresses.iter().find(|public| public.source_nat).or(network.addresses.first());
        let Some(own) = own.map(|public| public.address.to_string()) else { return Ok(()) };
        let (range, host) = (uplink.range.trunc().to_string(), uplink.host_address().to_string());
        ip_in(router, "route replace").args([&range, "dev", PUBLIC, "scope", "link", "src", &own]).run()?;
        ip_in(router, "route replace default via").args([&host, "dev", PUBLIC, "src", &own]).run()?;
        Ok(())
    }

    /// Machines that run without a link to this router get one again.
    fn reconnect(&self, network: &Network, mtu: u32) -> Result<()> {
        for guest in &network.guests {
            let machine = self.zone.machine_namespace(guest.machine);
            // Machines with several interfaces number them; a lost one is put back at its next start.
            if namespace::exists(&machine) && !link_exists_in(&self.namespace(), &guest_link(guest.address))?
            {
                self.connect(&machine, "eth0", guest.address, &guest.mac, mtu)?;
            }
        }
        Ok(())
    }

    /// Joins a machine's namespace to the network by an interface of that name there.
    pub(crate) fn connect(
        &self,
        machine: &str,
        name: &str,
        address: Ipv4Addr,
        mac: &MacAddress,
        mtu: u32,
    ) -> Result<()> {
        let (router, link) = (&self.namespace(), &guest_link(address));
        if !namespace::exists(router) {
            return Err(HostError::Other(format!("network {} has no router to join", self.network)));
        }
        if link_exists_in(router, link)? && link_exists_in(machine, name)? {
            return Ok(());
        }
        if link_exists_in(router, link)? {
            ip_in(router, "link delete").args([link]).run()?;
        }
        ip("link add")
            .args([link, "netns", router])
            .line(&format!("mtu {mtu} type veth peer name {name} address {mac} mtu {mtu}"))
            .args(["netns", machine])
            .run()?;
        ip_in(router, "link set").args([link, "master", GUESTS, "up"]).run()?;
        Ok(())
    }

    /// Removes the router with all that is in it.
    pub(crate) fn lower(&self) -> Result<()> {
        for daemon in ["dnsmasq", "haproxy"] {
            let group = self.daemons(daemon);
            group.kill()?;
            group.remove()?;
        }
        let router = &self.namespace();
        let held = if namespace::exists(router) {
            addresses(router, PUBLIC).unwrap_or_default()
        } else {
            Vec::new()
        };
        let public_link = self.zone.public_link(self.network);
        if super::uplink::link_exists(&public_link) {
            ip("link delete").args([&public_link]).run()?;
        }
        namespace::remove(router)?;
        let bridge = self.zone.public_bridge();
        for address in held.iter().filter(|_| super::uplink::link_exists(&bridge)) {
            ip("neighbour flush to").args([&address.to_string(), "dev", &bridge]).run()?;
        }
        files::remove_tree(&self.directory())
    }

    /// Whether the router stands, as far as its namespace tells.
    pub(crate) fn stands(&self) -> bool {
        namespace::exists(&self.namespace())
    }
}

/// A hardware address of our own making (locally administered) that always is the same for the same thing.
pub(crate) fn hardware_address(of: &[u8]) -> String {
    let digest = Sha256::digest(of);
    let rest: Vec<_> = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("06:{}", rest.join(":"))
}

/// Removes the links of a namespace, with their other ends.
pub(crate) fn delete_links(of: &str) -> Result<()> {
    if !namespace::exists(of) {
        return Ok(());
    }
    for link in links_in(of, "-json link show")?.into_iter().filter_map(|link| link.ifname) {
        if link != "lo" {
            ip_in(of, "link delete").args([&link]).run()?;
        }
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Link {
    #[serde(default)]
    ifname: Option<String>,
    #[serde(default)]
    addr_info: Vec<AddressInfo>,
}

#[derive(Debug, Deserialize)]
struct AddressInfo {
    local: Ipv4Addr,
}

fn links_in(namespace: &str, options: &str) -> Result<Vec<Link>> {
    let text = ip_in(namespace, options).run()?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text)
        .map_err(|error| HostError::Other(format!("could not read `ip {options}`: {error}")))
}

fn link_exists_in(namespace: &str, name: &str) -> Result<bool> {
    let links = links_in(namespace, "-json link show")?;
    Ok(links.iter().any(|link| link.ifname.as_deref() == Some(name)))
}

fn addresses(namespace: &str, link: &str) -> Result<Vec<Ipv4Addr>> {
    let links = links_in(namespace, "-json -4 address show")?;
    let found = links.into_iter().filter(|found| found.ifname.as_deref() == Some(link));
    Ok(found.flat_map(|found| found.addr_info).map(|info| info.local).collect())
}
