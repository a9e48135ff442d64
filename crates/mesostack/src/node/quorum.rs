//! Whether the quorum outlives what is about to be done to a master. Judged from a [`Status`] asked right before.

use super::{MasterStatus, Status, ZooKeeperRole, ZooKeeperStatus};
use crate::spec::majority;

impl Status {
    /// Whether ZooKeeper and the masters' registry keep their quorum while this master is away.
    ///
    /// # Errors
    /// They would not; the text says what would be left, and of whom more is needed.
    pub fn survives_without(&self, master: &str) -> Result<(), String> {
        let check = |what: &str, all: Vec<(&str, bool)>| {
            let needed = usize::from(majority(u16::try_from(all.len()).unwrap_or(u16::MAX)));
            let others = all.iter().filter(|(name, _)| *name != master);
            let (able, unable): (Vec<_>, Vec<_>) = others.partition(|(_, able)| *able);
            if able.len() >= needed {
                return Ok(());
            }
            let unable = match unable.iter().map(|(name, _)| *name).collect::<Vec<_>>() {
                none if none.is_empty() => String::new(),
                names => format!(" ({} cannot stand in)", names.join(", ")),
            };
            let (left, all) = (able.len(), all.len());
            Err(format!(
                "without {master}, {left} of {all} {what} would be left, and it takes {needed}{unable}"
            ))
        };
        let servers = self.zookeeper.iter().map(|server| {
            let serves = matches!(server.role, ZooKeeperRole::Leader | ZooKeeperRole::Follower);
            (server.node.as_str(), serves)
        });
        check("ZooKeeper servers", servers.collect())?;
        check(
            "Mesos masters",
            self.masters.iter().map(|other| (other.node.as_str(), other.recovered)).collect(),
        )?;
        match self.leading_master {
            Some(_) => Ok(()),
            // It may be the one that leads and cannot be asked.
            None if self.masters.iter().any(|other| other.node == master && !other.answers) => Ok(()),
            None => Err("no Mesos master leads at the moment".to_owned()),
        }
    }

    /// Whether ZooKeeper is known to have no quorum: most servers have said so, or do not run. Those that could not be
    /// asked may well serve.
    pub fn lacks_quorum(&self) -> bool {
        let idle = |server: &&ZooKeeperStatus| {
            matches!(server.role, ZooKeeperRole::NotServing | ZooKeeperRole::Down)
        };
        let all = u16::try_from(self.zookeeper.len()).unwrap_or(u16::MAX);
        self.zookeeper.iter().filter(idle).count() >= usize::from(majority(all))
    }

    /// The same, with a master that was not asked because it is not there.
    #[must_use]
    pub fn with_absent(mut self, node: String) -> Self {
        let role = ZooKeeperRole::Unreachable;
        self.zookeeper.push(ZooKeeperStatus { node: node.clone(), role });
        self.masters.push(MasterStatus { node, answers: false, recovered: false, leading: false });
        self
    }

    /// Whether this master leads ZooKeeper's ensemble or the Mesos masters.
    pub fn leads(&self, master: &str) -> bool {
        let leads = |server: &ZooKeeperStatus| server.node == master && server.role == ZooKeeperRole::Leader;
        self.zookeeper.iter().any(leads) || self.leading_master.as_deref() == Some(master)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Masters by whether they serve and have caught up; the first one leads.
    fn status(well: &[(bool, bool)]) -> Status {
        let node = |at: usize| format!("master-{}", at + 1);
        let role = |at, serves| match (at, serves) {
            (_, false) => ZooKeeperRole::Unreachable,
            (0, true) => ZooKeeperRole::Leader,
            (_, true) => ZooKeeperRole::Follower,
        };
        let zookeeper = well.iter().enumerate();
        let zookeeper =
            zookeeper.map(|(at, (serves, _))| ZooKeeperStatus { node: node(at), role: role(at, *serves) });
        let masters = well.iter().enumerate().map(|(at, (_, recovered))| MasterStatus {
            node: node(at),
            answers: true,
            recovered: *recovered,
            leading: at == 0,
        });
        Status {
            healthy: true,
            problems: Vec::new(),
            zookeeper: zookeeper.collect(),
            masters: masters.collect(),
            leading_master: Some(node(0)),
            agents: Vec::new(),
            unexpected_agents: Vec::new(),
            marathon: Vec::new(),
            leading_marathon: None,
        }
    }

    #[test]
    fn a_majority_has_to_be_left_whoever_leads() {
        let (well, ill, mute) = ((true, true), (false, true), (true, false));
        assert_eq!(status(&[well; 3]).survives_without("master-1"), Ok(()));
        assert_eq!(status(&[well; 3]).survives_without("master-3"), Ok(()));
        assert_eq!(status(&[well, well, ill]).survives_without("master-3"), Ok(()), "the ill one itself");
        assert_eq!(
            status(&[well, well, ill]).survives_without("master-1"),
            Err("without master-1, 1 of 3 ZooKeeper servers would be left, and it takes 2 (master-3 cannot stand in)".to_owned())
        );
        assert_eq!(
            status(&[well, mute, well]).survives_without("master-3"),
            Err("without master-3, 1 of 3 Mesos masters would be left, and it takes 2 (master-2 cannot stand in)".to_owned())
        );
        assert_eq!(status(&[well, well, well, well, ill]).survives_without("master-2"), Ok(()));
        for (count, survives) in [(1, false), (2, false), (3, true), (4, true), (5, true)] {
            assert_eq!(status(&vec![well; count]).survives_without("master-1").is_ok(), survives, "{count}");
        }
        let leaderless = Status { leading_master: None, ..status(&[well; 3]) };
        assert!(leaderless.survives_without("master-2").is_err());
    }

    #[test]
    fn one_that_is_not_there_counts_as_one_that_cannot_stand_in() {
        let well = (true, true);
        let two = |rest| status(&[well, rest]).with_absent("master-3".to_owned());
        assert_eq!(two(well).survives_without("master-3"), Ok(()));
        assert!(two(well).survives_without("master-1").is_err());
        let leads_itself = Status { leading_master: None, ..two(well) };
        assert_eq!(leads_itself.survives_without("master-3"), Ok(()));
        assert!(
            two((true, false)).survives_without("master-3").is_err(),
            "an empty replica answers, and has no vote"
        );
    }

    #[test]
    fn whoever_could_not_be_asked_may_serve() {
        let roles = |roles: &[ZooKeeperRole]| {
            let mut status = status(&vec![(true, true); roles.len()]);
            status.zookeeper.iter_mut().zip(roles).for_each(|(server, role)| server.role = *role);
            status.lacks_quorum()
        };
        use ZooKeeperRole::{Down, Follower, Leader, NotServing, Unreachable};
        assert!(!roles(&[Unreachable; 3]), "a link that dropped");
        assert!(!roles(&[Unreachable, Unreachable, NotServing]));
        assert!(!roles(&[Leader, Follower, Down]));
        assert!(roles(&[NotServing, Down, Unreachable]));
        assert!(roles(&[Down; 3]));
    }

    #[test]
    fn leading_either_is_leading() {
        let mut status = status(&[(true, true); 3]);
        status.leading_master = Some("master-2".to_owned());
        assert!(status.leads("master-1") && status.leads("master-2") && !status.leads("master-3"));
    }
}
