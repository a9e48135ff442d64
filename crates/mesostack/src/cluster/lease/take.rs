//! Taking a lease: at once where nobody has it, and otherwise by waiting for it, or by succeeding one that is over.

use std::time::Duration;

use cloudstack::{Client, Error, Id, Started};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Held, Lease, LeaseError, News, Terms,
    groups::Groups,
    record::{LeaseRecord, Names, RunId, TermRecord, later, second},
    sight::{Sight, Verdict},
    term::{Grant, ServerTime},
};
use crate::cluster::apply::policy;

/// How often a lease that another run has is looked at.
const LOOKS: Duration = Duration::from_secs(5);
/// How often a lease may be snatched away before a run that does not wait gives up.
const SNATCHED: u32 = 5;

/// Takes the lease of a cluster. What happens meanwhile is told to `hear`; `stop` ends a wait.
///
/// # Errors
/// Another run has it for longer than we are patient; or see [`LeaseError`].
pub async fn take(
    client: &Client,
    terms: &Terms,
    stop: &CancellationToken,
    hear: &(dyn Fn(News) + Sync),
) -> Result<Lease, LeaseError> {
    let groups = Groups { client: client.clone(), names: Names::of(&terms.cluster) };
    let random = StdRng::seed_from_u64(terms.seed);
    let began = Instant::now();
    let mut taker = Taker {
        groups,
        terms,
        stop,
        hear,
        random,
        refused: None,
        repeated: 0,
        time: None,
        watch: None,
        told: None,
        began,
    };
    let mut tries = 0;
    loop {
        if stop.is_cancelled() {
            return Err(LeaseError::Stopped);
        }
        if let Some(lease) = taker.claim().await? {
            if tries > 0 {
                lease.expect_remains();
            }
            return Ok(lease);
        }
        tries += 1;
        if tries > SNATCHED && taker.patience_left().is_zero() {
            return Err(LeaseError::Busy { cluster: terms.cluster.clone() });
        }
        taker.make_way().await?;
    }
}

struct Taker<'a> {
    groups: Groups,
    terms: &'a Terms,
    stop: &'a CancellationToken,
    hear: &'a (dyn Fn(News) + Sync),
    random: StdRng,
    /// What this run called itself when it was last told that there is a lease, and how it was told.
    refused: Option<(RunId, Error)>,
    /// How often its own lease was in its way.
    repeated: u32,
    /// The server's time, once it was worth asking for.
    time: Option<ServerTime>,
    /// The lease that was seen last, and since when it is so.
    watch: Option<((RunId, u32), Instant)>,
    /// Whose lease was told of.
    told: Option<Held>,
    began: Instant,
}

