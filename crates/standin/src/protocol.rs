//! What the stand-ins tell each other, as JSON under `/standin/`: in place of Mesos' own wire protocol.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::resources::Resources;

/// Agent → master: register, or register again with the id once given.
pub(crate) const AGENTS: &str = "/standin/agents";
/// Agent → master: leave for good.
pub(crate) const UNREGISTER: &str = "/standin/agents/unregister";
/// Framework → master: subscribe and tell the tasks; learns the agents. Repeated every few seconds.
pub(crate) const FRAMEWORKS: &str = "/standin/frameworks";
/// Master → agent or framework: are you still there, and do you know that you are (not) connected.
pub(crate) const PING: &str = "/standin/ping";

/// What an agent is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AgentInfo {
    pub(crate) hostname: String,
    pub(crate) ip: String,
    pub(crate) port: u16,
    pub(crate) version: String,
    pub(crate) resources: Resources,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl AgentInfo {
    pub(crate) fn pid(&self) -> String {
        format!("slave(1)@{}:{}", self.ip, self.port)
    }
}

/// An agent's registration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registration {
    /// The id it has from an earlier registration.
    pub(crate) id: Option<String>,
    pub(crate) info: AgentInfo,
}

/// The master's answer to a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) id: String,
    /// Without a ping for this long the agent must assume that it is lost to the master.
    pub(crate) ping_timeout_ms: u64,
}

/// An agent leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unregistration {
    pub(crate) id: String,
}

/// A framework's subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) hostname: String,
    /// Where the master reaches it, `ip:port`.
    pub(crate) ip: String,
    pub(crate) port: u16,
    pub(crate) webui_url: String,
    pub(crate) failover_timeout: f64,
    pub(crate) tasks: Vec<Task>,
}

/// A task that a framework holds on an agent: a record, no process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) agent_id: String,
    pub(crate) cpus: f64,
    pub(crate) mem: f64,
}

/// The master's answer to a subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subscribed {
    pub(crate) id: String,
    /// The agents that are not lost. What ran on one that is missing is lost with it.
    pub(crate) agents: Vec<KnownAgent>,
}

/// An agent, as a framework needs to know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KnownAgent {
    pub(crate) id: String,
    pub(crate) hostname: String,
    pub(crate) cpus: f64,
    pub(crate) mem: f64,
    pub(crate) standing: AgentStanding,
}

/// What a framework can do with an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AgentStanding {
    /// It takes new tasks.
    Open,
    /// It keeps the tasks it has: deactivated, disconnected, or not registered with a new leader yet.
    Closed,
    /// Its tasks are being killed.
    Draining,
}

/// The master asks whether its peer is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ping {
    /// The peer's id; another peer at the same address answers 409.
    pub(crate) id: String,
    /// Whether the master counts it as connected; one that is not registers again.
    pub(crate) connected: bool,
}
