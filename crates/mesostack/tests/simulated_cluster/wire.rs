//! The way to a simulated zone: no socket, and whatever is to go wrong with calls on it.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cloudstack::{Method, RawReply, SignedRequest, Transport, TransportError, TransportFailure};
use devcloud::{
    Request, Zone,
    faults::{self, CallFault, Faults, When},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::Notify, time::sleep};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not arrive, and the caller does not know that.
    Lost,
    /// It arrives, and its reply is lost.
    ReplyLost,
    /// The caller is killed after it has arrived.
    KilledAfter,
}

/// How a wire is: at random calls get lost, or their replies, or something else answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    /// How many calls of one something happens to.
    pub(crate) rate: f64,
    /// Whether calls that were sent arrive though their sender is gone.
    pub(crate) outlives: bool,
    /// How long a call may be under way beyond what is usual, in seconds.
    pub(crate) slow: u64,
    /// How far back every other list looks.
    pub(crate) lag: Duration,
}

/// Hears of every call that a zone has accepted, in their order.
pub(crate) trait Watcher: fmt::Debug + Send + Sync {
    /// The signed form of the call, and the body of the reply.
    fn accepted(&self, form: &str, reply: &[u8]);
}

/// The way to the zone.
#[derive(Debug)]
pub(crate) struct Wire {
    zone: Arc<Zone>,
    sent: AtomicUsize,
    fault: Option<(usize, Fault)>,
    struck: AtomicBool,
    weather: Weather,
    /// Carries the lists where some lag.
    lists: Option<faults::Wire>,
    random: Mutex<StdRng>,
    /// Hears what the zone has accepted.
    watcher: Option<Arc<dyn Watcher>>,
    /// Told when the caller is to be killed.
    pub(crate) killed: Notify,
}

/// What becomes of a call in bad weather.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    NotSent,
    Lost,
    ReplyLost,
    TooLate,
    BadGateway,
}

impl Wire {
    pub(crate) fn new(zone: Arc<Zone>, fault: Option<(usize, Fault)>, weather: Weather) -> Self {
        let lags = Faults::seeded(weather.seed).call("list*", When::chance(0.5), CallFault::Lag(weather.lag));
        let lists = (!weather.lag.is_zero()).then(|| faults::Wire::with(&zone, &lags));
        Self {
            lists,
            zone,
            sent: AtomicUsize::new(0),
            fault,
            struck: AtomicBool::new(false),
            random: Mutex::new(StdRng::seed_from_u64(weather.seed)),
            watcher: None,
            weather,
            killed: Notify::new(),
        }
    }

    /// The same wire, watched.
    pub(crate) fn watched_by(self, watcher: Arc<dyn Watcher>) -> Self {
        Self { watcher: Some(watcher), ..self }
    }

    /// Whether the fault has happened: a test without it proves nothing.
    pub(crate) fn struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    /// How long a call is under way.
    fn delay(&self, at: usize) -> Duration {
        let usual = under_way(at);
        match self.weather.slow {
            0 => usual,
            slow => {
                let mut random = self.random.lock().expect("no panic");
                // Few are slow, or nothing would ever get done.
                match random.random_bool(0.02) {
                    true => usual + Duration::from_millis(random.random_range(0..slow * 1_000)),
                    false => usual,
                }
            }
        }
    }

    fn fate(&self) -> Fate {
        let mut random = self.random.lock().expect("no panic");
        if !random.random_bool(self.weather.rate) {
            return Fate::Arrives;
        }
        [Fate::NotSent, Fate::Lost, Fate::ReplyLost, Fate::TooLate, Fate::BadGateway]
            [random.random_range(0..5)]
    }

    /// Carries a request there and its reply back. Where calls outlive their sender this goes on without it.
    async fn carry(&self, at: usize, request: SignedRequest) -> Result<RawReply, TransportError> {
        let (zone, watcher) = (Arc::clone(&self.zone), self.watcher.clone());
        let delay = self.delay(at);
        let lists = self.lists.clone().filter(|_| request.command.starts_with("list"));
        let carried = async move {
            sleep(delay).await;
            if let Some(lists) = lists {
                return lists.send(request).await;
            }
            let form = request.form.to_string();
            let request = match request.method {
                Method::Get => Request::get(request.form.as_str()),
                Method::Post => Request::post(request.form.as_str()),
            };
            let reply = zone.handle(request).await;
            if let Some(watcher) = watcher.filter(|_| reply.status == 200) {
                watcher.accepted(&form, &reply.body);
            }
            let content_type = Some(reply.content_type.to_owned());
            Ok(RawReply { status: reply.status, content_type, body: reply.body })
        };
        match self.weather.outlives {
            true => tokio::spawn(carried).await.map_err(|_| failure(TransportFailure::Broken))?,
            false => carried.await,
        }
    }
}

/// A call takes a moment, as on any network, and not all of them the same: what is sent together does not arrive so.
fn under_way(at: usize) -> Duration {
    Duration::from_millis(1 + u64::try_from(at * 13 % 7).unwrap_or_default())
}

fn failure(kind: TransportFailure) -> TransportError {
    TransportError::bare(kind)
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        let at = self.sent.fetch_add(1, Ordering::Relaxed);
        if let Some((_, fault)) = self.fault.filter(|(call, _)| *call == at) {
            self.struck.store(true, Ordering::Relaxed);
            if fault != Fault::Lost {
                self.carry(at, request).await?;
            }
            if fault == Fault::KilledAfter {
                self.killed.notify_one();
                std::future::pending::<()>().await;
            }
            return Err(failure(TransportFailure::Broken));
        }
        match self.fate() {
            Fate::Arrives => self.carry(at, request).await,
            Fate::NotSent => Err(failure(TransportFailure::NotSent)),
            Fate::Lost => {
                sleep(under_way(at)).await;
                Err(failure(TransportFailure::Broken))
            }
            Fate::ReplyLost => {
                self.carry(at, request).await?;
                Err(failure(TransportFailure::Broken))
            }
            Fate::TooLate => {
                self.carry(at, request).await?;
                Err(failure(TransportFailure::TimedOut))
            }
            Fate::BadGateway => {
                self.carry(at, request).await?;
                let body = b"<html><body>502 Bad Gateway</body></html>".to_vec();
                Ok(RawReply { status: 502, content_type: Some("text/html".to_owned()), body })
            }
        }
    }
}
