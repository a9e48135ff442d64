//! How the whole cluster does: asked side by side through SSH, judged by a pure function.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use mesos::{
    Address, Connect, Marathon, Master, Ping, RegisteredAgent, Reply,
    zookeeper::{self, Mode, Monitor},
};
use remote::Session;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    SshNodes, Whereabouts,
    connect::ThroughSession,
    health::ANSWER,
    places::{MARATHON_PORT, MASTER_PORT, ZOOKEEPER_PORT},
};
use crate::spec::Node;

/// How much longer the other masters may take once one has been reached. A master that is there answers in a moment, and one
/// that does not is asked through the one that did.
const BEHIND: Duration = Duration::from_secs(3);

/// How a cluster does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whether all is as the specification wants it.
    pub healthy: bool,
    /// Why not, a sentence each.
    pub problems: Vec<String>,
    /// Each ZooKeeper server.
    pub zookeeper: Vec<ZooKeeperStatus>,
    /// Each Mesos master.
    pub masters: Vec<MasterStatus>,
    /// The elected master's node.
    pub leading_master: Option<String>,
    /// Each agent the cluster is to have.
    pub agents: Vec<AgentStatus>,
    /// Agents that are registered and not among them, by their host names.
    pub unexpected_agents: Vec<String>,
    /// Each Marathon instance.
    pub marathon: Vec<MarathonStatus>,
    /// The leading Marathon's node.
    pub leading_marathon: Option<String>,
}

/// How a ZooKeeper server does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZooKeeperStatus {
    /// Its node.
    pub node: String,
    /// What it is in the ensemble.
    pub role: ZooKeeperRole,
}

/// What a ZooKeeper server is in the ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ZooKeeperRole {
    /// It leads.
    Leader,
    /// It follows the leader.
    Follower,
    /// It is the only one.
    Standalone,
    /// It follows without a vote.
    Observer,
    /// It runs, but has no quorum.
    NotServing,
    /// Its machine was reached, and it does not run there.
    Down,
    /// It does not answer.
    Unreachable,
}

/// How a Mesos master does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MasterStatus {
    /// Its node.
    pub node: String,
    /// Whether it answers.
    pub answers: bool,
    /// Whether its replica of the registry has caught up with the others: until then it has no vote.
    pub recovered: bool,
    /// Whether it is the elected one.
    pub leading: bool,
}

/// How an agent does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentStatus {
    /// Its node.
    pub node: String,
    /// Whether the leading master lists it.
    pub registered: bool,
    /// Whether it is connected and takes offers.
    pub active: bool,
    /// Its id with Mesos.
    pub id: Option<String>,
}

/// How a Marathon instance does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarathonStatus {
    /// Its node.
    pub node: String,
    /// Whether it answers.
    pub answers: bool,
    /// Whether it leads.
    pub leading: bool,
}

/// What a master's daemons answered; errors as text.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    pub(super) node: Node,
    pub(super) zookeeper: Result<Monitor, NoAnswer>,
    pub(super) master: Result<Standing, String>,
    /// The agents, from the one master that leads.
    pub(super) agents: Option<Vec<RegisteredAgent>>,
    pub(super) marathon: Result<Ping, String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The daemon's own machine was asked, and refused the connection.
    Down(String),
    /// Whatever else: the daemon may do well.
    NotAsked(String),
}

/// What a Mesos master says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) elected: bool,
    pub(super) recovered: bool,
}

/// Asks all masters, each through its own session; then those that could not be reached through another's, because a master
/// may do well though its forwarded port does not. Agents are known from the leading master. Takes until `deadline` at most,
/// and half of that for reaching the first of the masters; one that is lost costs seconds.
pub async fn status(nodes: &SshNodes, masters: &[Whereabouts], agents: &[Node], deadline: Instant) -> Status {
    let reach_by = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
    let one_is_there = CancellationToken::new();
    let asked = join_all(masters.iter().map(|at| async {
        let session = tokio::select! {
            biased;
            reached = nodes.reach(at, reach_by) => reached.map_err(|error| error.to_string())?,
            () = behind(&one_is_there) => return Err("it is not reached".to_owned()),
        };
        one_is_there.cancel();
        let answers = ask(Arc::new(ThroughSession(session.clone())), &at.node, deadline).await;
        let answers = if session.is_closed() { answers.asked_from_afar() } else { answers };
        Ok((session, answers))
    }))
    .await;
    let other: Option<Session> = asked
        .iter()
        .find_map(|reached: &Result<_, String>| reached.as_ref().ok())
        .map(|(session, _)| session.clone());
    let answers = join_all(masters.iter().zip(asked).map(|(at, asked)| {
        let other = other.clone();
        async move {
            match (asked, other) {
                (Ok((_, answers)), _) => answers,
                (Err(_), Some(session)) => {
                    ask(Arc::new(ThroughSession(session)), &at.node, deadline).await.asked_from_afar()
                }
                (Err(reason), None) => Answers::none(&at.node, &reason),
            }
        }
    }))
    .await;
    judge(agents, &answers)
}

