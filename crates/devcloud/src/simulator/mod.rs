//! The simulator driver: nothing runs, but everything takes its time, has its limits and can be made to fail. It keeps
//! what it was told, so that a test can look at what a real driver would have done, and outlives a zone that is dropped,
//! as real machines outlive a crashed process.

mod latency;
mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use self::latency::Latency;
pub use self::pace::Pace;
use crate::dice::Dice;
use crate::driver::{
    BaseTemplate, Captured, DataDisk, Driver, DriverError, LayerId, Machine, Network, Recovered, Stop, Stored,
};

/// How long each of the driver's operations takes. What the API server itself takes beyond that is a [`Pace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// Raising a router.
    pub raise: Latency,
    /// Programming a standing router (one rule or all of them).
    pub program: Latency,
    /// Taking a router down.
    pub lower: Latency,
    /// Starting a machine.
    pub start: Latency,
    /// Stopping a machine in an orderly way; by force takes no time.
    pub stop: Latency,
    /// Capturing a volume.
    pub capture: Latency,
    /// Attaching, detaching, removing or resetting a volume.
    pub volume: Latency,
}

impl Latencies {
    /// No latencies at all.
    pub const NONE: Self = Self {
        raise: Latency::NONE,
        program: Latency::NONE,
        lower: Latency::NONE,
        start: Latency::NONE,
        stop: Latency::NONE,
        capture: Latency::NONE,
        volume: Latency::NONE,
    };
}

impl Default for Latencies {
    /// What the machines driver takes on a small host, rounded: enough for waits and orders to be seen.
    fn default() -> Self {
        Self {
            raise: Duration::from_secs(2).into(),
            program: Duration::from_millis(400).into(),
            lower: Duration::from_secs(1).into(),
            start: Duration::from_secs(1).into(),
            stop: Duration::from_secs(2).into(),
            capture: Duration::from_secs(3).into(),
            volume: Duration::from_millis(100).into(),
        }
    }
}

/// How much the simulated hosts can run; none is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// MiB of memory of all running machines.
    pub memory_mib: Option<u64>,
    /// Number of running machines.
    pub machines: Option<usize>,
    /// How many machines the cloud starts at once, its deploy workers; further ones wait for their turn in the order they
    /// came.
    pub workers: Option<usize>,
}

/// An operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Raising a router.
    Raise,
    /// Programming a router.
    Program,
    /// Starting a machine.
    Start,
    /// Stopping a machine.
    Stop,
    /// Capturing a volume.
    Capture,
    /// Attaching and detaching data disks.
    Equip,
}

/// A driver that only remembers.
#[derive(Debug, Default)]
pub struct Simulator {
    tuning: RwLock<Tuning>,
    dice: Dice,
    state: Mutex<State>,
}

/// How quick and how large it is.
#[derive(Clone, Debug, Default)]
struct Tuning {
    latencies: Latencies,
    capacity: Capacity,
    workers: Option<Arc<Semaphore>>,
}

impl Tuning {
    fn of(latencies: Latencies, capacity: Capacity) -> Self {
        let workers = capacity.workers.map(|workers| Arc::new(Semaphore::new(workers.max(1))));
        Self { latencies, capacity, workers }
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    running: BTreeMap<Uuid, Machine>,
    raised: BTreeMap<Uuid, Network>,
    layers: BTreeSet<LayerId>,
    faults: BTreeMap<Operation, u32>,
    /// Whether a zone was opened over it before.
    recovered: bool,
}

impl Simulator {
    /// A simulator with these latencies and this capacity.
    pub fn new(latencies: Latencies, capacity: Capacity) -> Self {
        Self { tuning: RwLock::new(Tuning::of(latencies, capacity)), ..Self::default() }
    }

    /// Draws its latencies from this seed.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { dice: Dice::of(seed), ..self }
    }

