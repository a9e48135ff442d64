//! Machines: started, stopped, destroyed, expunged, restored.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::driver::{DriverError, Stop};
use crate::error::ApiError;
use crate::faults::{MachineFault, not_doomed};
use crate::model::{Entity, MachineState, Model, VirtualMachine, place};
use crate::simulator::Latency;
use crate::zone::Core;

fn gone(id: Uuid) -> ApiError {
    ApiError::invalid(format!("unable to find a virtual machine with id {id}"))
}

fn edit(model: &mut Model, id: Uuid) -> Result<&mut VirtualMachine, ApiError> {
    model.virtual_machines.edit(id).ok_or_else(|| gone(id))
}

fn set_state(model: &mut Model, id: Uuid, state: MachineState, now: Timestamp) -> Result<(), ApiError> {
    let machine = edit(model, id)?;
    machine.state = state;
    machine.updated = Some(now);
    if !state.is_up() {
        machine.host = None;
    }
    Ok(())
}

impl Core {
    pub(crate) async fn set_machine_state(&self, id: Uuid, state: MachineState) -> Result<(), ApiError> {
        self.change(|model, now| set_state(model, id, state, now)).await
    }

    fn machine_state(&self, id: Uuid) -> Result<MachineState, ApiError> {
        self.read(|model| model.virtual_machines.get(id).map(|machine| machine.state)).ok_or_else(|| gone(id))
    }

    /// Starts a stopped machine: finds it a host unless one is wanted, has its networks' routers stand, starts it. When that fails it is left
    /// as `after_failure` says.
    pub(crate) async fn start_machine(
        self: &Arc<Self>,
        id: Uuid,
        after_failure: MachineState,
        wanted: Option<u32>,
    ) -> Result<(), ApiError> {
        let hosts = self.settings().config.hosts;
        // What is written down before the driver is asked (`bring_up`) waits for this too.
        let ((name, networks, no_host), _) = self.transact(|model, now| {
            let machine = model.virtual_machines.get(id).ok_or_else(|| gone(id))?;
            match machine.state {
                MachineState::Stopped => {}
                MachineState::Running => {
                    return Err(ApiError::invalid(format!(
                        "The virtual machine {id} ({}) is already running",
                        machine.display_name
                    )));
                }
                state => {
                    return Err(ApiError::internal(format!(
                        "Unable to start a VM [{id}]: it is in state {}",
                        state.name()
                    )));
                }
            }
            let host = wanted.or_else(|| place(model, machine, hosts));
            let networks: Vec<Uuid> = machine.nics.iter().map(|nic| nic.network).collect();
            let (name, description) = (machine.name.clone(), model.described(id));
            let machine = edit(model, id)?;
            machine.updated = Some(now);
            match host {
                Some(host) => {
                    machine.host = Some(host);
                    machine.state = MachineState::Starting;
                    // It says that a machine was made without being started.
                    machine.details.remove("deployvm");
                    Ok((name, networks, None))
                }
                None => {
                    machine.state = after_failure;
                    Ok((name, networks, Some(description)))
                }
            }
        })?;
        if let Some(description) = no_host {
            self.durable().await?;
            return Err(ApiError::capacity(
                4335,
                format!(
                    "No destination found for a deployment for {description}, Please check the affinity groups provided, there \
                     may not be sufficient capacity to follow them"
                ),
            ));
        }
        let fault = self.mishaps().of_machine(&name);
        let started = match fault {
            // Its network's router is there, and the machine itself is not.
            Some(MachineFault::Error) => match self.raise_routers(&networks).await {
                Ok(()) => Err(ApiError::internal(format!("Unable to start a VM [{id}]: told to fail"))),
                failed => failed,
            },
            _ => self.bring_up(id, &networks).await,
        };
        let after_failure =
            if fault == Some(MachineFault::Error) { MachineState::Error } else { after_failure };
        // Whoever is told that it runs, by the end of a job or by a list, waits for this to be written down; nothing else has
        // to. A process that dies before finds it `Starting`, and asks the driver.
        let started = started
            .and_then(|()| self.transact(|model, now| set_state(model, id, MachineState::Running, now)));
        if let Err(error) = started {
            tracing::warn!(machine = %id, %error, "a machine could not be started");
            self.call_off(id, after_failure).await?;
            return Err(error);
        }
        if let Some(MachineFault::Dies(after)) = fault {
            self.let_die(id, after);
        }
        Ok(())
    }

    /// Has whatever of a machine did start not go on beside records that say it did not; and has these say so.
    async fn call_off(&self, id: Uuid, state: MachineState) -> Result<(), ApiError> {
        if let Err(error) = self.driver().stop_machine(id, Stop::Forced).await {
            tracing::warn!(machine = %id, %error, "a half-started machine could not be stopped");
        }
        self.set_machine_state(id, state).await
    }

