//! What a client does with data disks.

use rand::RngExt;

use super::super::ledger::{Attached, Held};
use super::{Dead, Hand, Phone};

impl Hand {
    /// Makes a data disk, attaches or detaches one, keeps a snapshot of it, or deletes it.
    pub(super) async fn handle_disk(
        &mut self,
        phone: &mut Phone,
        name: &str,
        zone: &str,
        machine: Option<&str>,
    ) -> Result<(), Dead> {
        let Some(disk) = self.any("listVolumes") else {
            let small = phone.call("listDiskOfferings", &[("name", "Small")]).await?;
            let small = small["diskoffering"][0]["id"].as_str().expect("an id").to_owned();
            let parameters = [("name", name), ("zoneid", zone), ("diskofferingid", &small)];
            return self.make(phone, "createVolume", "listVolumes", &parameters, &[]).await;
        };
        let found = phone.call("listVolumes", &[("id", &disk)]).await?;
        let (attached, ready) =
            (&found["volume"][0]["virtualmachineid"], &found["volume"][0]["state"] == "Ready");
        let usable = |held| matches!(held, Held::There(Some("Running" | "Stopped")));
        match (attached.as_str(), machine) {
            (_, _) if ready && self.random.random_bool(0.2) => match self.any("listSnapshots") {
                Some(snapshot) => self.take_away(phone, "deleteSnapshot", &snapshot).await,
                None => {
                    self.make(phone, "createSnapshot", "listSnapshots", &[("volumeid", &disk)], &[]).await
                }
            },
            (Some(machine), _) if self.there(machine).is_some_and(|thing| usable(thing.held)) => {
                self.note_attached(&disk, Attached::Perhaps);
                let (_, job) = self.begin(phone, "detachVolume", &[("id", &disk)]).await?;
                self.end(phone, &job).await?;
                self.note_attached(&disk, Attached::To(None));
                Ok(())
            }
            (Some(_), _) => Ok(()),
            (None, Some(machine)) if self.random.random_bool(0.8) => {
                if !usable(self.thing(machine).held) {
                    return Ok(());
                }
                let both = [("id", disk.as_str()), ("virtualmachineid", machine)];
                self.note_attached(&disk, Attached::Perhaps);
                let (_, job) = self.begin(phone, "attachVolume", &both).await?;
                self.end(phone, &job).await?;
                self.note_attached(&disk, Attached::To(Some(machine.to_owned())));
                Ok(())
            }
            (None, _) => {
                self.set(&disk, Held::Perhaps);
                phone.call("deleteVolume", &[("id", &disk)]).await?;
                self.set(&disk, Held::Gone);
                Ok(())
            }
        }
    }

    /// Disks that this machine was told to have.
    pub(super) fn disks_of(&self, machine: &str) -> Vec<String> {
        let ledger = self.ledger.lock().expect("the ledger");
        let of = ledger.attached.iter().filter(|(_, to)| **to == Attached::To(Some(machine.to_owned())));
        of.map(|(disk, _)| disk.clone()).collect()
    }

    pub(super) fn note_attached(&self, disk: &str, attached: Attached) {
        self.ledger.lock().expect("the ledger").attached.insert(disk.to_owned(), attached);
    }
}
