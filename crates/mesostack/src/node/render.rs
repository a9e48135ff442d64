//! From the specification and a node to everything that node is told. Pure: the same in, the same out.

use std::net::Ipv4Addr;

use super::{Configuration, Unit, environment, gateway, hosts, zookeeper};
use crate::spec::{Node, Role, Spec};

/// What is known only from the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The cluster's public address.
    pub public_address: Ipv4Addr,
    /// The id of the template the node was made from. Agents carry it as their attribute `image`.
    pub template: Option<String>,
}

/// Everything the node is told.
pub fn render(spec: &Spec, node: &Node, facts: &Facts) -> Configuration {
    let masters = spec.masters();
    let mut files = vec![hosts::file(spec, &masters, node)];
    let enable = match node.role {
        Role::Master => {
            files.extend(zookeeper::files(&masters, node));
            files.push(environment::master(spec, &masters, node, facts));
            files.push(environment::marathon(&masters, node, facts));
            files.push(gateway::file(&masters));
            vec![Unit::ZooKeeper, Unit::MesosMaster, Unit::Marathon, Unit::Gateway]
        }
        Role::Agent => {
            files.push(environment::agent(spec, &masters, node, facts));
            vec![Unit::MesosAgent]
        }
    };
    let disable = Unit::ALL.into_iter().filter(|unit| !enable.contains(unit)).collect();
    Configuration::new(files, enable, disable)
}
