//! A master's part in the election. Its place among the candidates' nodes decides whether it leads; the number of
//! masters present (their nodes in `log_replicas`, as of the real replicated log) decides whether it may read and
//! write the registry.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::configuration::Election;
use super::{Master, MasterInfo, now, registry};
use crate::ending::Ending;
use crate::zookeeper::{Group, Member, Session, SessionLost, leader};

/// How the election stands, as this master sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Standing {
    pub(super) leader: Option<MasterInfo>,
    /// Since when this master leads (Unix time).
    pub(super) elected: Option<f64>,
    /// Whether it leads and has read the registry.
    pub(super) serving: bool,
    /// How many masters are present, this one included.
    pub(super) replicas: usize,
    /// Whether this master has seen a quorum of them.
    pub(super) log_recovered: bool,
}

impl Standing {
    /// What candidates and masters present mean for the master with this id. Pure: `before` and `now` are given.
    fn next(
        before: &Self,
        id: &str,
        candidates: &[Member],
        replicas: usize,
        quorum: usize,
        now: f64,
    ) -> Self {
        let leader = leader(candidates).and_then(|member| MasterInfo::parse(&member.data));
        let ours = leader.as_ref().is_some_and(|leader| leader.id == id);
        let elected = ours.then(|| before.elected.unwrap_or(now));
        Self {
            leader,
            elected,
            serving: before.serving && ours,
            replicas,
            log_recovered: before.log_recovered || replicas >= quorum,
        }
    }
}

/// Stands for election for as long as the daemon runs.
pub(super) async fn run(master: &Arc<Master>) -> Ending {
    let Some(election) = &master.configuration.election else {
        return preside_alone(master).await;
    };
    tracing::info!("Contending for leadership at {}", election.ensemble);
    loop {
        let session = Session::open(&election.ensemble, election.session_timeout, true).await;
        let outcome = match join(master, election, &session).await {
            Ok(()) => stand(master, election, &session).await,
            Err(lost) => Err(lost),
        };
        match outcome {
            Ok(ending) => return ending,
            Err(lost) if master.standing.borrow().elected.is_some() => {
                return Ending::failed(1, format!("Lost leadership... committing suicide! ({lost})"));
            }
            Err(lost) => tracing::warn!("Lost candidacy as a follower... Contend again ({lost})"),
        }
        master.standing.send_modify(|standing| standing.leader = None);
        sleep(Duration::from_millis(200)).await;
    }
}

async fn preside_alone(master: &Arc<Master>) -> Ending {
    master.standing.send_replace(Standing {
        leader: Some(master.info.clone()),
        elected: Some(now()),
        serving: true,
        replicas: 1,
        log_recovered: true,
    });
    tracing::info!("Elected as the leading master! (standalone)");
    pending().await
}

fn groups(election: &Election) -> (Group, Group) {
    let path = election.ensemble.path();
    (Group::new(path, "json.info_"), Group::new(format!("{path}/log_replicas"), ""))
}

async fn join(master: &Master, election: &Election, session: &Session) -> Result<(), SessionLost> {
    let (candidates, replicas) = groups(election);
    replicas.join(session, "", master.info.pid().as_bytes()).await?;
    let sequence = candidates.join(session, "", master.info.json().to_string().as_bytes()).await?;
    tracing::info!("Joined the election as candidate {sequence}");
    Ok(())
}

/// Follows the election until the session is lost, or leadership.
async fn stand(master: &Arc<Master>, election: &Election, session: &Session) -> Result<Ending, SessionLost> {
    let (candidates, replicas) = groups(election);
    let (candidates_known, replicas_known) = (watch::Sender::default(), watch::Sender::default());
    let (candidates_seen, replicas_seen) = (candidates_known.subscribe(), replicas_known.subscribe());
    tokio::select! {
        lost = session.lost() => Err(lost),
        lost = candidates.watch(session, &candidates_known) => Err(lost),
        lost = replicas.watch(session, &replicas_known) => Err(lost),
        outcome = follow(master, election, session, candidates_seen, replicas_seen) => outcome,
    }
}

