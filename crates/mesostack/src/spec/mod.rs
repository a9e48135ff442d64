//! The file a user writes, parsed and checked: after it, no string is unchecked.
//!
//! `mesostack.toml` is read into [`Spec`] once, at the edge. What can be known wrong without asking the cloud (names,
//! ranges, ports, numbers, unknown keys) is refused here, with the line of the file.

mod access;
mod addresses;
mod cloud;
mod cluster;
mod container_image;
mod files;
mod names;
mod nearest;
mod node_name;
mod pace;
mod packages;
mod place;
mod ports;
mod problem;
mod read;
mod section;
mod source;
#[cfg(test)]
mod tests;

use std::{net::Ipv4Addr, path::PathBuf};

use ipnet::Ipv4Net;
use serde::Serialize;

pub(crate) use self::nearest::nearest;
pub use self::{
    container_image::ContainerImage,
    node_name::{NoNode, NodeName},
    pace::{Deadlines, Parallel},
    ports::{MARATHON, MESOS},
    problem::{Error, Invalid, Problem, Warning},
    read::Document,
    source::Source,
};

/// A cluster and its image, as the file describes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Which cloud, and as whom.
    pub cloud: Cloud,
    /// How operators reach the cluster.
    pub access: Access,
    /// The isolated network.
    pub network: Network,
    /// The template all nodes are made from, and how it is built.
    pub image: Image,
    /// The cluster itself.
    pub cluster: Cluster,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// How many things may go on side by side.
    pub parallel: Parallel,
}

/// Which cloud, and as whom. Secrets are named here, never written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// The API's address; the environment or the profile gives it when absent.
    pub api_url: Option<String>,
    /// Where the keys come from.
    pub credentials: Credentials,
    /// A certificate authority of the operator's own, PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether the server's certificate is checked. On unless the file says otherwise.
    pub verify_tls: bool,
    /// How many calls may begin in a second; as many as the server takes when absent.
    pub calls_per_second: Option<u32>,
    /// The zone's name or id.
    pub zone: String,
}

/// Where the API keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `CLOUDSTACK_API_KEY` and `CLOUDSTACK_SECRET_KEY`, else the default cloudmonkey profile. What an absent key means.
    Ambient,
    /// A profile of cloudmonkey's `~/.cmk/config`.
    Profile(String),
    /// A section of a `cloudstack.ini`.
    Ini { file: PathBuf, section: String },
    /// A command that prints `api_key` and `secret_key` as JSON.
    Command(Vec<String>),
}

/// How operators reach the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The key pair's name in the cloud.
    pub key_pair: String,
    /// Its private half on this machine.
    pub private_key: PathBuf,
    /// Whom to log in as.
    pub user: String,
    /// Where SSH and the user interfaces may be reached from. Never empty.
    pub allow: Vec<Ipv4Net>,
    /// How nodes get their configuration.
    pub bootstrap: Bootstrap,
    /// How agents are reached.
    pub agents: AgentAccess,
    /// The first master's forwarded SSH port; 1222.
    pub first_master_port: u16,
    /// The first agent's forwarded SSH port; 2222. Where agents are reached through the masters, forwards that are still
    /// there are known by it.
    pub first_agent_port: u16,
}

/// How agents are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentAccess {
    /// By a forwarded port of the public address each.
    Forward,
    /// Through a master, by their guest addresses: nothing is forwarded to them, and no port is open for them.
    Bastion,
}

/// How nodes get their configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bootstrap {
    /// Over SSH, as each answers.
    Ssh,
    /// With cloud-init user-data, at first boot.
    UserData,
}

/// The isolated network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name; `subnet01`.
    pub name: String,
    /// Its range; `172.16.0.0/24`. The first address is the router's.
    pub range: Ipv4Net,
    /// The network offering; `DefaultIsolatedNetworkOfferingWithSourceNatService`.
    pub offering: String,
}

/// The template all nodes are made from, and how it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The template's name (the newest ready one of that name is used) or id.
    pub name: String,
    /// The base template's name or id.
    pub base: String,
    /// The build machine's offering.
    pub offering: String,
    /// Where the build machine lives, and how it is reached.
    pub access: BuildAccess,
    /// An existing network to build in; a throw-away one when absent.
    pub network: Option<String>,
    /// Whom to log in to the build machine as.
    pub user: String,
    /// Where the packages come from.
    pub packages: Packages,
}

