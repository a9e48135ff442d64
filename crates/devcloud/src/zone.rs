//! The zone as a whole: opened over its records, asked by requests, watched over.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalogue::Catalogue;
use crate::clock::{Ahead, Clock, FURTHEST};
use crate::command::{Server, Settings};
use crate::config::ZoneConfig;
use crate::dice::Dice;
use crate::door::{Reply, Request, Sessions, Windows};
use crate::driver::{BaseTemplate, Driver, DriverError};
use crate::error::ApiError;
use crate::faults::{Faults, FaultsFile, Mishaps, Socket};
use crate::job::Lanes;
use crate::model::Model;
use crate::own::{ClockShown, Tickets};
use crate::records::{Records, RecordsError};
use crate::simulator::Latency;
use crate::work::{Caretaker, RecoveryError, Routers};

/// An open zone. Dropping it ends its jobs as a crash would; opening it again over the same records puts right what was
/// under way.
#[derive(Debug)]
pub struct Zone {
    core: Arc<Core>,
}

/// Why a zone could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// The records could not be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The driver could not put right what an earlier process left.
    #[error("the zone's machines could not be put right: {0}")]
    Driver(#[from] DriverError),
    /// The zone refused to change.
    #[error("the zone could not be changed: {0}")]
    Refused(String),
}

impl From<ApiError> for ZoneError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error.text)
    }
}

impl From<RecoveryError> for ZoneError {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Api(error) => error.into(),
            RecoveryError::Driver(error) => Self::Driver(error),
        }
    }
}

/// An account's way in.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The account (and its only user) they belong to.
    pub account: String,
    /// The API key: not a secret by itself.
    pub api_key: String,
    /// The secret key that requests are signed with.
    pub secret_key: SecretString,
    /// The password for the `login` command.
    pub password: SecretString,
}

/// The zone's inside, shared with its jobs.
pub(crate) struct Core {
    settings: RwLock<Arc<Settings>>,
    driver: Arc<dyn Driver>,
    records: Records,
    state: Mutex<Model>,
    pub(crate) sessions: Sessions,
    pub(crate) windows: Windows,
    pub(crate) tickets: Tickets,
    mishaps: Mishaps,
    socket: Socket,
    /// The file of faults that was taken up last.
    faults_text: Mutex<String>,
    /// What whoever uses the zone's own paths has to know.
    token: SecretString,
    dice: Dice,
    lanes: Lanes,
    routers: Routers,
    clock: Clock,
    pub(crate) caretaker: Caretaker,
    tasks: TaskTracker,
    /// Cancelled when jobs have to end where they are.
    ended: CancellationToken,
    /// Cancelled when no new requests are taken.
    closing: CancellationToken,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("zone", &self.settings().config.name).finish_non_exhaustive()
    }
}

impl Zone {
    /// Opens the zone kept in `records`, making it when they are empty: reads them, has the driver recover what stood,
    /// ends jobs that a crash cut off.
    ///
    /// # Errors
    /// When the records cannot be read or written, or the driver cannot recover.
    pub async fn open(
        config: ZoneConfig,
        driver: Arc<dyn Driver>,
        records: Records,
    ) -> Result<Arc<Self>, ZoneError> {
        let model = Model::load(records.load()?, config.seed)?;
        let clock = Clock::new(config.clock, model.clock_ahead());
        let created = model.accounts.iter().next().map_or_else(|| clock.now(), |account| account.created);
        let catalogue = Catalogue::of(&config, driver.hypervisor(), created);
        let lanes = Lanes::new(config.heartbeat);
        let period = config.watch;
        let (mishaps, socket, dice) = (Mishaps::default(), Socket::default(), Dice::of(config.faults.seed));
        mishaps.set(&config.faults);
        socket.set(&config.faults);
        let lag = config.faults.longest_lag();
        let core = Arc::new(Core {
            settings: RwLock::new(Arc::new(Settings { config, catalogue })),
            driver,
            records,
            state: Mutex::new(model),
            sessions: Sessions::default(),
            windows: Windows::default(),
            tickets: Tickets::default(),
            mishaps,
            socket,
            faults_text: Mutex::default(),
            token: new_token(),
            dice,
            lanes,
            routers: Routers::default(),
            clock,
            caretaker: Caretaker::default(),
            tasks: TaskTracker::new(),
            ended: CancellationToken::new(),
            closing: CancellationToken::new(),
        });
        let zone = Arc::new(Self { core });
        zone.remember(lag);
        zone.core.furnish().await?;
        zone.core.recover().await?;
        for template in zone.core.driver.base_templates() {
            if zone.core.read(|model| model.is_buried(&template.layers)) {
                continue;
            }
            zone.core.register_base_template(template).await?;
        }
        for template in zone.core.unfetched() {
            let core = Arc::clone(&zone.core);
            drop(zone.core.spawn(async move { core.fetch_template(template).await }));
        }
        if let Some(period) = period {
            let ended = zone.core.ended.clone();
            let watched = Arc::clone(&zone.core).look_after(period);
            tokio::spawn(async move { ended.run_until_cancelled_owned(watched).await });
        }
        Ok(zone)
    }

