//! One run at a time: the lease of a cluster is taken before it is looked at, and given back whatever comes of the work.

use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mesostack::cluster::lease::{self, Held, Holder, Lease, LeaseError, News, Released, Terms};
use tokio::time::{Instant, sleep_until};

use super::{
    arguments::Turn,
    cluster::Cluster,
    exit::Exit,
    holder::holder,
    report::{DeadlinePassed, Interrupted},
    run::{Patience, Run},
};

/// How long another run is waited for where nothing says how long: the largest clusters take hours.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Does work on a cluster that nobody else works on. The work gets a run that stops when the lease is lost, and a client
/// that can change nothing afterwards.
pub(super) async fn alone(
    run: &Run,
    mut cluster: Cluster,
    (turn, patience): (Turn, Patience),
    work: impl AsyncFnOnce(&Run, &Cluster, &Lease) -> miette::Result<Exit>,
) -> miette::Result<Exit> {
    let lease = take(run, &cluster, turn, patience.whole()).await?;
    cluster.client = lease.client();
    let alone = Run { stop: lease.stop().clone(), ..run.clone() };
    let mut ended = lease.keep(work(&alone, &cluster, &lease)).await;
    if ended.is_err()
        && let Err(lost) = lease.check()
    {
        ended = Err(lost.into());
    }
    if let Released::Left(until) = lease.release().await {
        run.remark(&format!("the lease was not given back; it ends by itself at {}", lease::clock(until)));
    }
    ended
}

/// How long another run is waited for; whoever waited in vain is told who has the lease.
fn waits(turn: Turn, left: Option<Duration>) -> Duration {
    turn.wait.map_or(Duration::ZERO, |wait| wait.or(left).unwrap_or(LONGEST))
}

async fn take(run: &Run, cluster: &Cluster, turn: Turn, deadline: Option<Instant>) -> miette::Result<Lease> {
    let terms = Terms {
        cluster: cluster.spec().cluster.name.clone(),
        holder: Holder::new(&holder(), std::process::id()),
        length: turn.lease,
        patience: waits(turn, deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))),
        seed: rand::random(),
    };
    let waits_for = Mutex::new(None);
    let hear = |news: News| {
        *waits_for.lock().unwrap_or_else(PoisonError::into_inner) = awaited(&news);
        // What cannot be shown must not keep the run from its turn.
        let _ = run.tell("lease", &news, || text(&news));
    };
    let stop = run.stop.child_token();
    let late = async {
        if let Some(deadline) = deadline {
            sleep_until(deadline).await;
            stop.cancel();
        }
        std::future::pending::<Infallible>().await
    };
    let taken = tokio::select! {
        taken = lease::take(&cluster.client, &terms, &stop, &hear) => taken,
        never = late => match never {},
    };
    match taken {
        Ok(lease) if stop.is_cancelled() && !run.stop.is_cancelled() => {
            lease.release().await;
            Err(DeadlinePassed.into())
        }
        Err(LeaseError::Stopped) if run.stop.is_cancelled() => Err(Interrupted::default().into()),
        Err(LeaseError::Stopped) => Err(late_for(
            &cluster.spec().cluster.name,
            waits_for.into_inner().unwrap_or_else(PoisonError::into_inner),
        )),
        taken => Ok(taken?),
    }
}

/// Whose lease is waited for.
fn awaited(news: &News) -> Option<Held> {
    match news {
        News::Waiting(held) => Some(held.clone()),
        News::Expired(_) => None,
    }
}

/// What is said when the deadline has passed before the lease was had: where another run has it, that.
fn late_for(cluster: &str, waits_for: Option<Held>) -> miette::Report {
    match waits_for {
        Some(held) => LeaseError::Held { cluster: cluster.to_owned(), held }.into(),
        None => DeadlinePassed.into(),
    }
}

fn text(news: &News) -> String {
    let who = |held: &Held| format!("{} (process {})", held.holder.name, held.holder.process);
    match news {
        News::Waiting(held) => format!(
            "waiting for {}, who works on the cluster since {}, until {} at least",
            who(held),
            lease::clock(held.since),
            lease::clock(held.until)
        ),
        News::Expired(held) => {
            format!("the lease of {} ended at {}: taking over", who(held), lease::clock(held.until))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_run_is_waited_for_as_long_as_was_said_and_a_day_only_where_nothing_was() {
        let waits = |wait| waits(Turn { wait, ..Turn::default() }, None);
        let two_days = 2 * LONGEST;
        assert_eq!(
            [waits(None), waits(Some(None)), waits(Some(Some(two_days)))],
            [Duration::ZERO, LONGEST, two_days]
        );
    }

    #[test]
    fn a_deadline_that_passes_while_another_run_works_is_told_as_that_run_s_lease() {
        let until = jiff::Timestamp::UNIX_EPOCH;
        let held = Held { holder: Holder::new("anna@laptop", 4711), since: until, until };
        let is_held =
            |late: miette::Report| late.downcast_ref::<LeaseError>().is_some_and(LeaseError::is_held);
        assert!(is_held(late_for("mesos", awaited(&News::Waiting(held.clone())))));
        assert!(!is_held(late_for("mesos", awaited(&News::Expired(held)))));
    }
}
