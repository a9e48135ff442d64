//! What the masters of a simulated cluster believe and know. A master votes once it was told of an ensemble and its replica
//! of the registry has caught up with a quorum of the others'; one that was made anew knows nothing at first. Whatever is
//! done to masters, at no moment may an ensemble's majority know nothing, nor two majorities have nobody in common.

use std::{collections::BTreeMap, time::Duration};

use mesostack::node::{Configuration, MasterStatus, Whereabouts, ZooKeeperRole, ZooKeeperStatus};
use tokio::time::Instant;

/// How long a replica takes that has somebody to learn from.
const LEARNS: Duration = Duration::from_secs(2);

/// The master that leads everything, as long as it votes.
pub(crate) const LEADER: &str = "master-2";

/// The masters that were told something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Voters {
    masters: BTreeMap<String, Voter>,
    /// Whether the cluster knows something that can be lost.
    once: bool,
    /// Nothing is asserted of clusters that somebody meddles with.
    pub(crate) meddled: bool,
    /// Whether the cluster was begun to be taken down: then what is left teaches nobody.
    given_up: bool,
}

#[derive(Clone, Debug)]
struct Voter {
    /// Which machine it is.
    key: String,
    /// How many masters it believes in.
    masters: usize,
    /// What it takes for a quorum of the registry.
    quorum: usize,
    since: Instant,
    knows: bool,
}

fn majority(of: usize) -> usize {
    of / 2 + 1
}

impl Voters {
    /// A master has a configuration.
    pub(crate) fn told(&mut self, at: &Whereabouts, configuration: &Configuration) {
        self.learn();
        let lines = configuration.files.iter().flat_map(|file| file.contents.lines());
        let masters = lines.clone().filter(|line| line.starts_with("server.")).count();
        let quorum = lines.filter_map(|line| line.strip_prefix("MESOS_QUORUM=")?.parse().ok()).next();
        let (name, key) = (at.node.name(), at.host_key.to_string());
        let before = self.masters.get(&name).filter(|voter| voter.key == key).cloned();
        let (since, knows) = before.map_or((Instant::now(), false), |before| (before.since, before.knows));
        let voter = Voter { key, masters, quorum: quorum.expect("a quorum"), since, knows };
        self.masters.insert(name, voter);
        self.check();
    }

    /// Whether a master votes.
    pub(crate) fn votes(&mut self, at: &Whereabouts) -> bool {
        self.learn();
        self.of(at).is_some_and(|voter| voter.knows)
    }

    /// A master's replica has still to catch up, and takes its time.
    pub(crate) fn lags(&mut self, name: &str, long: Duration) {
        let voter = self.masters.get_mut(name).expect("a master");
        (voter.knows, voter.since) = (false, Instant::now() + long);
    }

    /// The cluster is taken down: what it knew is given up, and may be so by half.
    pub(crate) fn give_up(&mut self) {
        (self.meddled, self.given_up) = (true, true);
    }

    /// The cluster is no more.
    pub(crate) fn forget(&mut self) {
        *self = Self { meddled: self.meddled, given_up: self.given_up, ..Self::default() };
    }

    fn of(&self, at: &Whereabouts) -> Option<&Voter> {
        self.masters.get(&at.node.name()).filter(|voter| voter.key == at.host_key.to_string())
    }

    fn learn(&mut self) {
        let knowing =
            |masters: &BTreeMap<String, Voter>| masters.values().filter(|voter| voter.knows).count();
        // From a quorum that knows; or, where there is nothing to be known yet, with one that agrees on that.
        // One that is its own quorum begins anew.
        let (all, know) = (self.masters.len(), knowing(&self.masters));
        let once = self.once && !self.given_up;
        for voter in self.masters.values_mut().filter(|voter| voter.since.elapsed() >= LEARNS) {
            let teachers = if once && voter.quorum > 1 { know } else { all };
            voter.knows |= teachers >= voter.quorum;
        }
        let know = knowing(&self.masters);
        self.once |= self.masters.values().any(|voter| know >= voter.quorum);
    }

    fn check(&self) {
        if self.meddled {
            return;
        }
        for voter in self.masters.values().filter(|voter| voter.masters > 1) {
            let number = |name: &str| name.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
            let members = self.masters.iter().filter(|(name, _)| number(name) <= Some(voter.masters));
            let ignorant = members.filter(|(_, member)| !member.knows).count();
            assert!(!self.once || ignorant < majority(voter.masters), "a majority knows nothing: {self:#?}");
            for other in self.masters.values() {
                let both = majority(voter.masters) + majority(other.masters);
                assert!(both > voter.masters.max(other.masters), "two majorities: {self:#?}");
                assert!(voter.quorum + other.quorum > self.masters.len(), "two quorums: {self:#?}");
            }
        }
    }

    /// How those that are asked do, where some are silent, and who leads.
    pub(crate) fn status(
        &mut self,
        asked: &[Whereabouts],
        silent: impl Fn(&str) -> bool,
    ) -> (Vec<ZooKeeperStatus>, Vec<MasterStatus>, Option<String>) {
        self.learn();
        let there = |at: &&Whereabouts| !silent(&at.node.name()) && self.of(at).is_some();
        let serving = self.masters.keys().filter(|name| !silent(name)).count();
        let votes = |at: &&Whereabouts| there(at) && self.of(at).is_some_and(|voter| voter.knows);
        let voters = asked.iter().filter(votes).map(|at| at.node.name()).collect::<Vec<_>>();
        let leader = voters.iter().find(|name| *name == LEADER).or(voters.first()).cloned();
        let zookeeper = asked.iter().map(|at| {
            let role = match self.of(at) {
                _ if silent(&at.node.name()) => ZooKeeperRole::Unreachable,
                None => ZooKeeperRole::Down,
                Some(voter) if serving < majority(voter.masters) => ZooKeeperRole::NotServing,
                Some(_) if leader == Some(at.node.name()) => ZooKeeperRole::Leader,
                Some(_) => ZooKeeperRole::Follower,
            };
            ZooKeeperStatus { node: at.node.name(), role }
        });
        let masters = asked.iter().map(|at| MasterStatus {
            node: at.node.name(),
            answers: there(&at),
            recovered: votes(&at),
            leading: leader == Some(at.node.name()),
        });
        (zookeeper.collect(), masters.collect(), leader)
    }
}
