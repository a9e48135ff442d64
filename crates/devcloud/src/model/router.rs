//! What a driver is told: a network with all that its router does, a machine with all that it is.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use base64::Engine;
use uuid::Uuid;

use super::{
    Direction, Key, Model, Network, PublicIpAddress, ServiceOffering, StickinessPolicy, VirtualMachine,
    Volume,
};
use crate::catalogue::Catalogue;
use crate::driver;

/// The guests a network's router was told of, by machine.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<Uuid, ToldGuest>);

/// A guest, and all that what is said of it comes from: as long as these are the same, so is that.
#[derive(Debug)]
struct ToldGuest {
    machine: Arc<VirtualMachine>,
    offering: Option<Arc<ServiceOffering>>,
    public: Option<Ipv4Addr>,
    guest: Arc<driver::Guest>,
}

impl Model {
    /// Everything the router of a network has to do. `told` has the guests it was told of before, and then those it is
    /// told of now.
    pub(crate) fn router(
        &self,
        network: Uuid,
        catalogue: &Catalogue,
        told: &mut Told,
    ) -> Option<driver::Network> {
        let network = self.networks.get(network)?;
        let addresses: Vec<&PublicIpAddress> = self.addresses_of(network.id).collect();
        let address_of =
            |id: Uuid| addresses.iter().find(|address| address.id == id).map(|address| address.address);
        let egress_default = match self.network_offerings.get(network.offering) {
            Some(offering) if offering.egress_allowed => driver::EgressDefault::Allow,
            _ => driver::EgressDefault::Deny,
        };
        Some(driver::Network {
            id: network.id,
            range: network.range,
            gateway: network.gateway,
            domain: network.domain.clone(),
            addresses: addresses
                .iter()
                .map(|address| driver::PublicAddress {
                    address: address.address,
                    source_nat: address.source_nat,
                })
                .collect(),
            guests: self.guests(network, &addresses, catalogue, told),
            ingress: self
                .firewall_rules_of(network.id)
                .filter(|rule| rule.direction == Direction::Ingress && rule.state.counts())
                .filter_map(|rule| {
                    Some(driver::IngressRule {
                        address: address_of(rule.address?)?,
                        protocol: rule.matcher.driver_protocol(),
                        ports: rule.matcher.ports().map(Into::into),
                        icmp: rule.matcher.icmp(),
                        sources: rule.sources.clone(),
                    })
                })
                .collect(),
            egress_default,
            egress: self
                .firewall_rules_of(network.id)
                .filter(|rule| rule.direction == Direction::Egress && rule.state.counts())
                .map(|rule| driver::EgressRule {
                    protocol: rule.matcher.driver_protocol(),
                    ports: rule.matcher.ports().map(Into::into),
                    icmp: rule.matcher.icmp(),
                    sources: rule.sources.clone(),
                    destinations: rule.destinations.clone(),
                })
                .collect(),
            forwards: self.forwards(network.id),
            static_nats: addresses
                .iter()
                .filter_map(|address| Some((address.address, address.static_nat.as_ref()?.guest)))
                .collect(),
            balancers: self
                .load_balancer_rules
                .under(Key::of(network.id))
                .filter(|rule| rule.network == network.id && rule.state.counts() && !rule.members.is_empty())
                .filter_map(|rule| {
                    Some(driver::Balancer {
                        id: rule.id,
                        address: address_of(rule.address)?,
                        public_port: rule.public_port,
                        private_port: rule.private_port,
                        algorithm: rule.algorithm,
                        stickiness: rule.stickiness.first().and_then(StickinessPolicy::for_driver),
                        members: rule.members.iter().map(|member| member.guest).collect(),
                        sources: rule.sources(),
                        proxy_protocol: rule.proxy_protocol(),
                    })
                })
                .collect(),
        })
    }

    /// A network's forwards that are to be in force; those for somebody before those for everybody, which would take all.
    fn forwards(&self, network: Uuid) -> Vec<driver::Forward> {
        let rules = self.port_forwarding_rules.under(Key::of(network));
        let rules = rules.filter(|rule| rule.network == network && rule.state.counts());
        let mut forwards: Vec<_> = rules
            .filter_map(|rule| {
                Some(driver::Forward {
                    address: self.public_ip_addresses.get(rule.address)?.address,
                    protocol: rule.protocol,
                    public: rule.public.into(),
                    guest: rule.guest,
                    private: rule.private.into(),
                    sources: rule.sources.clone(),
                })
            })
            .collect();
        forwards.sort_by_key(|forward| forward.sources.is_empty());
        forwards
    }

