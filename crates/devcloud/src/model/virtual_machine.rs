//! Virtual machines and their interfaces.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Key, Size};
use crate::driver::{MacAddress, Password};

/// A machine, from its deployment until it is expunged.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct VirtualMachine {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    /// Who deployed it, where that was one of the account's users.
    #[serde(default)]
    pub(crate) user: Option<Uuid>,
    /// Its host name.
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) state: MachineState,
    pub(crate) template: Uuid,
    /// The id of its service offering.
    pub(crate) offering: Uuid,
    /// Its own size, where its offering leaves that to whoever makes a machine.
    #[serde(default)]
    pub(crate) size: Option<Size>,
    /// The default one first.
    pub(crate) nics: Vec<Nic>,
    pub(crate) volume: Uuid,
    /// Base64, as it came.
    pub(crate) user_data: Option<String>,
    /// Names of its key pairs when it was made; the pairs may be gone.
    pub(crate) key_pairs: Vec<String>,
    /// The public keys themselves.
    pub(crate) public_keys: Vec<String>,
    pub(crate) affinity_groups: Vec<Uuid>,
    pub(crate) details: BTreeMap<String, String>,
    pub(crate) group: Option<String>,
    /// The ISOs that are attached.
    #[serde(default)]
    pub(crate) isos: Vec<Uuid>,
    /// The registered user-data it was given.
    #[serde(default)]
    pub(crate) user_data_id: Option<Uuid>,
    #[serde(default)]
    pub(crate) user_data_details: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) ha: bool,
    /// The operating system that was said to be on it, where that is not its template's.
    #[serde(default)]
    pub(crate) os_type: Option<Uuid>,
    /// What its guest is told when it asks its router, where its template has such a guest.
    #[serde(default)]
    pub(crate) password: Option<Password>,
    /// Whether whoever starts it next is answered the password.
    #[serde(default)]
    pub(crate) password_due: bool,
    pub(crate) delete_protection: bool,
    pub(crate) dynamically_scalable: bool,
    /// Whether only root admins see it.
    #[serde(default)]
    pub(crate) hidden: bool,
    /// The number of the host it runs on, while it runs.
    pub(crate) host: Option<u32>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Option<Timestamp>,
}

/// A machine's state, in CloudStack's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MachineState {
    Stopped,
    Starting,
    Running,
    Stopping,
    Destroyed,
    Expunging,
    Error,
}

impl MachineState {
    /// Whether it may be there in the driver: it runs, or is on its way to or from that.
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Destroyed => "Destroyed",
            Self::Expunging => "Expunging",
            Self::Error => "Error",
        }
    }
}

/// A machine's interface in a guest network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Nic {
    pub(crate) id: Uuid,
    pub(crate) network: Uuid,
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: MacAddress,
    /// More addresses, each with the id it is removed by.
    #[serde(default)]
    pub(crate) secondary: Vec<(Uuid, Ipv4Addr)>,
}

impl Nic {
    /// Its address and its further ones.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        std::iter::once(self.address).chain(self.secondary.iter().map(|(_, address)| *address))
    }
}

impl Entity for VirtualMachine {
    const KIND: &'static str = "virtual machine";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
    /// Its name and its networks.
    fn keys(&self) -> Vec<Key> {
        self.nics.iter().map(|nic| Key::of(nic.network)).chain([Key::of(&self.name)]).collect()
    }
}

impl std::fmt::Debug for VirtualMachine {
    // User-data may hold private keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VirtualMachine")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl VirtualMachine {
    /// Whether this is the network of its default interface, by whose router it is told its password.
    pub(super) fn is_default_in(&self, network: Uuid) -> bool {
        self.nics.first().is_some_and(|nic| nic.network == network)
    }

    /// Its interface in this network.
    pub(crate) fn nic_in(&self, network: Uuid) -> Option<&Nic> {
        self.nics.iter().find(|nic| nic.network == network)
    }
}
