//! From the API's things to ours: only what matters to the cluster, with doubt resolved once.

use std::net::Ipv4Addr;

use cloudstack::{Id, resource};
use ipnet::Ipv4Net;

use crate::cluster::{
    desired::Desired,
    identity,
    observed::{
        Address, AffinityGroup, Balancer, EgressRule, FirewallRule, Forward, Machine, MachineState, Named,
        Network, NetworkState,
    },
    openings::Opening,
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
        state: MachineState::of(machine.state.as_str()),
        named: Named { id: machine.id, name: machine.name },
        offering: Named { id: machine.service_offering_id, name: machine.service_offering_name },
        template: Named { id: machine.template_id, name: machine.template_name },
    }
}

pub(in crate::cluster) fn is_going(state: &resource::RuleState) -> bool {
    matches!(state, resource::RuleState::Revoke | resource::RuleState::Deleting)
}

fn sources(list: &[String]) -> Vec<Ipv4Net> {
    // A list that is left out means everywhere.
    if list.is_empty() {
        return vec![Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)];
    }
    list.iter().filter_map(|source| source.parse().ok()).collect()
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
    let opening = Opening::new(first, last, sources(&rule.cidr_list));
    let tcp = rule.protocol == resource::Protocol::Tcp;
    let text = match tcp {
        true => opening.to_string(),
        false => format!("{} from {}", rule.protocol, rule.cidr_list.join(", ")),
    };
    FirewallRule { opening: (tcp && Some(&rule.ip_address_id) == ours).then_some(opening), id: rule.id, text }
}

/// An egress rule. A source of 0.0.0.0/0 comes back as the guest range, so both mean every guest.
pub(in crate::cluster) fn egress_rule(
    rule: resource::EgressFirewallRule,
    guests: Ipv4Net,
) -> Option<EgressRule> {
    if is_going(&rule.state) {
        return None;
    }
    let covers = |list: &[String], range: Ipv4Net| sources(list).iter().any(|source| source.contains(&range));
    let everything = rule.protocol == resource::Protocol::All
        && rule.start_port.is_none()
        && covers(&rule.cidr_list, guests)
        && covers(&rule.dest_cidr_list, Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
    let text = format!("{} from {}", rule.protocol, rule.cidr_list.join(", "));
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
        protocol: rule.protocol.as_str().to_ascii_lowercase(),
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
        members: members.into_iter().map(|machine| machine.id).collect(),
    }
}

pub(in crate::cluster) fn affinity_group(group: resource::AffinityGroup, desired: &Desired) -> AffinityGroup {
    let described = group.description.as_deref() == Some(&identity::description(desired.cluster()));
    AffinityGroup {
        ours: group.type_ == identity::ANTI_AFFINITY && described,
        id: group.id,
        members: group.virtual_machine_ids,
    }
}

/// The masters' group, as one of its members tells of it. A machine of ours is in it because we put it there.
pub(in crate::cluster) fn affinity_group_of(
    machines: &[resource::VirtualMachine],
    desired: &Desired,
) -> Option<AffinityGroup> {
    let is_ours = |group: &&resource::AffinityGroup| group.name == desired.affinity_group;
    let of = |machine: &resource::VirtualMachine| machine.affinity_group.iter().find(is_ours).cloned();
    let ours = machines.iter().filter(|machine| desired.machine(&machine.name).is_some());
    let members = ours.filter_map(|machine| Some((machine.id.clone(), of(machine)?))).collect::<Vec<_>>();
    let id = members.first()?.1.id.clone();
    Some(AffinityGroup { id, ours: true, members: members.into_iter().map(|(machine, _)| machine).collect() })
}
