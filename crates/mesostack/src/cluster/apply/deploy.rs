//! Machines written down: each once, under its name, at the address that was asked for.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use cloudstack::{Expect, Id, UserData, resource::*};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::{Run, StepError, Verdict, known::KnownMachine, policy};
use crate::{
    cluster::{action::Action, desired::WantedMachine, observed::MachineState, plan::Step},
    events::Work,
    node,
    spec::Node,
};

/// How often a machine is deployed that comes with another address than the one asked for, before that is given up.
const MISPLACED: u32 = 3;
/// How long to wait before a name is asked for again.
const NAME_PAUSE: Duration = Duration::from_secs(2);

/// How far a machine's deployment is.
struct Tries {
    /// Counted from 1.
    attempt: u32,
    /// Whether an attempt of this run may have taken the name. What has it is ours then, and also when it has the host key
    /// that we made: whoever else made it gave it one that we do not know.
    may_be_ours: bool,
    /// Until when a predecessor may keep the name.
    name_is_freed_by: Instant,
}

/// What there is of a machine's name.
enum Found {
    Nothing,
    /// There was a record good for nothing, and it is removed.
    Wreck,
    Machine(Box<VirtualMachine>),
}

impl Run<'_> {
    /// Writes a machine down, with its host key, and does not start it.
    pub(super) async fn deploy(
        &self,
        work: &Work,
        host_name: &str,
        node: &Node,
        (offering, template): (&Id, &Id),
        apart: bool,
    ) -> Result<String, StepError> {
        let command = self.deploy_command(host_name, node, (offering, template), apart)?.start_vm(false);
        let made = |state| !matches!(state, MachineState::Failed | MachineState::Going);
        self.make(work, host_name, node, (&command, template), (Expect::Brief, made)).await?;
        Ok(node.address.to_string())
    }

    /// Makes a machine, with its host key, and has it started by the same job.
    pub(super) async fn launch(
        &self,
        work: &Work,
        host_name: &str,
        node: &Node,
        (offering, template): (&Id, &Id),
    ) -> Result<String, StepError> {
        let command = self.deploy_command(host_name, node, (offering, template), false)?;
        let runs = |state| state == MachineState::Running;
        let state = self.make(work, host_name, node, (&command, template), (Expect::Long, runs)).await?;
        // One that was found after a job whose end was not seen may be anywhere on its way.
        if state != MachineState::Running {
            self.start(work, host_name).await?;
        }
        Ok(node.address.to_string())
    }

    /// Has a machine made, once, and says in which state it is.
    ///
    /// Whatever a failed attempt leaves in the state `Error` has the name, and goes before the next one.
    async fn make(
        &self,
        work: &Work,
        host_name: &str,
        node: &Node,
        (command, template): (&DeployVirtualMachine, &Id),
        (expect, made): (Expect, impl Fn(MachineState) -> bool),
    ) -> Result<MachineState, StepError> {
        let network = self.network()?;
        let mut tries = Tries { attempt: 1, may_be_ours: false, name_is_freed_by: self.brief() };
        let mut misplaced = 1;
        let machine = loop {
            let deadline = match expect {
                Expect::Brief => self.brief(),
                Expect::Long => self.long(),
            };
            let wait = (expect, deadline);
            let deployed = self.roll_call.run(&self.context.client, command, wait, &made, None).await;
            let machine = match deployed {
                Ok(machine) => machine,
                Err(error) => {
                    // A job that failed had begun, so the name was free and the record is its own.
                    tries.may_be_ours |=
                        error.is_outcome_unknown() || matches!(error, cloudstack::Error::Job { .. });
                    let left = self.after_refusal(work, &network, host_name, error, &mut tries).await?;
                    let Some(machine) = left else {
                        continue;
                    };
                    machine
                }
            };
            let Some(error) = wrong_address(&machine, &network, node) else { break machine };
            self.remove_misplaced(work, host_name, &machine.id, error, misplaced).await?;
            misplaced += 1;
        };
        let known = KnownMachine { id: machine.id, template: template.clone() };
        self.known().machines.insert(host_name.to_owned(), known);
        Ok(MachineState::of(machine.state.as_str()))
    }

    /// What a deployment that was not seen to end well has left: the machine, when it is there and ours. None when it is to
    /// be tried again; the pause before that is over then.
    async fn after_refusal(
        &self,
        work: &Work,
        network: &Id,
        host_name: &str,
        error: cloudstack::Error,
        tries: &mut Tries,
    ) -> Result<Option<VirtualMachine>, StepError> {
        let verdict = policy::verdict(&error, tries.attempt);
        let detached = matches!(error, cloudstack::Error::Deadline { .. });
        if detached || verdict == Verdict::Halt {
            return Err(error.into());
        }
        if matches!(&error, cloudstack::Error::Api(error) if error.code == 530) {
            self.remove_refused(work, host_name).await?;
        }
        let verdict = match self.find_deployed(work, network, host_name).await? {
            Found::Machine(machine) => {
                if tries.may_be_ours || self.has_our_key(host_name, &machine.id).await? {
                    return Ok(Some(*machine));
                }
                let problem = "it appeared since the plan was made: another run may be at work".to_owned();
                return Err(StepError::Clash { what: format!("the machine {host_name}"), problem });
            }
            // A machine that is being removed is not shown, and keeps its name until it is gone.
            Found::Nothing if verdict == Verdict::Adopt && Instant::now() < tries.name_is_freed_by => {
                self.waiting(work, "its predecessor's name");
                sleep(NAME_PAUSE).await;
                return Ok(None);
            }
            // What was in the way is gone.
            Found::Wreck if verdict == Verdict::Adopt => policy::after_wreck(tries.attempt),
            Found::Wreck | Found::Nothing => verdict,
        };
        match verdict {
            Verdict::LookThenAgain(pause) | Verdict::Again(pause) => {
                self.ramp.narrow();
                self.rest_before_another_attempt(work, error, pause).await?;
                tries.attempt += 1;
                Ok(None)
            }
            Verdict::Adopt | Verdict::GiveUp | Verdict::Halt => Err(error.into()),
        }
    }

    /// Writes a machine down as the file has it.
    pub(super) async fn deploy_wanted(&self, work: &Work, wanted: &WantedMachine) -> Result<(), StepError> {
        let catalogue = &self.context.observed.catalogue;
        let template = catalogue.template.as_ref().ok_or_else(|| StepError::unknown("the image"))?;
        let offering = catalogue.offerings.get(&wanted.offering);
        let offering = offering.ok_or_else(|| StepError::unknown("the service offering"))?;
        let made_of = (&offering.id, &template.id);
        self.deploy(work, &wanted.host_name, &wanted.node, made_of, wanted.is_master()).await.map(|_| ())
    }

    fn deploy_command(
        &self,
        host_name: &str,
        node: &Node,
        (offering, template): (&Id, &Id),
        apart: bool,
    ) -> Result<DeployVirtualMachine, StepError> {
        let spec = &self.desired.spec;
        let (zone, network) = (self.zone()?, self.network()?);
        let known = self.known();
        let host_key = known.host_keys.get(host_name);
        let host_key = host_key.ok_or_else(|| StepError::unknown(format!("the host key of {host_name}")))?;
        // A master that joins others is told so when it is its turn, and not when it boots.
        let joins = |step: &Step| matches!(&step.action, Action::RollOut { stages, .. } if stages.iter().any(|stage| stage.nodes.contains(node)));
        let address = known.address.as_ref().filter(|_| !self.plan.steps.iter().any(joins));
        let facts = address.map(|(_, public_address)| node::Facts {
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
            .network_ids([&network]);
        if !apart {
            return Ok(command);
        }
        let group =
            known.affinity_group.as_ref().ok_or_else(|| StepError::unknown("the masters' affinity group"))?;
        Ok(command.affinity_group_ids([group]))
    }

    fn zone(&self) -> Result<Id, StepError> {
        let zone = self.context.observed.catalogue.zone.as_ref().map(|zone| zone.id.clone());
        zone.ok_or_else(|| StepError::unknown("the zone"))
    }

    /// Whether a machine was born with the key that this run has made for it: a deployment that something between us
    /// repeated is refused the second time.
    async fn has_our_key(&self, host_name: &str, machine: &Id) -> Result<bool, StepError> {
        let ours = self.known().host_keys.get(host_name).map(|pair| pair.public.to_string());
        let born_with = self.context.client.call(&GetVirtualMachineUserData::new(machine)).await?.user_data;
        let text = born_with.and_then(|data| BASE64_STANDARD.decode(data.0.expose_secret()).ok());
        let text = text.map(Zeroizing::new);
        let text = text.as_ref().map(|text| String::from_utf8_lossy(text));
        Ok(ours.zip(text).is_some_and(|(ours, text)| text.contains(&ours)))
    }

    /// Removes what a cloud keeps of a deployment that it refused after writing it down: a record in `Error` and in no
    /// network, which no look at the network shows, and which holds the image. It is ours when it has our host key.
    async fn remove_refused(&self, work: &Work, host_name: &str) -> Result<(), StepError> {
        let command = ListVirtualMachines::new().name(host_name).state(VirtualMachineState::Error);
        for machine in self.context.client.list(&command).await? {
            if machine.nic.is_empty() && self.has_our_key(host_name, &machine.id).await? {
                self.destroy(work, host_name, &machine.id).await?;
            }
        }
        Ok(())
    }

    /// Removes a machine with the wrong address, which it would keep, so that it can be deployed again.
    async fn remove_misplaced(
        &self,
        work: &Work,
        host_name: &str,
        machine: &Id,
        error: StepError,
        attempt: u32,
    ) -> Result<(), StepError> {
        self.ramp.narrow();
        self.destroy(work, host_name, machine).await?;
        if attempt >= MISPLACED {
            return Err(error);
        }
        self.rest_before_another_attempt(work, error, policy::pause(2, attempt)).await
    }

    /// What has the name. A refused deployment may leave a record that has it and is good for nothing: that is removed.
    async fn find_deployed(&self, work: &Work, network: &Id, host_name: &str) -> Result<Found, StepError> {
        let command = ListVirtualMachines::new().network_id(network).name(host_name);
        let look = async || {
            let machines = self.context.client.list(&command).await?;
            Ok(machines.into_iter().find(|machine| machine.name.eq_ignore_ascii_case(host_name)))
        };
        let machine = self.find(work, &policy::LOOKS[..1], &look).await?;
        let Some(machine) = machine else { return Ok(Found::Nothing) };
        match MachineState::of(machine.state.as_str()) {
            MachineState::Failed => {
                self.destroy(work, host_name, &machine.id).await?;
                Ok(Found::Wreck)
            }
            MachineState::Going => Err(StepError::Clash {
                what: format!("the machine {host_name}"),
                problem: "it is destroyed, and the cloud keeps its name until it has removed it for good"
                    .to_owned(),
            }),
            _ => Ok(Found::Machine(Box::new(machine))),
        }
    }
}

/// What is wrong with a machine's address. Two machines have been given the same one by a cloud that had many to
/// deploy; each is asked for another, so one that is as asked for is nobody else's.
fn wrong_address(machine: &VirtualMachine, network: &Id, node: &Node) -> Option<StepError> {
    let nic = machine.nic.iter().find(|nic| nic.network_id == *network)?;
    let address = nic.ip_address.filter(|address| *address != node.address)?;
    let what = format!("the machine {}", machine.name);
    Some(StepError::Clash { what, problem: format!("it was given {address} instead of {}", node.address) })
}