    async fn raise_routers(&self, networks: &[Uuid]) -> Result<(), ApiError> {
        for network in networks {
            self.raise_router(*network).await?;
        }
        Ok(())
    }

    /// Turns a machine off after a while, behind the records' back.
    fn let_die(self: &Arc<Self>, id: Uuid, after: Latency) {
        let core = Arc::clone(self);
        drop(self.spawn(async move {
            core.pass_time("death", after).await;
            if let Err(error) = core.driver().stop_machine(id, Stop::Forced).await {
                tracing::warn!(machine = %id, %error, "a machine that was told to die lives");
            }
        }));
    }

    async fn bring_up(&self, id: Uuid, networks: &[Uuid]) -> Result<(), ApiError> {
        not_doomed()?;
        self.raise_routers(networks).await?;
        let machine = self.read(|model| model.machine(id)).ok_or_else(|| gone(id))?;
        let disks = machine.disks.iter().map(|disk| disk.volume);
        let volumes: Vec<Uuid> = [machine.volume].into_iter().chain(disks).collect();
        for volume in &volumes {
            self.empty_volume(*volume).await?;
        }
        // From here on there may be disks, whatever becomes of the machine.
        self.change(|model, _| {
            for volume in volumes {
                if model.volumes.get(volume).is_some_and(|volume| !volume.ready)
                    && let Some(volume) = model.volumes.edit(volume)
                {
                    volume.ready = true;
                }
            }
            Ok(())
        })
        .await?;
        self.driver().start_machine(&machine).await.map_err(|error| match error {
            DriverError::Capacity(why) => ApiError::capacity(
                4335,
                format!("Unable to create a deployment for VM [{id}] after 1 attempts: {why}"),
            ),
            DriverError::Failed(why) => ApiError::internal(format!(
                "Unable to start a VM [{id}] due to insufficient capacity. ({why})"
            )),
        })
    }

    /// Stops a running machine; a stopped one is stopped already.
    pub(crate) async fn stop_machine(&self, id: Uuid, how: Stop) -> Result<(), ApiError> {
        not_doomed()?;
        match self.machine_state(id)? {
            MachineState::Stopped => return Ok(()),
            MachineState::Running => {}
            state => {
                return Err(ApiError::internal(format!(
                    "Unable to stop VM [{id}]: it is in state {}",
                    state.name()
                )));
            }
        }
        self.set_machine_state(id, MachineState::Stopping).await?;
        if let Err(error) = self.driver().stop_machine(id, how).await {
            tracing::warn!(machine = %id, %error, "a machine could not be stopped");
            self.set_machine_state(id, MachineState::Running).await?;
            let machine = self.read(|model| model.described(id));
            return Err(ApiError::internal(format!("Unable to stop {machine}")));
        }
        self.set_machine_state(id, MachineState::Stopped).await
    }

    /// Stops and starts a running machine, which is `Running` all the while.
    pub(crate) async fn reboot_machine(&self, id: Uuid, how: Stop) -> Result<(), ApiError> {
        not_doomed()?;
        if self.machine_state(id)? != MachineState::Running {
            let name = self.read(|model| model.virtual_machines.get(id).map(|machine| machine.name.clone()));
            return Err(ApiError::invalid(format!(
                "The Instance {id} ({}) is not running, unable to reboot it",
                name.unwrap_or_default()
            )));
        }
        let networks = self.read(|model| {
            let machine = model.virtual_machines.get(id);
            machine
                .map(|machine| machine.nics.iter().map(|nic| nic.network).collect::<Vec<_>>())
                .unwrap_or_default()
        });
        let rebooted = match self.driver().stop_machine(id, how).await {
            Ok(()) => self.bring_up(id, &networks).await,
            Err(error) => return Err(ApiError::internal(format!("Failed to reboot vm instance: {error}"))),
        };
        if let Err(error) = rebooted {
            tracing::warn!(machine = %id, %error, "a machine did not come back from its reboot");
            self.call_off(id, MachineState::Stopped).await?;
            return Err(error);
        }
        Ok(())
    }

    /// Stops a machine for good. Answers whether it had failed to start, in which case nothing of it is worth keeping.
    pub(crate) async fn destroy_machine(&self, id: Uuid) -> Result<bool, ApiError> {
        not_doomed()?;
        let state = self.machine_state(id)?;
        match state {
            MachineState::Running | MachineState::Starting | MachineState::Stopping => {
                self.set_machine_state(id, MachineState::Stopping).await?;
                if let Err(error) = self.driver().stop_machine(id, Stop::Forced).await {
                    tracing::warn!(machine = %id, %error, "a machine could not be stopped to be destroyed");
                    self.set_machine_state(id, MachineState::Running).await?;
                    return Err(ApiError::internal(format!(
                        "Failed to destroy vm with specified vmId: {error}"
                    )));
                }
            }
            MachineState::Stopped | MachineState::Error => {}
            MachineState::Destroyed | MachineState::Expunging => return Ok(false),
        }
        self.set_machine_state(id, MachineState::Destroyed).await?;
        Ok(state == MachineState::Error)
    }

