//! One run at a time: the lease of a cluster is taken before it is looked at, and given back whatever comes of the work.

use std::{convert::Infallible, time::Duration};

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
    let lease = take(run, &cluster, turn, patience.within(LONGEST)).await?;
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

async fn take(run: &Run, cluster: &Cluster, turn: Turn, deadline: Instant) -> miette::Result<Lease> {
    let left = deadline.saturating_duration_since(Instant::now());
    let terms = Terms {
        cluster: cluster.spec().cluster.name.clone(),
        holder: Holder::new(&holder(), std::process::id()),
        length: turn.lease,
        patience: turn.wait.map_or_else(Default::default, |wait| wait.unwrap_or(left).min(left)),
        seed: rand::random(),
    };
    let hear = |news: News| {
        // What cannot be shown must not keep the run from its turn.
        let _ = run.tell("lease", &news, || text(&news));
    };
    let stop = run.stop.child_token();
    let late = async {
        sleep_until(deadline).await;
        stop.cancel();
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
        Err(LeaseError::Stopped) => Err(DeadlinePassed.into()),
        taken => Ok(taken?),
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
