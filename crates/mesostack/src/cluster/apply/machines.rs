//! Machines: written down, started, destroyed.

use std::time::Duration;

use cloudstack::{Expect, Id, UserData, resource::*};
use tokio::time::{Instant, sleep};

use super::{Run, StepError, Verdict, known::KnownMachine, network::gone, policy};
use crate::{cluster::observed::MachineState, events::Work, node, spec::Node};

impl Run<'_> {
    pub(super) fn machine(&self, host_name: &str) -> Result<Id, StepError> {
        let id = self.known().machines.get(host_name).map(|machine| machine.id.clone());
        id.ok_or_else(|| StepError::unknown(format!("the machine {host_name}")))
    }

    /// Writes a machine down, with its host key, and does not start it.
    pub(super) async fn deploy(
        &self,
        work: &Work,
        host_name: &str,
        node: &Node,
        (offering, template): (&Id, &Id),
        apart: bool,
    ) -> Result<String, StepError> {
        let network = self.network()?;
        let command = self.deploy_command(host_name, node, (offering, template), apart)?;
        // A name that is taken is ours only when an attempt of this run may have taken it: whoever else made the
        // machine gave it a host key we do not know.
        let mut may_be_ours = false;
        let mut attempt = 1;
        let id = loop {
            let error = match self.context.client.run(&command, Expect::Brief, self.brief()).await {
                Ok(machine) => break machine.id,
                Err(error) => error,
            };
            may_be_ours |= error.is_outcome_unknown();
            let verdict = policy::verdict(&error, attempt);
            if let Verdict::Adopt | Verdict::LookThenAgain(_) = verdict {
                match self.find_deployed(work, &network, host_name).await? {
                    Some(id) if may_be_ours => break id,
                    Some(_) => {
                        let problem =
                            "it appeared since the plan was made: another run may be at work".to_owned();
                        return Err(StepError::Clash { what: format!("the machine {host_name}"), problem });
                    }
                    None => {}
                }
            }
            match verdict {
                Verdict::LookThenAgain(pause) | Verdict::Again(pause) => {
                    self.waiting(work, format!("another attempt: {error}"));
                    sleep(pause).await;
                }
                Verdict::Adopt | Verdict::GiveUp | Verdict::Halt => return Err(error.into()),
            }
            attempt += 1;
        };
        self.known().machines.insert(host_name.to_owned(), KnownMachine { id, template: template.clone() });
        Ok(node.address.to_string())
    }

    fn deploy_command(
        &self,
        host_name: &str,
        node: &Node,
        (offering, template): (&Id, &Id),
        apart: bool,
    ) -> Result<DeployVirtualMachine, StepError> {
        let spec = &self.context.desired.spec;
        let (zone, network) = (self.zone()?, self.network()?);
        let known = self.known();
        let host_key = known.host_keys.get(host_name);
        let host_key = host_key.ok_or_else(|| StepError::unknown(format!("the host key of {host_name}")))?;
        let facts = known.address.as_ref().map(|(_, public_address)| node::Facts {
            public_address: *public_address,
            template: Some(template.to_string()),
        });
        let user_data = node::user_data(spec, node, facts.as_ref(), host_key);
        let command = DeployVirtualMachine::new(zone, offering)
            .template_id(template)
            .name(host_name)
            .display_name(host_name)
            .ip_address(node.address)
            .key_pair(&spec.access.key_pair)
            .user_data(UserData::from(user_data))
            .start_vm(false)
            .network_ids([&network]);
        if !apart {
            return Ok(command);
        }
        let group =
            known.affinity_group.as_ref().ok_or_else(|| StepError::unknown("the masters' affinity group"))?;
        Ok(command.affinity_group_ids([group]))
    }

    /// The machine of that name. A refused deployment may leave a record that has the name and is good for nothing:
    /// that is removed, and is none.
    async fn find_deployed(
        &self,
        work: &Work,
        network: &Id,
        host_name: &str,
    ) -> Result<Option<Id>, StepError> {
        let command = ListVirtualMachines::new().network_id(network).name(host_name);
        let machines = self.context.client.list(&command).await?;
        let machine = machines.into_iter().find(|machine| machine.name.eq_ignore_ascii_case(host_name));
        match machine {
            Some(machine) if MachineState::of(machine.state.as_str()) == MachineState::Failed => {
                self.destroy(work, host_name, &machine.id).await?;
                Ok(None)
            }
            found => Ok(found.map(|machine| machine.id)),
        }
    }

    fn zone(&self) -> Result<Id, StepError> {
        let zone = self.context.observed.catalogue.zone.as_ref().map(|zone| zone.id.clone());
        zone.ok_or_else(|| StepError::unknown("the zone"))
    }

    /// Starts a machine. One that runs already, or is on its way, is fine.
    pub(super) async fn start(&self, work: &Work, host_name: &str) -> Result<(), StepError> {
        let id = self.machine(host_name)?;
        let client = &self.context.client;
        let observed = self.context.observed.machine(host_name).map(|machine| machine.state);
        if observed == Some(MachineState::Changing)
            && self.settled_state(work, &id).await? == MachineState::Running
        {
            return Ok(());
        }
        let mut attempt = 1;
        loop {
            let error = match client.run(&StartVirtualMachine::new(&id), Expect::Long, self.long()).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let verdict = policy::verdict(&error, attempt);
            if verdict == Verdict::Halt {
                return Err(error.into());
            }
            // Whatever was said: what counts is whether it runs.
            match (self.settled_state(work, &id).await?, verdict) {
                (MachineState::Running, _) => return Ok(()),
                (MachineState::Stopped, Verdict::Again(pause) | Verdict::LookThenAgain(pause)) => {
                    self.waiting(work, format!("another attempt: {error}"));
                    sleep(pause).await;
                }
                _ => return Err(error.into()),
            }
            attempt += 1;
        }
    }

    /// The machine's state once it is not on its way any more.
    async fn settled_state(&self, work: &Work, id: &Id) -> Result<MachineState, StepError> {
        let limit = self.context.limits.long;
        let deadline = Instant::now() + limit;
        loop {
            let machines = self.context.client.list(&ListVirtualMachines::new().id(id)).await?;
            let state = machines.first().map(|machine| machine.state.as_str().to_owned()).unwrap_or_default();
            match MachineState::of(&state) {
                MachineState::Changing if Instant::now() < deadline => {
                    self.waiting(work, format!("the machine, which is {state}"));
                    sleep(Duration::from_secs(2)).await;
                }
                MachineState::Changing => {
                    let what = format!("the machine did not leave the state {state}");
                    return Err(StepError::TooLate { what, seconds: limit.as_secs() });
                }
                settled => return Ok(settled),
            }
        }
    }

    /// Destroys a machine for good; where the cloud does not let us, for it to remove in its own time.
    pub(super) async fn destroy(&self, work: &Work, host_name: &str, id: &Id) -> Result<(), StepError> {
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
        self.settle(work, look, make).await?;
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
