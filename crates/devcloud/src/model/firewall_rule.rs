//! Firewall rules: what may come in to a public address, and what may (or may not) leave a network.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Key, PortRange};
use crate::driver;

/// A firewall rule of either direction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FirewallRule {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) network: Uuid,
    pub(crate) direction: Direction,
    /// The public address of an ingress rule.
    pub(crate) address: Option<Uuid>,
    pub(crate) matcher: Matcher,
    /// Where the traffic comes from.
    pub(crate) sources: Vec<Ipv4Net>,
    /// Where it goes, of an egress rule; empty is anywhere.
    pub(crate) destinations: Vec<Ipv4Net>,
    pub(crate) state: RuleState,
    /// The forward or load balancer rule it was opened for.
    pub(crate) opened_for: Option<Uuid>,
}

/// Which way the traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Direction {
    Ingress,
    Egress,
}

/// What traffic a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Matcher {
    /// TCP or UDP; without ports, all of them.
    Tcp(Option<PortRange>),
    Udp(Option<PortRange>),
    /// ICMP of a type and code; `-1` is any.
    Icmp {
        kind: i16,
        code: i16,
    },
    /// Every protocol; egress only.
    All,
}

/// How far a rule of any kind is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RuleState {
    /// Written down; its job has not come to it yet.
    Staged,
    /// Being given to the router.
    Adding,
    /// In force, or going to be as soon as there is a router.
    Active,
    /// Being taken from the router.
    Revoked,
}

impl RuleState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Staged => "Staged",
            Self::Adding => "Add",
            Self::Active => "Active",
            Self::Revoked => "Deleting",
        }
    }

    /// Whether the router has to know of it.
    pub(crate) fn counts(self) -> bool {
        matches!(self, Self::Adding | Self::Active)
    }
}

impl Matcher {
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Udp(_) => "udp",
            Self::Icmp { .. } => "icmp",
            Self::All => "all",
        }
    }

    pub(crate) fn ports(self) -> Option<PortRange> {
        match self {
            Self::Tcp(ports) | Self::Udp(ports) => ports,
            Self::Icmp { .. } | Self::All => None,
        }
    }

    pub(crate) fn icmp(self) -> Option<(i16, i16)> {
        match self {
            Self::Icmp { kind, code } => Some((kind, code)),
            _ => None,
        }
    }

    pub(super) fn driver_protocol(self) -> driver::Protocol {
        match self {
            Self::Tcp(_) => driver::Protocol::Tcp,
            Self::Udp(_) => driver::Protocol::Udp,
            Self::Icmp { .. } => driver::Protocol::Icmp,
            Self::All => driver::Protocol::All,
        }
    }
}

/// How a new firewall rule and an old one of the same address (or the same network) get in each other's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clash {
    /// They have ports in common.
    Ports(PortRange),
    /// Both are about all ports of the protocol, or about everything.
    Everything,
    /// Both are about the same ICMP type and code.
    Icmp,
}

/// Whether two rules' lists of ranges meet, as the real server sees it: they name one range both, or neither names any.
pub(crate) fn ranges_meet(one: &[Ipv4Net], other: &[Ipv4Net]) -> bool {
    (one.is_empty() && other.is_empty()) || one.iter().any(|range| other.contains(range))
}

impl FirewallRule {
    /// Whether `self`, being made, clashes with `old`: the same protocol, a source in common, and the same ports. A rule
    /// without ports doesn't clash with one that has some, as on the real server.
    pub(crate) fn clash(&self, old: &Self) -> Option<Clash> {
        let same_place = self.direction == old.direction
            && match self.direction {
                Direction::Ingress => self.address == old.address,
                Direction::Egress => self.network == old.network,
            };
        let meet =
            ranges_meet(&self.sources, &old.sources) && ranges_meet(&self.destinations, &old.destinations);
        if !same_place || !meet || old.state == RuleState::Revoked {
            return None;
        }
        match (self.matcher, old.matcher) {
            (Matcher::Icmp { kind, code }, Matcher::Icmp { kind: old_kind, code: old_code }) => {
                (kind == old_kind && code == old_code).then_some(Clash::Icmp)
            }
            (new, old) if new.protocol() == old.protocol() => match (new.ports(), old.ports()) {
                (Some(new), Some(old)) => new.overlaps(old).then_some(Clash::Ports(old)),
                (None, None) => Some(Clash::Everything),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Entity for FirewallRule {
    const KIND: &'static str = "firewall rule";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn keys(&self) -> Vec<Key> {
        vec![Key::of(self.network)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(first: u16, last: u16, source: &str) -> FirewallRule {
        FirewallRule {
            number: 1,
            id: Uuid::nil(),
            account: Uuid::nil(),
            network: Uuid::nil(),
            direction: Direction::Ingress,
            address: Some(Uuid::nil()),
            matcher: Matcher::Tcp(PortRange::new(first, last)),
            sources: vec![source.parse().expect("a range")],
            destinations: Vec::new(),
            state: RuleState::Active,
            opened_for: None,
        }
    }

    proptest! {
        #[test]
        fn rules_clash_when_their_ports_meet_and_their_sources_do(a in 1_u16..500, b in 0_u16..50, c in 1_u16..500, d in 0_u16..50) {
            let one = rule(a, a + b, "10.0.0.0/8");
            let other = rule(c, c + d, "10.0.0.0/8");
            let meet = a <= c + d && c <= a + b;
            prop_assert_eq!(one.clash(&other).is_some(), meet);
            prop_assert_eq!(other.clash(&one).is_some(), meet);
            prop_assert_eq!(one.clash(&rule(c, c + d, "192.168.0.0/16")), None);
        }
    }

    #[test]
    fn a_rule_to_anywhere_and_one_to_somewhere_are_not_in_each_others_way() {
        let anywhere = FirewallRule { direction: Direction::Egress, ..rule(443, 443, "172.16.0.0/24") };
        let somewhere =
            FirewallRule { destinations: vec!["192.0.2.0/24".parse().expect("a range")], ..anywhere.clone() };
        assert_eq!(somewhere.clash(&anywhere), None);
        assert_eq!(anywhere.clash(&somewhere), None);
        assert!(anywhere.clash(&anywhere).is_some() && somewhere.clash(&somewhere).is_some());
    }

    #[test]
    fn a_rule_that_is_going_away_is_in_nobodys_way() {
        let mut old = rule(22, 22, "0.0.0.0/0");
        old.state = RuleState::Revoked;
        assert_eq!(rule(22, 22, "0.0.0.0/0").clash(&old), None);
    }

    #[test]
    fn protocols_do_not_clash_with_each_other() {
        let mut udp = rule(53, 53, "0.0.0.0/0");
        udp.matcher = Matcher::Udp(PortRange::new(53, 53));
        assert_eq!(rule(53, 53, "0.0.0.0/0").clash(&udp), None);
    }
}
