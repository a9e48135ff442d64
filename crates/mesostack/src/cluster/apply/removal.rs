//! A machine that leaves a cluster that stays.

use cloudstack::{Id, resource::*};

use super::{Run, StepError};
use crate::events::Work;

impl Run<'_> {
    /// Destroys a machine, and with it everything that leads to it.
    pub(super) async fn discard(&self, work: &Work, host_name: &str, machine: &Id) -> Result<(), StepError> {
        self.destroy(work, host_name, machine).await?;
        if !self.known().cannot_expunge {
            // The cloud removes its rules together with it.
            return Ok(());
        }
        let network = self.network()?;
        let rules = self.context.client.list(&ListPortForwardingRules::new().network_id(&network)).await?;
        for rule in rules.into_iter().filter(|rule| rule.virtual_machine_id == *machine) {
            self.remove_forward(work, &rule.id).await?;
        }
        Ok(())
    }
}