impl Taker<'_> {
    /// Makes the lease, and so has it; nothing, if somebody else has.
    async fn claim(&mut self) -> Result<Option<Lease>, LeaseError> {
        let mut attempt = 1;
        loop {
            let run = RunId::draw(&mut self.random);
            let since = second(self.groups.client.now());
            let (holder, length) = (self.terms.holder.clone(), self.terms.length);
            let until = later(since, length);
            let record = LeaseRecord { run: run.clone(), holder, since, until, length };
            let sent = Instant::now();
            let error = match self.groups.make(&self.groups.names.lease, &record).await {
                Ok(started) => return self.made(run, until, started, sent).await,
                Err(error) => error,
            };
            if error.is_conflict() {
                self.refused = Some((run, error));
                return Ok(None);
            }
            // Without the reply its time is not known: it is made anew.
            if error.is_outcome_unknown()
                && let Some(id) = self.ours(&run).await?
            {
                self.groups.remove(&id).await.map_err(LeaseError::Cloud)?;
            }
            self.pause_after(error, &mut attempt).await?;
        }
    }

    /// The lease whose group was just made, with the server's time; nothing, if it is somebody else's by now.
    async fn made(
        &mut self,
        run: RunId,
        until: Timestamp,
        started: Started,
        sent: Instant,
    ) -> Result<Option<Lease>, LeaseError> {
        let heard = Instant::now();
        let id = match started.id {
            Some(id) => Some(id),
            None => self.ours(&run).await?,
        };
        let Some(id) = id else { return Ok(None) };
        let created = match self.groups.date(&started.job).await {
            Ok(created) => created,
            Err(error) => {
                let _ = self.groups.remove(&id).await;
                return Err(error);
            }
        };
        let time = ServerTime::new(created, sent, heard);
        self.time = Some(time);
        let grant = Grant::first(until, self.terms.length, time);
        let lease = Lease::new(self.groups.clone(), &self.terms.cluster, run, id, grant, self.stop);
        let in_step = !grant.is_off(until) || lease.put_right().await?;
        Ok(in_step.then_some(lease))
    }

    /// The lease's group, where it is this run's.
    async fn ours(&self, run: &RunId) -> Result<Option<Id>, LeaseError> {
        let sight = self.groups.look().await.map_err(LeaseError::Cloud)?;
        let ours = |(id, record): (Id, Option<LeaseRecord>)| (record?.run == *run).then_some(id);
        Ok(sight.lease.and_then(ours))
    }

    /// Waits for the lease's end, or brings it about where it is over, until nobody has it.
    async fn make_way(&mut self) -> Result<(), LeaseError> {
        let mut attempt = 1;
        loop {
            let sight = match self.groups.look().await {
                Ok(sight) => sight,
                Err(error) => {
                    self.pause_after(error, &mut attempt).await?;
                    continue;
                }
            };
            let Some((lease, record)) = &sight.lease else { return Ok(()) };
            if let (Some(record), Some((run, error))) = (record, &self.refused)
                && record.run == *run
            {
                return self.make_way_for_itself(lease, error.clone()).await;
            }
            let time = match self.time {
                Some(time) => time,
                None => self.ask().await?,
            };
            let now = Instant::now();
            let watched = self.watched(&sight, now);
            match sight.judge(time.earliest(now), watched) {
                Verdict::Free => return Ok(()),
                Verdict::Foreign => {
                    return Err(LeaseError::Foreign { name: self.groups.names.lease.clone() });
                }
                Verdict::Wait(held) => self.wait(held).await?,
                Verdict::Close { run, number, held } => {
                    (self.hear)(News::Expired(held));
                    let name = self.groups.names.term(&run, number);
                    match self.groups.make(&name, TermRecord::Closed).await {
                        // The next look tells which of us it was.
                        Ok(_) => {}
                        Err(error) if error.is_conflict() => {}
                        Err(error) => self.pause_after(error, &mut attempt).await?,
                    }
                }
                Verdict::Clear { run, lease } => {
                    // The lease first: as long as it is there, its closing has to be.
                    let mut groups = vec![&lease];
                    groups.extend(sight.terms_of(&run).map(|(_, id, _)| id));
                    for id in groups {
                        self.groups.remove(id).await.map_err(LeaseError::Cloud)?;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Removes a lease that this run made and was told is there: something in between sends calls twice. Nothing tells when
    /// it was made, so it is made anew, unless that happens each time.
    async fn make_way_for_itself(&mut self, lease: &Id, error: Error) -> Result<(), LeaseError> {
        self.groups.remove(lease).await.map_err(LeaseError::Cloud)?;
        self.repeated += 1;
        if self.repeated >= SNATCHED { Err(LeaseError::Cloud(error)) } else { Ok(()) }
    }

    /// How long the lease has been seen as it is.
    fn watched(&mut self, sight: &Sight, now: Instant) -> Duration {
        let seen = sight.identity();
        match (&self.watch, seen) {
            (Some((before, since)), Some(seen)) if *before == seen => now - *since,
            (_, seen) => {
                self.watch = seen.map(|seen| (seen, now));
                Duration::ZERO
            }
        }
    }

    fn patience_left(&self) -> Duration {
        self.terms.patience.saturating_sub(self.began.elapsed())
    }

    /// Waits a little for somebody else's lease; gives up when patience is at its end.
    async fn wait(&mut self, held: Held) -> Result<(), LeaseError> {
        let left = self.patience_left();
        if left.is_zero() {
            return Err(LeaseError::Held { cluster: self.terms.cluster.clone(), held });
        }
        let another = |told: &Held| (&told.holder, told.since) != (&held.holder, held.since);
        if self.told.as_ref().is_none_or(another) {
            (self.hear)(News::Waiting(held.clone()));
            self.told = Some(held);
        }
        let pause = LOOKS.mul_f64(self.random.random_range(0.5..1.0)).min(left);
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.stop.cancelled() => Err(LeaseError::Stopped),
        }
    }

    /// Asks what time it is: by a job that makes a group of no meaning, which goes again.
    async fn ask(&mut self) -> Result<ServerTime, LeaseError> {
        let mut attempt = 1;
        loop {
            let name = self.groups.names.ask(&RunId::draw(&mut self.random));
            let sent = Instant::now();
            match self.groups.make(&name, "mesostack lease: asks for the time").await {
                Ok(started) => {
                    let heard = Instant::now();
                    let created = self.groups.date(&started.job).await;
                    if let Some(id) = &started.id {
                        // What stays goes when the cluster is destroyed.
                        let _ = self.groups.remove(id).await;
                    }
                    let time = ServerTime::new(created?, sent, heard);
                    self.time = Some(time);
                    return Ok(time);
                }
                Err(error) => self.pause_after(error, &mut attempt).await?,
            }
        }
    }

    /// Waits before another attempt, where one may help.
    async fn pause_after(&self, error: Error, attempt: &mut u32) -> Result<(), LeaseError> {
        let pause = match policy::verdict(&error, *attempt) {
            policy::Verdict::LookThenAgain(pause) | policy::Verdict::Again(pause) => pause,
            _ => return Err(LeaseError::Cloud(error)),
        };
        *attempt += 1;
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.stop.cancelled() => Err(LeaseError::Stopped),
        }
    }
}
