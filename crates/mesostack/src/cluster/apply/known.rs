//! What a run knows of the cloud: what was observed, and what its own steps have made since.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use cloudstack::Id;
use remote::{HostKey, HostKeyPair};

use crate::cluster::{
    identity,
    observed::{MachineState, Observed},
};

/// Ids and addresses by what they are called.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) network: Option<Id>,
    pub(super) address: Option<(Id, Ipv4Addr)>,
    pub(super) affinity_group: Option<Id>,
    pub(super) machines: BTreeMap<String, KnownMachine>,
    pub(super) balancers: BTreeMap<u16, Id>,
    /// The network's tags.
    pub(super) tags: BTreeMap<String, String>,
    /// Host keys of machines that are about to be made.
    pub(super) host_keys: BTreeMap<String, HostKeyPair>,
    /// Machines that are being made again, with all that belongs to them.
    pub(super) mending: BTreeSet<String>,
    /// Machines whose nodes this run has set up.
    pub(super) set_up: BTreeSet<String>,
    /// Those of them whose nodes do what their roles ask of them.
    pub(super) healthy: BTreeSet<String>,
    /// The cloud does not let us expunge machines.
    pub(super) cannot_expunge: bool,
}

/// A machine.
#[derive(Clone, Debug)]
pub(super) struct KnownMachine {
    pub(super) id: Id,
    /// The template it was made from.
    pub(super) template: Id,
}

impl Known {
    pub(super) fn of(observed: &Observed) -> Self {
        // One whose first start failed is good for nothing: it is as if it were not there.
        let usable = observed.machines.iter().filter(|machine| machine.state != MachineState::Failed);
        let machines = usable.map(|machine| {
            let known = KnownMachine { id: machine.named.id.clone(), template: machine.template.id.clone() };
            (machine.named.name.clone(), known)
        });
        let address = observed.public_address();
        let rules = observed
            .balancers
            .iter()
            .filter(|rule| address.is_some_and(|address| address.id == rule.address));
        Self {
            network: observed.network.as_ref().map(|network| network.named.id.clone()),
            address: address.map(|address| (address.id.clone(), address.address)),
            affinity_group: observed.affinity_group.as_ref().map(|group| group.id.clone()),
            machines: machines.collect(),
            balancers: rules.map(|rule| (rule.public_port, rule.id.clone())).collect(),
            tags: observed.network.as_ref().map(|network| network.tags.clone()).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The key a machine has to show: the one it is about to get, or the one that was written down for it.
    pub(super) fn host_key(&self, host_name: &str) -> Option<HostKey> {
        match self.host_keys.get(host_name) {
            Some(pair) => Some(pair.public.clone()),
            None => self.tags.get(&identity::host_key_tag(host_name))?.parse().ok(),
        }
    }
}
