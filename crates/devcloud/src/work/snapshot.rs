//! Snapshots, made real.

use uuid::Uuid;

use crate::driver::LayerId;
use crate::error::ApiError;
use crate::faults::doomed;
use crate::work::router::told_to_fail;
use crate::zone::Core;

impl Core {
    /// Copies what a volume has written into the snapshot's own layer, and makes the snapshot ready; when that fails, there
    /// is no snapshot.
    pub(crate) async fn finish_snapshot(&self, id: Uuid) -> Result<(), ApiError> {
        let gone = || ApiError::internal("The snapshot is gone");
        let wanted = self.read(|model| {
            let snapshot = model.snapshots.get(id)?;
            Some((snapshot.volume, snapshot.layers.last()?.clone()))
        });
        let (volume, layer) = wanted.ok_or_else(gone)?;
        let copied = match doomed() {
            true => Err(told_to_fail()),
            false => self.driver().copy_volume(volume, &layer).await,
        };
        match copied {
            Ok(copied) => {
                self.change(|model, _| {
                    let snapshot = model.snapshots.edit(id).ok_or_else(gone)?;
                    snapshot.physical_bytes = copied.bytes;
                    snapshot.ready = true;
                    Ok(())
                })
                .await
            }
            Err(error) => {
                self.change(|model, _| {
                    model.snapshots.remove(id);
                    model.tags.remove(id);
                    Ok(())
                })
                .await?;
                self.remove_layers(vec![layer]).await;
                Err(ApiError::internal(format!("Failed to create snapshot: {error}")))
            }
        }
    }

    /// Removes those of these layers that nothing rests on any more.
    pub(crate) async fn remove_unused(&self, layers: Vec<LayerId>) {
        let unused =
            self.read(|model| layers.into_iter().filter(|layer| !model.layer_in_use(layer)).collect());
        self.remove_layers(unused).await;
    }

    /// Snapshots that a crash cut off are not there.
    pub(crate) async fn drop_unfinished_snapshots(&self) -> Result<(), ApiError> {
        let layers = self
            .change(|model, _| {
                let unfinished = model.snapshots.iter().filter(|snapshot| !snapshot.ready);
                let ids: Vec<Uuid> = unfinished.map(|snapshot| snapshot.id).collect();
                let mut layers = Vec::new();
                for id in ids {
                    layers.extend(model.snapshots.remove(id).and_then(|mut snapshot| snapshot.layers.pop()));
                    model.tags.remove(id);
                }
                Ok(layers)
            })
            .await?;
        self.remove_layers(layers).await;
        Ok(())
    }
}
