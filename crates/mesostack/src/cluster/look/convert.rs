//! From the API's things to ours: only what matters to the cluster, with doubt resolved once.

use std::net::Ipv4Addr;

use cloudstack::{
    Id,
    resource::{self, Protocol},
};
use ipnet::Ipv4Net;

use crate::cluster::{
    desired::Desired,
    identity,
    observed::{
        Address, AffinityGroup, Balancer, EgressRule, FirewallRule, Forward, Machine, MachineState, Named,
        Network, NetworkState,
    },
    openings::Opening,
    quota::Size,
};

pub(in crate::cluster) fn network(network: &resource::Network) -> Network {
    Network {
        named: Named { id: network.id.clone(), name: network.name.clone() },
        state: NetworkState::of(network.state.as_str()),
        range: network.cidr.parse().ok(),
        zone: Named { id: network.zone_id.clone(), name: network.zone_name.clone() },
        offering: Named {
            id: network.network_offering_id.clone(),
            name: network.network_offering_name.clone(),
        },
        // The field tells whether an egress rule is needed; a server that leaves it out denies.
        egress_allowed: network.egress_default_policy.unwrap_or(false),
        tags: network.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
    }
}

pub(in crate::cluster) fn address(address: resource::PublicIpAddress) -> Option<Address> {
    Some(Address { address: address.ip_address?, id: address.id, source_nat: address.is_source_nat })
}

pub(in crate::cluster) fn machine(machine: resource::VirtualMachine, network: &Id) -> Machine {
    let nic = machine.nic.iter().find(|nic| nic.network_id == *network);
    Machine {
        address: nic.and_then(|nic| nic.ip_address),
        elsewhere: machine.nic.iter().any(|nic| nic.network_id != *network),
        state: MachineState::of(machine.state.as_str()),
        named: Named { id: machine.id, name: machine.name },
        offering: Named { id: machine.service_offering_id, name: machine.service_offering_name },
        template: Named { id: machine.template_id, name: machine.template_name },
        affinity_groups: machine.affinity_group.into_iter().map(|group| group.name).collect(),
        key_pairs: match machine.key_pairs.is_empty() {
            true => machine.key_pair.into_iter().collect(),
            false => machine.key_pairs.0,
        },
        size: Size {
            processors: machine.cpu_number.unwrap_or_default(),
            memory_mib: machine.memory.unwrap_or_default(),
            ..Size::default()
        },
    }
}

pub(in crate::cluster) fn is_going(state: &resource::RuleState) -> bool {
    matches!(state, resource::RuleState::Revoke | resource::RuleState::Deleting)
}

/// Where a list of ranges leads: an address is a range of one, bits beyond a prefix mean nothing, halves are the whole,
/// and no list is everywhere. None when something else is in it, such as a range of IPv6.
fn sources(list: &[String]) -> Option<Vec<Ipv4Net>> {
    if list.is_empty() {
        return Some(vec![EVERYWHERE]);
    }
    let source = |text: &String| {
        let text = text.trim();
        text.parse().or_else(|_| text.parse().map(|address: Ipv4Addr| address.into())).ok()
    };
    let sources = list.iter().map(source).collect::<Option<Vec<Ipv4Net>>>()?;
    Some(Ipv4Net::aggregate(&sources))
}

const EVERYWHERE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0);

/// A protocol by its name: rules may also be made with its number.
fn protocol(protocol: &Protocol) -> Protocol {
    match protocol.as_str().trim() {
        "6" => Protocol::Tcp,
        "17" => Protocol::Udp,
        "1" => Protocol::Icmp,
        name => Protocol::from(name),
    }
}

fn ports(first: Option<u16>, last: Option<u16>) -> (u16, u16) {
    match (first, last) {
        (Some(first), last) => (first, last.unwrap_or(first)),
        // TCP without ports is every port.
        (None, _) => (1, u16::MAX),
    }
}

/// A firewall rule that stays, with what it opens when that is TCP on `ours`.
pub(in crate::cluster) fn firewall_rule(
    rule: resource::FirewallRule,
    ours: Option<&Id>,
) -> Option<FirewallRule> {
    (!is_going(&rule.state)).then(|| any_firewall_rule(rule, ours))
}

