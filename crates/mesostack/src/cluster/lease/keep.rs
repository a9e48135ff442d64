//! Holding a lease: renewing it while there is work, noticing that it is lost, giving it back.

use std::{
    fmt,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cloudstack::{Client, Error, Fence, Id};
use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    LeaseError,
    groups::Groups,
    record::{RunId, TermRecord},
    sight::Sight,
    term::Grant,
};

/// How long to wait before a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long giving it back may take.
const GIVING_BACK: Duration = Duration::from_secs(30);

/// A lease that this run has. Dropping it leaves it to its end; see [`Lease::release`].
pub struct Lease {
    groups: Groups,
    cluster: String,
    run: RunId,
    id: Id,
    fence: Fence,
    stop: CancellationToken,
    state: Mutex<State>,
}

struct State {
    grant: Grant,
    /// The number of the last renewal; 0 before the first.
    number: u32,
    /// Renewals that are still there.
    terms: Vec<Id>,
    lost: Option<String>,
    /// Whether killed runs may have left something of their leases.
    remains: bool,
}

/// What became of a lease at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It was given back.
    GivenBack,
    /// It is left to its end, at this time of the server: calls that nobody waited for any more may still arrive, or it
    /// could not be given back.
    Left(Timestamp),
    /// It was lost before.
    Lost,
}

/// What became of a renewal.
enum Renewal {
    Done,
    Again,
    Lost(String),
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("cluster", &self.cluster)
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

impl Lease {
    pub(super) fn new(
        groups: Groups,
        cluster: &str,
        run: RunId,
        id: Id,
        grant: Grant,
        stop: &CancellationToken,
    ) -> Self {
        let state = Mutex::new(State { grant, number: 0, terms: Vec::new(), lost: None, remains: false });
        let (fence, stop) = (Fence::new(grant.fence()), stop.child_token());
        Self { groups, cluster: cluster.to_owned(), run, id, fence, stop, state }
    }

    /// The client whose writes end with the lease: the one to work with.
    #[must_use]
    pub fn client(&self) -> Client {
        self.groups.client.behind(self.fence.clone())
    }

    /// Cancelled when the lease is lost, and with whatever was to stop its taking.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// What running steps get to end once the lease is lost: then they are over before another run can begin.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.state().grant.margin()
    }

