//! Taking an agent out of service before its machine goes: its tasks end in order, and their frameworks start them elsewhere.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream::FuturesUnordered};
use mesos::{Address, Connect, Master, RegisteredAgent, Reply};
use tokio::{
    sync::{Mutex, Semaphore},
    time::{Instant, timeout_at},
};

use super::{
    SshNodes, Tell, Whereabouts,
    connect::ThroughSession,
    health::ANSWER,
    places::{AGENT_PORT, MASTER_PORT},
};
use crate::spec::Node;

/// How long to wait before looking again; what was seen is as good for that long, for every draining.
const PAUSE: Duration = Duration::from_secs(1);
/// How many agents may be asked for at once.
const REQUESTS: usize = 16;
/// How long a leading master is looked for. A cluster without one cannot drain anything.
const LEADER: Duration = Duration::from_secs(60);

/// How a draining ended. A machine may go after any of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drained {
    /// No task is left on it, and the master does not know it any more.
    Gone,
    /// The master did not know it, or had no connection to it: there was nothing to drain.
    Away,
    /// It was asked for, and tasks were left in the end, or frameworks that never took note.
    TooLate,
    /// No master led, so nobody could be asked.
    NoLeader,
    /// The leading master would not, or could not be brought to it in time: why.
    Refused(String),
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("no task is left"),
            Self::Away => f.write_str("nothing to drain: the masters have no connection to it"),
            Self::TooLate => f.write_str("gave up waiting: tasks or their frameworks did not end in time"),
            Self::NoLeader => f.write_str("not drained: no master leads"),
            Self::Refused(why) => write!(f, "not drained: {why}"),
        }
    }
}

/// How masters are reached.
#[async_trait]
pub(super) trait Way: Sync {
    /// What connects as if from that master; none if it is not reached by `deadline`.
    async fn to(&self, master: &Whereabouts, deadline: Instant) -> Option<Arc<dyn Connect>>;
}

#[async_trait]
impl Way for SshNodes {
    async fn to(&self, master: &Whereabouts, deadline: Instant) -> Option<Arc<dyn Connect>> {
        Some(Arc::new(ThroughSession(self.reach(master, deadline).await.ok()?)))
    }
}

/// The leading master, with the agents it knows.
type Led = Arc<(Master, Vec<RegisteredAgent>)>;

/// What all drainings of a run share: however many there are, one look a second at the masters' list of all agents serves
/// them.
#[derive(Debug)]
pub(super) struct Drainings {
    last: Mutex<Option<Look>>,
    requests: Semaphore,
}

/// A look at the masters.
#[derive(Debug)]
struct Look {
    masters: Vec<Whereabouts>,
    /// None where no master led.
    led: Option<Led>,
    ended: Instant,
}

impl Default for Drainings {
    fn default() -> Self {
        Self { last: Mutex::default(), requests: Semaphore::new(REQUESTS) }
    }
}

impl Drainings {
    /// Who leads, and which agents it knows: as it was seen a moment ago, or else seen now. Whoever comes while somebody
    /// looks gets what that one sees, so that nobody waits for longer than two looks.
    async fn look(&self, way: &impl Way, masters: &[Whereabouts]) -> Option<Led> {
        let mut last = self.last.lock().await;
        if let Some(look) = last.as_ref()
            && look.ended.elapsed() < PAUSE
            && look.masters == masters
        {
            return look.led.clone();
        }
        let led = leader(way, masters).await.map(Arc::new);
        *last = Some(Look { masters: masters.to_vec(), led: led.clone(), ended: Instant::now() });
        led
    }
}

/// Drains an agent, asked for through whichever of the masters leads. What was begun before is gone on with. From the moment
/// a master has taken the request it is waited for `limit`, and tasks get half of that to end by themselves; bringing a
/// master to it may take as long. Time in which others ask for theirs counts for neither.
pub(super) async fn drain(
    way: &impl Way,
    drainings: &Drainings,
    masters: &[Whereabouts],
    agent: &Node,
    limit: Duration,
    tell: &Tell<'_>,
) -> Drained {
    let address = Address::new(agent.address.to_string(), AGENT_PORT);
    let mut deadline = Instant::now() + limit;
    let mut unled_since = None;
    let (mut asked, mut failed) = (false, None);
    let mut told = "";
    let mut say = |what: &'static str| {
        if told != what {
            tell(what);
            told = what;
        }
    };
    loop {
        let looked = Instant::now();
        let led = drainings.look(way, masters).await;
        let known = led
            .as_ref()
            .map(|led| (&led.0, led.1.iter().find(|known| known.address.as_ref() == Some(&address))));
        match known {
            None => say("a master to lead"),
            Some((_, None)) if asked => return Drained::Gone,
            Some((_, None)) => return Drained::Away,
            Some((_, Some(known))) if !known.active && !known.deactivated => return Drained::Away,
            Some((leader, Some(known))) if !asked => {
                say("its tasks to end");
                let queued = Instant::now();
                // Nobody closes it.
                let _place = drainings.requests.acquire().await.ok();
                deadline += queued.elapsed();
                match leader.drain(&known.id, limit / 2, Instant::now() + ANSWER).await {
                    Ok(Reply::Leading(())) => {
                        asked = true;
                        deadline = Instant::now() + limit;
                    }
                    Ok(Reply::NotLeading(_)) => {}
                    // It will not be of another mind in a second.
                    Err(error) if is_refusal(&error) => return Drained::Refused(error.to_string()),
                    Err(error) => failed = Some(error.to_string()),
                }
            }
            Some((_, Some(_))) => say("its tasks to end"),
        }
        if led.is_some() {
            unled_since = None;
        } else if unled_since.get_or_insert(looked).elapsed() >= LEADER && !asked {
            return Drained::NoLeader;
        }
        if Instant::now() + PAUSE >= deadline {
            return match (asked, failed) {
                (true, _) => Drained::TooLate,
                (false, Some(why)) => Drained::Refused(why),
                (false, None) => Drained::NoLeader,
            };
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a master has said that the question is wrong, and not that it cannot answer at the moment.
fn is_refusal(error: &mesos::Error) -> bool {
    matches!(error, mesos::Error::Status { status: 400..=499, .. })
}

/// The master that leads, with the agents it knows. All are asked side by side, so that one which is lost keeps nobody from
/// another; and none is waited for beyond its time, whoever else waits for the same session.
async fn leader(way: &impl Way, masters: &[Whereabouts]) -> Option<(Master, Vec<RegisteredAgent>)> {
    let asked = masters.iter().map(|at| ask(way, at)).collect::<FuturesUnordered<_>>();
    let mut leading = std::pin::pin!(asked.filter_map(std::future::ready));
    leading.next().await
}

/// The agents a master knows, if it leads.
async fn ask(way: &impl Way, at: &Whereabouts) -> Option<(Master, Vec<RegisteredAgent>)> {
    let soon = || Instant::now() + ANSWER;
    let reached_by = soon();
    let connect = timeout_at(reached_by, way.to(at, reached_by)).await.ok()??;
    let master = Master::new(connect, Address::new(at.node.address.to_string(), MASTER_PORT));
    let agents = master.agents(soon()).await.ok().and_then(Reply::leading)?;
    Some((master, agents))
}
