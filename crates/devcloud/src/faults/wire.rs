//! The way from a client to a zone in the same process: no socket, a round trip's time, and faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cloudstack::{RawReply, SignedRequest, Transport, TransportError, TransportFailure};
use tokio_util::sync::CancellationToken;

use super::{CallFault, Delivery, Faults, Schedule, deliver};
use crate::dice::Dice;
use crate::simulator::Latency;
use crate::zone::Zone;

/// What has struck which call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// Which call of this wire it was, counted from 1.
    pub call: u64,
    /// The command that was called.
    pub command: String,
    /// What happened.
    pub fault: CallFault,
}

/// A transport to a zone in this process. Clones share their counts and faults.
#[derive(Clone, Debug)]
pub struct Wire {
    shared: Arc<Shared>,
    round_trip: Latency,
}

#[derive(Debug)]
struct Shared {
    zone: Arc<Zone>,
    dice: Dice,
    state: Mutex<State>,
    killed: CancellationToken,
}

#[derive(Debug)]
struct State {
    sent: u64,
    faults: Schedule<CallFault>,
    struck: Vec<Struck>,
}

impl Wire {
    /// A wire on which nothing goes wrong; a round trip takes 2 ms.
    pub fn to(zone: &Arc<Zone>) -> Self {
        Self::with(zone, &Faults::default())
    }

    /// A wire with the faults of `faults.calls`.
    pub fn with(zone: &Arc<Zone>, faults: &Faults) -> Self {
        zone.remember(faults.longest_lag());
        let calls = Schedule::of(faults.seed, &faults.calls);
        let shared = Shared {
            zone: Arc::clone(zone),
            dice: Dice::of(faults.seed),
            state: Mutex::new(State { sent: 0, faults: calls, struck: Vec::new() }),
            killed: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared), round_trip: Duration::from_millis(2).into() }
    }

    /// What a round trip takes beside the zone's own time: one half to the zone, the other one back.
    #[must_use]
    pub fn round_trip(mut self, time: impl Into<Latency>) -> Self {
        self.round_trip = time.into();
        self
    }

    /// How many calls were sent.
    pub fn sent(&self) -> u64 {
        self.shared.state().sent
    }

    /// What has struck so far.
    pub fn struck(&self) -> Vec<Struck> {
        self.shared.state().struck.clone()
    }

    /// Waits until a fault kills the caller; select on it beside the run. Nothing comes through the wire after that.
    pub async fn killed(&self) {
        self.shared.killed.cancelled().await;
    }

    /// Kills the caller now, whatever the faults are.
    pub fn kill(&self) {
        self.shared.killed.cancel();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, command: &str) -> Option<CallFault> {
        let mut state = self.state();
        state.sent += 1;
        let (call, fault) = (state.sent, state.faults.next(command));
        if let Some(fault) = fault {
            state.struck.push(Struck { call, command: command.to_owned(), fault });
        }
        fault
    }

    /// Half a round trip; it never ends for the dead.
    async fn travel(&self, time: Duration) {
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        if self.killed.is_cancelled() {
            std::future::pending().await
        }
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        let shared = &self.shared;
        shared.travel(Duration::ZERO).await;
        let fault = shared.count(&request.command);
        let half = self.round_trip.draw(&mut shared.dice.next("round trip")) / 2;
        shared.travel(half).await;
        let delivery = deliver(&shared.zone, request.into(), fault).await;
        match delivery {
            Delivery::Killed => shared.killed.cancel(),
            Delivery::Silent => std::future::pending().await,
            Delivery::Answered(_) | Delivery::Broken | Delivery::Refused => {}
        }
        shared.travel(half).await;
        match delivery {
            Delivery::Answered(reply) => Ok(reply.into()),
            Delivery::Refused => Err(TransportError::bare(TransportFailure::NotSent)),
            _ => Err(TransportError::bare(TransportFailure::Broken)),
        }
    }
}