    /// The same machines and routers as they are now, for another zone that is opened over a copy of the records.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = Mutex::new(self.state().clone());
        let tuning = self.tuning();
        let copy = Self::new(tuning.latencies, tuning.capacity).seeded(self.dice.seed());
        Self { state, ..copy }
    }

    /// Makes the next `times` operations of this kind fail.
    pub fn fail(&self, operation: Operation, times: u32) {
        self.state().faults.insert(operation, times);
    }

    /// The machine ends by itself, as if its power had been cut or it had shut itself down.
    pub fn power_off(&self, machine: Uuid) {
        self.state().running.remove(&machine);
    }

    /// What the network's router was last told, if it stands.
    pub fn router(&self, network: Uuid) -> Option<Network> {
        self.state().raised.get(&network).cloned()
    }

    /// The machine as it was started, if it runs.
    pub fn machine(&self, machine: Uuid) -> Option<Machine> {
        self.state().running.get(&machine).cloned()
    }

    /// Layers that were captured and not removed.
    pub fn layers(&self) -> Vec<LayerId> {
        self.state().layers.iter().cloned().collect()
    }

    fn tuning(&self) -> Tuning {
        self.tuning.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, what: &str, operation: Option<Operation>, time: Latency) -> Result<(), DriverError> {
        let time = time.draw(&mut self.dice.next(what));
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        let Some(operation) = operation else { return Ok(()) };
        if let Some(left) = self.state().faults.get_mut(&operation)
            && *left > 0
        {
            *left -= 1;
            return Err(DriverError::Failed(format!("{operation:?} was told to fail")));
        }
        Ok(())
    }
}