/// The same, of a rule that may be going.
pub(in crate::cluster) fn any_firewall_rule(rule: resource::FirewallRule, ours: Option<&Id>) -> FirewallRule {
    let (first, last) = ports(rule.start_port, rule.end_port);
    let protocol = protocol(&rule.protocol);
    let sources = sources(&rule.cidr_list).filter(|_| protocol == Protocol::Tcp);
    let opening = sources.map(|sources| Opening::new(first, last, sources));
    let text = match &opening {
        Some(opening) => opening.to_string(),
        None => format!("{protocol} from {}", rule.cidr_list.join(", ")),
    };
    FirewallRule { opening: opening.filter(|_| Some(&rule.ip_address_id) == ours), id: rule.id, text }
}

/// An egress rule. A source of 0.0.0.0/0 comes back as the guest range, so both mean every guest.
pub(in crate::cluster) fn egress_rule(
    rule: resource::EgressFirewallRule,
    guests: Ipv4Net,
) -> Option<EgressRule> {
    if is_going(&rule.state) {
        return None;
    }
    let covers = |list: &[String], range: Ipv4Net| {
        sources(list).is_some_and(|sources| sources.iter().any(|source| source.contains(&range)))
    };
    let protocol = protocol(&rule.protocol);
    let everything = protocol == Protocol::All
        && rule.start_port.is_none()
        && covers(&rule.cidr_list, guests)
        && covers(&rule.dest_cidr_list, EVERYWHERE);
    let text = format!("{protocol} from {}", rule.cidr_list.join(", "));
    Some(EgressRule { id: rule.id, everything, text })
}

/// A port forwarding rule that stays.
pub(in crate::cluster) fn forward(rule: resource::PortForwardingRule) -> Option<Forward> {
    (!is_going(&rule.state)).then(|| any_forward(rule))
}

/// One that may be going.
pub(in crate::cluster) fn any_forward(rule: resource::PortForwardingRule) -> Forward {
    Forward {
        public: (rule.public_port, rule.public_end_port.unwrap_or(rule.public_port)),
        private: rule.private_port,
        protocol: protocol(&rule.protocol).as_str().to_ascii_lowercase(),
        address: rule.ip_address_id,
        machine: rule.virtual_machine_id,
        id: rule.id,
    }
}

pub(in crate::cluster) fn balancer(
    rule: resource::LoadBalancerRule,
    members: Vec<resource::VirtualMachine>,
) -> Balancer {
    Balancer {
        id: rule.id,
        address: rule.public_ip_id,
        public_port: rule.public_port,
        private_port: rule.private_port,
        // Older servers leave it out: then it is TCP.
        tcp: rule
            .protocol
            .is_none_or(|protocol| protocol.trim().is_empty() || protocol.eq_ignore_ascii_case("tcp")),
        members: members.into_iter().map(|machine| machine.id).collect(),
    }
}

pub(in crate::cluster) fn affinity_group(group: resource::AffinityGroup, desired: &Desired) -> AffinityGroup {
    let described = group.description.as_deref() == Some(&identity::description(desired.cluster()));
    AffinityGroup { ours: group.type_ == identity::ANTI_AFFINITY && described, id: group.id }
}

