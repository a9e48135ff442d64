//! Taking an agent out of service before its machine goes: its tasks end in order, and their frameworks start them elsewhere.

use std::{sync::Arc, time::Duration};

use mesos::{Address, Connect, Master, Reply};
use tokio::time::Instant;

use super::{
    SshNodes, Tell, Whereabouts,
    connect::ThroughSession,
    health::ANSWER,
    places::{AGENT_PORT, MASTER_PORT},
};
use crate::spec::Node;

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a leading master is looked for. A cluster without one cannot drain anything.
const LEADER: Duration = Duration::from_secs(60);

/// How a draining ended. A machine may go after any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// No task is left on it, and the master does not know it any more.
    Gone,
    /// The master did not know it, or had no connection to it: there was nothing to drain.
    Away,
    /// It was asked for, and tasks were left in the end, or frameworks that never took note.
    TooLate,
    /// No master led, so nobody could be asked.
    NoLeader,
}

impl Drained {
    /// As a reader is told it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Gone => "no task is left",
            Self::Away => "nothing to drain: the masters have no connection to it",
            Self::TooLate => "gave up waiting: tasks or their frameworks did not end in time",
            Self::NoLeader => "not drained: no master leads",
        }
    }
}

/// Drains an agent, asked for through whichever of the masters leads. What was begun before is gone on with. Tasks get
/// half of the time to end by themselves.
pub(super) async fn drain(
    nodes: &SshNodes,
    masters: &[Whereabouts],
    agent: &Node,
    deadline: Instant,
    tell: &Tell<'_>,
) -> Drained {
    let began = Instant::now();
    let grace = deadline.saturating_duration_since(began) / 2;
    let address = Address::new(agent.address.to_string(), AGENT_PORT);
    let mut asked = false;
    let mut told = "";
    let mut say = |what: &'static str| {
        if told != what {
            tell(what);
            told = what;
        }
    };
    loop {
        let led = leader(nodes, masters, deadline).await;
        let known = led
            .as_ref()
            .map(|(_, agents)| agents.iter().find(|known| known.address.as_ref() == Some(&address)).cloned());
        match (&led, known.flatten()) {
            (None, _) => say("a master to lead"),
            (Some(_), None) if asked => return Drained::Gone,
            (Some(_), None) => return Drained::Away,
            (Some(_), Some(known)) if !known.active && !known.deactivated => return Drained::Away,
            (Some((leader, _)), Some(known)) if !asked => {
                say("its tasks to end");
                let soon = deadline.min(Instant::now() + ANSWER);
                asked = matches!(leader.drain(&known.id, grace, soon).await, Ok(Reply::Leading(())));
            }
            (Some(_), Some(_)) => say("its tasks to end"),
        }
        if !asked && led.is_none() && began.elapsed() >= LEADER {
            return Drained::NoLeader;
        }
        if Instant::now() + PAUSE >= deadline {
            return if asked { Drained::TooLate } else { Drained::NoLeader };
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The master that leads, with the agents it knows.
async fn leader(
    nodes: &SshNodes,
    masters: &[Whereabouts],
    deadline: Instant,
) -> Option<(Master, Vec<mesos::RegisteredAgent>)> {
    let soon = deadline.min(Instant::now() + ANSWER);
    for at in masters {
        let Ok(session) = nodes.reach(at, soon.min(Instant::now() + ANSWER)).await else { continue };
        let connect: Arc<dyn Connect> = Arc::new(ThroughSession(session));
        let master = Master::new(connect, Address::new(at.node.address.to_string(), MASTER_PORT));
        if let Ok(Reply::Leading(agents)) = master.agents(deadline.min(Instant::now() + ANSWER)).await {
            return Some((master, agents));
        }
    }
    None
}
