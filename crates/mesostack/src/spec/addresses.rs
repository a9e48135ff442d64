//! Where nodes live: guest addresses within the network's range.
//!
//! A node's address is its place in the range, counted from the network address, so that it is known before anything
//! is made. The first place is the router's, the last is the broadcast address.

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;

/// The largest network an ordinary user may make in a stock CloudStack (`network.guest.cidr.limit`); a root admin, and a
/// cloud with another limit, may make larger ones.
pub(super) const USUAL_PREFIX: u8 = 22;
/// The largest network there is a use for: all agents that can be numbered.
pub(super) const SHORTEST_PREFIX: u8 = 16;
/// The smallest network with room for a router, a master and an agent.
pub(super) const LONGEST_PREFIX: u8 = 29;

/// The ranges CloudStack accepts for guests: RFC 1918 and RFC 6598.
const PRIVATE: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
];

/// What is wrong with a network's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadRange {
    NotPrivate,
    HostBits(Ipv4Net),
    Prefix(u8),
}

impl fmt::Display for BadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPrivate => write!(
                f,
                "the range is not private: CloudStack takes guests in 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 \
                 and 100.64.0.0/10 only"
            ),
            Self::HostBits(right) => {
                write!(f, "the range has bits set beyond its prefix; {right} is the range")
            }
            Self::Prefix(prefix) => write!(
                f,
                "a prefix of /{prefix} cannot be used: networks are /{SHORTEST_PREFIX} at the widest, and beyond \
                 /{LONGEST_PREFIX} there is no room for a cluster"
            ),
        }
    }
}

/// Checks a network's range by itself.
pub(super) fn check_range(range: Ipv4Net) -> Result<(), BadRange> {
    if range.trunc() != range {
        return Err(BadRange::HostBits(range.trunc()));
    }
    if !(SHORTEST_PREFIX..=LONGEST_PREFIX).contains(&range.prefix_len()) {
        return Err(BadRange::Prefix(range.prefix_len()));
    }
    let private = PRIVATE
        .iter()
        .filter_map(|(address, prefix)| Ipv4Net::new(*address, *prefix).ok())
        .any(|private| private.contains(&range));
    if private { Ok(()) } else { Err(BadRange::NotPrivate) }
}

/// What is to be known of a range that not every cloud gives.
pub(super) fn warning(range: Ipv4Net) -> Option<String> {
    (range.prefix_len() < USUAL_PREFIX).then(|| {
        format!(
            "a stock CloudStack gives ordinary accounts networks of /{USUAL_PREFIX} at most; a wider one takes another \
             `network.guest.cidr.limit`, or the keys of a root admin"
        )
    })
}

/// Nodes at consecutive places of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// The first node's place.
    pub(super) first: u32,
    /// How many nodes.
    pub(super) count: u32,
}

impl Places {
    fn last(self) -> u64 {
        u64::from(self.first) + u64::from(self.count.saturating_sub(1))
    }
}

/// Why nodes cannot live at their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// The first one would have the network's own or the router's address.
    Reserved,
    /// That many fit from the first place on; the next one would meet the broadcast address.
    Room(u32),
}

/// Checks that `places` lie within `range`, clear of the network, router and broadcast addresses.
pub(super) fn check_places(range: Ipv4Net, places: Places) -> Result<(), Misplaced> {
    if places.count == 0 {
        return Ok(());
    }
    if places.first < 2 {
        return Err(Misplaced::Reserved);
    }
    let last_usable = size(range) - 2;
    if places.last() > last_usable {
        let room = (last_usable + 1).saturating_sub(u64::from(places.first));
        return Err(Misplaced::Room(u32::try_from(room).unwrap_or(u32::MAX)));
    }
    Ok(())
}

/// The first place that both have, if any.
pub(super) fn shared_place(one: Places, other: Places) -> Option<u64> {
    let start = u64::from(one.first.max(other.first));
    (one.count > 0 && other.count > 0 && start <= one.last().min(other.last())).then_some(start)
}

/// The address at a place of the range; none for the network's, the router's and the broadcast address, and beyond.
pub(super) fn at(range: Ipv4Net, place: u32) -> Option<Ipv4Addr> {
    check_places(range, Places { first: place, count: 1 }).ok()?;
    u32::from(range.network()).checked_add(place).map(Ipv4Addr::from)
}

fn size(range: Ipv4Net) -> u64 {
    1 << (32 - u32::from(range.prefix_len()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().expect("a range")
    }

    #[test]
    fn ranges_cloudstack_refuses_are_refused() {
        assert_eq!(check_range(net("172.16.0.0/24")), Ok(()));
        assert_eq!(check_range(net("100.64.4.0/22")), Ok(()));
        assert_eq!(check_range(net("8.8.8.0/24")), Err(BadRange::NotPrivate));
        assert_eq!(check_range(net("172.32.0.0/24")), Err(BadRange::NotPrivate));
        assert_eq!(check_range(net("10.0.0.0/15")), Err(BadRange::Prefix(15)));
        assert_eq!(check_range(net("10.0.0.0/30")), Err(BadRange::Prefix(30)));
        assert_eq!(check_range(net("10.0.0.9/24")), Err(BadRange::HostBits(net("10.0.0.0/24"))));
    }

    #[test]
    fn the_router_and_the_broadcast_address_are_nobodys() {
        let range = net("10.0.0.0/29");
        assert_eq!(check_places(range, Places { first: 1, count: 1 }), Err(Misplaced::Reserved));
        assert_eq!(check_places(range, Places { first: 2, count: 5 }), Ok(()));
        assert_eq!(check_places(range, Places { first: 2, count: 6 }), Err(Misplaced::Room(5)));
        assert_eq!(check_places(range, Places { first: 900, count: 1 }), Err(Misplaced::Room(0)));
    }

    proptest! {
        #[test]
        fn accepted_places_are_usable_addresses(prefix in 16u8..30, first in 0u32..1100, count in 0u32..1100) {
            let range = Ipv4Net::new(Ipv4Addr::new(10, 1, 0, 0), prefix).expect("a range");
            let accepted = check_places(range, Places { first, count }).is_ok();
            let usable = (0..count).all(|at| {
                let address = Ipv4Addr::from(u32::from(range.network()) + first + at);
                range.contains(&address)
                    && address != range.network()
                    && address != range.broadcast()
                    && u32::from(address) != u32::from(range.network()) + 1
            });
            prop_assert_eq!(accepted, usable);
        }

        #[test]
        fn a_shared_place_is_found_exactly_when_there_is_one(a in 0u32..40, b in 0u32..40, m in 0u32..20, n in 0u32..20) {
            let one = (a..a + m).collect::<BTreeSet<_>>();
            let other = (b..b + n).collect::<BTreeSet<_>>();
            let shared = one.intersection(&other).next().copied().map(u64::from);
            prop_assert_eq!(shared_place(Places { first: a, count: m }, Places { first: b, count: n }), shared);
        }
    }
}
