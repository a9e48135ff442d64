//! Data disks, made real: a machine is told which ones it has whenever that changes.

use uuid::Uuid;

use crate::driver::{DriverError, Machine};
use crate::error::ApiError;
use crate::zone::Core;

impl Core {
    /// Has the machine have the data disks that the records give it, each of the size that they say.
    pub(crate) async fn equip(&self, machine: Uuid) -> Result<(), DriverError> {
        self.equip_with(machine, |_| {}).await
    }

    /// Takes a data disk from the machine that the records still give it to: it goes only when the machine lets it.
    pub(crate) async fn take_disk(&self, machine: Uuid, volume: Uuid) -> Result<(), ApiError> {
        let taken =
            self.equip_with(machine, |machine| machine.disks.retain(|disk| disk.volume != volume)).await;
        let Err(error) = taken else { return Ok(()) };
        if let Err(error) = self.equip(machine).await {
            tracing::warn!(%machine, %volume, %error, "a machine that kept a disk may lack it");
        }
        Err(ApiError::internal(format!("Failed to detach volume {volume} from VM {machine}; {error}")))
    }

    async fn equip_with(&self, machine: Uuid, change: impl FnOnce(&mut Machine)) -> Result<(), DriverError> {
        // A machine that is gone has no disks.
        let Some(mut machine) = self.read(|model| model.machine(machine)) else { return Ok(()) };
        change(&mut machine);
        self.driver().equip_machine(&machine).await
    }
}
