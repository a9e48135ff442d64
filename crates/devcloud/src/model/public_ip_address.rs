//! Public addresses: every address of the zone's range has a row, taken or free.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Key};

/// One address of the public range.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PublicIpAddress {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) address: Ipv4Addr,
    pub(crate) state: AddressState,
    pub(crate) account: Option<Uuid>,
    pub(crate) network: Option<Uuid>,
    pub(crate) source_nat: bool,
    pub(crate) static_nat: Option<StaticNat>,
    pub(crate) allocated: Option<Timestamp>,
}

/// All traffic to an address goes to one guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StaticNat {
    pub(crate) virtual_machine: Uuid,
    pub(crate) guest: Ipv4Addr,
}

/// Whether an address is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AddressState {
    Free,
    Allocating,
    Allocated,
}

impl AddressState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Free => "Free",
            Self::Allocating => "Allocating",
            Self::Allocated => "Allocated",
        }
    }
}

impl PublicIpAddress {
    pub(super) fn make_free(&mut self) {
        self.state = AddressState::Free;
        self.account = None;
        self.network = None;
        self.source_nat = false;
        self.static_nat = None;
        self.allocated = None;
    }
}

impl Entity for PublicIpAddress {
    const KIND: &'static str = "public ip address";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
    /// Its network and the machine it is translated to.
    fn keys(&self) -> Vec<Key> {
        let machine = self.static_nat.as_ref().map(|nat| nat.virtual_machine);
        self.network.into_iter().chain(machine).map(Key::of).collect()
    }
}
