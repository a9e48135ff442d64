//! Nodes that only remember what they were told, and watch that no two masters restart side by side.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mesostack::{
    node::{self, Configuration, Drained, Health, Nodes, SetUp, Status, Tell, Whereabouts},
    spec::{Node, Role},
};
use tokio::time::{Instant, sleep, sleep_until};

use crate::voters::Voters;

/// Nodes that remember what they were told.
#[derive(Debug, Default)]
pub(crate) struct Remembering {
    /// The digest each node has, and how often it was told something.
    pub(crate) told: Mutex<BTreeMap<String, (String, usize)>>,
    /// Nodes that do not answer.
    pub(crate) deaf: Mutex<BTreeSet<String>>,
    /// Nodes that do not become healthy.
    pub(crate) ailing: Mutex<BTreeSet<String>>,
    /// Agents whose tasks do not end.
    pub(crate) busy: Mutex<BTreeSet<String>>,
    /// Which agents were drained, in their order.
    pub(crate) drained: Mutex<Vec<String>>,
    /// Which nodes were told something new, in their order.
    pub(crate) order: Mutex<Vec<String>>,
    /// Masters whose daemons do not answer.
    pub(crate) silent: Mutex<BTreeSet<String>>,
    /// Whether masters may restart side by side: those of a mess may never have served.
    pub(crate) careless: AtomicBool,
    /// What the masters believe and know.
    pub(crate) voters: Mutex<Voters>,
    /// Masters that restart at the moment.
    restarting: Mutex<BTreeSet<String>>,
}

/// A master restarts as long as this lives: no other may.
struct Restart<'a>(&'a Mutex<BTreeSet<String>>, String);

impl<'a> Restart<'a> {
    fn of(restarting: &'a Mutex<BTreeSet<String>>, name: String) -> Self {
        let mut others = restarting.lock().expect("no panic");
        assert!(others.is_empty(), "{name} restarts while {others:?} does");
        others.insert(name.clone());
        drop(others);
        Self(restarting, name)
    }
}

impl Drop for Restart<'_> {
    fn drop(&mut self) {
        self.0.lock().expect("no panic").remove(&self.1);
    }
}

impl Remembering {
    /// Others that know what these know, and are well.
    pub(crate) fn fork(&self) -> Self {
        let told = self.told.lock().expect("no panic").clone();
        let voters = self.voters.lock().expect("no panic").clone();
        Self { told: Mutex::new(told), voters: Mutex::new(voters), ..Self::default() }
    }

    /// How often each node was told something new.
    pub(crate) fn changes(&self) -> BTreeMap<String, usize> {
        self.told.lock().expect("no panic").iter().map(|(name, (_, times))| (name.clone(), *times)).collect()
    }
}

fn unhealthy(at: &Whereabouts, lacks: &str) -> node::Error {
    node::Error::Unhealthy { node: at.node.name(), lacks: lacks.to_owned(), waited: Duration::ZERO }
}

#[async_trait]
impl Nodes for Remembering {
    async fn answers(&self, at: &Whereabouts, deadline: Instant) -> Result<(), node::Error> {
        sleep(Duration::from_secs(1)).await;
        if self.deaf.lock().expect("no panic").contains(&at.node.name()) {
            sleep_until(deadline).await;
            return Err(unhealthy(at, "SSH to answer"));
        }
        Ok(())
    }

    async fn set_up(
        &self,
        at: &Whereabouts,
        configuration: &Configuration,
        deadline: Instant,
    ) -> Result<SetUp, node::Error> {
        // A master that serves restarts when it is told something new.
        let known =
            self.told.lock().expect("no panic").get(&at.node.name()).map(|(digest, _)| digest.clone());
        let _restarts = known
            .filter(|_| !self.careless.load(Ordering::Relaxed))
            .filter(|digest| at.node.role == Role::Master && *digest != configuration.digest)
            .map(|_| Restart::of(&self.restarting, at.node.name()));
        sleep(Duration::from_secs(3)).await;
        if self.deaf.lock().expect("no panic").contains(&at.node.name()) {
            sleep_until(deadline).await;
            return Err(unhealthy(at, "SSH to answer"));
        }
        // Who has no port of its own can be reached only through masters.
        assert!(at.node.ssh_port.is_some() || !at.masters.is_empty(), "no way to {}", at.node.name());
        if at.node.role == Role::Master {
            self.voters.lock().expect("no panic").told(at, configuration);
        }
        let mut told = self.told.lock().expect("no panic");
        let entry = told.entry(at.node.name()).or_default();
        if entry.0 == configuration.digest {
            return Ok(SetUp::Unchanged);
        }
        *entry = (configuration.digest.clone(), entry.1 + 1);
        self.order.lock().expect("no panic").push(at.node.name());
        Ok(SetUp::Changed { restarted: Vec::new() })
    }

    async fn check(&self, at: &Whereabouts, deadline: Instant) -> Result<Health, node::Error> {
        sleep(Duration::from_secs(2)).await;
        if self.ailing.lock().expect("no panic").contains(&at.node.name()) {
            sleep_until(deadline).await;
            return Ok(Health::Lacks("the agent to answer".to_owned()));
        }
        if at.node.role == Role::Master && !self.voters.lock().expect("no panic").votes(at) {
            return Ok(Health::Lacks("its registry to catch up with the other masters'".to_owned()));
        }
        Ok(Health::Well)
    }

    async fn status(&self, masters: &[Whereabouts], _: &[Node], _: Instant) -> Status {
        sleep(Duration::from_secs(1)).await;
        let silent = self.silent.lock().expect("no panic");
        let mut voters = self.voters.lock().expect("no panic");
        let (zookeeper, mesos, leading_master) = voters.status(masters, |name| silent.contains(name));
        Status {
            healthy: silent.is_empty(),
            problems: Vec::new(),
            zookeeper,
            masters: mesos,
            leading_master,
            agents: Vec::new(),
            unexpected_agents: Vec::new(),
            marathon: Vec::new(),
            leading_marathon: None,
        }
    }

    async fn drain(&self, masters: &[Whereabouts], agent: &Node, limit: Duration, _: &Tell<'_>) -> Drained {
        assert!(!masters.is_empty(), "nobody to ask");
        sleep(Duration::from_secs(4)).await;
        if self.busy.lock().expect("no panic").contains(&agent.name()) {
            sleep(limit).await;
            return Drained::TooLate;
        }
        self.drained.lock().expect("no panic").push(agent.name());
        Drained::Gone
    }
}
