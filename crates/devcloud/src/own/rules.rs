//! The rules of all kinds in one list, each as a line that reads the same way: which traffic, from where, to where.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Serialize;
use uuid::Uuid;

use crate::driver::Protocol;
use crate::model::{
    Direction, FirewallRule, LoadBalancerRule, Matcher, Model, PortForwardingRule, PortRange,
    PublicIpAddress, StaticNat,
};

/// A rule as the page shows it.
#[derive(Debug, Serialize)]
pub(super) struct Rule {
    id: Uuid,
    kind: &'static str,
    network: Option<String>,
    traffic: String,
    from: String,
    to: String,
    state: &'static str,
}

/// What is told as a rule: static NAT, which is none by itself, where its address stands.
pub(super) enum Made<'a> {
    Firewall(&'a FirewallRule),
    Forward(&'a PortForwardingRule),
    Balancer(&'a LoadBalancerRule),
    StaticNat(&'a PublicIpAddress, &'a StaticNat),
}

/// All rules in the order they were made. A zone may have many more than are shown: none is put into words yet.
pub(super) fn rules(model: &Model) -> Vec<Made<'_>> {
    let nats =
        model.public_ip_addresses.iter().filter_map(|address| Some((address, address.static_nat.as_ref()?)));
    let mut rules: Vec<Made<'_>> = (model.firewall_rules.iter().map(Made::Firewall))
        .chain(model.port_forwarding_rules.iter().map(Made::Forward))
        .chain(model.load_balancer_rules.iter().map(Made::Balancer))
        .chain(nats.map(|(address, nat)| Made::StaticNat(address, nat)))
        .collect();
    rules.sort_by_key(Made::number);
    rules
}

impl Made<'_> {
    fn number(&self) -> u64 {
        match self {
            Self::Firewall(rule) => rule.number,
            Self::Forward(rule) => rule.number,
            Self::Balancer(rule) => rule.number,
            Self::StaticNat(address, _) => address.number,
        }
    }

    pub(super) fn row(&self, model: &Model) -> Rule {
        match self {
            Self::Firewall(rule) => firewall(model, rule),
            Self::Forward(rule) => forward(model, rule),
            Self::Balancer(rule) => balancer(model, rule),
            Self::StaticNat(public, nat) => Rule {
                id: public.id,
                kind: "static NAT",
                network: public.network.and_then(|id| network(model, id)),
                traffic: format!("all {}", public.address),
                from: "anywhere".to_owned(),
                to: machine(model, nat.virtual_machine, nat.guest),
                state: "Active",
            },
        }
    }
}

fn forward(model: &Model, rule: &PortForwardingRule) -> Rule {
    Rule {
        id: rule.id,
        kind: "port forwarding",
        network: network(model, rule.network),
        traffic: format!(
            "{} {}:{}",
            protocol(rule.protocol),
            address(model, rule.address),
            ports(rule.public)
        ),
        from: anywhere(&rule.sources),
        to: format!("{}:{}", machine(model, rule.virtual_machine, rule.guest), ports(rule.private)),
        state: rule.state.name(),
    }
}

fn balancer(model: &Model, rule: &LoadBalancerRule) -> Rule {
    let members = rule.members.iter().map(|member| machine(model, member.virtual_machine, member.guest));
    let members = members.collect::<Vec<_>>().join(", ");
    Rule {
        id: rule.id,
        kind: "load balancer",
        network: network(model, rule.network),
        traffic: format!("{} {}:{}", protocol(rule.protocol), address(model, rule.address), rule.public_port),
        from: rule.source_list.clone().unwrap_or_else(|| "anywhere".to_owned()),
        to: if members.is_empty() {
            "nobody".to_owned()
        } else {
            format!("{members} :{}", rule.private_port)
        },
        state: rule.state_name(),
    }
}

fn firewall(model: &Model, rule: &FirewallRule) -> Rule {
    let what = match rule.matcher {
        Matcher::Icmp { kind: -1, .. } => "icmp".to_owned(),
        Matcher::Icmp { kind, code } => format!("icmp type {kind} code {code}"),
        other => match other.ports() {
            Some(range) => format!("{} {}", other.protocol(), ports(range)),
            None => other.protocol().to_owned(),
        },
    };
    let (kind, to) = match rule.direction {
        Direction::Ingress => ("ingress", rule.address.map_or_else(String::new, |id| address(model, id))),
        Direction::Egress => ("egress", anywhere(&rule.destinations)),
    };
    Rule {
        id: rule.id,
        kind,
        network: network(model, rule.network),
        traffic: what,
        from: anywhere(&rule.sources),
        to,
        state: rule.state.name(),
    }
}

fn network(model: &Model, id: Uuid) -> Option<String> {
    model.networks.get(id).map(|network| network.name.clone())
}

fn address(model: &Model, id: Uuid) -> String {
    model.public_ip_addresses.get(id).map(|address| address.address.to_string()).unwrap_or_default()
}

fn machine(model: &Model, id: Uuid, guest: Ipv4Addr) -> String {
    model.virtual_machines.get(id).map_or_else(|| guest.to_string(), |machine| machine.name.clone())
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
        Protocol::All => "all",
    }
}

fn ports(range: PortRange) -> String {
    if range.first == range.last { range.first.to_string() } else { range.to_string() }
}

fn anywhere(ranges: &[Ipv4Net]) -> String {
    let everything = |range: &Ipv4Net| range.prefix_len() == 0;
    if ranges.is_empty() || ranges.iter().any(everything) {
        return "anywhere".to_owned();
    }
    ranges.iter().map(Ipv4Net::to_string).collect::<Vec<_>>().join(", ")
}
