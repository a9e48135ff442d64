//! The roll call: one list that tells of all machines whose jobs ended at about the same time how they ended.
//!
//! A list of pending jobs tells that fifty machines are started; to ask for fifty results would take fifty calls. What
//! state the machines are in tells the same, in one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cloudstack::{AsyncCommand, Client, Expect, Id, Over, resource::*};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::time::{Instant, sleep};

use crate::cluster::observed::MachineState;

/// How long those who ask are gathered. Jobs that one list told of are asked for within less.
const GATHERED: Duration = Duration::from_millis(10);
/// How many machines a call asks for: their ids are a form of some 4 kB.
const A_CALL: usize = 100;

type Machines = Result<Arc<BTreeMap<Id, VirtualMachine>>, cloudstack::Error>;

/// Whoever asks next.
#[derive(Clone, Debug, Default)]
pub(super) struct RollCall(Arc<Mutex<Option<Gathering>>>);

/// Those who have asked since the last call.
#[derive(Debug)]
struct Gathering {
    ids: Vec<Id>,
    answer: Shared<BoxFuture<'static, Machines>>,
}

impl RollCall {
    /// Has a machine's job done, and gives the machine once it is in a state that is `right`. Where it is not, the job's own
    /// result counts.
    ///
    /// # Errors
    /// The job was not taken, did not end well, or not in time.
    pub(super) async fn run<C: AsyncCommand<Outcome = VirtualMachine>>(
        &self,
        client: &Client,
        command: &C,
        (expect, deadline): (Expect, Instant),
        right: impl Fn(MachineState) -> bool,
        known: Option<&Id>,
    ) -> Result<VirtualMachine, cloudstack::Error> {
        let started = client.start(command).await?;
        if let Over::Well(machine) = client.until_over::<C>(&started, expect, deadline).await? {
            return Ok(machine);
        }
        let machine = match known.or(started.id.as_ref()) {
            Some(id) => self.machine(client, id).await,
            None => None,
        };
        match machine {
            Some(machine) if right(MachineState::of(machine.state.as_str())) => Ok(machine),
            _ => client.outcome::<C>(&started, expect, deadline).await,
        }
    }

    /// A machine, when it is there and can be seen.
    async fn machine(&self, client: &Client, id: &Id) -> Option<VirtualMachine> {
        let answer = {
            let mut gathering = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let gathering = gathering.get_or_insert_with(|| Gathering {
                ids: Vec::new(),
                answer: self.clone().call(client.clone()).boxed().shared(),
            });
            gathering.ids.push(id.clone());
            gathering.answer.clone()
        };
        match answer.await {
            Ok(machines) => machines.get(id).cloned(),
            Err(error) => {
                tracing::debug!(%error, "machines could not be looked at; their jobs are asked for");
                None
            }
        }
    }

    async fn call(self, client: Client) -> Machines {
        sleep(GATHERED).await;
        let gathering = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ids = gathering.map(|gathering| gathering.ids).unwrap_or_default();
        let mut machines = BTreeMap::new();
        for ids in ids.chunks(A_CALL) {
            let found = client.look(&ListVirtualMachines::new().ids(ids)).await?;
            machines.extend(found.into_iter().map(|machine| (machine.id.clone(), machine)));
        }
        Ok(Arc::new(machines))
    }
}
