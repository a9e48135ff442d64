//! The election among Marathon instances: nodes `_c_<uuid>-latch-<number>` in `…/leader-curator`, each holding the
//! `host:port` of its instance. The lowest number leads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Marathon, code, scheduler, store};
use crate::ending::Ending;
use crate::zookeeper::{Group, Member, Session, SessionLost, leader};

/// How often a first session with ZooKeeper is tried for.
const ATTEMPTS: usize = 3;

/// How the election stands, as this instance sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// `host:port` of the leader.
    pub(super) leader: Option<String>,
    /// Whether this instance leads and has read what the one before has left.
    pub(super) leading: bool,
}

/// Takes part in the election for as long as the instance runs.
pub(super) async fn run(marathon: &Arc<Marathon>) -> Ending {
    let Some(session) = open(marathon).await else {
        return Ending::failed(code::NO_ZOOKEEPER, "ZooKeeper cannot be reached");
    };
    let outcome = match marathon.configuration.elects {
        true => stand(marathon, &session).await,
        false => lead(marathon, &session).await,
    };
    match outcome {
        Ok(ending) => ending,
        Err(lost) => Ending::failed(code::ZOOKEEPER_LOST, lost.to_string()),
    }
}

async fn open(marathon: &Marathon) -> Option<Session> {
    let configuration = &marathon.configuration;
    for _ in 0..ATTEMPTS {
        let opening = Session::try_open(&configuration.ensemble, configuration.session_timeout, false);
        match timeout(configuration.connection_timeout, opening).await {
            Ok(Ok(session)) => return Some(session),
            Ok(Err(error)) => tracing::warn!("No session with {}: {error}", configuration.ensemble),
            Err(_) => tracing::warn!("No session with {} in time", configuration.ensemble),
        }
        sleep(Duration::from_secs(1)).await;
    }
    None
}

async fn stand(marathon: &Arc<Marathon>, session: &Session) -> Result<Ending, SessionLost> {
    let group = Group::new(format!("{}/leader-curator", marathon.configuration.ensemble.path()), "-latch-");
    // By this it knows its own node: the data of an earlier run of the same instance would be the same.
    let own = format!("_c_{}", uuid::Uuid::new_v4());
    group.join(session, &own, marathon.configuration.own.as_bytes()).await?;
    let members = watch::Sender::default();
    let seen = members.subscribe();
    tokio::select! {
        lost = session.lost() => Err(lost),
        lost = group.watch(session, &members) => Err(lost),
        outcome = follow(marathon, session, &own, seen) => outcome,
    }
}

async fn follow(
    marathon: &Arc<Marathon>,
    session: &Session,
    own: &str,
    mut members: watch::Receiver<Vec<Member>>,
) -> Result<Ending, SessionLost> {
    loop {
        let found = leader(&members.borrow_and_update()).cloned();
        if found.as_ref().is_some_and(|leader| leader.name.starts_with(own)) {
            break;
        }
        let leader = found.map(|leader| String::from_utf8_lossy(&leader.data).into_owned());
        tracing::info!("The leader is {}", leader.as_deref().unwrap_or("not known"));
        marathon.standing.send_replace(Standing { leader, leading: false });
        drop(members.changed().await);
    }
    let overthrown = async {
        loop {
            drop(members.changed().await);
            let leads =
                leader(&members.borrow_and_update()).is_some_and(|leader| leader.name.starts_with(own));
            if !leads {
                return Ending::failed(code::LEADERSHIP_LOST, "Lost leadership");
            }
        }
    };
    tokio::select! {
        outcome = lead(marathon, session) => outcome,
        ending = overthrown => Ok(ending),
    }
}

async fn lead(marathon: &Arc<Marathon>, session: &Session) -> Result<Ending, SessionLost> {
    tracing::info!("Elected as leader: {}", marathon.configuration.own);
    store::load(marathon, session).await?;
    let leader = Some(marathon.configuration.own.clone());
    marathon.standing.send_replace(Standing { leader, leading: true });
    let abdicated = async {
        marathon.abdicate.notified().await;
        sleep(Duration::from_millis(500)).await; // The reply to the request goes out first.
        Ending::failed(code::ABDICATED, "Abdicated")
    };
    tokio::select! {
        outcome = scheduler::run(marathon, session) => outcome,
        ending = abdicated => Ok(ending),
    }
}