    /// Does work, and renews the lease meanwhile. When the lease is lost, [`Lease::stop`] tells the work.
    pub async fn keep<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            why = self.renew_until_lost() => self.lose(why),
        }
        work.await
    }

    /// Why the lease was lost, if it was.
    ///
    /// # Errors
    /// It was lost.
    pub fn check(&self) -> Result<(), LeaseError> {
        match self.state().lost.clone() {
            Some(why) => Err(LeaseError::Lost { cluster: self.cluster.clone(), why }),
            None => Ok(()),
        }
    }

    /// Says that killed runs may have left something of their leases: then [`Lease::release`] looks for it, which takes a
    /// call, and removes it. Known already where this lease succeeded another.
    pub fn expect_remains(&self) {
        self.state().remains = true;
    }

    /// Gives it back, so that another run need not wait for its end. Nothing may be sent by [`Lease::client`] any more.
    pub async fn release(self) -> Released {
        let (terms, end) = {
            let state = self.state();
            if state.lost.is_some() {
                return Released::Lost;
            }
            (state.terms.clone(), state.grant.end)
        };
        self.fence.close();
        if self.fence.cut_off() > 0 {
            return Released::Left(end);
        }
        self.sweep().await;
        let all = async {
            // The lease last: what is found without it, nobody looks for.
            for group in terms.iter().chain([&self.id]) {
                self.groups.remove(group).await?;
            }
            Ok::<_, Error>(())
        };
        match timeout(GIVING_BACK, all).await {
            Ok(Ok(())) => Released::GivenBack,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the lease could not be given back");
                Released::Left(end)
            }
            Err(_) => Released::Left(end),
        }
    }

    /// Removes what other runs have left of leases that are over, where that is to be expected. Nobody who works needs it
    /// while this lease is there: not even the question for the time of a run that waits, whose job has answered.
    async fn sweep(&self) {
        let (remains, stop_at) = {
            let state = self.state();
            (state.remains, state.grant.stop_at())
        };
        if !remains {
            return;
        }
        let sweep = async {
            let sight = self.groups.look().await?;
            // Another's now: then the groups are those it works with.
            if !sight.is_of(&self.run) {
                return Ok(());
            }
            let others = sight.terms.into_iter().filter(|((run, _), _)| *run != self.run);
            for id in others.map(|(_, (id, _))| id).chain(sight.asks) {
                self.groups.remove(&id).await?;
            }
            Ok::<_, Error>(())
        };
        match timeout_at(stop_at.min(Instant::now() + GIVING_BACK), sweep).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "what killed runs left of their leases was not removed")
            }
            Err(_) => tracing::debug!("what killed runs left of their leases was not removed in time"),
        }
    }

    /// Ends when the lease is lost, and says why.
    async fn renew_until_lost(&self) -> String {
        loop {
            let (renew_at, stop_at) = {
                let grant = self.state().grant;
                (grant.renew_at(), grant.stop_at())
            };
            sleep_until(renew_at.min(stop_at)).await;
            let renewed = async {
                loop {
                    match self.renew().await {
                        Renewal::Again => sleep(AGAIN).await,
                        ended => break ended,
                    }
                }
            };
            match timeout_at(stop_at, renewed).await {
                Ok(Renewal::Lost(why)) => return why,
                Ok(_) => {
                    // Never at the next renewal's expense: what is left is removed after that one.
                    let next = self.state().grant.renew_at();
                    let _ = timeout_at(next, self.remove_older()).await;
                }
                Err(_) => return "it could not be renewed in time".to_owned(),
            }
        }
    }

    /// The run is told; its writes end with the fence.
    fn lose(&self, why: String) {
        self.state().lost = Some(why);
        self.stop.cancel();
    }

    /// The groups for those whose calls wait for none of the work's: it may have sent hundreds, of which few begin in a second.
    fn going_first(&self, client: &Client) -> Groups {
        Groups { client: client.going_first(), names: self.groups.names.clone() }
    }

    async fn renew(&self) -> Renewal {
        let (number, end) = {
            let state = self.state();
            (state.number + 1, state.grant.next_end(Instant::now()))
        };
        let fenced = self.going_first(&self.client());
        let name = self.groups.names.term(&self.run, number);
        match fenced.make(&name, TermRecord::Until(end)).await {
            Ok(started) => {
                self.renewed(number, end, started.id);
                Renewal::Done
            }
            Err(error) if error.is_conflict() || error.is_outcome_unknown() => self.find(number).await,
            Err(error) => {
                tracing::debug!(%error, "the lease could not be renewed");
                Renewal::Again
            }
        }
    }

    /// Looks for a renewal whose outcome is not known, or whose name is taken: by a sending of it that was thought lost,
    /// or by whoever has closed the lease.
    async fn find(&self, number: u32) -> Renewal {
        let groups = self.going_first(&self.groups.client);
        let Ok(sight) = groups.look().await else { return Renewal::Again };
        let found = sight.terms.get(&(self.run.clone(), number)).cloned();
        match found {
            Some((id, TermRecord::Until(end))) => {
                self.renewed(number, end, Some(id));
                Renewal::Done
            }
            Some((_, TermRecord::Closed)) => {
                self.fence.close();
                Renewal::Lost("another run has found it expired, and closed it".to_owned())
            }
            None => Renewal::Again,
        }
    }

    /// Takes a renewal into account.
    fn renewed(&self, number: u32, end: Timestamp, id: Option<Id>) {
        let mut state = self.state();
        state.grant = state.grant.renewed(end);
        state.number = number;
        state.terms.extend(id);
        self.fence.set(state.grant.fence());
    }

    /// Removes renewals that are older than the last but one: somebody who saw that may still be about to make the next.
    async fn remove_older(&self) {
        let groups = self.going_first(&self.groups.client);
        loop {
            let oldest = {
                let state = self.state();
                state.terms.first().filter(|_| state.terms.len() > 2).cloned()
            };
            let Some(id) = oldest else { return };
            if let Err(error) = groups.remove(&id).await {
                tracing::debug!(%error, "a renewal that is over could not be removed");
                return;
            }
            self.state().terms.retain(|term| *term != id);
        }
    }

    /// Makes good what a clock that is off wrote: renews at once, whether the lease seems over or not. Whether it still
    /// is ours: another run may have found it over, and then the lease itself is gone or going.
    pub(super) async fn put_right(&self) -> Result<bool, LeaseError> {
        let end = self.state().grant.next_end(Instant::now());
        let name = self.groups.names.term(&self.run, 1);
        let made = self.groups.make(&name, TermRecord::Until(end)).await;
        let sight = self.groups.look().await;
        let ours = match (&made, &sight) {
            (_, Ok(sight)) => self.is_renewed_in(sight),
            (Err(error), _) | (_, Err(error)) => {
                self.give_up().await;
                return Err(LeaseError::Cloud(error.clone()));
            }
        };
        match ours {
            Some(id) => self.renewed(1, end, Some(id)),
            None => self.give_up().await,
        }
        Ok(self.state().number == 1)
    }

    fn is_renewed_in(&self, sight: &Sight) -> Option<Id> {
        let (id, term) = sight.terms.get(&(self.run.clone(), 1))?;
        let ours = sight.is_of(&self.run) && *term != TermRecord::Closed;
        ours.then(|| id.clone())
    }

    /// Removes what was made of a lease that did not come to be.
    async fn give_up(&self) {
        let terms = self.groups.look().await.map(|sight| {
            let terms = sight.terms_of(&self.run);
            terms.filter(|(.., record)| *record != TermRecord::Closed).map(|(_, id, _)| id.clone()).collect()
        });
        let mut groups: Vec<Id> = terms.unwrap_or_default();
        groups.push(self.id.clone());
        for group in groups {
            let _ = self.groups.remove(&group).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
