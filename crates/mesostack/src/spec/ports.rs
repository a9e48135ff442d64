//! Ports on the cluster's one public address: a forwarded SSH port a node, and the two user interfaces.

use std::fmt;

/// The public port that leads to the elected Mesos master.
pub const MESOS: u16 = 5050;
/// The public port that leads to the leading Marathon.
pub const MARATHON: u16 = 8080;

/// Whose a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The master of that number, from 1.
    Master(u32),
    /// The agent of that number, from 1.
    Agent(u32),
    /// The Mesos user interface.
    Mesos,
    /// The Marathon user interface.
    Marathon,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Master(number) => write!(f, "master {number}"),
            Self::Agent(number) => write!(f, "agent {number}"),
            Self::Mesos => write!(f, "the Mesos user interface"),
            Self::Marathon => write!(f, "the Marathon user interface"),
        }
    }
}

/// A port that cannot be given as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clash {
    /// Two want the same one.
    Shared { port: u32, wants: Owner, has: Owner },
    /// There is no such port.
    Beyond { port: u32, wants: Owner },
}

impl Clash {
    /// Who would have to move.
    pub(super) fn mover(self) -> Owner {
        match self {
            Self::Shared { wants, .. } | Self::Beyond { wants, .. } => wants,
        }
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared { port, wants, has } => {
                write!(f, "the SSH port of {wants} would be {port}, which is {has}'s")
            }
            Self::Beyond { port, wants } => {
                write!(f, "the SSH port of {wants} would be {port}; the last is 65535")
            }
        }
    }
}

/// Consecutive ports of consecutive owners.
#[derive(Clone, Copy, Debug)]
struct Block {
    first: u32,
    count: u32,
    owner: fn(u32) -> Owner,
}

impl Block {
    fn end(self) -> u32 {
        self.first + self.count
    }

    fn owner_of(self, port: u32) -> Owner {
        (self.owner)(port - self.first + 1)
    }
}

/// Every pair of owners (the first of each) that would share a port, and the first node without a port at all.
pub(super) fn clashes(masters: (u32, u32), agents: (u32, u32)) -> Vec<Clash> {
    let fixed = |port: u16, owner| Block { first: u32::from(port), count: 1, owner };
    let nodes = [
        Block { first: masters.0, count: masters.1, owner: Owner::Master },
        Block { first: agents.0, count: agents.1, owner: Owner::Agent },
    ];
    let others = [fixed(MESOS, |_| Owner::Mesos), fixed(MARATHON, |_| Owner::Marathon), nodes[0]];
    let mut clashes = Vec::new();
    for (at, block) in nodes.into_iter().enumerate() {
        // A master clashes with the interfaces only; an agent also with the masters.
        for other in others.into_iter().take(2 + at) {
            let port = block.first.max(other.first);
            if port < block.end().min(other.end()) {
                clashes.push(Clash::Shared { port, wants: block.owner_of(port), has: other.owner_of(port) });
            }
        }
        if block.end() > 1 << 16 {
            let port = block.first.max(1 << 16);
            clashes.push(Clash::Beyond { port, wants: block.owner_of(port) });
        }
    }
    clashes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_2829th_agent_meets_the_mesos_interface() {
        assert_eq!(clashes((1222, 3), (2222, 2828)), []);
        let clash = Clash::Shared { port: 5050, wants: Owner::Agent(2829), has: Owner::Mesos };
        assert_eq!(clashes((1222, 3), (2222, 2829)), [clash]);
        assert_eq!(
            clash.to_string(),
            "the SSH port of agent 2829 would be 5050, which is the Mesos user interface's"
        );
    }

    #[test]
    fn the_1001st_master_meets_the_first_agent() {
        let clash = Clash::Shared { port: 2222, wants: Owner::Agent(1), has: Owner::Master(1001) };
        assert_eq!(clashes((1222, 1001), (2222, 1)), [clash]);
    }

    #[test]
    fn ports_end_at_65535() {
        assert_eq!(clashes((1222, 1), (65535, 1)), []);
        assert_eq!(clashes((1222, 1), (65535, 2)), [Clash::Beyond { port: 65536, wants: Owner::Agent(2) }]);
    }

    proptest! {
        #[test]
        fn no_clash_means_that_every_port_is_distinct_and_exists(
            first_master in 1u32..65536, masters in 0u32..3000, first_agent in 1u32..65536, agents in 0u32..3000,
        ) {
            let all = (first_master..first_master + masters)
                .chain(first_agent..first_agent + agents)
                .chain([5050, 8080])
                .collect::<Vec<_>>();
            let distinct = all.iter().collect::<BTreeSet<_>>().len() == all.len();
            let exist = all.iter().all(|port| *port < 65536);
            prop_assert_eq!(clashes((first_master, masters), (first_agent, agents)).is_empty(), distinct && exist);
        }
    }
}
