//! What others need of a cluster that stands: its address, its ports, its user interfaces.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::{desired::Desired, observed::Observed};
use crate::spec::{MARATHON, MESOS, Role};

/// A cluster's address, ports and interfaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    /// The cluster.
    pub cluster: String,
    /// Its public address.
    pub public_ip: Ipv4Addr,
    /// The masters' SSH ports.
    pub masters: Vec<Endpoint>,
    /// The agents' SSH ports.
    pub agents: Vec<Endpoint>,
    /// The Mesos user interface, at the elected master.
    pub mesos_url: String,
    /// The Marathon user interface, at its leader.
    pub marathon_url: String,
}

/// How a node is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The node's name, such as `master-1`.
    pub name: String,
    /// Its machine's name in the cloud.
    pub host_name: String,
    /// Whom to log in as.
    pub user: String,
    /// Its SSH port on the public address; none when it is reached through a master.
    pub ssh_port: Option<u16>,
    /// Its guest address.
    pub address: Ipv4Addr,
}

/// A cluster's address, ports and interfaces; none while it has no address. Nodes without a machine are left out.
pub fn output(desired: &Desired, observed: &Observed) -> Option<Output> {
    let public_ip = observed.public_address()?.address;
    let desired = &desired.given(observed);
    let endpoints = |role: Role| {
        let nodes = desired.machines.iter().filter(|machine| machine.node.role == role);
        nodes
            .filter(|machine| observed.machine(&machine.host_name).is_some())
            .map(|machine| Endpoint {
                name: machine.node.name(),
                host_name: machine.host_name.clone(),
                user: desired.spec.access.user.clone(),
                ssh_port: machine.node.ssh_port,
                address: machine.node.address,
            })
            .collect()
    };
    Some(Output {
        cluster: desired.cluster().to_owned(),
        public_ip,
        masters: endpoints(Role::Master),
        agents: endpoints(Role::Agent),
        mesos_url: format!("http://{public_ip}:{MESOS}/"),
        marathon_url: format!("http://{public_ip}:{MARATHON}/"),
    })
}
