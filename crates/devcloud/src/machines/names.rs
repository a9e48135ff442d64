//! What the zone's things on the host are called.
//!
//! Everything carries the zone's name, so that taking the zone down finds all of it, also after a crash, and nothing
//! else. Names are long where the kernel allows it; interfaces have 15 characters, so theirs carry a hash of the name.

use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::host::ZoneName;

impl ZoneName {
    /// The namespace of a network's router.
    pub(crate) fn router_namespace(&self, network: Uuid) -> String {
        format!("{self}-r-{}", network.simple())
    }

    /// The namespace of a machine.
    pub(crate) fn machine_namespace(&self, machine: Uuid) -> String {
        format!("{self}-m-{}", machine.simple())
    }

    /// What a namespace of this zone is for; none when it is not this zone's.
    pub(crate) fn owner(&self, namespace: &str) -> Option<Owner> {
        let rest = namespace.strip_prefix(self.as_str())?;
        let (owner, id): (fn(Uuid) -> Owner, &str) = match rest.split_at_checked(3)? {
            ("-r-", id) => (Owner::Router, id),
            ("-m-", id) => (Owner::Machine, id),
            _ => return None,
        };
        simple_id(id).map(owner)
    }

    /// What `systemd-nspawn` calls the machine (not its host name).
    pub(crate) fn nspawn_machine(&self, machine: Uuid) -> String {
        format!("{self}-{}", machine.simple())
    }

    /// Whether `systemd-nspawn` calls a machine of this zone so.
    pub(crate) fn owns_nspawn_machine(&self, name: &str) -> bool {
        name.strip_prefix(self.as_str())
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|id| simple_id(id).is_some())
    }

    /// The beginning of every interface of this zone in the host's own namespace, 8 characters.
    fn link_prefix(&self) -> String {
        format!("ms{}", short(self.as_str().as_bytes(), 6))
    }

    /// The host's bridge for the zone's public range.
    pub(crate) fn public_bridge(&self) -> String {
        self.link_prefix()
    }

    /// The host's end of a router's public link.
    pub(crate) fn public_link(&self, network: Uuid) -> String {
        format!("{}{}", self.link_prefix(), short(network.as_bytes(), 7))
    }

    /// Whether an interface in the host's own namespace is this zone's.
    pub(crate) fn owns_link(&self, link: &str) -> bool {
        matches!(link.len(), 8 | 15) && link.starts_with(&self.link_prefix())
    }

    /// The host's nftables table for the zone.
    pub(crate) fn table(&self) -> String {
        format!("mesostack-{self}")
    }
}

/// Whose namespace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A network's router.
    Router(Uuid),
    /// A machine.
    Machine(Uuid),
}

/// The router's end of a guest's link: unique within the router, and says whose it is.
pub(crate) fn guest_link(address: Ipv4Addr) -> String {
    format!("g-{:08x}", u32::from(address))
}

/// An id as it stands in names: 32 lower-case hexadecimal digits. Strict, or the name of one zone could be read as that
/// of a thing of another.
fn simple_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.simple().to_string() == text).then_some(id)
}

/// The first characters of a hash in base 32.
fn short(of: &[u8], characters: usize) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    Sha256::digest(of)
        .iter()
        .take(characters)
        .map(|byte| char::from(DIGITS[usize::from(byte % 32)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> ZoneName {
        name.parse().expect("a legal name")
    }

    #[test]
    fn a_zone_does_not_own_what_belongs_to_a_zone_whose_name_begins_like_its_own() {
        let id = Uuid::from_u128(7);
        let (short, long) = (zone("a"), zone("a-r"));
        assert_eq!(short.owner(&short.router_namespace(id)), Some(Owner::Router(id)));
        assert_eq!(short.owner(&long.router_namespace(id)), None);
        assert_eq!(short.owner(&long.machine_namespace(id)), None);
        assert!(short.owns_nspawn_machine(&short.nspawn_machine(id)));
        assert!(!short.owns_nspawn_machine(&long.nspawn_machine(id)));
    }

    proptest! {
        #[test]
        fn interface_names_fit_and_are_recognised(name in "[a-z][a-z0-9]{0,23}", other in "[a-z][a-z0-9]{0,23}", id: u128) {
            let (zone, other) = (zone(&name), zone(&other));
            for link in [zone.public_bridge(), zone.public_link(Uuid::from_u128(id))] {
                prop_assert!(link.len() <= 15);
                prop_assert!(zone.owns_link(&link));
                prop_assert!(zone == other || !other.owns_link(&link));
            }
        }
    }
}
