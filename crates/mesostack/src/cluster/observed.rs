//! What the cloud has, as far as the cluster is concerned. Plain data: how it is read is in `look`.

use std::{collections::BTreeMap, net::Ipv4Addr};

use cloudstack::Id;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{
    identity,
    openings::Opening,
    plan::Obstacle,
    quota::{Allowance, Size},
    roster::{Called, Roster},
};

/// Everything of the cluster that exists, and what new things would be made from.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The cluster's network.
    pub network: Option<Network>,
    /// Networks that a repeated call has made beside the cluster's; nothing is in them.
    pub twins: Vec<Id>,
    /// Networks of the same name that are not the cluster's.
    pub namesakes: Vec<Id>,
    /// The network's public addresses.
    pub addresses: Vec<Address>,
    /// Firewall rules of those addresses.
    pub firewall: Vec<FirewallRule>,
    /// The network's egress rules.
    pub egress: Vec<EgressRule>,
    /// Port forwarding rules.
    pub forwards: Vec<Forward>,
    /// Rules whose removal was begun and is not over: they may still be in force.
    pub going: Going,
    /// Load balancer rules.
    pub balancers: Vec<Balancer>,
    /// Machines in the network.
    pub machines: Roster<Machine>,
    /// The fingerprint of the key pair of the file's name.
    pub key_pair: Option<String>,
    /// The masters' affinity group.
    pub affinity_group: Option<AffinityGroup>,
    /// What new things are made from.
    pub catalogue: Catalogue,
    /// What the account may still have; not asked for while nothing is to be added.
    pub allowance: Allowance,
}

/// Rules that are being removed, or were left halfway by a removal that failed.
#[derive(Clone, Debug, Default)]
pub struct Going {
    /// Firewall rules.
    pub firewall: Vec<FirewallRule>,
    /// Port forwarding rules.
    pub forwards: Vec<Forward>,
}

/// What the zone offers of what the file names. Things that were not looked for, because nothing of their kind has to
/// be made, are missing here and in `absent`.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The zone.
    pub zone: Option<Named>,
    /// The network offering.
    pub network_offering: Option<Named>,
    /// Whether that offering lets guests out unless a rule denies it.
    pub egress_allowed: bool,
    /// Service offerings, by what the file calls them.
    pub offerings: BTreeMap<String, Named>,
    /// How large those are, by what the file calls them.
    pub sizes: BTreeMap<String, Size>,
    /// The newest ready template of the image's name.
    pub template: Option<Named>,
    /// How large templates are, in GiB, rounded up.
    pub template_sizes: BTreeMap<Id, u64>,
    /// What the file names and the cloud has not.
    pub absent: Vec<Obstacle>,
}

/// A thing with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
}

impl Named {
    /// Whether the file means this one: by name (as the cloud compares: whatever the case) or by id.
    pub(crate) fn is(&self, named: &str) -> bool {
        self.id == *named || self.name.eq_ignore_ascii_case(named)
    }
}

/// The cluster's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its id and name.
    pub named: Named,
    /// CloudStack's state of it.
    pub state: NetworkState,
    /// Its range, as the cloud says it.
    pub range: Option<Ipv4Net>,
    /// Its zone.
    pub zone: Named,
    /// Its offering.
    pub offering: Named,
    /// Whether guests may go out unless a rule denies it.
    pub egress_allowed: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What a network is about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkState {
    /// Records only: nothing runs, and rules are written down without being sent anywhere.
    Asleep,
    /// The router runs.
    Awake,
    /// Between the two: the router is being started or stopped, and refuses rules.
    Changing,
}

impl NetworkState {
    /// From CloudStack's word for it.
    pub(crate) fn of(state: &str) -> Self {
        match state {
            "Allocated" => Self::Asleep,
            "Implementing" | "Shutdown" | "Destroy" => Self::Changing,
            // Implemented; Setup is the same for networks without a router of their own.
            _ => Self::Awake,
        }
    }
}

impl NetworkState {
    /// Whether the router is being started or stopped; `machine_on_its_way` says whether one is about to need it.
    pub(crate) fn is_changing(self, machine_on_its_way: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Changing => true,
            Self::Asleep => machine_on_its_way(),
            Self::Awake => false,
        }
    }
}

/// A public address of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its id.
    pub id: Id,
    /// The address.
    pub address: Ipv4Addr,
    /// Whether guests appear to the outside under it.
    pub source_nat: bool,
}

/// A firewall rule: TCP ports, or something we never ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallRule {
    /// Its id.
    pub id: Id,
    /// What it opens, when that is TCP ports of the cluster's address.
    pub opening: Option<Opening>,
    /// How to show it to a reader.
    pub text: String,
}

/// An egress rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressRule {
    /// Its id.
    pub id: Id,
    /// Whether it lets every guest out to everywhere.
    pub everything: bool,
    /// How to show it to a reader.
    pub text: String,
}

/// A port forwarding rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Its id.
    pub id: Id,
    /// The address it is on.
    pub address: Id,
    /// The protocol, in lower case.
    pub protocol: String,
    /// The public ports, first and last.
    pub public: (u16, u16),
    /// The first port on the machine.
    pub private: u16,
    /// The machine.
    pub machine: Id,
}

/// A load balancer rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    /// Its id.
    pub id: Id,
    /// The address it is on.
    pub address: Id,
    /// The port on the address.
    pub public_port: u16,
    /// The port on its members.
    pub private_port: u16,
    /// Whether it is about TCP.
    pub tcp: bool,
    /// The machines it leads to; not asked for when the port is not one of ours.
    pub members: Vec<Id>,
}

