//! Snapshots, made real.

use uuid::Uuid;

use crate::error::ApiError;
use crate::faults::doomed;
use crate::model::{Volume, VolumeKind};
use crate::work::router::told_to_fail;
use crate::zone::Core;

impl Core {
    /// Copies what a volume has written into the snapshot's own layer, and makes the snapshot ready; when that fails, there
    /// is no snapshot.
    pub(crate) async fn finish_snapshot(&self, id: Uuid) -> Result<(), ApiError> {
        let gone = || ApiError::internal("The snapshot is gone");
        // What the volume rests on now: it may have been frozen since the snapshot was asked for.
        let (volume, disk, layer) = self
            .change(|model, _| {
                let snapshot = model.snapshots.get(id).ok_or_else(gone)?;
                let (volume, own) = (snapshot.volume, snapshot.layers.last().cloned().ok_or_else(gone)?);
                let data = model.volumes.get(volume).filter(|volume| volume.kind == VolumeKind::Data);
                let disk = data.map(Volume::as_disk);
                let mut layers = model.volumes.get(volume).map(|volume| volume.layers.clone());
                layers.iter_mut().for_each(|layers| layers.push(own.clone()));
                let snapshot = model.snapshots.edit(id).ok_or_else(gone)?;
                snapshot.layers = layers.unwrap_or_else(|| std::mem::take(&mut snapshot.layers));
                Ok((volume, disk, own))
            })
            .await?;
        let copied = match disk {
            _ if doomed() => Err(told_to_fail()),
            Some(disk) => self.driver().copy_disk(&disk, &layer).await,
            None => self.driver().copy_volume(volume, &layer).await,
        };
        let failed = |error: crate::driver::DriverError| {
            ApiError::internal(format!("Failed to create snapshot: {error}"))
        };
        let written = match copied.map_err(failed) {
            Err(error) => Err(error),
            Ok(copied) => {
                self.change(|model, _| {
                    // It may have gone with its account.
                    let snapshot = model.snapshots.edit(id).ok_or_else(gone)?;
                    snapshot.physical_bytes = copied.bytes;
                    snapshot.ready = true;
                    Ok(())
                })
                .await
            }
        };
        if let Err(error) = written {
            self.change(|model, _| {
                model.snapshots.remove(id);
                model.tags.remove(id);
                Ok(())
            })
            .await?;
            self.remove_unused(vec![layer]).await;
            return Err(error);
        }
        Ok(())
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
