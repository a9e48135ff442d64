//! From the specification and a node to everything that node is told. Pure: the same in, the same out.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::{Configuration, Unit, environment, gateway, hosts, zookeeper};
use crate::spec::{Node, Role, Spec, majority};

/// What is known only from the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The cluster's public address.
    pub public_address: Ipv4Addr,
    /// The id of the template the node was made from. Agents carry it as their attribute `image`.
    pub template: Option<String>,
}

/// How many masters there are, and how many of them are a quorum: what the masters are told of each other. They come from
/// one to another only by steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ensemble {
    /// The first so many masters are in it.
    pub masters: u16,
    /// How many of them are a majority, or will be one in the next step.
    pub quorum: u16,
}

impl Ensemble {
    /// So many masters, and their majority.
    pub fn of(masters: u16) -> Self {
        Self { masters, quorum: majority(masters) }
    }
}

/// Everything the node is told.
pub fn render(spec: &Spec, node: &Node, facts: &Facts) -> Configuration {
    render_in(spec, Ensemble::of(spec.cluster.masters), node, facts)
}

/// The same, while the masters are on their way from one ensemble to another.
pub fn render_in(spec: &Spec, ensemble: Ensemble, node: &Node, facts: &Facts) -> Configuration {
    let masters = (1..=ensemble.masters).filter_map(|number| spec.node(Role::Master, number));
    let masters = masters.collect::<Vec<_>>();
    let mut files = vec![hosts::file(spec, &masters, node)];
    let enable = match node.role {
        Role::Master => {
            files.extend(zookeeper::files(&masters, node));
            files.push(environment::master(spec, (&masters, ensemble.quorum), node, facts));
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
