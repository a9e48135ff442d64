//! One change of the cloud: what it does, and how it is shown before it is done.

use std::net::Ipv4Addr;

use cloudstack::Id;
use ipnet::Ipv4Net;
use serde::Serialize;

use super::{observed::Named, openings::Opening};
use crate::{node::Ensemble, spec::Node};

/// Whether something is added, changed or removed, or is there without having been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Sign {
    /// `+`
    #[serde(rename = "+")]
    Add,
    /// `~`
    #[serde(rename = "~")]
    Change,
    /// `-`
    #[serde(rename = "-")]
    Remove,
    /// `?`
    #[serde(rename = "?")]
    Foreign,
}

impl Sign {
    /// As a plan shows it.
    pub fn as_char(self) -> char {
        match self {
            Self::Add => '+',
            Self::Change => '~',
            Self::Remove => '-',
            Self::Foreign => '?',
        }
    }
}

/// One change. Ids are those that were known when the plan was made; what an earlier step makes is found by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Waits until the network's router stands or is gone.
    AwaitNetwork,
    /// Makes the isolated network.
    CreateNetwork { name: String, range: Ipv4Net, gateway: Ipv4Addr, offering: Named, zone: Named },
    /// Writes tags of the network: whose it is, and new host keys for machines that are about to be made.
    WriteTags {
        /// Tags with known values.
        set: Vec<(String, String)>,
        /// Machines that get a new host key.
        host_keys: Vec<String>,
        /// Tags that say something about machines that are no more.
        drop: Vec<String>,
    },
    /// Registers the operator's public key; makes the key first when there is none on this machine.
    RegisterKeyPair { name: String },
    /// Makes the masters' anti-affinity group.
    CreateAffinityGroup { name: String },
    /// Takes the network's public address.
    AcquireAddress,
    /// Removes a firewall rule.
    ClosePorts { rule: Id, text: String, why: String },
    /// Opens ports of the public address.
    OpenPorts { opening: Opening },
    /// Lets guests out.
    OpenEgress { range: Ipv4Net },
    /// Makes a load balancer rule.
    CreateBalancer { name: String, public_port: u16, private_port: u16 },
    /// Puts machines behind a load balancer rule.
    AssignBalancer { public_port: u16, machines: Vec<String>, fresh: bool },
    /// Removes a rule nobody asked for.
    RemoveRule { rule: RuleKind, id: Id, text: String },
    /// Takes a machine out of one of our load balancer rules that is no master.
    RemoveMember { public_port: u16, rule: Id, machine: Id, text: String },
    /// Gives a public address back that nobody asked for.
    ReleaseAddress { id: Id, text: String },
    /// Writes down which agents are about to go: there is no way back once they are drained.
    MarkLeaving { host_names: Vec<String>, tags: Vec<(String, String)> },
    /// Takes an agent out of service, so that its tasks end in order and start elsewhere.
    Drain { host_name: String, node: Node },
    /// Asks the masters whether the quorum outlives one of them going.
    CheckQuorum { host_name: String, node: Node },
    /// Removes a machine from a cluster that stays.
    Discard { host_name: String, machine: Id, why: String },
    /// Writes a machine down, without starting it.
    Deploy { host_name: String, node: Node, offering: Named, template: Named, apart: bool },
    /// Writes a machine down and starts it, by one job: one that no rule leads to, and that is written down when
    /// everything else is.
    Launch { host_name: String, node: Node, offering: Named, template: Named },
    /// Forwards a port of the public address to a machine's SSH port.
    Forward { host_name: String, public_port: u16 },
    /// Removes a port forwarding rule to a machine's SSH port.
    RemoveForward { host_name: String, public_port: u16, rule: Id, why: String },
    /// Nothing by itself: everything that is written down while the network sleeps has been, or has failed. The first
    /// machine that starts wakes the router, which takes no rules until it stands.
    WrittenDown,
    /// Starts a machine, or waits until it runs.
    Start { host_name: String, fresh: bool },
    /// Brings a node's configuration to it.
    SetUp { host_name: String, node: Node, fresh: bool },
    /// Brings their configuration to masters that serve, one at a time, those that lead last; each has to serve again
    /// before the next one is touched.
    RollOut { host_names: Vec<String>, stages: Vec<Stage> },
    /// Waits until the cluster works.
    AwaitHealth { host_names: Vec<String> },
    /// Writes down which nodes are set up.
    MarkSetUp { host_names: Vec<String> },
    /// Removes the tags of nodes that are no more.
    ForgetNodes { host_names: Vec<String>, tags: Vec<String> },
    /// Removes the tags that say what the masters know: a run that takes them down may be broken off, and whoever applies
    /// afterwards begins anew.
    Disband { tags: Vec<String> },
    /// Destroys a machine for good.
    Destroy { host_name: String, machine: Id },
    /// Removes the masters' anti-affinity group.
    DeleteAffinityGroup { name: String, group: Id },
    /// Removes a key pair that was registered for the cluster, and then the tag that says so, where the network stays. The
    /// private key stays where it is.
    DeleteKeyPair { name: String, tag: Option<String> },
    /// Removes the network, and with it its rules and addresses.
    DeleteNetwork { name: String, network: Id },
}

