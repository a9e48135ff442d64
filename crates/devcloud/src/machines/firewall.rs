//! The rules of a network's router, written as one nftables script: the kernel takes it whole or not at all.
//!
//! As on a CloudStack router, what comes to a public address is judged before it is translated, by the address and port
//! it was sent to, and whoever sends it: a guest that goes round by its own network's public address needs the same
//! firewall rule as anyone else.

use std::fmt::{self, Write};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::driver::{EgressDefault, EgressRule, Forward, IngressRule, Network, Ports, Protocol};

/// The router's interface to the zone's public range.
pub(crate) const PUBLIC: &str = "public";

/// The router's bridge to its guests.
pub(crate) const GUESTS: &str = "guests";

/// The whole script for a network's router.
pub(crate) fn script(network: &Network) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_script(&mut text, network);
    text
}

fn write_script(out: &mut String, network: &Network) -> fmt::Result {
    // An empty table first, so that removing the old one works when there is none.
    out.push_str("table ip router {}\ndelete table ip router\ntable ip router {\n");
    let public: Vec<_> = network.addresses.iter().map(|held| held.address).collect();

    chain(out, "ingress", "type filter hook prerouting priority mangle; policy accept;", |out| {
        if !public.is_empty() {
            writeln!(out, "ip daddr {} jump to_public", set(&public))?;
        }
        writeln!(out, "iifname {PUBLIC} ct state established,related accept")?;
        writeln!(out, "iifname {PUBLIC} drop")
    })?;
    chain(out, "to_public", "", |out| {
        writeln!(out, "ct state established,related accept")?;
        writeln!(out, "ct state invalid drop")?;
        for rule in &network.ingress {
            for protocol in ingress_matches(rule) {
                writeln!(out, "ip daddr {} {}{protocol} accept", rule.address, sources(&rule.sources))?;
            }
        }
        writeln!(out, "drop")
    })?;

    chain(out, "input", "type filter hook input priority filter; policy drop;", |out| {
        writeln!(out, "iifname lo accept")?;
        writeln!(out, "ct state established,related accept")?;
        writeln!(out, "iifname {GUESTS} udp dport {{ 53, 67 }} accept")?;
        writeln!(out, "iifname {GUESTS} ip daddr {} tcp dport {{ 53, 80, 8080 }} accept", network.gateway)?;
        writeln!(out, "icmp type echo-request accept")?;
        for balancer in &network.balancers {
            writeln!(out, "ip daddr {} tcp dport {} accept", balancer.address, balancer.public_port)?;
        }
        Ok(())
    })?;

    chain(out, "forward", "type filter hook forward priority filter; policy drop;", |out| {
        writeln!(out, "ct state established,related accept")?;
        writeln!(out, "ct state invalid drop")?;
        writeln!(out, "iifname {PUBLIC} oifname {GUESTS} ct status dnat accept")?;
        // Round by a public address; and, where the kernel shows bridged packets to nftables, from guest to guest.
        writeln!(out, "iifname {GUESTS} oifname {GUESTS} accept")?;
        writeln!(out, "iifname {GUESTS} oifname {PUBLIC} ip saddr {} jump egress", network.range.trunc())
    })?;
    chain(out, "egress", "", |out| {
        let (exception, default) = match network.egress_default {
            EgressDefault::Allow => ("drop", "accept"),
            EgressDefault::Deny => ("accept", "drop"),
        };
        for rule in &network.egress {
            for protocol in egress_matches(rule) {
                let from = sources(&rule.sources);
                writeln!(out, "{from}{}{protocol} {exception}", destinations(&rule.destinations))?;
            }
        }
        writeln!(out, "{default}")
    })?;

    chain(out, "prerouting", "type nat hook prerouting priority dstnat; policy accept;", |out| {
        for forward in &network.forwards {
            write_forward(out, forward)?;
        }
        for (address, guest) in &network.static_nats {
            writeln!(out, "ip daddr {address} dnat to {guest}")?;
        }
        Ok(())
    })?;

    chain(out, "postrouting", "type nat hook postrouting priority srcnat; policy accept;", |out| {
        let range = network.range.trunc();
        for (address, guest) in &network.static_nats {
            writeln!(out, "oifname {PUBLIC} ip saddr {guest} snat to {address}")?;
        }
        if let Some(source_nat) = network.addresses.iter().find(|held| held.source_nat) {
            writeln!(out, "oifname {PUBLIC} ip saddr {range} snat to {}", source_nat.address)?;
        }
        // A guest that reaches another by the public address has to be answered by the router.
        writeln!(out, "iifname {GUESTS} oifname {GUESTS} ct status dnat snat to {}", network.gateway)
    })?;
    out.push_str("}\n");
    Ok(())
}

