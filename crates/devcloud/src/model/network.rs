//! Guest networks.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;
use crate::driver::NetworkDomain;

/// An isolated network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Network {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) name: String,
    pub(crate) display_text: String,
    /// The id of its network offering.
    pub(crate) offering: Uuid,
    pub(crate) range: Ipv4Net,
    pub(crate) gateway: Ipv4Addr,
    /// The domain its guests' names are in.
    #[serde(deserialize_with = "NetworkDomain::from_records")]
    pub(crate) domain: NetworkDomain,
    pub(crate) state: NetworkState,
    pub(crate) created: Timestamp,
    /// Goes up with everything that changes what its router does, so that a router is programmed only when it is behind.
    pub(crate) revision: u64,
}

/// A network's state, in CloudStack's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NetworkState {
    /// Records only; there is no router.
    Allocated,
    /// Its router is being raised.
    Implementing,
    /// Its router stands.
    Implemented,
    /// Its router is being taken down.
    Shutdown,
}

impl NetworkState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allocated => "Allocated",
            Self::Implementing => "Implementing",
            Self::Implemented => "Implemented",
            Self::Shutdown => "Shutdown",
        }
    }
}

impl Entity for Network {
    const KIND: &'static str = "network";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}