    /// The machines that the router knows. One that is as it was told before is told in the same words, which need not be
    /// found again: a network's router is told of all of them whenever one starts.
    fn guests(
        &self,
        network: &Network,
        addresses: &[&PublicIpAddress],
        catalogue: &Catalogue,
        told: &mut Told,
    ) -> Vec<Arc<driver::Guest>> {
        let mut before = std::mem::take(&mut told.0);
        let translated: BTreeMap<Uuid, Ipv4Addr> = addresses
            .iter()
            .filter_map(|address| Some((address.static_nat.as_ref()?.virtual_machine, address.address)))
            .collect();
        let source_nat = addresses.iter().find(|address| address.source_nat).map(|address| address.address);
        let mut guests = Vec::new();
        for machine in self.virtual_machines.versions_under(Key::of(network.id)) {
            let public = translated.get(&machine.id).copied().or(source_nat);
            let offering = self.service_offerings.version(machine.offering);
            let same = before.remove(&machine.id).filter(|then| {
                Arc::ptr_eq(&then.machine, machine)
                    && then.offering.as_ref().map(Arc::as_ptr) == offering.map(Arc::as_ptr)
                    && then.public == public
            });
            let entry = match same {
                Some(same) => same,
                None => {
                    let Some(guest) = guest(machine, network, offering, public, catalogue) else { continue };
                    let (machine, offering) = (Arc::clone(machine), offering.cloned());
                    ToldGuest { machine, offering, public, guest: Arc::new(guest) }
                }
            };
            guests.push(Arc::clone(&entry.guest));
            told.0.insert(entry.machine.id, entry);
        }
        guests
    }

    /// A machine as it is to be started.
    pub(crate) fn machine(&self, machine: Uuid) -> Option<driver::Machine> {
        let machine = self.virtual_machines.get(machine)?;
        let volume = self.volumes.get(machine.volume)?;
        let size = self.size_of(machine);
        Some(driver::Machine {
            id: machine.id,
            host_name: machine.name.parse().ok()?,
            volume: volume.id,
            layers: volume.layers.clone(),
            disks: self.data_disks_of(machine.id).map(Volume::as_disk).collect(),
            interfaces: machine
                .nics
                .iter()
                .map(|nic| driver::Interface {
                    network: nic.network,
                    mac: nic.mac.clone(),
                    address: nic.address,
                })
                .collect(),
            processors: size.processors,
            memory_mib: size.memory_mib,
        })
    }
}

/// A machine as its network's router knows it; none where it is in none of that network's addresses.
fn guest(
    machine: &VirtualMachine,
    network: &Network,
    offering: Option<&Arc<ServiceOffering>>,
    public: Option<Ipv4Addr>,
    catalogue: &Catalogue,
) -> Option<driver::Guest> {
    let nic = machine.nic_in(network.id)?;
    let public = public.map(|address| address.to_string());
    let keys = machine.public_keys.join("\n");
    let metadata = [
        ("service-offering", offering.map(|offering| offering.name.clone())),
        ("availability-zone", Some(catalogue.zone_name.clone())),
        ("local-ipv4", Some(nic.address.to_string())),
        ("local-hostname", Some(machine.name.clone())),
        ("public-ipv4", public.clone()),
        ("public-hostname", public),
        ("instance-id", Some(machine.id.to_string())),
        ("vm-id", Some(machine.id.to_string())),
        ("public-keys", Some(keys).filter(|keys| !keys.is_empty())),
        ("cloud-identifier", Some(format!("CloudStack-{{{}}}", catalogue.zone_id))),
    ];
    Some(driver::Guest {
        machine: machine.id,
        host_name: machine.name.parse().ok()?,
        mac: nic.mac.clone(),
        address: nic.address,
        metadata: metadata.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect(),
        password: machine.password.clone().filter(|_| machine.is_default_in(network.id)),
        user_data: machine
            .user_data
            .as_ref()
            .and_then(|data| base64::engine::general_purpose::STANDARD.decode(data).ok()),
    })
}
