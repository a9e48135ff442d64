//! The leading master's knowledge: agents and frameworks, and the rules by which they come and go. No clock and no
//! network here: times are given (Unix seconds).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::protocol::{AgentInfo, AgentStanding, KnownAgent, Registration, Subscription, Task};

/// Everything the leading master knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Cluster {
    master_id: String,
    next_agent: u64,
    next_framework: u64,
    next_link: u64,
    pub(super) agents: BTreeMap<String, Agent>,
    /// Agents of the registry that have not registered with this leader yet.
    pub(super) recovered: BTreeMap<String, Entry>,
    /// Agents given up for lost, and since when.
    pub(super) unreachable: BTreeMap<String, f64>,
    /// Agents that must never come back.
    pub(super) gone: BTreeSet<String>,
    pub(super) frameworks: BTreeMap<String, Framework>,
}

/// A registered agent.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) entry: Entry,
    pub(super) connected: bool,
    pub(super) registered: f64,
    pub(super) reregistered: Option<f64>,
    link: u64,
}

/// What the registry keeps of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) info: AgentInfo,
    pub(super) deactivated: bool,
    pub(super) drain: Option<Drain>,
}

/// An agent's draining, as asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Drain {
    pub(super) max_grace_seconds: Option<i64>,
    pub(super) mark_gone: bool,
    pub(super) started: f64,
}

/// A registered framework.
#[derive(Debug, Clone)]
pub(super) struct Framework {
    pub(super) id: String,
    pub(super) subscription: Subscription,
    pub(super) connected: bool,
    pub(super) registered: f64,
    pub(super) reregistered: Option<f64>,
    link: u64,
}

/// The registry: what outlives a leader.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Registry {
    pub(super) agents: Vec<Entry>,
    pub(super) unreachable: BTreeMap<String, f64>,
    pub(super) gone: BTreeSet<String>,
}

/// Why an operator's call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("Unknown agent")]
    UnknownAgent,
    #[error("Agent {0} is not deactivated")]
    NotDeactivated(String),
    #[error("Agent {0} is still draining")]
    StillDraining(String),
    #[error("Agent has been marked gone")]
    Gone,
}

/// Identifies a hold on a peer: news from an older one is of no interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) id: String,
    number: u64,
}

impl Cluster {
    pub(super) fn new(master_id: String) -> Self {
        Self { master_id, ..Self::default() }
    }

    /// Takes over what an earlier leader has left.
    pub(super) fn recover(&mut self, registry: Registry) {
        self.recovered = registry.agents.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
        self.unreachable = registry.unreachable;
        self.gone = registry.gone;
    }

    pub(super) fn registry(&self) -> Registry {
        let registered = self.agents.values().map(|agent| &agent.entry);
        Registry {
            agents: registered.chain(self.recovered.values()).cloned().collect(),
            unreachable: self.unreachable.clone(),
            gone: self.gone.clone(),
        }
    }

    fn new_link(&mut self, id: &str) -> Link {
        self.next_link += 1;
        Link { id: id.to_owned(), number: self.next_link }
    }

    /// An agent registers, or registers again.
    pub(super) fn register(&mut self, registration: Registration, now: f64) -> Result<Link, Refused> {
        let Registration { id, info } = registration;
        if id.as_ref().is_some_and(|id| self.gone.contains(id)) {
            return Err(Refused::Gone);
        }
        let id = match id {
            Some(id) => id,
            None => self.id_for_newcomer(&info),
        };
        let link = self.new_link(&id);
        let before = self.agents.remove(&id);
        let recovered = self.recovered.remove(&id);
        let returned = self.unreachable.remove(&id).is_some();
        let known = before.is_some() || recovered.is_some() || returned;
        let registered = before.as_ref().map_or(now, |agent| agent.registered);
        let marks = before.map(|agent| agent.entry).or(recovered);
        let (deactivated, drain) = marks.map_or((false, None), |entry| (entry.deactivated, entry.drain));
        self.agents.insert(
            id.clone(),
            Agent {
                entry: Entry { id, info, deactivated, drain },
                connected: true,
                registered,
                reregistered: known.then_some(now),
                link: link.number,
            },
        );
        Ok(link)
    }

    /// An agent without an id at the address of a known one: while that is connected it keeps its id (it repeats
    /// itself); otherwise it is another one in its place.
    fn id_for_newcomer(&mut self, info: &AgentInfo) -> String {
        let same_address = self
            .agents
            .values()
            .find(|agent| agent.entry.info.pid() == info.pid())
            .map(|agent| (agent.entry.id.clone(), agent.connected));
        match same_address {
            Some((id, true)) => return id,
            Some((id, false)) => drop(self.agents.remove(&id)),
            None => {}
        }
        let id = format!("{}-S{}", self.master_id, self.next_agent);
        self.next_agent += 1;
        id
    }

    /// An agent leaves for good.
    pub(super) fn unregister(&mut self, id: &str) -> bool {
        self.agents.remove(id).is_some()
    }

    pub(super) fn agent_connected(&self, link: &Link) -> bool {
        self.agents.get(&link.id).is_some_and(|agent| agent.link == link.number && agent.connected)
    }

    /// The agent does not answer. `false`: the hold is not the current one.
    pub(super) fn agent_silent(&mut self, link: &Link) -> bool {
        let current = self.agents.get_mut(&link.id).filter(|agent| agent.link == link.number);
        current.map(|agent| agent.connected = false).is_some()
    }

    /// Whether the hold on the agent is the current one.
    pub(super) fn holds_agent(&self, link: &Link) -> bool {
        self.agents.get(&link.id).is_some_and(|agent| agent.link == link.number)
    }