async fn follow(
    master: &Arc<Master>,
    election: &Election,
    session: &Session,
    mut candidates: watch::Receiver<Vec<Member>>,
    mut replicas: watch::Receiver<Vec<Member>>,
) -> Result<Ending, SessionLost> {
    loop {
        let before = master.standing.borrow().clone();
        let present = distinct(&replicas.borrow_and_update());
        let mut standing = Standing::next(
            &before,
            &master.info.id,
            &candidates.borrow_and_update(),
            present,
            election.quorum,
            now(),
        );
        if before.elected.is_some() && standing.elected.is_none() {
            return Ok(Ending::failed(1, "Lost leadership... committing suicide!"));
        }
        report(&before, &standing, election.quorum);
        if standing.elected.is_some() && !standing.serving && present >= election.quorum {
            registry::recover(master, session, &election.ensemble).await?;
            standing.serving = true;
        }
        master.standing.send_replace(standing);
        tokio::select! {
            changed = candidates.changed() => drop(changed),
            changed = replicas.changed() => drop(changed),
        }
    }
}

fn report(before: &Standing, standing: &Standing, quorum: usize) {
    if before.leader != standing.leader {
        match &standing.leader {
            Some(leader) => {
                tracing::info!("The newly elected leader is {} with id {}", leader.pid(), leader.id)
            }
            None => tracing::info!("No leading master is elected"),
        }
    }
    if before.elected.is_none() && standing.elected.is_some() {
        tracing::info!("Elected as the leading master!");
    }
    if standing.elected.is_some() && !standing.serving && (1..quorum).contains(&standing.replicas) {
        tracing::warn!("Recovering from registrar: {} of {quorum} masters present", standing.replicas);
    }
}

/// One master may for a while have two nodes, when the connection broke as it made the first.
fn distinct(replicas: &[Member]) -> usize {
    replicas.iter().map(|replica| replica.data.as_slice()).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(sequence: u64, id: &str) -> Member {
        let data = format!(r#"{{"id":"{id}","hostname":"h","address":{{"ip":"10.0.0.1","port":5050}}}}"#);
        Member { name: format!("json.info_{sequence:010}"), sequence, data: data.into_bytes() }
    }

    #[test]
    fn whoever_has_the_lowest_number_leads_from_then_on() {
        let first =
            Standing::next(&Standing::default(), "b", &[candidate(1, "a"), candidate(2, "b")], 2, 2, 10.0);
        assert_eq!((first.elected, first.leader.as_ref().unwrap().id.as_str()), (None, "a"));
        let second = Standing::next(&first, "b", &[candidate(2, "b"), candidate(3, "a2")], 2, 2, 20.0);
        assert_eq!(second.elected, Some(20.0));
        let third = Standing::next(&second, "b", &[candidate(2, "b")], 1, 2, 30.0);
        assert_eq!((third.elected, third.log_recovered), (Some(20.0), true));
    }

    #[test]
    fn masters_below_a_quorum_have_not_recovered_the_log() {
        let alone = Standing::next(&Standing::default(), "a", &[candidate(1, "a")], 1, 2, 0.0);
        assert!(alone.elected.is_some() && !alone.log_recovered && !alone.serving);
    }

    #[test]
    fn a_node_that_is_no_master_leads_nobody() {
        let garbage = Member { name: "json.info_0000000000".into(), sequence: 0, data: b"?".to_vec() };
        let standing = Standing::next(&Standing::default(), "a", &[garbage, candidate(1, "a")], 1, 1, 0.0);
        assert_eq!((standing.leader, standing.elected), (None, None));
    }

    proptest! {
        #[test]
        fn at_most_one_master_leads(order in proptest::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4)) {
            let candidates: Vec<_> = order.iter().zip(7..).map(|(id, sequence)| candidate(sequence, id)).collect();
            let leading = ["a", "b", "c", "d"].iter().filter(|id| {
                Standing::next(&Standing::default(), id, &candidates, 4, 3, 0.0).elected.is_some()
            }).count();
            prop_assert_eq!(leading, usize::from(!order.is_empty()));
        }
    }
}
