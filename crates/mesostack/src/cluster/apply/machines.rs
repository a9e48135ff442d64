//! Machines: what is known of them, and their end.

use cloudstack::{Expect, Id, resource::*};

use super::{Run, StepError, network::gone, settle::Twice};
use crate::{cluster::observed::MachineState, events::Work, node};

impl Run<'_> {
    pub(super) fn machine(&self, host_name: &str) -> Result<Id, StepError> {
        let id = self.known().machines.get(host_name).map(|machine| machine.id.clone());
        id.ok_or_else(|| StepError::unknown(format!("the machine {host_name}")))
    }

    /// Destroys a machine for good; where the cloud does not let us, for it to remove in its own time.
    pub(super) async fn destroy(&self, work: &Work, host_name: &str, id: &Id) -> Result<(), StepError> {
        self.destroy_if(work, host_name, id, async || Ok(())).await
    }

    /// The same, if `may` says so right before each attempt.
    pub(super) async fn destroy_if(
        &self,
        work: &Work,
        host_name: &str,
        id: &Id,
        may: impl AsyncFn() -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let client = &self.context.client;
        let look = async || {
            let machines = client.list(&ListVirtualMachines::new().id(id)).await;
            gone(machines.map(|machines| {
                machines.iter().all(|machine| MachineState::of(machine.state.as_str()) == MachineState::Going)
            }))
        };
        let make = async || {
            let expunge = !self.known().cannot_expunge;
            let command = DestroyVirtualMachine::new(id).expunge(expunge);
            match client.run(&command, Expect::Long, self.long()).await {
                Err(error) if error.is_not_found() => Ok(()),
                // The result of an expunged machine names nothing, so a result that does not decode is one.
                Err(cloudstack::Error::Decode { .. }) if expunge => Ok(()),
                Err(error) if expunge && is_expunge_refused(&error) => {
                    self.known().cannot_expunge = true;
                    let command = DestroyVirtualMachine::new(id).expunge(false);
                    client.run(&command, Expect::Long, self.long()).await.map(|_| ())
                }
                other => other.map(|_| ()),
            }
        };
        self.settle_if(work, may, (Twice::Refused, look), make).await?;
        self.known().machines.remove(host_name);
        Ok(())
    }

    /// What only the cloud knows of a node.
    pub(super) fn facts(&self, host_name: &str) -> Result<node::Facts, StepError> {
        let known = self.known();
        let (_, public_address) =
            known.address.clone().ok_or_else(|| StepError::unknown("the public address"))?;
        let machine = known.machines.get(host_name);
        let machine = machine.ok_or_else(|| StepError::unknown(format!("the machine {host_name}")))?;
        Ok(node::Facts { public_address, template: Some(machine.template.to_string()) })
    }
}

/// Ordinary users may destroy, and expunge only where the cloud's setting says so.
fn is_expunge_refused(error: &cloudstack::Error) -> bool {
    matches!(error.code(), Some(530 | 531))
        && error.text().is_some_and(|text| {
            let text = text.to_ascii_lowercase();
            text.contains("permission") && text.contains("expung")
        })
}
