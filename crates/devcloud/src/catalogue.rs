//! What the zone offers and never changes while it is open: itself, its offerings, operating systems and hosts. Their ids
//! come from their names, so that they are the same after every opening without being kept anywhere.

use ipnet::Ipv4Net;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::ZoneConfig;

/// The domain every account is in.
pub(crate) const DOMAIN: &str = "ROOT";

/// The zone's fixed things.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    pub(crate) zone_id: Uuid,
    pub(crate) zone_name: String,
    pub(crate) domain_id: Uuid,
    pub(crate) physical_network: Uuid,
    pub(crate) public_network: Uuid,
    pub(crate) management_server: Uuid,
    pub(crate) user_role: Uuid,
    pub(crate) admin_role: Uuid,
    pub(crate) hypervisor: &'static str,
    pub(crate) service_offerings: Vec<ServiceOffering>,
    pub(crate) disk_offerings: Vec<DiskOffering>,
    pub(crate) network_offerings: Vec<NetworkOffering>,
    pub(crate) os_categories: Vec<OsCategory>,
    pub(crate) os_types: Vec<OsType>,
    /// When the zone was first opened; the offerings' `created`.
    pub(crate) created: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct ServiceOffering {
    pub(crate) id: Uuid,
    pub(crate) disk_offering: Uuid,
    pub(crate) name: String,
    pub(crate) processors: u32,
    pub(crate) speed_mhz: u32,
    pub(crate) memory_mib: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct DiskOffering {
    pub(crate) id: Uuid,
    pub(crate) name: &'static str,
    pub(crate) display_text: &'static str,
    pub(crate) gigabytes: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct NetworkOffering {
    pub(crate) id: Uuid,
    pub(crate) name: &'static str,
    pub(crate) display_text: &'static str,
    /// Whether traffic to the outside passes unless a rule says otherwise.
    pub(crate) egress_allowed: bool,
    pub(crate) availability: &'static str,
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
        let disk = |name: &'static str, display_text: &'static str, gigabytes: u64| DiskOffering {
            id: id("disk offering", name),
            name,
            display_text,
            gigabytes,
        };
        Self {
            zone_id: id("zone", &config.name),
            zone_name: config.name.clone(),
            domain_id: id("domain", DOMAIN),
            physical_network: id("physical network", "1"),
            public_network: id("public network", "1"),
            management_server: id("management server", "1"),
            user_role: id("role", "User"),
            admin_role: id("role", "Root Admin"),
            hypervisor,
            service_offerings: config
                .service_offerings
                .iter()
                .map(|offering| ServiceOffering {
                    id: id("service offering", &offering.name),
                    disk_offering: id("disk offering of service offering", &offering.name),
                    name: offering.name.clone(),
                    processors: offering.processors,
                    speed_mhz: offering.speed_mhz,
                    memory_mib: offering.memory_mib,
                })
                .collect(),
            disk_offerings: vec![
                disk("Small", "Small Disk, 5 GB", 5),
                disk("Medium", "Medium Disk, 20 GB", 20),
                disk("Large", "Large Disk, 100 GB", 100),
                disk("Custom", "Custom Disk", 0),
            ],
            network_offerings: vec![
                NetworkOffering {
                    id: id("network offering", "DefaultIsolatedNetworkOfferingWithSourceNatService"),
                    name: "DefaultIsolatedNetworkOfferingWithSourceNatService",
                    display_text: "Offering for Isolated networks with Source Nat service enabled",
                    egress_allowed: false,
                    availability: "Required",
                },
                NetworkOffering {
                    id: id("network offering", "IsolatedNetworkOfferingEgressAllowed"),
                    name: "IsolatedNetworkOfferingEgressAllowed",
                    display_text: "Isolated networks with Source Nat service and open egress",
                    egress_allowed: true,
                    availability: "Optional",
                },
            ],
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

    pub(crate) fn service_offering(&self, id: Uuid) -> Option<&ServiceOffering> {
        self.service_offerings.iter().find(|offering| offering.id == id)
    }

    pub(crate) fn network_offering(&self, id: Uuid) -> Option<&NetworkOffering> {
        self.network_offerings.iter().find(|offering| offering.id == id)
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

    /// The processors and the memory of an offering.
    pub(crate) fn size(&self, offering: Uuid) -> (u32, u64) {
        self.service_offering(offering).map_or((0, 0), |offering| (offering.processors, offering.memory_mib))
    }

    /// The id of one of the zone's hosts.
    pub(crate) fn host_id(&self, host: u32) -> Uuid {
        named_id(&self.zone_name, "host", &host.to_string())
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