fn chain(
    out: &mut String,
    name: &str,
    hook: &str,
    rules: impl FnOnce(&mut String) -> fmt::Result,
) -> fmt::Result {
    writeln!(out, "chain {name} {{ {hook}")?;
    rules(out)?;
    out.push_str("}\n");
    Ok(())
}

fn write_forward(out: &mut String, forward: &Forward) -> fmt::Result {
    let Forward { address, public, private, guest, .. } = forward;
    let from = sources(&forward.sources);
    for protocol in names(forward.protocol) {
        match public.first == public.last {
            true => writeln!(
                out,
                "ip daddr {address} {from}{protocol} dport {} dnat to {guest}:{}",
                public.first, private.first
            )?,
            false if public == private => {
                writeln!(
                    out,
                    "ip daddr {address} {from}{protocol} dport {} dnat to {guest}",
                    ports(*public)
                )?;
            }
            // A range that moves has to keep each port's place in it, which a range alone does not say.
            false => {
                let pairs: Vec<_> = (public.first..=public.last)
                    .zip(private.first..)
                    .map(|(a, b)| format!("{a} : {b}"))
                    .collect();
                let pairs = pairs.join(", ");
                writeln!(
                    out,
                    "ip daddr {address} {from}{protocol} dport {} dnat to {guest} : {protocol} dport map {{ {pairs} }}",
                    ports(*public)
                )?;
            }
        }
    }
    Ok(())
}

/// TCP and UDP as nftables calls them; other protocols have no ports to forward.
fn names(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Tcp => &["tcp"],
        Protocol::Udp => &["udp"],
        Protocol::All => &["tcp", "udp"],
        Protocol::Icmp => &[],
    }
}

fn ingress_matches(rule: &IngressRule) -> Vec<String> {
    protocol_matches(rule.protocol, rule.ports, rule.icmp)
}

fn egress_matches(rule: &EgressRule) -> Vec<String> {
    protocol_matches(rule.protocol, rule.ports, rule.icmp)
}

/// The matches that together stand for a protocol with its ports or ICMP type.
fn protocol_matches(protocol: Protocol, range: Option<Ports>, icmp: Option<(i16, i16)>) -> Vec<String> {
    match (protocol, range) {
        (Protocol::All, None) => vec![String::new()],
        (Protocol::Icmp, _) => {
            let (kind, code) = icmp.unwrap_or((-1, -1));
            let mut text = String::from("ip protocol icmp");
            if kind >= 0 {
                let _ = write!(text, " icmp type {kind}");
            }
            if code >= 0 {
                let _ = write!(text, " icmp code {code}");
            }
            vec![text]
        }
        (_, None) => names(protocol).iter().map(|name| format!("ip protocol {name}")).collect(),
        (_, Some(range)) => {
            names(protocol).iter().map(|name| format!("{name} dport {}", ports(range))).collect()
        }
    }
}

fn ports(range: Ports) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}-{}", range.first, range.last)
    }
}

fn sources(ranges: &[Ipv4Net]) -> String {
    ranges_match("saddr", ranges)
}

fn destinations(ranges: &[Ipv4Net]) -> String {
    ranges_match("daddr", ranges)
}

/// A match on any of the ranges, with a blank after it; nothing when they are all addresses there are.
fn ranges_match(side: &str, ranges: &[Ipv4Net]) -> String {
    if ranges.is_empty() || ranges.iter().any(|range| range.prefix_len() == 0) {
        return String::new();
    }
    // Overlapping ranges are an error in a set.
    let ranges = Ipv4Net::aggregate(&ranges.iter().map(Ipv4Net::trunc).collect());
    format!("ip {side} {} ", set(&ranges))
}

fn set<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    format!("{{ {} }}", items.join(", "))
}

