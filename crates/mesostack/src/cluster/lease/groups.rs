//! A lease's groups in the cloud: made, listed, removed.

use std::time::Duration;

use cloudstack::{
    Client, Error, Expect, Id, JobId, Started,
    resource::{CreateAffinityGroup, DeleteAffinityGroup, ListAffinityGroups, QueryAsyncJobResult},
};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::{LeaseError, record::Names, sight::Sight};
use crate::cluster::{
    apply::policy::{self, Verdict},
    identity,
};

/// How long the removal of a group may take.
const REMOVAL: Duration = Duration::from_secs(30);

/// The groups of one cluster's lease.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) client: Client,
    pub(super) names: Names,
}

impl Groups {
    /// What is there.
    pub(super) async fn look(&self) -> Result<Sight, Error> {
        let groups = self.client.list(&ListAffinityGroups::new().keyword(&self.names.lease)).await?;
        Ok(Sight::of(&self.names, groups))
    }

    /// Makes one, once: whether it was made is all that matters.
    pub(super) async fn make(&self, name: &str, says: impl ToString) -> Result<Started, Error> {
        let command = CreateAffinityGroup::new(name, identity::ANTI_AFFINITY).description(says.to_string());
        self.client.start(&command).await
    }

    /// Removes one, which may be gone already.
    pub(super) async fn remove(&self, id: &Id) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            let removal = DeleteAffinityGroup::new(id);
            let error = match self.client.run(&removal, Expect::Brief, Instant::now() + REMOVAL).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_not_found() => return Ok(()),
                Err(error) => error,
            };
            match policy::verdict(&error, attempt) {
                Verdict::LookThenAgain(pause) | Verdict::Again(pause) => sleep(pause).await,
                Verdict::Adopt | Verdict::GiveUp | Verdict::Halt => return Err(error),
            }
            attempt += 1;
        }
    }

    /// When a job was made, by the server's time.
    pub(super) async fn date(&self, job: &JobId) -> Result<Timestamp, LeaseError> {
        let job = self.client.call(&QueryAsyncJobResult::new(job)).await.map_err(LeaseError::Cloud)?;
        job.created.ok_or(LeaseError::NoTime(job.id))
    }
}
