//! Addresses of guests within their network's range.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Whether a guest may have this address: in the range, and neither its ends nor the router's.
pub(crate) fn usable(range: Ipv4Net, gateway: Ipv4Addr, address: Ipv4Addr) -> bool {
    range.contains(&address)
        && address != range.network()
        && address != range.broadcast()
        && address != gateway
}

/// The lowest usable address that is not taken.
pub(crate) fn first_free(range: Ipv4Net, gateway: Ipv4Addr, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    range.hosts().find(|address| usable(range, gateway, *address) && !taken.contains(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_found_address_is_usable_and_free(prefix in 22_u8..=30, taken in proptest::collection::btree_set(0_u32..1024, 0..64)) {
            let range = Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), prefix);
            let gateway = Ipv4Addr::new(172, 16, 0, 1);
            let taken: BTreeSet<Ipv4Addr> =
                taken.into_iter().map(|offset| Ipv4Addr::from(u32::from(range.network()) + offset)).collect();
            match first_free(range, gateway, &taken) {
                Some(found) => prop_assert!(usable(range, gateway, found) && !taken.contains(&found)),
                None => prop_assert!(range.hosts().all(|host| host == gateway || taken.contains(&host))),
            }
        }
    }
}