    /// Answers a request. The answer comes after everything it tells is durable.
    pub async fn handle(&self, request: Request) -> Reply {
        crate::door::handle(&self.core, request, None).await
    }

    /// Answers a request; a list as it was so long ago, as far back as the zone remembers.
    pub(crate) async fn handle_as_of(&self, request: Request, lag: Duration) -> Reply {
        crate::door::handle(&self.core, request, Some(lag)).await
    }

    /// From now on this is what happens to jobs and machines, counted anew. `faults.calls` are a
    /// [`Wire`](crate::faults::Wire)'s.
    pub fn set_faults(&self, faults: &Faults) {
        self.core.mishaps.set(faults);
    }

    /// From now on the zone is as this file says: how quick it is, what its limits are, what goes wrong; also for calls
    /// that come in by its socket. All is counted anew. What the file does not name is as in a zone without one.
    ///
    /// # Errors
    /// When the file wants of the driver what it cannot do; then nothing has changed.
    pub fn take_up(&self, file: &FaultsFile) -> Result<(), ZoneError> {
        let FaultsFile { text, latencies, pace, capacity, limits, throttle, delays, faults } = file.clone();
        // Held to the end, so that of two files that come at once one is in force as a whole.
        let mut told = self.core.faults_text.lock().unwrap_or_else(PoisonError::into_inner);
        self.core.driver.tune(latencies, capacity).map_err(|error| ZoneError::Refused(error.to_string()))?;
        self.core.mishaps.set(&faults);
        self.core.socket.set(&faults);
        self.remember(faults.longest_lag());
        let before = self.core.settings();
        let config =
            ZoneConfig { pace, limits, throttle, faults, ..before.config.clone() }.with_delays(delays);
        self.core.lanes.set_heartbeat(config.heartbeat);
        let settings = Settings { config, catalogue: before.catalogue.clone() };
        *self.core.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        *told = text;
        Ok(())
    }

    /// What whoever uses the zone's own paths (`/devcloud/faults` …) has to know; another one each time it is opened.
    pub fn token(&self) -> &SecretString {
        &self.core.token
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// From now on, lists can be asked for as they were so long ago.
    pub(crate) fn remember(&self, lag: Duration) {
        if !lag.is_zero() {
            self.core.lock().remember(lag);
        }
    }

    /// The keys of an account: `mesostack` (a normal user), `admin` (root admin) or one of the configuration's.
    pub fn credentials(&self, account: &str) -> Option<Keys> {
        self.core.read(|model| {
            let account = model.account_in(None, account)?;
            let user = account.first_user()?;
            Some(Keys {
                account: account.name.clone(),
                api_key: user.api_key.clone()?,
                secret_key: user.secret_key.clone(),
                password: user.password.clone(),
            })
        })
    }

    /// Makes a template of the driver's layers known to everyone, or gives the one of this name new layers.
    ///
    /// # Errors
    /// When the records cannot be written.
    pub async fn register_base_template(&self, template: BaseTemplate) -> Result<(), ZoneError> {
        Ok(self.core.register_base_template(template).await?)
    }

    /// The zone's time, by which it dates its jobs. On simulated time a client that signs by the host's clock is out of step
    /// before long; give it this one.
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// What the zone's clock shows.
    pub fn clock(&self) -> ClockShown {
        let ahead = self.core.clock.ahead();
        ClockShown {
            now: self.core.now(),
            ahead_seconds: ahead.all.as_secs(),
            signatures_ahead_seconds: ahead.signatures.as_secs(),
        }
    }

    /// Moves the zone's clock ahead, for good: another process that serves the zone goes on from there. Answers when
    /// everything that fell due by it was done. With `signatures`, those that would have expired meanwhile have; another
    /// move without it lets them be valid again, as long as they are by the host's clock.
    ///
    /// # Errors
    /// When it would be moved a hundred years in all, when the records cannot be written, or when what fell due could not be
    /// done.
    pub async fn forward(&self, by: Duration, signatures: bool) -> Result<ClockShown, ZoneError> {
        let core = &self.core;
        // What has begun to wait is counted from now on.
        core.look_round().await?;
        core.change(|model, _| {
            let before = core.clock.ahead();
            let all = before.all.saturating_add(by);
            if all > FURTHEST {
                return Err(ApiError::invalid("the clock can be moved a hundred years ahead in all"));
            }
            model.set_clock_ahead(all);
            core.clock.move_to(Ahead {
                all,
                signatures: if signatures { before.signatures + by } else { Duration::ZERO },
            });
            Ok(())
        })
        .await?;
        core.look_round().await?;
        Ok(self.clock())
    }

    /// The zone's settings as they are now.
    pub fn config(&self) -> ZoneConfig {
        self.core.settings().config.clone()
    }

    /// Ends the zone in order: takes no new requests, waits for jobs under way until `deadline`, then ends the rest as a
    /// crash would. Machines and routers stay; they are the driver's.
    pub async fn shut_down(&self, deadline: Instant) {
        self.core.closing.cancel();
        self.core.tasks.close();
        if tokio::time::timeout_at(deadline, self.core.tasks.wait()).await.is_err() {
            tracing::warn!("jobs were still under way when the zone was shut down");
        }
        self.core.ended.cancel();
    }
}

fn new_token() -> SecretString {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()).into()
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.core.ended.cancel();
    }
}

