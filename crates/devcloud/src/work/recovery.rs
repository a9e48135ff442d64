//! What a process that died left half done is put right before the first request is answered: jobs it ran have failed,
//! rules it was about to make are not there, machines are what the driver finds them to be.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::driver::{DriverError, Machine, Network};
use crate::error::ApiError;
use crate::model::{AddressState, JobStatus, MachineState, Model, NetworkState, RuleState, Told};
use crate::zone::Core;

/// What a job that a crash cut off ends with.
const CUT_OFF: &str = "The zone's process ended while this job was under way. What it had begun was put right when the zone came \
     back: look at the resource, then ask again";

impl Core {
    /// Puts right what an earlier process left.
    pub(crate) async fn recover(&self) -> Result<(), RecoveryError> {
        self.change(|model, now| {
            fail_cut_off_jobs(model, now);
            drop_half_made_rules(model);
            drop_half_made_templates(model);
            Ok(())
        })
        .await?;
        let catalogue = &self.settings().catalogue;
        let (machines, raised): (Vec<Machine>, Vec<Network>) = self.read(|model| {
            let machines = model.virtual_machines.iter().filter(|machine| machine.state.is_up());
            let networks = model.networks.iter().filter(|network| network.state == NetworkState::Implemented);
            (
                machines.filter_map(|machine| model.machine(machine.id)).collect(),
                networks
                    .filter_map(|network| model.router(network.id, catalogue, &mut Told::default()))
                    .collect(),
            )
        });
        let found = self.driver().recover(&machines, &raised).await?;
        let running: BTreeSet<Uuid> = found.running.into_iter().collect();
        let standing: BTreeSet<Uuid> = found.raised.into_iter().collect();
        self.change(|model, now| {
            for machine in &machines {
                let Some(machine) = model.virtual_machines.edit(machine.id) else { continue };
                let state =
                    if running.contains(&machine.id) { MachineState::Running } else { MachineState::Stopped };
                if machine.state != state {
                    machine.state = state;
                    machine.updated = Some(now);
                }
                if state == MachineState::Stopped {
                    machine.host = None;
                }
            }
            let networks: Vec<Uuid> = model.networks.iter().map(|network| network.id).collect();
            for id in networks {
                let state =
                    if standing.contains(&id) { NetworkState::Implemented } else { NetworkState::Allocated };
                if model.networks.get(id).is_some_and(|network| network.state != state)
                    && let Some(network) = model.networks.edit(id)
                {
                    network.state = state;
                }
            }
            Ok(())
        })
        .await?;
        self.drop_unfinished_snapshots().await?;
        self.finish_captures().await;
        self.finish_expunging().await;
        self.finish_reverts().await;
        self.finish_leaving().await;
        if let Err(error) = self.remove_unneeded().await {
            tracing::warn!(%error, "what nothing needs any more could not be removed");
        }
        Ok(())
    }

    /// A capture may have been made and not been written down: then the volume's stack is another one than the records
    /// say. Asking again is harmless, and the template is ready then.
    async fn finish_captures(&self) {
        let unfinished: Vec<Uuid> = self.read(|model| {
            model
                .templates
                .iter()
                .filter(|template| template.capture.is_some())
                .map(|template| template.id)
                .collect()
        });
        for template in unfinished {
            if let Err(error) = self.finish_capture(template).await {
                tracing::warn!(%template, %error, "a template that was being made is given up");
                let removed = self
                    .change(|model, _| {
                        model.templates.remove(template);
                        model.tags.remove(template);
                        Ok(())
                    })
                    .await;
                if let Err(error) = removed {
                    tracing::error!(%template, %error, "a template could not be given up");
                }
            }
        }
    }

    async fn finish_reverts(&self) {
        let stale: Vec<Uuid> = self.read(|model| {
            model.volumes.iter().filter(|volume| volume.stale).map(|volume| volume.id).collect()
        });
        for volume in stale {
            if let Err(error) = self.empty_volume(volume).await {
                tracing::warn!(%volume, %error, "a reverted volume is not emptied; its machine cannot start before");
            }
        }
    }

    async fn finish_expunging(&self) {
        let unfinished: Vec<Uuid> = self.read(|model| {
            let machines = model.virtual_machines.iter();
            machines
                .filter(|machine| machine.state == MachineState::Expunging)
                .map(|machine| machine.id)
                .collect()
        });
        for machine in unfinished {
            if let Err(error) = self.expunge_machine(machine).await {
                tracing::warn!(%machine, %error, "a machine that was being expunged is still there");
            }
        }
    }
}

/// Why a zone could not be put right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Driver(#[from] DriverError),
}

fn fail_cut_off_jobs(model: &mut Model, now: jiff::Timestamp) {
    let pending: Vec<Uuid> =
        model.jobs.iter().filter(|job| job.status == JobStatus::Pending).map(|job| job.id).collect();
    for job in pending {
        if let Some(job) = model.jobs.edit(job) {
            job.status = JobStatus::Failed { code: 530, text: CUT_OFF.to_owned() };
            job.completed = Some(now);
        }
    }
}

/// A template of a snapshot is only records, and it was not whole. Those that are being captured or fetched are finished.
fn drop_half_made_templates(model: &mut Model) {
    let half = model
        .templates
        .iter()
        .filter(|it| !it.ready && it.failure.is_none() && it.capture.is_none() && it.url.is_none());
    for id in half.map(|template| template.id).collect::<Vec<_>>() {
        model.templates.remove(id);
        model.tags.remove(id);
    }
}

/// Rules whose making or removal was under way are not there; addresses being taken are taken, since their ids were
/// answered.
fn drop_half_made_rules(model: &mut Model) {
    let half = |state: RuleState| state != RuleState::Active;
    for id in
        model.firewall_rules.iter().filter(|rule| half(rule.state)).map(|rule| rule.id).collect::<Vec<_>>()
    {
        model.firewall_rules.remove(id);
        model.tags.remove(id);
    }
    for id in model
        .port_forwarding_rules
        .iter()
        .filter(|rule| half(rule.state))
        .map(|rule| rule.id)
        .collect::<Vec<_>>()
    {
        model.port_forwarding_rules.remove(id);
        model.tags.remove(id);
    }
    for id in model
        .load_balancer_rules
        .iter()
        .filter(|rule| half(rule.state))
        .map(|rule| rule.id)
        .collect::<Vec<_>>()
    {
        model.load_balancer_rules.remove(id);
        model.tags.remove(id);
    }
    let taken = model.public_ip_addresses.iter().filter(|address| address.state == AddressState::Allocating);
    for id in taken.map(|address| address.id).collect::<Vec<_>>() {
        if let Some(address) = model.public_ip_addresses.edit(id) {
            address.state = AddressState::Allocated;
        }
    }
}