/// Ends when another has been there for so long that one more is not waited for.
async fn behind(one_is_there: &CancellationToken) {
    one_is_there.cancelled().await;
    sleep(BEHIND).await;
}

impl Answers {
    /// The same, asked over a way that may itself have failed.
    fn asked_from_afar(self) -> Self {
        let zookeeper = self
            .zookeeper
            .map_err(|(NoAnswer::Down(reason) | NoAnswer::NotAsked(reason))| NoAnswer::NotAsked(reason));
        Self { zookeeper, ..self }
    }

    fn none(node: &Node, reason: &str) -> Self {
        Self {
            node: node.clone(),
            zookeeper: Err(NoAnswer::NotAsked(reason.to_owned())),
            master: Err(reason.to_owned()),
            agents: None,
            marathon: Err(reason.to_owned()),
        }
    }
}

async fn ask(connect: Arc<dyn Connect>, node: &Node, deadline: Instant) -> Answers {
    let until = deadline.min(Instant::now() + ANSWER);
    let at = |port| Address::new(node.address.to_string(), port);
    let server = zookeeper::Server::new(Arc::clone(&connect), at(ZOOKEEPER_PORT));
    let master = Master::new(Arc::clone(&connect), at(MASTER_PORT));
    let marathon = Marathon::new(connect, at(MARATHON_PORT));
    let (zookeeper, metrics, agents, ping) =
        tokio::join!(server.mntr(until), master.metrics(until), master.agents(until), marathon.ping(until));
    Answers {
        node: node.clone(),
        zookeeper: zookeeper.map_err(|error| match &error {
            mesos::Error::Connect { .. } => NoAnswer::Down(error.to_string()),
            _ => NoAnswer::NotAsked(error.to_string()),
        }),
        master: metrics
            .map(|metrics| Standing { elected: metrics.elected(), recovered: metrics.log_recovered() })
            .map_err(|e| e.to_string()),
        agents: agents.ok().and_then(Reply::leading),
        marathon: ping.map_err(|e| e.to_string()),
    }
}

/// What the answers mean where these agents are wanted.
pub(super) fn judge(agents: &[Node], answers: &[Answers]) -> Status {
    let mut problems = Vec::new();
    let zookeeper = judge_zookeeper(answers, &mut problems);
    let masters = judge_masters(answers, &mut problems);
    let leading_master = only_leader(
        masters.iter().filter(|master| master.leading).map(|master| &master.node),
        "Mesos master",
        &mut problems,
    );
    let registered = answers.iter().find_map(|answer| answer.agents.as_deref());
    if registered.is_none() {
        problems.push("no leading master tells which agents are registered".to_owned());
    }
    let (agents, unexpected_agents) =
        judge_agents(agents, registered.unwrap_or_default(), registered.is_some(), &mut problems);
    let marathon = judge_marathon(answers, &mut problems);
    let leading_marathon = only_leader(
        marathon.iter().filter(|instance| instance.leading).map(|instance| &instance.node),
        "Marathon",
        &mut problems,
    );
    Status {
        healthy: problems.is_empty(),
        problems,
        zookeeper,
        masters,
        leading_master,
        agents,
        unexpected_agents,
        marathon,
        leading_marathon,
    }
}