/// The masters' group, as one of its members tells of it. A machine of ours is in it because we put it there.
pub(in crate::cluster) fn affinity_group_of(
    machines: &[resource::VirtualMachine],
    desired: &Desired,
) -> Option<AffinityGroup> {
    let mut ours = machines.iter().filter(|machine| identity::is_node_name(desired.cluster(), &machine.name));
    let group = ours.find_map(|machine| {
        machine.affinity_group.iter().find(|group| group.name == desired.affinity_group)
    })?;
    Some(AffinityGroup { id: group.id.clone(), ours: true })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::cluster::openings;

    const GUESTS: &str = "172.16.0.0/24";

    fn net(text: &str) -> Ipv4Net {
        text.parse().expect("a range")
    }

    fn egress(value: serde_json::Value) -> EgressRule {
        let rule = serde_json::from_value(value).expect("a rule");
        egress_rule(rule, net(GUESTS)).expect("one that stays")
    }

    /// A firewall rule on our address, as the API gives it.
    fn firewall(protocol: &str, ports: Option<(u16, u16)>, cidrs: &str) -> FirewallRule {
        let mut rule = json!({
            "id": "r", "protocol": protocol, "ipaddressid": "ours", "state": "Active", "cidrlist": cidrs
        });
        if let Some((first, last)) = ports {
            rule["startport"] = first.into();
            rule["endport"] = last.into();
        }
        let rule = serde_json::from_value(rule).expect("a rule");
        any_firewall_rule(rule, Some(&Id::from("ours")))
    }

    #[test]
    fn everything_may_go_out_however_it_is_said() {
        for (protocol, from, to, everything) in [
            ("all", "172.16.0.0/24", "", true),
            ("ALL", "0.0.0.0/0", "0.0.0.0/0", true),
            ("all", "", "", true),
            ("all", "172.16.0.7/24", "", true),
            ("all", "172.16.0.128/25,172.16.0.0/25", "128.0.0.0/1, 0.0.0.0/1", true),
            ("all", "172.16.0.0/16", "", true),
            ("all", "172.16.0.0/25", "", false),
            ("all", "172.16.0.0/24", "10.0.0.0/8", false),
            ("all", "fd00::/8", "", false),
            ("tcp", "172.16.0.0/24", "", false),
            ("6", "172.16.0.0/24", "", false),
        ] {
            let rule = egress(json!({
                "id": "e", "protocol": protocol, "state": "Active", "cidrlist": from, "destcidrlist": to
            }));
            assert_eq!(rule.everything, everything, "{protocol} from {from} to {to}");
        }
    }

    #[test]
    fn a_rule_that_is_not_wholly_understood_opens_nothing_of_ours() {
        let rule = firewall("tcp", Some((5050, 5050)), "10.0.0.0/8,fd00::/8");
        assert_eq!((rule.opening, rule.text.as_str()), (None, "tcp from 10.0.0.0/8, fd00::/8"));
        let rule = firewall("17", Some((53, 53)), "10.0.0.0/8");
        assert_eq!((rule.opening, rule.text.as_str()), (None, "udp from 10.0.0.0/8"));
    }

    /// The same range in another form.
    fn written(source: Ipv4Net, form: u8, host: u32) -> String {
        let within = source.addr().to_bits() | (host & source.hostmask().to_bits());
        match form {
            // The API's own form.
            0 => source.to_string(),
            // With bits beyond the prefix.
            1 => format!("{}/{}", Ipv4Addr::from(within), source.prefix_len()),
            // In two halves.
            2 if source.prefix_len() < 32 => {
                let halves = source.subnets(source.prefix_len() + 1).expect("two halves");
                halves.map(|half| half.to_string()).collect::<Vec<_>>().join(",")
            }
            // As an address.
            _ if source.prefix_len() == 32 => source.addr().to_string(),
            _ => source.to_string(),
        }
    }

    proptest! {
        /// Whatever form the cloud gives our own rules back in, nothing is missing, excessive or foreign.
        #[test]
        fn our_rules_are_ours_in_any_form(
            ranges in prop::collection::btree_set((any::<u32>(), 0u8..=32), 1..5),
            forms in prop::collection::vec((0u8..4, any::<u32>()), 5),
            protocol in prop::sample::select(vec!["tcp", "TCP", "Tcp", "6"]),
            separator in prop::sample::select(vec![",", ", ", " "]),
            (first, more) in (1u16..60_000, 0u16..500),
            turn in 0usize..5,
        ) {
            let allowed = ranges.iter().map(|(address, prefix)| {
                Ipv4Net::new(Ipv4Addr::from(*address), *prefix).expect("a prefix").trunc()
            }).collect::<Vec<_>>();
            let wanted = [Opening::new(first, first + more, allowed.iter().copied())];
            let mut cidrs = allowed.iter().zip(&forms)
                .map(|(source, (form, host))| written(*source, *form, *host))
                .collect::<Vec<_>>();
            let turn = turn % cidrs.len();
            cidrs.rotate_left(turn);
            cidrs.push(cidrs[0].clone());
            let rule = firewall(protocol, Some((first, first + more)), &cidrs.join(separator));
            let present = [rule.opening.expect("an opening")];
            prop_assert_eq!(openings::missing(&wanted, &present), []);
            prop_assert!(openings::excessive(&wanted, &present).is_empty());
            prop_assert!(openings::unasked(&wanted, &present).is_empty());
            prop_assert_eq!(&present[0], &wanted[0]);
        }

        /// No list of texts, whatever is in it, opens more than it says.
        #[test]
        fn anything_may_stand_in_a_list_of_ranges(texts in prop::collection::vec("[0-9./: a-f]{0,20}", 1..4)) {
            if let Some(sources) = sources(&texts) {
                prop_assert!(!sources.is_empty());
                prop_assert!(sources.iter().all(|source| *source == source.trunc()));
            }
        }
    }
}
