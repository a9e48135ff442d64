//! What the cluster needs in the cloud, named so that each thing can be found again.

use std::net::Ipv4Addr;

use cloudstack::Id;
use ipnet::Ipv4Net;

use super::{
    identity,
    membership::{self, Changes},
    observed::{Machine, Observed},
    openings::Opening,
    roster::{Called, Roster},
};
use crate::{
    node::{self, Ensemble, Facts},
    spec::{self, Node, Role, Spec},
};

/// Every resource the cluster needs. A pure function of the specification, the operator's key, what the command asks for
/// beyond the file, and which agents there are: see [`Desired::given`].
#[derive(Clone, Debug)]
pub struct Desired {
    /// What it was made from.
    pub spec: Spec,
    /// The operator's key as it is on this machine; none when it has still to be made.
    pub key: Option<OperatorKey>,
    /// What the command asks for beyond the file.
    pub changes: Changes,
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
    /// What `spec` asks for where nothing is there yet, with the operator's key as it is on this machine.
    pub fn of(spec: &Spec, key: Option<OperatorKey>) -> Self {
        let desired = Self {
            key,
            changes: Changes::default(),
            affinity_group: identity::affinity_group(&spec.cluster.name),
            openings: Vec::new(),
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
            machines: Roster::default(),
            spec: spec.clone(),
        };
        desired.with(spec.agents())
    }

    /// The same, with what the command asks for beyond the file.
    #[must_use]
    pub fn asking(self, changes: Changes) -> Self {
        Self { changes, ..self }
    }

    /// The same, given what is there: agents keep their names as long as they are needed.
    #[must_use]
    pub fn given(&self, observed: &Observed) -> Self {
        self.clone().with(membership::agents(self, observed))
    }

    fn with(self, agents: Vec<Node>) -> Self {
        let spec = &self.spec;
        let allow = || spec.access.allow.iter().copied();
        let masters = spec.masters();
        let ports = |nodes: &[Node]| nodes.iter().filter_map(|node| node.ssh_port).max();
        // From the first on, whoever of those in between is there: a range that closed and opened with each of them would
        // keep the router busy.
        let forwards = [
            (spec.access.first_master_port, ports(&masters)),
            (spec.access.first_agent_port, ports(&agents)),
        ];
        let ssh = forwards.into_iter().filter_map(|(first, last)| Some(Opening::new(first, last?, allow())));
        let interfaces = [spec::MESOS, spec::MARATHON].map(|port| Opening::new(port, port, allow()));
        let openings = ssh.chain(interfaces).collect();
        let wanted = |node: Node| WantedMachine {
            host_name: node::host_name(spec, &node),
            offering: match node.role {
                Role::Master => spec.cluster.master_offering.clone(),
                Role::Agent => spec.cluster.agent_offering.clone(),
            },
            node,
        };
        let machines = masters.into_iter().chain(agents).map(wanted).collect();
        Self { openings, machines, ..self }
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

    /// What says that a machine was set up as such a node, one of such an ensemble of masters or told of it.
    pub(crate) fn set_up_mark(&self, node: &Node, ensemble: Ensemble, machine: &Id, facts: &Facts) -> String {
        let digest = node::render_in(&self.spec, ensemble, node, facts).digest;
        let masters = (node.role == Role::Master).then_some(ensemble.masters);
        identity::set_up_mark(machine.as_str(), &digest, masters)
    }

    /// Whether this command asks for a machine to be made anew, or one before has begun to.
    pub(crate) fn makes_anew(&self, wanted: &WantedMachine, observed: &Observed, machine: &Machine) -> bool {
        // One that was to go for good, and whose name is needed all the same, is made anew too.
        self.changes.replaces(&wanted.node)
            || wanted.node.role == Role::Agent && observed.is_leaving(machine).is_some()
    }

    /// The ports that are open for agents, if they have any.
    pub(crate) fn agent_ports(&self) -> Option<(u16, u16)> {
        let agents = self.machines.iter().filter(|machine| machine.node.role == Role::Agent);
        let last = agents.filter_map(|agent| agent.node.ssh_port).max()?;
        Some((self.spec.access.first_agent_port, last))
    }

    /// The wanted machine of that name.
    pub(crate) fn machine(&self, host_name: &str) -> Option<&WantedMachine> {
        self.machines.named(host_name)
    }
}