/// A machine in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its id and host name.
    pub named: Named,
    /// CloudStack's state of it.
    pub state: MachineState,
    /// Its guest address in the network.
    pub address: Option<Ipv4Addr>,
    /// Whether it is in other networks too.
    pub elsewhere: bool,
    /// Its service offering.
    pub offering: Named,
    /// Its template.
    pub template: Named,
    /// The names of its affinity groups.
    pub affinity_groups: Vec<String>,
    /// The names of the key pairs it was made with, whether or not they still exist; empty where the cloud does not tell.
    /// A name with white space in it comes in pieces.
    pub key_pairs: Vec<String>,
    /// How large it is; nothing where the cloud does not tell.
    pub size: Size,
}

impl Machine {
    /// Whether it was made with that key pair; none where that is not known.
    pub(crate) fn made_with(&self, key_pair: &str) -> Option<bool> {
        let has = |piece: &str| self.key_pairs.iter().any(|name| name.eq_ignore_ascii_case(piece));
        let pieces = |c: char| c == ',' || c.is_whitespace();
        (!self.key_pairs.is_empty())
            .then(|| key_pair.split(pieces).filter(|piece| !piece.is_empty()).all(has))
    }
}

impl Called for Machine {
    fn called(&self) -> &str {
        &self.named.name
    }
}

/// What a machine is about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// It runs.
    Running,
    /// It does not run.
    Stopped,
    /// It is being started, stopped or moved.
    Changing,
    /// Its first start failed: it never ran and never will.
    Failed,
    /// It is being destroyed.
    Going,
}

impl MachineState {
    /// From CloudStack's word for it.
    pub(crate) fn of(state: &str) -> Self {
        match state {
            "Running" => Self::Running,
            "Stopped" | "Shutdown" => Self::Stopped,
            "Error" => Self::Failed,
            "Destroyed" | "Expunging" | "Expunged" => Self::Going,
            _ => Self::Changing,
        }
    }

    /// Whether the machine counts, and will: it has not failed, and is not going.
    pub(crate) fn is_there_to_stay(self) -> bool {
        !matches!(self, Self::Failed | Self::Going)
    }
}

/// What becomes of a node whose machine is about to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// It goes too.
    ForGood,
    /// Another machine takes its place.
    MadeAnew,
}

/// The masters' affinity group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffinityGroup {
    /// Its id.
    pub id: Id,
    /// Whether it keeps its members apart, and was made for this cluster.
    pub ours: bool,
}

impl Observed {
    /// The machines by their ids, for whoever looks for many.
    pub(crate) fn machines_by_id(&self) -> BTreeMap<&Id, &Machine> {
        self.machines.iter().map(|machine| (&machine.named.id, machine)).collect()
    }

    /// The address the cluster is reached at: the network's source NAT address.
    pub fn public_address(&self) -> Option<&Address> {
        self.addresses.iter().find(|address| address.source_nat)
    }

    /// The machine of that name.
    pub fn machine(&self, host_name: &str) -> Option<&Machine> {
        self.machines.named(host_name)
    }

    /// Whether a run has begun to take this very machine away.
    pub(crate) fn is_leaving(&self, machine: &Machine) -> Option<Leaving> {
        let mark = self.tag(&identity::leaving_tag(&machine.named.name))?;
        let this = |anew| mark == identity::leaving_mark(machine.named.id.as_str(), anew);
        match (this(false), this(true)) {
            (true, _) => Some(Leaving::ForGood),
            (_, true) => Some(Leaving::MadeAnew),
            _ => None,
        }
    }

    /// Whether a machine runs that was set up as it should be at some time.
    pub(crate) fn serves(&self, host_name: &str) -> bool {
        self.machine(host_name).filter(|machine| machine.state == MachineState::Running).is_some_and(
            |machine| {
                let mark = self.tag(&identity::set_up_tag(host_name));
                mark.and_then(identity::marked_machine) == Some(machine.named.id.as_str())
            },
        )
    }

    /// A tag of the network.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.network.as_ref()?.tags.get(key).map(String::as_str)
    }

    /// Whether nothing of the network runs: then rules are records, and can be written in any order.
    pub(crate) fn asleep(&self) -> bool {
        let network = self.network.as_ref().is_none_or(|network| network.state == NetworkState::Asleep);
        network
            && self
                .machines
                .iter()
                .all(|machine| !matches!(machine.state, MachineState::Running | MachineState::Changing))
    }

    /// Whether the router is being started or stopped, or is about to be: it refuses rules then. A machine that is on
    /// its way in a sleeping network is what wakes it.
    pub(crate) fn router_changes(&self) -> bool {
        let on_its_way = || self.machines.iter().any(|machine| machine.state == MachineState::Changing);
        self.network.as_ref().is_some_and(|network| network.state.is_changing(on_its_way))
    }

    /// The key pairs that were registered for this cluster, by their names, with the tags that say so.
    pub(crate) fn our_key_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let tags = self.network.iter().flat_map(|network| &network.tags);
        tags.filter(|(key, _)| identity::is_key_pair_tag(key))
            .map(|(key, mark)| (identity::marked_key_pair(mark).0, key.as_str()))
    }

    /// Whether the key pair was registered for this cluster.
    pub(crate) fn key_pair_is_ours(&self, name: &str) -> bool {
        self.our_key_pairs().any(|(ours, _)| ours == name)
    }
}
