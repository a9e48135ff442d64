//! What nobody asks for: noticing machines that stopped by themselves, stopping those that nobody knows of, expunging what
//! was destroyed long ago, taking down routers nobody needs, forgetting old jobs, removing what is kept for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;
use uuid::Uuid;

use crate::driver::Stop;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{MachineState, NetworkState};
use crate::zone::Core;

/// What is remembered from one look at the zone to the next: since when networks need no router. Held while it is looked at.
#[derive(Debug, Default)]
pub(crate) struct Caretaker(tokio::sync::Mutex<BTreeMap<Uuid, Instant>>);

impl Core {
    /// Looks after the zone every `period`, for ever.
    pub(crate) async fn look_after(self: Arc<Self>, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            if let Err(error) = self.look_round().await {
                tracing::warn!(%error, "the zone could not be looked after");
            }
        }
    }

    /// Does everything that is due. One thing that can't be done keeps no other from being done.
    ///
    /// # Errors
    /// What came of the first that could not be.
    pub(crate) async fn look_round(self: &Arc<Self>) -> Result<(), ApiError> {
        let mut idle = self.caretaker.0.lock().await;
        let mut outcome = Ok(());
        for result in [
            self.notice_stopped_machines().await,
            self.stop_machines_nobody_knows().await,
            self.expunge_destroyed_machines().await,
            self.take_down_idle_routers(&mut idle).await,
            self.forget_old_jobs().await,
            self.remove_unneeded().await,
        ] {
            outcome = outcome.and(result);
        }
        outcome
    }

    /// A machine that is `Running` in the records and not in reality, and that no job is busy with, is `Stopped`.
    async fn notice_stopped_machines(&self) -> Result<(), ApiError> {
        let running = |core: &Self| -> Vec<Uuid> {
            core.read(|model| {
                let machines = model.virtual_machines.iter();
                machines
                    .filter(|machine| machine.state == MachineState::Running)
                    .map(|machine| machine.id)
                    .collect()
            })
        };
        // Asked for before the driver is: one that starts in between is not missed by mistake.
        let believed = running(self);
        if believed.is_empty() {
            return Ok(());
        }
        let found = self.found_running().await?;
        for id in believed.into_iter().filter(|id| !found.contains(id)) {
            if self.lanes().is_busy(Lane::Machine(id)) {
                continue;
            }
            let Some(_turn) = self.lanes().join(Lane::Machine(id)).turn().await else { continue };
            // A job may have come between and have started it again.
            if self.found_running().await?.contains(&id) {
                continue;
            }
            self.change(|model, now| {
                if let Some(machine) = model.virtual_machines.edit(id)
                    && machine.state == MachineState::Running
                {
                    machine.state = MachineState::Stopped;
                    machine.host = None;
                    machine.updated = Some(now);
                }
                Ok(())
            })
            .await?;
            tracing::info!(machine = %id, "a machine stopped by itself");
            // What it still holds, as a disk that another machine may be given.
            if let Err(error) = self.driver().stop_machine(id, Stop::Forced).await {
                tracing::warn!(machine = %id, %error, "what a machine that stopped has left is not all gone");
            }
        }
        Ok(())
    }

    async fn found_running(&self) -> Result<BTreeSet<Uuid>, ApiError> {
        let found = self.driver().running().await;
        Ok(found.map_err(|error| ApiError::internal(error.to_string()))?.into_iter().collect())
    }

    /// A machine that runs in reality and not in the records, such as one that could not be stopped after its start had
    /// failed, is stopped.
    async fn stop_machines_nobody_knows(&self) -> Result<(), ApiError> {
        let known = |core: &Self, id: Uuid| {
            let state = core.read(|model| model.virtual_machines.get(id).map(|machine| machine.state));
            state.is_some_and(MachineState::is_up)
        };
        for id in self.found_running().await? {
            if known(self, id) || self.lanes().is_busy(Lane::Machine(id)) {
                continue;
            }
            let _turn = self.lanes().join(Lane::Machine(id)).turn().await;
            if !known(self, id) {
                let stopped = self.driver().stop_machine(id, Stop::Forced).await;
                stopped.map_err(|error| ApiError::internal(error.to_string()))?;
                tracing::warn!(machine = %id, "a machine ran that was not to run, and is stopped");
            }
        }
        Ok(())
    }

    async fn expunge_destroyed_machines(&self) -> Result<(), ApiError> {
        let now = self.now();
        let delay =
            SignedDuration::try_from(self.settings().config.expunge_delay).unwrap_or(SignedDuration::MAX);
        let due: Vec<Uuid> = self.read(|model| {
            let machines = model.virtual_machines.iter().filter(|machine| match machine.state {
                MachineState::Destroyed => {
                    machine.updated.is_some_and(|updated| now.duration_since(updated) >= delay)
                }
                // One that the driver could not remove when it was asked to.
                MachineState::Expunging => !self.lanes().is_busy(Lane::Machine(machine.id)),
                _ => false,
            });
            machines.map(|machine| machine.id).collect()
        });
        for id in due {
            let Some(_turn) = self.lanes().join(Lane::Machine(id)).turn().await else { continue };
            let still = self.read(|model| model.virtual_machines.get(id).map(|machine| machine.state));
            if matches!(still, Some(MachineState::Destroyed | MachineState::Expunging)) {
                self.expunge_machine(id).await?;
            }
        }
        Ok(())
    }

    async fn take_down_idle_routers(&self, idle: &mut BTreeMap<Uuid, Instant>) -> Result<(), ApiError> {
        let Some(patience) = self.settings().config.network_gc else { return Ok(()) };
        let needed =
            |state| !matches!(state, MachineState::Stopped | MachineState::Destroyed | MachineState::Error);
        let unneeded: BTreeSet<Uuid> = self.read(|model| {
            let networks = model.networks.iter().filter(|network| network.state == NetworkState::Implemented);
            networks
                .map(|network| network.id)
                .filter(|network| !model.machines_in(*network).any(|machine| needed(machine.state)))
                .collect()
        });
        idle.retain(|network, _| unneeded.contains(network));
        for network in unneeded {
            let now = self.clock().instant();
            let since = *idle.entry(network).or_insert(now);
            if now.saturating_duration_since(since) >= patience {
                let Some(_turn) = self.lanes().join(Lane::Network(network)).turn().await else { continue };
                self.lower_router(network).await?;
            }
        }
        Ok(())
    }

    async fn forget_old_jobs(&self) -> Result<(), ApiError> {
        let now = self.now();
        let kept =
            SignedDuration::try_from(self.settings().config.job_retention).unwrap_or(SignedDuration::MAX);
        let old: Vec<Uuid> = self.read(|model| {
            let ended =
                |job: &&crate::model::Job| job.completed.is_some_and(|end| now.duration_since(end) >= kept);
            model.jobs.iter().filter(ended).map(|job| job.id).collect()
        });
        if old.is_empty() {
            return Ok(());
        }
        self.change(|model, _| {
            for job in old {
                model.jobs.remove(job);
            }
            Ok(())
        })
        .await
    }
}