/// Has a defect in a command be an error of this one call: whoever called gets an answer, and what it had changed by then
/// is undone like any other refused change, instead of going along with the next one.
fn whole<T>(command: impl FnOnce() -> Result<T, ApiError>) -> Result<T, ApiError> {
    std::panic::catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|_| Err(ApiError::defect()))
}

impl Core {
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    pub(crate) fn routers(&self) -> &Routers {
        &self.routers
    }

    pub(crate) fn mishaps(&self) -> &Mishaps {
        &self.mishaps
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The text of the file of faults in force; empty when there is none.
    pub(crate) fn faults_text(&self) -> String {
        self.faults_text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets as much time pass as this takes.
    pub(crate) async fn take_time(&self, what: &str, latency: Latency) {
        if latency == Latency::NONE {
            return;
        }
        let time = latency.draw(&mut self.dice.next(what));
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }

    /// Waits until so much time has passed by the zone's clock.
    pub(crate) async fn pass_time(&self, what: &str, latency: Latency) {
        self.clock.pass(latency.draw(&mut self.dice.next(what))).await;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// The zone's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What of the server itself commands use, for a call that came to this host and port.
    pub(crate) fn server<'a>(&'a self, host: &'a str) -> Server<'a> {
        Server { windows: &self.windows, tickets: &self.tickets, host }
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the zone as it is.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&self.lock())
    }

    /// Has a command look at the zone, as it is or as it was; whatever it might change is undone.
    pub(crate) fn look<T>(
        &self,
        lag: Option<Duration>,
        look: impl FnOnce(&mut Model, Timestamp) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut model = self.lock();
        let then = lag.and_then(|lag| Instant::now().checked_sub(lag));
        if let Some(then) = then {
            model.go_back_to(then);
        }
        let seen = whole(|| look(&mut model, self.now()));
        model.roll_back();
        if let Some(then) = then {
            model.return_from(then);
        }
        seen
    }

    /// Waits until everything that is to be seen at this moment is durable.
    pub(crate) async fn durable(&self) -> Result<(), ApiError> {
        let place = self.records.submit(Vec::new());
        self.durable_up_to(place).await
    }

    /// Waits until the transaction at this place is durable.
    pub(crate) async fn durable_up_to(&self, place: u64) -> Result<(), ApiError> {
        self.records.durable(place).await.map_err(|error| ApiError::internal(error.to_string()))
    }

    /// Changes the zone in one transaction: whole and durable, or not at all.
    pub(crate) async fn change<T>(
        &self,
        change: impl FnOnce(&mut Model, Timestamp) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let (changed, place) = self.transact(change)?;
        self.durable_up_to(place).await?;
        Ok(changed)
    }

    /// Changes the zone in one transaction, and answers at which place it will be durable.
    pub(crate) fn transact<T>(
        &self,
        change: impl FnOnce(&mut Model, Timestamp) -> Result<T, ApiError>,
    ) -> Result<(T, u64), ApiError> {
        let mut model = self.lock();
        let changed = whole(|| change(&mut model, self.now()));
        let rows = changed.and_then(|changed| match model.commit() {
            Ok(rows) => Ok((changed, rows)),
            Err(error) => Err(ApiError::internal(format!("a record could not be written as JSON: {error}"))),
        });
        match rows {
            Ok((changed, rows)) => Ok((changed, self.records.submit(rows))),
            Err(error) => {
                model.roll_back();
                Err(error)
            }
        }
    }

    /// Runs something to its end even when whoever waits for it goes away.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Option<T>> {
        let ended = self.ended.clone();
        self.tasks.spawn(async move { ended.run_until_cancelled_owned(work).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_in_a_command_is_an_answer() {
        let error = whole::<()>(|| panic!("a defect")).expect_err("it broke off");
        assert_eq!(error, ApiError::defect());
        assert_eq!(error.code, 530);
    }
}
