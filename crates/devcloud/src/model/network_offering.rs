//! Network offerings: kinds of isolated networks, and which services a virtual router does for them. The zone's own are
//! there from its first opening; root admins make more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AddressState, Entity, Model, PublicIpAddress};

/// A kind of network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NetworkOffering {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) display_text: String,
    /// Whether traffic to the outside passes unless a rule says otherwise.
    pub(crate) egress_allowed: bool,
    /// Whether networks are made by it when none is named; there is at most one such offering.
    pub(crate) required: bool,
    /// Whether a public address can serve several purposes at once.
    pub(crate) conserve_mode: bool,
    /// In the order in which they are told.
    pub(crate) services: Vec<Service>,
    /// Whether networks can be made by it.
    pub(crate) enabled: bool,
    /// The one that comes with every CloudStack, which can't be deleted.
    pub(crate) default: bool,
    pub(crate) created: Timestamp,
}

/// What a virtual router does for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Service {
    SourceNat,
    Dns,
    Firewall,
    Lb,
    Dhcp,
    Vpn,
    UserData,
    PortForwarding,
    StaticNat,
    /// Not told: every router is one.
    Gateway,
}

impl Service {
    /// All there are, in the order in which they are told.
    pub(crate) const ALL: [Self; 10] = [
        Self::SourceNat,
        Self::Dns,
        Self::Firewall,
        Self::Lb,
        Self::Dhcp,
        Self::Vpn,
        Self::UserData,
        Self::PortForwarding,
        Self::StaticNat,
        Self::Gateway,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SourceNat => "SourceNat",
            Self::Dns => "Dns",
            Self::Firewall => "Firewall",
            Self::Lb => "Lb",
            Self::Dhcp => "Dhcp",
            Self::Vpn => "Vpn",
            Self::UserData => "UserData",
            Self::PortForwarding => "PortForwarding",
            Self::StaticNat => "StaticNat",
            Self::Gateway => "Gateway",
        }
    }

    /// The service of this name, in whatever case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name().eq_ignore_ascii_case(name))
    }
}

impl NetworkOffering {
    pub(crate) fn state_name(&self) -> &'static str {
        if self.enabled { "Enabled" } else { "Disabled" }
    }

    pub(crate) fn availability(&self) -> &'static str {
        if self.required { "Required" } else { "Optional" }
    }
}

impl Entity for NetworkOffering {
    const KIND: &'static str = "network offering";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Model {
    /// What kind a network is.
    pub(crate) fn offering_of(&self, network: Uuid) -> Option<&NetworkOffering> {
        self.network_offerings.get(self.networks.get(network)?.offering)
    }

    /// What a public address is used for.
    pub(crate) fn purpose_of(&self, address: &PublicIpAddress) -> Option<Service> {
        if address.state == AddressState::Free {
            return None;
        }
        if address.source_nat {
            return Some(Service::SourceNat);
        }
        if address.static_nat.is_some() {
            return Some(Service::StaticNat);
        }
        let forwards = self.port_forwarding_rules.iter().any(|rule| rule.address == address.id);
        let balances = self.load_balancer_rules.iter().any(|rule| rule.address == address.id);
        match (forwards, balances) {
            (true, _) => Some(Service::PortForwarding),
            (false, true) => Some(Service::Lb),
            (false, false) => None,
        }
    }
}