/// How the build machine is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildAccess {
    /// Over a temporary port forwarding rule.
    Forward,
    /// By its guest address, from a machine in the same network.
    Guest,
    /// Not at all: user-data does the work.
    None,
}

/// Where Mesos and Marathon come from. ZooKeeper, HAProxy and Java come from the base's own distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packages {
    /// The living Mesos distribution, by its apt source; Marathon as its container image.
    ClusterD {
        /// Marathon.
        marathon: ContainerImage,
    },
    /// Stand-ins, for a rehearsal without the internet.
    StandIn,
    /// Packages and apt sources of the user's choice.
    Debs(Vec<PackageSource>),
}

impl Packages {
    /// ClusterD with Marathon's last release, as it is when the file says nothing.
    pub fn clusterd() -> Self {
        Self::ClusterD { marathon: ContainerImage::marathon() }
    }
}

/// One source of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageSource {
    /// A `.deb` on this machine.
    File(PathBuf),
    /// A `.deb` somewhere else, with the SHA-256 it has to have, in lower-case hexadecimal.
    Url { url: String, sha256: String },
    /// An apt source: its line without options, the key's address or file, the key's fingerprint, and what to install.
    Apt { source: String, key: String, fingerprint: String, install: Vec<String> },
}

/// The cluster itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name: a host name's label; what its things in the cloud are tagged with.
    pub name: String,
    /// The number of masters; 3. At least 1.
    pub masters: u16,
    /// The number of agents; 3.
    pub agents: u16,
    /// The masters' service offering; `t1.medium`.
    pub master_offering: String,
    /// The agents' service offering; `t1.medium`.
    pub agent_offering: String,
    /// The first master's place in the range; 20.
    pub first_master: u32,
    /// The first agent's place in the range; 100.
    pub first_agent: u32,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// ZooKeeper, Mesos master, Marathon and the gateway.
    Master,
    /// Mesos agent.
    Agent,
}

/// One node, numbered from 1 within its role.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Node {
    /// What it does.
    pub role: Role,
    /// Its number within its role, from 1.
    pub number: u16,
    /// Its guest address.
    pub address: Ipv4Addr,
    /// Its forwarded SSH port on the public address; none when it is reached through a master.
    pub ssh_port: Option<u16>,
}

impl Node {
    /// What it is called within the cluster: `master-1`, `agent-12`.
    pub fn name(&self) -> String {
        NodeName { role: self.role, number: self.number }.to_string()
    }
}

/// How many of so many are a majority.
pub(crate) fn majority(of: u16) -> u16 {
    of / 2 + 1
}

impl Spec {
    /// The masters, in their order.
    pub fn masters(&self) -> Vec<Node> {
        (1..=self.cluster.masters).filter_map(|number| self.node(Role::Master, number)).collect()
    }

    /// The agents of a new cluster, in their order. Which ones a cluster that stands has is seen in the cloud.
    pub fn agents(&self) -> Vec<Node> {
        (1..=self.cluster.agents).filter_map(|number| self.node(Role::Agent, number)).collect()
    }

    /// The node of that role and number; none where the file leaves no address or no port for it.
    pub fn node(&self, role: Role, number: u16) -> Option<Node> {
        let at = number.checked_sub(1)?;
        let (first, first_port) = match (role, self.access.agents) {
            (Role::Master, _) => (self.cluster.first_master, Some(self.access.first_master_port)),
            (Role::Agent, AgentAccess::Forward) => {
                (self.cluster.first_agent, Some(self.access.first_agent_port))
            }
            (Role::Agent, AgentAccess::Bastion) => (self.cluster.first_agent, None),
        };
        let ssh_port = match first_port {
            Some(first) => Some(first.checked_add(at)?),
            None => None,
        };
        let address = addresses::at(self.network.range, first.checked_add(u32::from(at))?)?;
        Some(Node { role, number, address, ssh_port })
    }

    /// How many masters are a majority: half of them, rounded down, and one.
    pub fn quorum(&self) -> u16 {
        majority(self.cluster.masters)
    }
}
