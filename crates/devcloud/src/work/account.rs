//! What an account has, stopped and removed with it.

use std::sync::Arc;

use uuid::Uuid;

use crate::driver::Stop;
use crate::error::ApiError;
use crate::model::{Account, Entity, MachineState, Model};
use crate::zone::Core;

impl Model {
    /// Whether an account has machines, networks, addresses, volumes, templates or snapshots.
    pub(crate) fn owns_anything(&self, account: Uuid) -> bool {
        self.virtual_machines.iter().any(|machine| machine.account == account)
            || self.networks.iter().any(|network| network.account == account)
            || self.public_ip_addresses.iter().any(|address| address.account == Some(account))
            || self.volumes.iter().any(|volume| volume.account == account)
            || self.templates.iter().any(|template| template.account == Some(account))
            || self.snapshots.iter().any(|snapshot| snapshot.account == account)
    }

    /// Removes what an account has beside machines and networks, and the account. What its disks rested on is answered.
    fn forget_account(&mut self, account: Uuid) -> Vec<crate::driver::LayerId> {
        macro_rules! forget {
            ($($table:ident),*) => {{
                $({
                    let ids: Vec<Uuid> =
                        self.$table.iter().filter(|thing| thing.account == account).map(|thing| thing.id).collect();
                    for id in ids {
                        self.$table.remove(id);
                        self.tags.remove(id);
                        self.resource_details.remove(id);
                    }
                })*
            }};
        }
        let mut layers = Vec::new();
        layers
            .extend(self.volumes.iter().filter(|it| it.account == account).flat_map(|it| it.layers.clone()));
        layers.extend(
            self.snapshots.iter().filter(|it| it.account == account).flat_map(|it| it.layers.clone()),
        );
        let own = |template: &&crate::model::Template| template.account == Some(account);
        layers.extend(self.templates.iter().filter(own).flat_map(|it| it.layers.clone()));
        forget!(affinity_groups, instance_groups, key_pairs, snapshots, user_data, volumes);
        for template in self.templates.iter().filter(own).map(|template| template.id).collect::<Vec<_>>() {
            self.templates.remove(template);
            self.tags.remove(template);
        }
        let addresses = self.public_ip_addresses.iter().filter(|address| address.account == Some(account));
        for address in addresses.map(|address| address.id).collect::<Vec<_>>() {
            self.release(address);
        }
        let in_projects = self.projects_with(account).map(|project| project.id).collect::<Vec<_>>();
        for project in in_projects {
            if let Some(project) = self.projects.edit(project) {
                project.members.retain(|member| *member != account);
            }
        }
        self.accounts.remove(account);
        self.bury(account, Account::KIND);
        layers
    }
}

impl Core {
    /// Stops every machine of an account.
    pub(crate) async fn stop_machines_of(&self, account: Uuid) -> Result<(), ApiError> {
        let running: Vec<Uuid> = self.read(|model| {
            let running = |machine: &&crate::model::VirtualMachine| {
                machine.account == account && machine.state == MachineState::Running
            };
            model.virtual_machines.iter().filter(running).map(|machine| machine.id).collect()
        });
        for machine in running {
            self.stop_machine(machine, Stop::Orderly).await?;
        }
        Ok(())
    }

    /// Removes an account with everything it has.
    pub(crate) async fn remove_account(self: &Arc<Self>, account: Uuid) -> Result<(), ApiError> {
        let (machines, networks): (Vec<Uuid>, Vec<Uuid>) = self.read(|model| {
            let machines = model.virtual_machines.iter().filter(|machine| machine.account == account);
            let networks = model.networks.iter().filter(|network| network.account == account);
            (machines.map(|machine| machine.id).collect(), networks.map(|network| network.id).collect())
        });
        for machine in machines {
            self.destroy_machine(machine).await?;
            self.expunge_machine(machine).await?;
        }
        for network in networks {
            self.remove_network(network).await?;
        }
        let layers = self.change(|model, _| Ok(model.forget_account(account))).await?;
        self.remove_unused(layers).await;
        Ok(())
    }
}