/// The host's own rules for the zone: guests reach the outside and nothing near the host.
pub(crate) fn host_script(
    table: &str,
    bridge: &str,
    range: Ipv4Net,
    host: Ipv4Addr,
    open: &[(Ipv4Addr, u16)],
) -> String {
    // Private, link-local, carrier-NAT, benchmark and multicast ranges, and what is no address of a host at all.
    const CLOSED: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, \
                          192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/3";
    let exceptions: String = open
        .iter()
        .map(|(address, port)| format!("iifname {bridge} ip daddr {address} tcp dport {port} accept\n"))
        .collect();
    format!(
        "table ip {table} {{}}\ndelete table ip {table}\ntable ip {table} {{\n\
         chain input {{ type filter hook input priority filter; policy accept;\n\
         iifname {bridge} ct state established,related accept\n\
         iifname {bridge} ip daddr {host} udp dport 53 accept\n\
         iifname {bridge} ip daddr {host} tcp dport 53 accept\n\
         iifname {bridge} ip daddr {host} icmp type echo-request accept\n\
         iifname {bridge} drop\n}}\n\
         chain forward {{ type filter hook forward priority filter; policy accept;\n\
         iifname {bridge} oifname {bridge} accept\n\
         oifname {bridge} ct state established,related accept\n\
         oifname {bridge} drop\n\
         {exceptions}\
         iifname {bridge} ip saddr != {range} drop\n\
         iifname {bridge} ip daddr {{ {CLOSED} }} drop\n}}\n\
         chain postrouting {{ type nat hook postrouting priority srcnat; policy accept;\n\
         ip saddr {range} oifname != {bridge} masquerade\n}}\n}}\n",
        range = range.trunc(),
    )
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::driver::Algorithm;
    use crate::driver::{Balancer, PublicAddress};

    fn network() -> Network {
        let public = Ipv4Addr::new(198, 18, 0, 10);
        Network {
            id: Uuid::nil(),
            range: "172.16.0.0/24".parse().expect("range"),
            gateway: Ipv4Addr::new(172, 16, 0, 1),
            domain: "cs1.internal".parse().expect("a domain"),
            addresses: vec![PublicAddress { address: public, source_nat: true }],
            guests: Vec::new(),
            ingress: vec![IngressRule {
                address: public,
                protocol: Protocol::Tcp,
                ports: Some(Ports { first: 1222, last: 1224 }),
                icmp: None,
                sources: vec![
                    "198.18.0.1/32".parse().expect("range"),
                    "198.18.0.0/24".parse().expect("range"),
                ],
            }],
            egress_default: EgressDefault::Deny,
            egress: Vec::new(),
            forwards: Vec::new(),
            static_nats: Vec::new(),
            balancers: vec![Balancer {
                id: Uuid::nil(),
                address: public,
                public_port: 5050,
                private_port: 15050,
                algorithm: Algorithm::RoundRobin,
                stickiness: None,
                members: Vec::new(),
                sources: Vec::new(),
                proxy_protocol: false,
            }],
        }
    }

    fn forward(public: (u16, u16), private: (u16, u16)) -> Forward {
        Forward {
            address: Ipv4Addr::new(198, 18, 0, 10),
            protocol: Protocol::Tcp,
            public: Ports { first: public.0, last: public.1 },
            guest: Ipv4Addr::new(172, 16, 0, 20),
            private: Ports { first: private.0, last: private.1 },
            sources: Vec::new(),
        }
    }

    /// The rules of one chain.
    fn rules<'a>(script: &'a str, chain: &str) -> Vec<&'a str> {
        let opening = format!("chain {chain} {{");
        script
            .lines()
            .skip_while(|line| !line.starts_with(&opening))
            .skip(1)
            .take_while(|line| *line != "}")
            .collect()
    }

    #[test]
    fn overlapping_sources_become_one_range() {
        let script = script(&network());
        assert_eq!(
            rules(&script, "to_public"),
            [
                "ct state established,related accept",
                "ct state invalid drop",
                "ip daddr 198.18.0.10 ip saddr { 198.18.0.0/24 } tcp dport 1222-1224 accept",
                "drop"
            ]
        );
    }

    #[test]
    fn a_forwarded_range_keeps_each_port_in_its_place() {
        let mut network = network();
        network.forwards =
            vec![forward((22, 22), (22, 22)), forward((80, 82), (80, 82)), forward((90, 91), (190, 191))];
        assert_eq!(
            rules(&script(&network), "prerouting"),
            [
                "ip daddr 198.18.0.10 tcp dport 22 dnat to 172.16.0.20:22",
                "ip daddr 198.18.0.10 tcp dport 80-82 dnat to 172.16.0.20",
                "ip daddr 198.18.0.10 tcp dport 90-91 dnat to 172.16.0.20 : tcp dport map { 90 : 190, 91 : 191 }",
            ]
        );
    }

    #[test]
    fn egress_rules_are_exceptions_from_the_default() {
        let mut network = network();
        network.egress = vec![EgressRule {
            protocol: Protocol::Icmp,
            ports: None,
            icmp: Some((8, -1)),
            sources: Vec::new(),
            destinations: vec!["0.0.0.0/0".parse().expect("range")],
        }];
        assert_eq!(rules(&script(&network), "egress"), ["ip protocol icmp icmp type 8 accept", "drop"]);
        network.egress_default = EgressDefault::Allow;
        assert_eq!(rules(&script(&network), "egress"), ["ip protocol icmp icmp type 8 drop", "accept"]);
    }

    #[test]
    fn a_network_without_public_addresses_lets_nothing_in() {
        let mut network = network();
        network.addresses.clear();
        network.ingress.clear();
        assert_eq!(rules(&script(&network), "ingress").last(), Some(&"iifname public drop"));
    }
}
