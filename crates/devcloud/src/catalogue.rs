//! What the zone offers and never changes while it is open: itself, operating systems and hosts. Their ids
//! come from their names, so that they are the same after every opening without being kept anywhere.

use ipnet::Ipv4Net;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::ZoneConfig;

/// The domain every account is in.
pub(crate) const DOMAIN: &str = "ROOT";

/// What virtual routers are made of.
pub(crate) const ROUTER_OFFERING: &str = "System Offering For Software Router";

/// The zone's fixed things.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    pub(crate) zone_id: Uuid,
    pub(crate) zone_name: String,
    pub(crate) domain_id: Uuid,
    pub(crate) physical_network: Uuid,
    /// What virtual routers are made of; network offerings name it.
    pub(crate) router_offering: Uuid,
    pub(crate) public_network: Uuid,
    pub(crate) management_server: Uuid,
    roles: [Role; 3],
    pub(crate) hypervisor: &'static str,
    pub(crate) os_categories: Vec<OsCategory>,
    pub(crate) os_types: Vec<OsType>,
    /// When the zone was first opened; the offerings' `created`.
    pub(crate) created: Timestamp,
}

/// What accounts may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) id: Uuid,
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    /// The kind of account it makes: 0, 1 or 2.
    pub(crate) account_kind: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct OsCategory {
    pub(crate) id: Uuid,
    pub(crate) name: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct OsType {
    pub(crate) id: Uuid,
    pub(crate) category: Uuid,
    pub(crate) category_name: &'static str,
    pub(crate) name: &'static str,
}

const OS_TYPES: [(&str, &[&str]); 4] = [
    ("Ubuntu", &["Ubuntu 20.04 LTS", "Ubuntu 22.04 LTS", "Ubuntu 24.04 LTS"]),
    (
        "Debian",
        &[
            "Debian GNU/Linux 10 (64-bit)",
            "Debian GNU/Linux 11 (64-bit)",
            "Debian GNU/Linux 12 (64-bit)",
            "Debian GNU/Linux 13 (64-bit)",
        ],
    ),
    ("CentOS", &["CentOS 5.6 (64-bit)", "CentOS 7"]),
    ("Other", &["Other (64-bit)", "Other Linux (64-bit)"]),
];

impl Catalogue {
    pub(crate) fn of(config: &ZoneConfig, hypervisor: &'static str, created: Timestamp) -> Self {
        let id = |kind: &str, name: &str| named_id(&config.name, kind, name);
        Self {
            zone_id: id("zone", &config.name),
            zone_name: config.name.clone(),
            domain_id: id("domain", DOMAIN),
            physical_network: id("physical network", "1"),
            router_offering: id("service offering", ROUTER_OFFERING),
            public_network: id("public network", "1"),
            management_server: id("management server", "1"),
            roles: [
                Role { id: id("role", "Root Admin"), name: "Root Admin", kind: "Admin", account_kind: 1 },
                Role {
                    id: id("role", "Domain Admin"),
                    name: "Domain Admin",
                    kind: "DomainAdmin",
                    account_kind: 2,
                },
                Role { id: id("role", "User"), name: "User", kind: "User", account_kind: 0 },
            ],
            hypervisor,
            os_categories: OS_TYPES
                .iter()
                .map(|(name, _)| OsCategory { id: id("os category", name), name })
                .collect(),
            os_types: OS_TYPES
                .iter()
                .flat_map(|(category, names)| {
                    names.iter().map(|name| OsType {
                        id: id("os type", name),
                        category: id("os category", category),
                        category_name: category,
                        name,
                    })
                })
                .collect(),
            created,
        }
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter()
    }

    /// The role of accounts of this kind.
    pub(crate) fn role_of(&self, account_kind: i64) -> &Role {
        self.roles().find(|role| role.account_kind == account_kind).unwrap_or(&self.roles[2])
    }

    pub(crate) fn os_type(&self, id: Uuid) -> Option<&OsType> {
        self.os_types.iter().find(|os_type| os_type.id == id)
    }

    /// The operating system with this description, else the one for everything else.
    pub(crate) fn os_type_named(&self, name: &str) -> Option<&OsType> {
        self.os_types
            .iter()
            .find(|os_type| os_type.name == name)
            .or_else(|| self.os_types.iter().find(|os_type| os_type.name == "Other Linux (64-bit)"))
    }

    /// The id of something that comes with the zone.
    pub(crate) fn own_id(&self, kind: &str, name: &str) -> Uuid {
        named_id(&self.zone_name, kind, name)
    }

    /// The id of one of the zone's hosts.
    pub(crate) fn host_id(&self, host: u32) -> Uuid {
        self.own_id("host", &host.to_string())
    }

    /// The name of one of the zone's hosts.
    pub(crate) fn host_name(&self, host: u32) -> String {
        format!("{}-host-{}", self.zone_name, host + 1)
    }
}

/// The range of a network given by its router's address and its netmask.
pub(crate) fn range_of(gateway: std::net::Ipv4Addr, netmask: std::net::Ipv4Addr) -> Option<Ipv4Net> {
    Ipv4Net::with_netmask(gateway, netmask).ok().map(|range| range.trunc())
}

fn named_id(zone: &str, kind: &str, name: &str) -> Uuid {
    let digest = Sha256::digest(format!("{zone}\0{kind}\0{name}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
