//! Where things are: ports, directories and names that several files of a node have to agree on.

use std::net::Ipv4Addr;

use crate::spec::{Node, NodeName, Spec};

/// Where ZooKeeper serves its clients.
pub(super) const ZOOKEEPER_PORT: u16 = 2181;
/// Where the Mesos master listens.
pub(super) const MASTER_PORT: u16 = 5050;
/// Where the Mesos agent listens.
pub(super) const AGENT_PORT: u16 = 5051;
/// Where Marathon listens.
pub(super) const MARATHON_PORT: u16 = 8080;
/// Where Mesos calls Marathon back; fixed, so that a firewall can know it.
pub(super) const MARATHON_LIBPROCESS_PORT: u16 = 9090;
/// Where the gateway leads to the elected master.
pub(crate) const GATEWAY_MESOS_PORT: u16 = 15050;
/// Where the gateway leads to the leading Marathon.
pub(crate) const GATEWAY_MARATHON_PORT: u16 = 18080;

/// Everything that is ours on a node.
pub(super) const DIRECTORY: &str = "/etc/mesostack";
/// ZooKeeper's data.
pub(super) const ZOOKEEPER_DATA: &str = "/var/lib/zookeeper";

/// What a node is called in the cloud, and what its machine calls itself: `mesos-master-1`.
pub fn host_name(spec: &Spec, node: &Node) -> String {
    host_name_of(spec, NodeName { role: node.role, number: node.number })
}

/// The same, of a node that is known by its name only.
pub fn host_name_of(spec: &Spec, node: NodeName) -> String {
    format!("{}-{node}", spec.cluster.name)
}

/// `zk://a:2181,b:2181,c:2181/path`, the same on every node.
pub(super) fn zookeeper_url(masters: &[Node], path: &str) -> String {
    let servers: Vec<String> =
        masters.iter().map(|master| format!("{}:{ZOOKEEPER_PORT}", master.address)).collect();
    format!("zk://{}/{path}", servers.join(","))
}

/// An interface's public address, as a browser has to write it.
pub(super) fn public_url(address: Ipv4Addr, port: u16) -> String {
    format!("http://{address}:{port}")
}
