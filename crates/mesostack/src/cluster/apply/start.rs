//! Machines started; one whose start leaves it in the state `Error` is mended in the same run.
//!
//! Such a machine never runs, and keeps its name: it is removed, and made again with everything that went with it. How
//! often is bounded; in the end the wreck is removed, so that nothing is in the next run's way.

use std::time::Duration;

use cloudstack::{Expect, Id, resource::*};
use tokio::time::{Instant, sleep};

use super::{Run, StepError, Verdict, policy};
use crate::{
    cluster::{identity, observed::MachineState},
    events::Work,
};

/// How often a machine is made again.
const MENDINGS: u32 = 2;

/// Why a machine does not run.
enum NotStarted {
    /// It is in the state `Error`.
    Wrecked(StepError),
    Otherwise(StepError),
}

impl From<StepError> for NotStarted {
    fn from(error: StepError) -> Self {
        Self::Otherwise(error)
    }
}

impl From<cloudstack::Error> for NotStarted {
    fn from(error: cloudstack::Error) -> Self {
        Self::Otherwise(error.into())
    }
}

impl Run<'_> {
    /// Starts a machine. One that runs already, or is on its way, is fine. Says how often it had to be made again.
    pub(super) async fn start(&self, work: &Work, host_name: &str) -> Result<Option<String>, StepError> {
        let started = self.start_or_mend(work, host_name).await;
        self.known().mending.remove(host_name);
        started
    }

    async fn start_or_mend(&self, work: &Work, host_name: &str) -> Result<Option<String>, StepError> {
        let mut mended = 0;
        loop {
            let error = match self.try_to_start(work, host_name).await {
                Ok(()) if mended == 0 => return Ok(None),
                Ok(()) => return Ok(Some(format!("made again, {mended} in `Error` before"))),
                Err(NotStarted::Otherwise(error)) => return Err(error),
                Err(NotStarted::Wrecked(error)) => error,
            };
            self.ramp.narrow();
            let wreck = self.machine(host_name)?;
            self.known().mending.insert(host_name.to_owned());
            self.destroy(work, host_name, &wreck).await?;
            mended += 1;
            if mended > MENDINGS {
                return Err(error);
            }
            self.rest_before_another_attempt(work, error, policy::pause(5, mended)).await?;
            self.make_again(work, host_name).await?;
        }
    }

    async fn try_to_start(&self, work: &Work, host_name: &str) -> Result<(), NotStarted> {
        let id = self.machine(host_name)?;
        let client = &self.context.client;
        let observed = self.context.observed.machine(host_name);
        let on_its_way =
            observed.is_some_and(|machine| machine.state == MachineState::Changing && machine.named.id == id);
        if on_its_way && self.settled_state(work, &id).await? == MachineState::Running {
            return Ok(());
        }
        let mut attempt = 1;
        loop {
            let command = StartVirtualMachine::new(&id);
            let (wait, runs) = ((Expect::Long, self.long()), |state| state == MachineState::Running);
            let error = match self.roll_call.run(client, &command, wait, runs, Some(&id)).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let verdict = policy::verdict(&error, attempt);
            // A job that took too long is left to the cloud: the next run waits for what it is at.
            if verdict == Verdict::Halt || matches!(error, cloudstack::Error::Deadline { .. }) {
                return Err(error.into());
            }
            // Whatever was said: what counts is whether it runs.
            match (self.settled_state(work, &id).await?, verdict) {
                (MachineState::Running, _) => return Ok(()),
                (MachineState::Stopped, Verdict::Again(pause) | Verdict::LookThenAgain(pause)) => {
                    self.rest_before_another_attempt(work, error, pause).await?;
                }
                (MachineState::Failed, _) => return Err(NotStarted::Wrecked(error.into())),
                // It may have been refused because it runs, and not be shown so yet.
                (MachineState::Stopped, _) if self.turns_out_to_run(work, &id).await? => return Ok(()),
                _ => return Err(error.into()),
            }
            attempt += 1;
        }
    }

    async fn shown(&self, id: &Id) -> Result<Option<VirtualMachine>, StepError> {
        Ok(self.context.client.list(&ListVirtualMachines::new().id(id)).await?.pop())
    }

    async fn turns_out_to_run(&self, work: &Work, id: &Id) -> Result<bool, StepError> {
        let running =
            |machine: &VirtualMachine| MachineState::of(machine.state.as_str()) == MachineState::Running;
        let look = async || {
            let machines = self.context.client.list(&ListVirtualMachines::new().id(id)).await?;
            Ok(machines.into_iter().find(running))
        };
        Ok(self.find(work, policy::LOOKS, &look).await?.is_some())
    }

    /// The machine's state once it is not on its way any more.
    async fn settled_state(&self, work: &Work, id: &Id) -> Result<MachineState, StepError> {
        let limit = self.context.limits.long;
        let deadline = Instant::now() + limit;
        let look = async || self.shown(id).await;
        loop {
            let machine = self.find(work, policy::LOOKS, &look).await?;
            let Some(machine) = machine else { return Ok(MachineState::Going) };
            let state = machine.state.as_str();
            match MachineState::of(state) {
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

    /// Makes a machine again that was removed: the machine, and the rules that went with it.
    async fn make_again(&self, work: &Work, host_name: &str) -> Result<(), StepError> {
        let wanted = self.desired.machine(host_name);
        let wanted = wanted.ok_or_else(|| StepError::unknown(format!("what {host_name} is to be")))?;
        // The private half of an earlier run's key is nowhere any more.
        if !self.known().host_keys.contains_key(host_name) {
            let old = [identity::host_key_tag(host_name), identity::set_up_tag(host_name)];
            // A master in the place of one that knew something has to learn that first.
            let knew = wanted.is_master() && self.known().tags.contains_key(&old[1]);
            let new = knew.then(|| (old[1].clone(), identity::EMPTY.to_owned()));
            let new = new.into_iter().collect::<Vec<_>>();
            self.write_tags(work, &new, &[host_name.to_owned()], &old).await?;
        }
        self.deploy_wanted(work, wanted).await?;
        let _turn = self.network_queue.lock().await;
        // Other machines are being started, perhaps the network's first ones: its router takes no rules meanwhile.
        self.await_network(work).await?;
        if let Some(port) = wanted.node.ssh_port {
            self.make_forward(work, host_name, port).await?;
        }
        if wanted.is_master() {
            for balancer in &self.desired.balancers {
                let members = vec![self.machine(host_name)?];
                self.make_members(work, balancer.public_port, members).await?;
            }
        }
        Ok(())
    }
}