    /// Removes a destroyed machine: its disk, its rules, its records.
    pub(crate) async fn expunge_machine(&self, id: Uuid) -> Result<(), ApiError> {
        not_doomed()?;
        self.set_machine_state(id, MachineState::Expunging).await?;
        let (volume, networks) = self
            .read(|model| {
                let machine = model.virtual_machines.get(id)?;
                Some((machine.volume, machine.nics.iter().map(|nic| nic.network).collect::<Vec<_>>()))
            })
            .ok_or_else(|| gone(id))?;
        let failed = |error: DriverError| ApiError::internal(format!("Failed to expunge vm [{id}]: {error}"));
        // An earlier process may have died with the machine half up.
        self.driver().remove_machine(id).await.map_err(failed)?;
        self.driver().remove_volume(volume).await.map_err(failed)?;
        let layers = self
            .change(|model, _| {
                model.forget_rules_of(id);
                model.virtual_machines.remove(id);
                model.bury(id, VirtualMachine::KIND);
                // One whose deployment was refused has none.
                let root = model.volumes.remove(volume);
                if root.is_some() {
                    model.bury(volume, "volume");
                }
                let layers = root.map(|volume| volume.layers).unwrap_or_default();
                let attached = model.volumes.iter().filter(|disk| disk.virtual_machine == Some(id));
                for disk in attached.map(|disk| disk.id).collect::<Vec<_>>() {
                    if let Some(disk) = model.volumes.edit(disk) {
                        disk.detach();
                    }
                }
                for network in &networks {
                    model.touch(*network);
                }
                Ok(layers.into_iter().filter(|layer| !model.layer_in_use(layer)).collect())
            })
            .await?;
        self.remove_layers(layers).await;
        for network in networks {
            // The machine is gone whatever the router says; the next change tells it again.
            if let Err(error) = self.refresh_router(network).await {
                tracing::warn!(%network, %error, "a router could not be told that a machine is gone");
            }
        }
        Ok(())
    }

    /// Makes a machine's root disk anew, from its template or another one; a running machine is stopped for it and
    /// started again.
    pub(crate) async fn restore_machine(
        self: &Arc<Self>,
        id: Uuid,
        template: Option<Uuid>,
        bytes: Option<u64>,
    ) -> Result<(), ApiError> {
        not_doomed()?;
        let before = self.machine_state(id)?;
        match before {
            MachineState::Running => self.stop_machine(id, Stop::Forced).await?,
            MachineState::Stopped => {}
            state => {
                return Err(ApiError::internal(format!(
                    "Vm {id} currently in {} state, restore vm can only execute when VM in Running or Stopped",
                    state.name()
                )));
            }
        }
        let (old, layers) = self
            .change(|model, now| {
                let machine = model.virtual_machines.get(id).ok_or_else(|| gone(id))?;
                let template = template.unwrap_or(machine.template);
                let source = model.templates.get(template).filter(|template| template.ready).cloned();
                let source = source.ok_or_else(|| {
                    ApiError::invalid(format!("Cannot find template {template} to restore machine {id} from"))
                })?;
                let old = machine.volume;
                let mut volume = model.volumes.remove(old).ok_or_else(|| gone(id))?;
                model.bury(old, "volume");
                let layers = std::mem::replace(&mut volume.layers, source.disk_layers());
                volume.number = model.next_number();
                volume.id = model.next_id();
                volume.template = Some(template);
                volume.bytes = bytes.unwrap_or(volume.bytes).max(source.bytes);
                volume.created = now;
                volume.ready = false;
                // Its new disk knows no password yet.
                let password = source.password_enabled.then(|| model.next_password());
                let machine = edit(model, id)?;
                machine.password_due = password.is_some();
                machine.password = password;
                let told = machine.nics.first().map(|nic| nic.network);
                machine.volume = volume.id;
                machine.template = template;
                machine.updated = Some(now);
                model.volumes.insert(volume);
                if let Some(network) = told {
                    model.touch(network);
                }
                Ok((old, layers))
            })
            .await?;
        if let Err(error) = self.driver().remove_volume(old).await {
            tracing::warn!(volume = %old, %error, "a replaced root disk could not be removed");
        }
        self.remove_unused(layers).await;
        if before == MachineState::Running {
            self.start_machine(id, MachineState::Stopped, None).await?;
        }
        Ok(())
    }
}
