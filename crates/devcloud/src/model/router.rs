//! What a driver is told: a network with all that its router does, a machine with all that it is.

use base64::Engine;
use uuid::Uuid;

use super::{Direction, Model, Network, PublicIpAddress, StickinessPolicy, VirtualMachine};
use crate::catalogue::Catalogue;
use crate::driver;

impl Model {
    /// Everything the router of a network has to do.
    pub(crate) fn router(&self, network: Uuid, catalogue: &Catalogue) -> Option<driver::Network> {
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
            guests: self
                .machines_in(network.id)
                .filter_map(|machine| self.guest(machine, network, &addresses, catalogue))
                .collect(),
            ingress: self
                .firewall_rules
                .iter()
                .filter(|rule| {
                    rule.network == network.id && rule.direction == Direction::Ingress && rule.state.counts()
                })
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
                .firewall_rules
                .iter()
                .filter(|rule| {
                    rule.network == network.id && rule.direction == Direction::Egress && rule.state.counts()
                })
                .map(|rule| driver::EgressRule {
                    protocol: rule.matcher.driver_protocol(),
                    ports: rule.matcher.ports().map(Into::into),
                    icmp: rule.matcher.icmp(),
                    sources: rule.sources.clone(),
                    destinations: rule.destinations.clone(),
                })
                .collect(),
            forwards: self
                .port_forwarding_rules
                .iter()
                .filter(|rule| rule.network == network.id && rule.state.counts())
                .filter_map(|rule| {
                    Some(driver::Forward {
                        address: address_of(rule.address)?,
                        protocol: rule.protocol,
                        public: rule.public.into(),
                        guest: rule.guest,
                        private: rule.private.into(),
                    })
                })
                .collect(),
            static_nats: addresses
                .iter()
                .filter_map(|address| Some((address.address, address.static_nat.as_ref()?.guest)))
                .collect(),
            balancers: self
                .load_balancer_rules
                .iter()
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
                    })
                })
                .collect(),
        })
    }

    fn guest(
        &self,
        machine: &VirtualMachine,
        network: &Network,
        addresses: &[&PublicIpAddress],
        catalogue: &Catalogue,
    ) -> Option<driver::Guest> {
        let nic = machine.nic_in(network.id)?;
        let translated = addresses
            .iter()
            .find(|address| address.static_nat.as_ref().is_some_and(|nat| nat.virtual_machine == machine.id));
        let public = translated.or_else(|| addresses.iter().find(|address| address.source_nat));
        let public = public.map(|address| address.address.to_string());
        let offering = self.service_offerings.get(machine.offering).map(|offering| offering.name.clone());
        let keys = machine.public_keys.join("\n");
        let metadata = [
            ("service-offering", offering),
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
