//! Finds the leading master: the lowest candidate in ZooKeeper, or the one master that was named.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::host;
use crate::master::MasterInfo;
use crate::zookeeper::{Ensemble, Group, Member, Session, leader};

/// A leading master: where it is, and which one it is (an id, new at each start).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) socket: std::net::SocketAddr,
    pub(crate) id: String,
    /// What it calls itself towards users.
    pub(crate) hostname: String,
}

/// A way to find the leader.
#[derive(Debug, Clone)]
pub(crate) enum Detector {
    Election { ensemble: Ensemble, session_timeout: Duration },
    Fixed(Leader),
}

impl Detector {
    /// By the text of `--master`: `zk://…` or `host:port`.
    pub(crate) fn of(master: &str, session_timeout: Duration) -> Result<Self, String> {
        let master = master.trim();
        if master.starts_with("zk://") {
            let ensemble = Ensemble::parse(master)
                .map_err(|error| format!("Failed to parse the master's URL: {error}"))?;
            return Ok(Self::Election { ensemble, session_timeout });
        }
        let (name, port) = master
            .rsplit_once(':')
            .and_then(|(name, port)| Some((name, port.parse().ok()?)))
            .ok_or_else(|| format!("Failed to parse the master's address '{master}': expecting host:port"))?;
        let socket = host::resolve_socket(name, port).map_err(|unknown| unknown.to_string())?;
        Ok(Self::Fixed(Leader { socket, id: master.to_owned(), hostname: name.to_owned() }))
    }

    /// Keeps `known` up to date for ever.
    pub(crate) async fn follow(&self, known: &watch::Sender<Option<Leader>>) -> Infallible {
        let (ensemble, session_timeout) = match self {
            Self::Fixed(leader) => {
                known.send_replace(Some(leader.clone()));
                return pending().await;
            }
            Self::Election { ensemble, session_timeout } => (ensemble, *session_timeout),
        };
        loop {
            let session = Session::open(ensemble, session_timeout, true).await;
            let candidates = watch::Sender::new(Vec::new());
            let group = Group::new(ensemble.path(), "json.info_");
            let lost = tokio::select! {
                lost = group.watch(&session, &candidates) => lost,
                lost = session.lost() => lost,
                never = tell(candidates.subscribe(), known) => match never {},
            };
            tracing::warn!("Looking for the leading master anew: {lost}");
            sleep(Duration::from_millis(500)).await;
        }
    }
}

async fn tell(
    mut candidates: watch::Receiver<Vec<Member>>,
    known: &watch::Sender<Option<Leader>>,
) -> Infallible {
    loop {
        if candidates.changed().await.is_err() {
            return pending().await;
        }
        let found = leader(&candidates.borrow_and_update())
            .and_then(|member| MasterInfo::parse(&member.data))
            .map(|info| Leader { socket: info.socket(), id: info.id, hostname: info.hostname });
        known.send_if_modified(|known| {
            let differs = *known != found;
            if differs {
                match &found {
                    Some(leader) => tracing::info!("New master detected at master@{}", leader.socket),
                    None => tracing::info!("No leading master is detected"),
                }
                known.clone_from(&found);
            }
            differs
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_named_by_election_or_by_address() {
        let of = |text: &str| Detector::of(text, Duration::from_secs(10));
        assert!(matches!(of("zk://10.0.0.1:2181/mesos"), Ok(Detector::Election { .. })));
        assert!(matches!(of("10.0.0.11:5050"), Ok(Detector::Fixed(leader)) if leader.socket.port() == 5050));
        for text in ["zk://10.0.0.1:2181", "10.0.0.11", "10.0.0.11:x", "no.such.name.invalid:5050", ""] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