fn judge_zookeeper(answers: &[Answers], problems: &mut Vec<String>) -> Vec<ZooKeeperStatus> {
    let mut servers = Vec::new();
    for answer in answers {
        let node = answer.node.name();
        let role = match &answer.zookeeper {
            Ok(monitor) => role(monitor.mode),
            Err(NoAnswer::NotAsked(reason)) => {
                problems.push(format!("ZooKeeper of {node} does not answer: {reason}"));
                ZooKeeperRole::Unreachable
            }
            Err(NoAnswer::Down(reason)) => {
                problems.push(format!("ZooKeeper of {node} does not run: {reason}"));
                ZooKeeperRole::Down
            }
        };
        if role == ZooKeeperRole::NotServing {
            problems.push(format!("ZooKeeper of {node} has no quorum"));
        }
        if role == ZooKeeperRole::Standalone && answers.len() > 1 {
            problems.push(format!("ZooKeeper of {node} is on its own, not in the ensemble"));
        }
        if role == ZooKeeperRole::Leader {
            let synced = answer.zookeeper.as_ref().ok().and_then(|monitor| monitor.synced_followers);
            if let Some(synced) = synced.filter(|synced| (*synced as usize) + 1 < answers.len()) {
                let expected = answers.len() - 1;
                problems
                    .push(format!("only {synced} of {expected} ZooKeeper followers are in step with {node}"));
            }
        }
        servers.push(ZooKeeperStatus { node, role });
    }
    servers
}

fn role(mode: Mode) -> ZooKeeperRole {
    match mode {
        Mode::Leader => ZooKeeperRole::Leader,
        Mode::Follower => ZooKeeperRole::Follower,
        Mode::Standalone => ZooKeeperRole::Standalone,
        Mode::Observer => ZooKeeperRole::Observer,
        _ => ZooKeeperRole::NotServing,
    }
}

fn judge_masters(answers: &[Answers], problems: &mut Vec<String>) -> Vec<MasterStatus> {
    answers
        .iter()
        .map(|answer| {
            let node = answer.node.name();
            match &answer.master {
                Err(reason) => problems.push(format!("the Mesos master of {node} does not answer: {reason}")),
                Ok(standing) if !standing.recovered => {
                    problems.push(format!("the registry on {node} has not caught up with the others"));
                }
                Ok(_) => {}
            }
            let standing = answer.master.clone().unwrap_or_default();
            MasterStatus {
                node,
                answers: answer.master.is_ok(),
                recovered: standing.recovered,
                leading: standing.elected,
            }
        })
        .collect()
}

fn judge_marathon(answers: &[Answers], problems: &mut Vec<String>) -> Vec<MarathonStatus> {
    answers
        .iter()
        .map(|answer| {
            let node = answer.node.name();
            match &answer.marathon {
                Err(reason) => problems.push(format!("Marathon of {node} does not answer: {reason}")),
                Ok(Ping::NoLeader) => problems.push(format!("Marathon of {node} knows of no leader")),
                Ok(Ping::Leading | Ping::Proxied { .. }) => {}
            }
            MarathonStatus {
                node,
                answers: answer.marathon.is_ok(),
                leading: matches!(answer.marathon, Ok(Ping::Leading)),
            }
        })
        .collect()
}

fn judge_agents(
    wanted: &[Node],
    registered: &[RegisteredAgent],
    known: bool,
    problems: &mut Vec<String>,
) -> (Vec<AgentStatus>, Vec<String>) {
    let is_at = |agent: &RegisteredAgent, node: &Node| {
        agent.address.as_ref().is_some_and(|address| address.host == node.address.to_string())
    };
    let agents = wanted
        .iter()
        .map(|node| {
            let name = node.name();
            let found = registered.iter().find(|agent| is_at(agent, node));
            match found {
                None if known => problems.push(format!("{name} is not registered")),
                Some(agent) if agent.deactivated => problems.push(format!("{name} is deactivated")),
                Some(agent) if !agent.active => {
                    problems.push(format!("{name} is registered but disconnected"))
                }
                _ => {}
            }
            AgentStatus {
                node: name,
                registered: found.is_some(),
                active: found.is_some_and(|agent| agent.active && !agent.deactivated),
                id: found.map(|agent| agent.id.clone()),
            }
        })
        .collect();
    let unexpected = registered
        .iter()
        .filter(|agent| !wanted.iter().any(|node| is_at(agent, node)))
        .map(|agent| agent.hostname.clone())
        .collect();
    (agents, unexpected)
}

fn only_leader<'a>(
    leaders: impl Iterator<Item = &'a String>,
    what: &str,
    problems: &mut Vec<String>,
) -> Option<String> {
    let leaders: Vec<&String> = leaders.collect();
    match leaders.as_slice() {
        [leader] => Some((*leader).clone()),
        [] => {
            problems.push(format!("no {what} leads"));
            None
        }
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            problems.push(format!("more than one {what} says that it leads: {}", names.join(", ")));
            None
        }
    }
}
