//! Whether a node does what its role asks of it, and what is missing if not.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use mesos::{Address, Agent, Connect, Marathon, Master, Ping, zookeeper};
use tokio::time::Instant;

use super::places::{
    AGENT_PORT, GATEWAY_MARATHON_PORT, GATEWAY_MESOS_PORT, MARATHON_PORT, MASTER_PORT, ZOOKEEPER_PORT,
};
use crate::spec::{Node, Role};

/// How long one answer may take. A Marathon without a leader takes about 3 s to say so.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// How a node does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does what its role asks of it.
    Well,
    /// It lacks this, said so that "waiting for …" can precede it.
    Lacks(String),
}

/// What a node still lacks, said so that "waiting for …" can precede it.
pub(super) type Lacks = String;

/// Asks a node's daemons through `connect`, which connects as if from that node.
///
/// # Errors
/// The first thing it lacks, in the order in which things come about.
pub(super) async fn check(connect: Arc<dyn Connect>, node: &Node) -> Result<(), Lacks> {
    match node.role {
        Role::Master => master(connect, node.address).await,
        Role::Agent => agent(connect, node.address).await,
    }
}

async fn master(connect: Arc<dyn Connect>, own: Ipv4Addr) -> Result<(), Lacks> {
    let soon = || Instant::now() + ANSWER;
    let here = |port| Address::new(own.to_string(), port);
    let server = zookeeper::Server::new(Arc::clone(&connect), here(ZOOKEEPER_PORT));
    match server.srvr(soon()).await {
        Ok(answer) if answer.mode.is_serving() => {}
        Ok(_) => return Err("ZooKeeper's quorum".to_owned()),
        Err(_) => return Err("ZooKeeper to answer".to_owned()),
    }
    let master = Master::new(Arc::clone(&connect), here(MASTER_PORT));
    master.health(soon()).await.map_err(|_| "the Mesos master to answer".to_owned())?;
    if !matches!(master.leader(soon()).await, Ok(Some(_))) {
        return Err("the masters to elect a leader".to_owned());
    }
    // Until then it is one that answers and has no vote: the next master must not go yet.
    if !master.metrics(soon()).await.is_ok_and(|metrics| metrics.log_recovered()) {
        return Err("its registry to catch up with the other masters'".to_owned());
    }
    let marathon = Marathon::new(Arc::clone(&connect), here(MARATHON_PORT));
    match marathon.ping(soon()).await {
        Ok(Ping::Leading | Ping::Proxied { .. }) => {}
        Ok(Ping::NoLeader) => return Err("Marathon to elect a leader".to_owned()),
        Err(_) => return Err("Marathon to answer".to_owned()),
    }
    let gateway = |port| Address::new("127.0.0.1", port);
    let elected = Master::new(Arc::clone(&connect), gateway(GATEWAY_MESOS_PORT)).metrics(soon()).await;
    if !elected.is_ok_and(|metrics| metrics.elected()) {
        return Err("the gateway to find the elected master".to_owned());
    }
    match Marathon::new(connect, gateway(GATEWAY_MARATHON_PORT)).ping(soon()).await {
        Ok(Ping::Leading) => Ok(()),
        _ => Err("the gateway to find the leading Marathon".to_owned()),
    }
}

async fn agent(connect: Arc<dyn Connect>, own: Ipv4Addr) -> Result<(), Lacks> {
    let agent = Agent::new(connect, Address::new(own.to_string(), AGENT_PORT));
    match agent.metrics(Instant::now() + ANSWER).await {
        Ok(metrics) if metrics.registered() => Ok(()),
        Ok(_) => Err("the agent to register with the leading master".to_owned()),
        Err(_) => Err("the agent to answer".to_owned()),
    }
}
