//! What the driver keeps and the records no longer need: layers, volumes and machines' files, removed when the last thing
//! that needs them goes, and by a look at all of them, since a crash may have come between.

use uuid::Uuid;

use crate::driver::LayerId;
use crate::error::ApiError;
use crate::model::Model;
use crate::zone::Core;

impl Core {
    /// Removes layers nobody needs any more. One that could not be removed only takes room.
    pub(crate) async fn remove_layers(&self, layers: Vec<LayerId>) {
        for layer in layers {
            if let Err(error) = self.driver().remove_layer(&layer).await {
                tracing::warn!(layer = %layer.0, %error, "a layer could not be removed");
            }
        }
    }

    /// Removes those of these layers that nothing rests on any more.
    pub(crate) async fn remove_unused(&self, layers: Vec<LayerId>) {
        let unused =
            self.read(|model| layers.into_iter().filter(|layer| !model.layer_in_use(layer)).collect());
        self.remove_layers(unused).await;
    }

    /// Removes everything that is kept and that no record names. All of it is written down before it is made, and no name
    /// is used twice, so what is found first and not written down then will never be needed.
    pub(crate) async fn remove_unneeded(&self) -> Result<(), ApiError> {
        let failed = |error: crate::driver::DriverError| ApiError::internal(error.to_string());
        let stored = self.driver().stored().await.map_err(failed)?;
        let unneeded = |known: &dyn Fn(&Model, Uuid) -> bool, ids: Vec<Uuid>| -> Vec<Uuid> {
            self.read(|model| ids.into_iter().filter(|id| !known(model, *id)).collect())
        };
        for machine in unneeded(&|model, id| model.virtual_machines.contains(id), stored.machines) {
            self.driver().remove_machine(machine).await.map_err(failed)?;
        }
        for volume in unneeded(&|model, id| model.volumes.contains(id), stored.volumes) {
            self.driver().remove_volume(volume).await.map_err(failed)?;
        }
        self.remove_unused(stored.layers).await;
        Ok(())
    }

    /// Throws away what a volume has written above its layers, where that was written down to be done.
    pub(crate) async fn empty_volume(&self, volume: Uuid) -> Result<(), ApiError> {
        let stale = self.read(|model| model.volumes.get(volume).is_some_and(|volume| volume.stale));
        if !stale {
            return Ok(());
        }
        let emptied = self.driver().remove_volume(volume).await;
        emptied
            .map_err(|error| ApiError::internal(format!("Volume {volume} could not be reverted: {error}")))?;
        self.change(|model, _| {
            if let Some(volume) = model.volumes.edit(volume) {
                volume.stale = false;
            }
            Ok(())
        })
        .await
    }
}