/// What kind of rule a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// A firewall rule of a public address.
    Firewall,
    /// An egress rule of the network.
    Egress,
    /// A port forwarding rule.
    Forward,
    /// A load balancer rule.
    Balancer,
}

/// A step on the way from one ensemble of masters to another: so many of them, a quorum of so many, brought to these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// How the masters are to see their ensemble.
    #[serde(flatten)]
    pub ensemble: Ensemble,
    /// Which masters are told.
    pub nodes: Vec<Node>,
}

impl Stage {
    /// The master that is new in it, where it takes one in.
    pub(crate) fn takes_in(&self) -> Option<&Node> {
        match self.nodes.as_slice() {
            [one] if one.number == self.ensemble.masters => Some(one),
            _ => None,
        }
    }
}

/// Which of the run's phases a step belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Everything in the cloud.
    Infrastructure,
    /// Everything on the nodes.
    Nodes,
    /// Taking the cluster down.
    Destruction,
}

impl Phase {
    /// As events name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::Nodes => "nodes",
            Self::Destruction => "destroy",
        }
    }
}

/// What a step has to share with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// The network's queue in the server: one at a time, or each waits for the server's 2 s heartbeat.
    NetworkQueue,
    /// Machines' jobs: side by side, as many as are allowed.
    Machines,
    /// Work on nodes: side by side, as many as are allowed.
    Nodes,
    /// Nothing.
    Free,
}

impl Lane {
    /// As events name it; none for what shares nothing.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::NetworkQueue => Some("network"),
            Self::Machines => Some("machines"),
            Self::Nodes => Some("nodes"),
            Self::Free => None,
        }
    }
}