#[async_trait]
impl Driver for Simulator {
    fn hypervisor(&self) -> &'static str {
        "Simulator"
    }

    fn base_templates(&self) -> Vec<BaseTemplate> {
        vec![BaseTemplate {
            name: "Debian 12".to_owned(),
            os_type: "Debian GNU/Linux 12 (64-bit)".to_owned(),
            layers: vec![LayerId("simulated-debian-12".to_owned())],
            bytes: 2 << 30,
        }]
    }

    fn tune(&self, latencies: Latencies, capacity: Capacity) -> Result<(), DriverError> {
        *self.tuning.write().unwrap_or_else(PoisonError::into_inner) = Tuning::of(latencies, capacity);
        Ok(())
    }

    async fn recover(&self, machines: &[Machine], raised: &[Network]) -> Result<Recovered, DriverError> {
        let mut state = self.state();
        if std::mem::replace(&mut state.recovered, true) {
            let wanted: BTreeSet<Uuid> = machines.iter().map(|machine| machine.id).collect();
            state.running.retain(|id, _| wanted.contains(id));
        } else {
            // The process that had it died. Real machines would have gone on without it, so these did.
            state.running = machines.iter().map(|machine| (machine.id, machine.clone())).collect();
        }
        state.raised = raised.iter().map(|network| (network.id, network.clone())).collect();
        Ok(Recovered {
            running: state.running.keys().copied().collect(),
            raised: state.raised.keys().copied().collect(),
        })
    }

    async fn raise_network(&self, network: &Network) -> Result<(), DriverError> {
        self.take("raise", Some(Operation::Raise), self.tuning().latencies.raise).await?;
        self.state().raised.insert(network.id, network.clone());
        Ok(())
    }

    async fn program_network(&self, network: &Network) -> Result<(), DriverError> {
        self.take("program", Some(Operation::Program), self.tuning().latencies.program).await?;
        let mut state = self.state();
        let Some(router) = state.raised.get_mut(&network.id) else {
            return Err(DriverError::Failed(format!("network {} has no router to program", network.id)));
        };
        *router = network.clone();
        Ok(())
    }

    async fn lower_network(&self, network: Uuid) -> Result<(), DriverError> {
        self.take("lower", None, self.tuning().latencies.lower).await?;
        self.state().raised.remove(&network);
        Ok(())
    }

    async fn start_machine(&self, machine: &Machine) -> Result<(), DriverError> {
        let Tuning { latencies, capacity, workers } = self.tuning();
        let _worker = match &workers {
            // It is never closed.
            Some(workers) => workers.acquire().await.ok(),
            None => None,
        };
        self.take("start", Some(Operation::Start), latencies.start).await?;
        let mut state = self.state();
        if state.running.contains_key(&machine.id) {
            return Ok(());
        }
        if let Some(limit) = capacity.memory_mib {
            let memory: u64 = state.running.values().map(|other| other.memory_mib).sum();
            if memory + machine.memory_mib > limit {
                return Err(DriverError::Capacity(format!(
                    "{} MiB wanted, {memory} MiB of {limit} MiB in use",
                    machine.memory_mib
                )));
            }
        }
        if capacity.machines.is_some_and(|limit| state.running.len() >= limit) {
            return Err(DriverError::Capacity(format!("{} machines run already", state.running.len())));
        }
        state.running.insert(machine.id, machine.clone());
        Ok(())
    }

    async fn stop_machine(&self, machine: Uuid, how: Stop) -> Result<(), DriverError> {
        let time = match how {
            Stop::Orderly => self.tuning().latencies.stop,
            Stop::Forced => Latency::NONE,
        };
        self.take("stop", Some(Operation::Stop), time).await?;
        self.state().running.remove(&machine);
        Ok(())
    }

    async fn remove_machine(&self, machine: Uuid) -> Result<(), DriverError> {
        self.stop_machine(machine, Stop::Forced).await
    }

    async fn equip_machine(&self, machine: &Machine) -> Result<(), DriverError> {
        self.take("equip", Some(Operation::Equip), self.tuning().latencies.volume).await?;
        if let Some(running) = self.state().running.get_mut(&machine.id) {
            running.disks.clone_from(&machine.disks);
        }
        Ok(())
    }

    async fn remove_volume(&self, _volume: Uuid) -> Result<(), DriverError> {
        self.take("volume", None, self.tuning().latencies.volume).await
    }

    async fn capture_volume(&self, _volume: Uuid, layer: &LayerId) -> Result<Captured, DriverError> {
        self.take("capture", Some(Operation::Capture), self.tuning().latencies.capture).await?;
        self.state().layers.insert(layer.clone());
        Ok(Captured { layer: layer.clone(), bytes: 1 << 28 })
    }

    async fn fetch_layer(&self, _url: &str, _disc: bool, layer: &LayerId) -> Result<Captured, DriverError> {
        self.take("fetch", Some(Operation::Capture), self.tuning().latencies.capture).await?;
        self.state().layers.insert(layer.clone());
        Ok(Captured { layer: layer.clone(), bytes: 5 << 20 })
    }

    async fn copy_volume(&self, _volume: Uuid, layer: &LayerId) -> Result<Captured, DriverError> {
        self.take("copy", Some(Operation::Capture), self.tuning().latencies.capture).await?;
        self.state().layers.insert(layer.clone());
        Ok(Captured { layer: layer.clone(), bytes: 1 << 28 })
    }

    async fn copy_disk(&self, disk: &DataDisk, layer: &LayerId) -> Result<Captured, DriverError> {
        self.copy_volume(disk.volume, layer).await
    }

    async fn remove_layer(&self, layer: &LayerId) -> Result<(), DriverError> {
        self.state().layers.remove(layer);
        Ok(())
    }

    async fn stored(&self) -> Result<Stored, DriverError> {
        let layers = self.state().layers.iter().cloned().collect();
        Ok(Stored { layers, ..Stored::default() })
    }

    async fn running(&self) -> Result<Vec<Uuid>, DriverError> {
        Ok(self.state().running.keys().copied().collect())
    }

    async fn console(&self, _machine: Uuid) -> Result<Option<String>, DriverError> {
        Ok(None)
    }
}
