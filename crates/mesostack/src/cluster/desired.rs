//! What the cluster needs in the cloud, named so that each thing can be found again.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{
    identity,
    openings::Opening,
    roster::{Called, Roster},
};
use crate::{
    node,
    spec::{self, AgentAccess, Node, Role, Spec},
};

/// Every resource the cluster needs. A pure function of the specification and the operator's key.
#[derive(Clone, Debug)]
pub struct Desired {
    /// What it was made from.
    pub spec: Spec,
    /// The operator's key as it is on this machine; none when it has still to be made.
    pub key: Option<OperatorKey>,
    /// The masters' anti-affinity group.
    pub affinity_group: String,
    /// The ports that have to be open.
    pub openings: Vec<Opening>,
    /// The load balancer rules that lead to the masters' gateways.
    pub balancers: [WantedBalancer; 2],
    /// The nodes: masters, then agents, in their order.
    pub machines: Roster<WantedMachine>,
}

/// The operator's key, as far as the cloud is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorKey {
    /// The public half, as a line of `authorized_keys`.
    pub public: String,
    /// CloudStack's fingerprint of it: the MD5 of the key's blob, in pairs of hexadecimal digits with colons.
    pub fingerprint: String,
}

/// A load balancer rule to the gateways on the masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedBalancer {
    /// The rule's name.
    pub name: &'static str,
    /// The port on the public address.
    pub public_port: u16,
    /// The gateway's port on each master.
    pub private_port: u16,
}

/// A node's machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedMachine {
    /// The node.
    pub node: Node,
    /// Its name in the cloud.
    pub host_name: String,
    /// Its service offering, by name or id.
    pub offering: String,
}

impl Called for WantedMachine {
    fn called(&self) -> &str {
        &self.host_name
    }
}

impl WantedMachine {
    /// The file's key that names its offering.
    pub(crate) fn offering_path(&self) -> &'static str {
        match self.node.role {
            Role::Master => "cluster.master_offering",
            Role::Agent => "cluster.agent_offering",
        }
    }
}

impl Desired {
    /// What `spec` asks for, with the operator's key as it is on this machine.
    pub fn of(spec: &Spec, key: Option<OperatorKey>) -> Self {
        let wanted = |node: Node| WantedMachine {
            host_name: node::host_name(spec, &node),
            offering: match node.role {
                Role::Master => spec.cluster.master_offering.clone(),
                Role::Agent => spec.cluster.agent_offering.clone(),
            },
            node,
        };
        let allow = || spec.access.allow.iter().copied();
        let forwarded_agents = match spec.access.agents {
            AgentAccess::Forward => spec.cluster.agents,
            AgentAccess::Bastion => 0,
        };
        let forwards = [
            (spec.access.first_master_port, spec.cluster.masters),
            (spec.access.first_agent_port, forwarded_agents),
        ];
        let ssh = forwards
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(first, count)| Opening::new(first, first + (count - 1), allow()));
        let interfaces = [spec::MESOS, spec::MARATHON].map(|port| Opening::new(port, port, allow()));
        Self {
            key,
            affinity_group: identity::affinity_group(&spec.cluster.name),
            openings: ssh.chain(interfaces).collect(),
            balancers: [
                WantedBalancer {
                    name: "mesos",
                    public_port: spec::MESOS,
                    private_port: node::GATEWAY_MESOS_PORT,
                },
                WantedBalancer {
                    name: "marathon",
                    public_port: spec::MARATHON,
                    private_port: node::GATEWAY_MARATHON_PORT,
                },
            ],
            machines: spec.masters().into_iter().chain(spec.agents()).map(wanted).collect(),
            spec: spec.clone(),
        }
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.spec.cluster.name
    }

    /// The network's range.
    pub(crate) fn range(&self) -> Ipv4Net {
        self.spec.network.range
    }

    /// The router's address within the range: the first one.
    pub(crate) fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.range().network()) + 1)
    }

    /// The masters' machines.
    pub(crate) fn masters(&self) -> impl Iterator<Item = &WantedMachine> {
        // They come first: whoever asks for them for each of many agents does not go through all of those.
        self.machines.iter().take_while(|machine| machine.node.role == Role::Master)
    }

    /// The wanted machine of that name.
    pub(crate) fn machine(&self, host_name: &str) -> Option<&WantedMachine> {
        self.machines.named(host_name)
    }
}