impl Action {
    /// What kind of step it is, as events and JSON name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AwaitNetwork => "await_network",
            Self::CreateNetwork { .. } => "create_network",
            Self::WriteTags { .. } => "write_tags",
            Self::RegisterKeyPair { .. } => "register_key_pair",
            Self::CreateAffinityGroup { .. } => "create_affinity_group",
            Self::AcquireAddress => "acquire_address",
            Self::ClosePorts { .. } => "close_ports",
            Self::OpenPorts { .. } => "open_ports",
            Self::OpenEgress { .. } => "open_egress",
            Self::CreateBalancer { .. } => "create_balancer",
            Self::AssignBalancer { .. } => "assign_balancer",
            Self::RemoveRule { .. } => "remove_rule",
            Self::RemoveMember { .. } => "remove_member",
            Self::ReleaseAddress { .. } => "release_address",
            Self::MarkLeaving { .. } => "mark_leaving",
            Self::Drain { .. } => "drain",
            Self::CheckQuorum { .. } => "check_quorum",
            Self::Discard { .. } => "discard",
            Self::Deploy { .. } => "deploy",
            Self::Launch { .. } => "launch",
            Self::Forward { .. } => "forward",
            Self::RemoveForward { .. } => "remove_forward",
            Self::WrittenDown => "written_down",
            Self::Start { .. } => "start",
            Self::SetUp { .. } => "set_up",
            Self::RollOut { .. } => "roll_out",
            Self::AwaitHealth { .. } => "await_health",
            Self::MarkSetUp { .. } => "mark_set_up",
            Self::ForgetNodes { .. } => "forget_nodes",
            Self::Disband { .. } => "disband",
            Self::Destroy { .. } => "destroy",
            Self::DeleteAffinityGroup { .. } => "delete_affinity_group",
            Self::DeleteKeyPair { .. } => "delete_key_pair",
            Self::DeleteNetwork { .. } => "delete_network",
        }
    }

    /// The one machine it is about.
    pub fn host_name(&self) -> Option<&str> {
        match self {
            Self::Discard { host_name, .. }
            | Self::Drain { host_name, .. }
            | Self::CheckQuorum { host_name, .. }
            | Self::Deploy { host_name, .. }
            | Self::Launch { host_name, .. }
            | Self::RemoveForward { host_name, .. }
            | Self::Forward { host_name, .. }
            | Self::Start { host_name, .. }
            | Self::SetUp { host_name, .. }
            | Self::Destroy { host_name, .. } => Some(host_name),
            Self::RollOut { host_names, .. } => match host_names.as_slice() {
                [one] => Some(one),
                _ => None,
            },
            _ => None,
        }
    }

    /// The step's name in events, unique within a plan.
    pub fn name(&self) -> String {
        match self {
            Self::AwaitNetwork => "await network".to_owned(),
            Self::CreateNetwork { name, .. } => format!("create network {name}"),
            Self::WriteTags { .. } => "write tags".to_owned(),
            Self::RegisterKeyPair { name } => format!("register key pair {name}"),
            Self::CreateAffinityGroup { name } => format!("create affinity group {name}"),
            Self::AcquireAddress => "acquire public address".to_owned(),
            Self::ClosePorts { rule, text, .. } => format!("close {text} ({rule})"),
            Self::OpenPorts { opening } => format!("open {opening}"),
            Self::OpenEgress { .. } => "open egress".to_owned(),
            Self::CreateBalancer { name, .. } => format!("create load balancer rule {name}"),
            Self::AssignBalancer { public_port, .. } => format!("assign masters to port {public_port}"),
            Self::RemoveRule { text, id, .. } => format!("remove {text} ({id})"),
            Self::RemoveMember { text, machine, .. } => format!("remove {text} ({machine})"),
            Self::ReleaseAddress { text, .. } => format!("release {text}"),
            Self::MarkLeaving { .. } => "mark leaving agents".to_owned(),
            Self::Drain { host_name, .. } => format!("drain {host_name}"),
            Self::CheckQuorum { host_name, .. } => format!("check the quorum without {host_name}"),
            Self::Discard { host_name, .. } => format!("discard {host_name}"),
            Self::Deploy { host_name, .. } => format!("deploy {host_name}"),
            Self::Launch { host_name, .. } => format!("launch {host_name}"),
            Self::Forward { public_port, .. } => format!("forward {public_port}"),
            Self::RemoveForward { public_port, .. } => format!("remove forward {public_port}"),
            Self::WrittenDown => "everything written down".to_owned(),
            Self::Start { host_name, .. } => format!("start {host_name}"),
            Self::SetUp { host_name, .. } => format!("set up {host_name}"),
            Self::RollOut { host_names, .. } => match host_names.as_slice() {
                [one] => format!("set up {one}"),
                _ => "set up masters one at a time".to_owned(),
            },
            Self::AwaitHealth { .. } => "await health".to_owned(),
            Self::MarkSetUp { .. } => "mark nodes as set up".to_owned(),
            Self::ForgetNodes { .. } => "forget nodes".to_owned(),
            Self::Disband { .. } => "disband the masters".to_owned(),
            Self::Destroy { host_name, .. } => format!("destroy {host_name}"),
            Self::DeleteAffinityGroup { name, .. } => format!("delete affinity group {name}"),
            Self::DeleteKeyPair { name, .. } => format!("delete key pair {name}"),
            Self::DeleteNetwork { name, .. } => format!("delete network {name}"),
        }
    }

    /// The line a plan shows for it. None for what a reader takes for granted: starting and setting up a machine that
    /// the plan adds, waiting, marking.
    pub fn line(&self) -> Option<(Sign, String)> {
        let added = |text: String| Some((Sign::Add, text));
        let changed = |text: String| Some((Sign::Change, text));
        let removed = |text: String| Some((Sign::Remove, text));
        match self {
            Self::CreateNetwork { name, range, .. } => added(format!("network {name} {range}")),
            Self::RegisterKeyPair { name } => added(format!("key pair {name}")),
            Self::CreateAffinityGroup { name } => {
                added(format!("affinity group {name} (masters on different hosts)"))
            }
            Self::AcquireAddress => added("public address of the network".to_owned()),
            Self::ClosePorts { text, why, .. } => removed(format!("firewall rule {text} ({why})")),
            Self::OpenPorts { opening } => added(format!("firewall rule {opening}")),
            Self::OpenEgress { range } => added(format!("egress rule: everything from {range}")),
            Self::CreateBalancer { name, public_port, private_port } => {
                added(format!("load balancer rule {name} {public_port} → {private_port} on the masters"))
            }
            Self::AssignBalancer { public_port, machines, fresh: false } => {
                changed(format!("load balancer rule {public_port}: members {}", machines.join(", ")))
            }
            Self::Discard { host_name, why, .. } => removed(format!("virtual machine {host_name} ({why})")),
            Self::RemoveRule { text, .. } | Self::ReleaseAddress { text, .. } => {
                removed(format!("{text} (not in the file)"))
            }
            Self::RemoveMember { text, .. } => removed(format!("{text} (no master)")),
            Self::ForgetNodes { host_names, .. } => removed(format!("tags of {}", host_names.join(", "))),
            Self::Deploy { host_name, node, offering, template, .. }
            | Self::Launch { host_name, node, offering, template } => added(format!(
                "virtual machine {host_name} {} ({}, {})",
                node.address, offering.name, template.name
            )),
            Self::Forward { host_name, public_port } => {
                added(format!("port forwarding rule {public_port} → {host_name}:22"))
            }
            Self::RemoveForward { host_name, public_port, why, .. } => {
                removed(format!("port forwarding rule {public_port} → {host_name}:22 ({why})"))
            }
            Self::Start { host_name, fresh: false } => changed(format!("virtual machine {host_name}: start")),
            Self::SetUp { host_name, fresh: false, .. } => changed(format!("node {host_name}: set up")),
            Self::Drain { host_name, .. } => changed(format!("agent {host_name}: drain")),
            Self::CheckQuorum { host_name, .. } => {
                changed(format!("quorum: has to outlive {host_name}, or nothing is done to it"))
            }
            Self::RollOut { host_names, .. } if host_names.len() == 1 => {
                changed(format!("node {}: set up, once the others can do without it", host_names[0]))
            }
            Self::RollOut { host_names, .. } => {
                changed(format!("nodes {}: set up, one at a time, who leads last", host_names.join(", ")))
            }
            Self::Destroy { host_name, .. } => removed(format!("virtual machine {host_name}, with its disk")),
            Self::DeleteAffinityGroup { name, .. } => removed(format!("affinity group {name}")),
            Self::DeleteKeyPair { name, tag: None } => {
                removed(format!("key pair {name} (the private key stays)"))
            }
            Self::DeleteKeyPair { name, tag: Some(_) } => removed(format!(
                "key pair {name} (no machine was made with it any more; the private key stays)"
            )),
            Self::DeleteNetwork { name, .. } => {
                removed(format!("network {name}, with its rules and public address"))
            }
            Self::AwaitNetwork
            | Self::Disband { .. }
            | Self::WriteTags { .. }
            | Self::AssignBalancer { .. }
            | Self::MarkLeaving { .. }
            | Self::WrittenDown
            | Self::Start { .. }
            | Self::SetUp { .. }
            | Self::AwaitHealth { .. }
            | Self::MarkSetUp { .. } => None,
        }
    }

    /// Why it is done, of those whose line says so.
    pub(crate) fn why(&self) -> Option<&str> {
        match self {
            Self::ClosePorts { why, .. } | Self::RemoveForward { why, .. } | Self::Discard { why, .. } => {
                Some(why)
            }
            _ => None,
        }
    }

    /// The phase it belongs to.
    pub fn phase(&self) -> Phase {
        match self {
            Self::SetUp { .. } | Self::RollOut { .. } | Self::AwaitHealth { .. } | Self::MarkSetUp { .. } => {
                Phase::Nodes
            }
            Self::Disband { .. }
            | Self::Destroy { .. }
            | Self::DeleteAffinityGroup { .. }
            | Self::DeleteKeyPair { tag: None, .. }
            | Self::DeleteNetwork { .. } => Phase::Destruction,
            _ => Phase::Infrastructure,
        }
    }

    pub(crate) fn lane(&self) -> Lane {
        match self {
            Self::AcquireAddress
            | Self::ClosePorts { .. }
            | Self::OpenPorts { .. }
            | Self::OpenEgress { .. }
            | Self::CreateBalancer { .. }
            | Self::AssignBalancer { .. }
            | Self::Forward { .. }
            | Self::RemoveForward { .. }
            | Self::RemoveRule { .. }
            | Self::RemoveMember { .. }
            | Self::ReleaseAddress { .. } => Lane::NetworkQueue,
            Self::Discard { .. }
            | Self::Deploy { .. }
            | Self::Launch { .. }
            | Self::Start { .. }
            | Self::Destroy { .. } => Lane::Machines,
            // A draining only waits; all of them share their looks at the masters.
            Self::SetUp { .. } => Lane::Nodes,
            _ => Lane::Free,
        }
    }
}