    /// The agent has been silent for too long.
    pub(super) fn agent_lost(&mut self, link: &Link, now: f64) -> bool {
        if !self.holds_agent(link) {
            return false;
        }
        self.agents.remove(&link.id);
        self.unreachable.insert(link.id.clone(), now);
        true
    }

    /// Agents that have not registered with this leader in time are lost.
    pub(super) fn give_up_recovered(&mut self, now: f64) -> usize {
        let late = std::mem::take(&mut self.recovered);
        let count = late.len();
        self.unreachable.extend(late.into_keys().map(|id| (id, now)));
        count
    }

    /// A framework subscribes, or tells of itself again. A link only when it was not connected.
    pub(super) fn subscribe(&mut self, subscription: Subscription, now: f64) -> (String, Option<Link>) {
        let id = subscription.id.clone().unwrap_or_else(|| {
            let id = format!("{}-{:04}", self.master_id, self.next_framework);
            self.next_framework += 1;
            id
        });
        if let Some(framework) = self.frameworks.get_mut(&id).filter(|framework| {
            let before = (&framework.subscription.ip, framework.subscription.port);
            framework.connected && before == (&subscription.ip, subscription.port)
        }) {
            framework.subscription = subscription;
            return (id, None);
        }
        let link = self.new_link(&id);
        let before = self.frameworks.get(&id).map(|framework| framework.registered);
        let framework = Framework {
            id: id.clone(),
            subscription,
            connected: true,
            registered: before.unwrap_or(now),
            reregistered: before.map(|_| now),
            link: link.number,
        };
        self.frameworks.insert(id.clone(), framework);
        (id, Some(link))
    }

    pub(super) fn framework_connected(&self, link: &Link) -> bool {
        self.frameworks
            .get(&link.id)
            .is_some_and(|framework| framework.link == link.number && framework.connected)
    }

    pub(super) fn framework_silent(&mut self, link: &Link) -> bool {
        let current = self.frameworks.get_mut(&link.id).filter(|framework| framework.link == link.number);
        current.map(|framework| framework.connected = false).is_some()
    }

    /// The agents as frameworks know them.
    pub(super) fn known_agents(&self) -> Vec<KnownAgent> {
        let registered = self.agents.values().map(|agent| (&agent.entry, agent.connected));
        let recovered = self.recovered.values().map(|entry| (entry, false));
        registered
            .chain(recovered)
            .map(|(entry, connected)| KnownAgent {
                id: entry.id.clone(),
                hostname: entry.info.hostname.clone(),
                cpus: entry.info.resources.cpus,
                mem: entry.info.resources.mem,
                standing: match () {
                    () if entry.drain.is_some() => AgentStanding::Draining,
                    () if connected && !entry.deactivated => AgentStanding::Open,
                    () => AgentStanding::Closed,
                },
            })
            .collect()
    }

    /// Tasks on an agent, with their frameworks.
    pub(super) fn tasks_on<'a>(
        &'a self,
        agent_id: &'a str,
    ) -> impl Iterator<Item = (&'a Framework, &'a Task)> {
        self.frameworks.values().flat_map(move |framework| {
            let tasks = framework.subscription.tasks.iter();
            tasks.filter(move |task| task.agent_id == agent_id).map(move |task| (framework, task))
        })
    }

    /// Whether a draining agent is empty.
    pub(super) fn drained(&self, agent: &Agent) -> bool {
        agent.entry.drain.is_some() && self.tasks_on(&agent.entry.id).next().is_none()
    }

    /// Agents drained with `mark_gone` go when they are empty. Returns whether any did.
    pub(super) fn settle_drains(&mut self) -> bool {
        let leaving: Vec<String> = self
            .agents
            .values()
            .filter(|agent| agent.entry.drain.as_ref().is_some_and(|drain| drain.mark_gone))
            .filter(|agent| self.drained(agent))
            .map(|agent| agent.entry.id.clone())
            .collect();
        for id in &leaving {
            self.agents.remove(id);
            self.gone.insert(id.clone());
        }
        !leaving.is_empty()
    }

    fn agent(&mut self, id: &str) -> Result<&mut Entry, Refused> {
        if self.gone.contains(id) {
            return Err(Refused::Gone);
        }
        match self.agents.get_mut(id) {
            Some(agent) => Ok(&mut agent.entry),
            None => self.recovered.get_mut(id).ok_or(Refused::UnknownAgent),
        }
    }

    pub(super) fn drain(&mut self, id: &str, drain: Drain) -> Result<(), Refused> {
        let entry = self.agent(id)?;
        entry.deactivated = true;
        entry.drain = Some(drain);
        Ok(())
    }

    pub(super) fn deactivate(&mut self, id: &str) -> Result<(), Refused> {
        self.agent(id)?.deactivated = true;
        Ok(())
    }

    /// Draining cannot be cancelled: an agent comes back only when it is drained.
    pub(super) fn reactivate(&mut self, id: &str) -> Result<(), Refused> {
        let empty = self.tasks_on(id).next().is_none();
        let entry = self.agent(id)?;
        if !entry.deactivated {
            return Err(Refused::NotDeactivated(id.to_owned()));
        }
        if entry.drain.is_some() && !empty {
            return Err(Refused::StillDraining(id.to_owned()));
        }
        entry.deactivated = false;
        entry.drain = None;
        Ok(())
    }

    /// Idempotent.
    pub(super) fn mark_gone(&mut self, id: &str) -> Result<(), Refused> {
        let known = self.agents.remove(id).is_some()
            | self.recovered.remove(id).is_some()
            | self.unreachable.remove(id).is_some();
        if !known && !self.gone.contains(id) {
            return Err(Refused::UnknownAgent);
        }
        self.gone.insert(id.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
