//! What an account has, stopped and removed with it.

use uuid::Uuid;

use crate::driver::Stop;
use crate::error::ApiError;
use crate::faults::not_doomed;
use crate::job::Lane;
use crate::model::{Account, Entity, MachineState, Model, Project};
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

    /// Removes the account with what it has beside machines and networks, once it has none of those.
    fn forget_if_empty(&mut self, account: Uuid) -> Left {
        let machines = self.virtual_machines.iter().filter(|machine| machine.account == account);
        let machines: Vec<Uuid> = machines.map(|machine| machine.id).collect();
        let networks = self.networks.iter().filter(|network| network.account == account);
        let networks: Vec<Uuid> = networks.map(|network| network.id).collect();
        // A disk whose template went while it was frozen would be left without what it had written.
        let templates = self.templates.iter().filter(|template| template.account == Some(account));
        let volumes = templates.filter_map(|template| self.volumes.get(template.capture.as_ref()?.0));
        let busy: Vec<Uuid> = volumes.filter_map(|volume| volume.virtual_machine).collect();
        if machines.is_empty() && networks.is_empty() && busy.is_empty() {
            return Left::Nothing(self.forget_account(account));
        }
        Left::Something { machines, networks, busy }
    }

    /// An account that leads a project can't go: the project would be nobody's.
    pub(crate) fn leads_nothing(&self, account: Uuid) -> Result<(), ApiError> {
        let name = self.accounts.get(account).map(|account| account.name.as_str()).unwrap_or_default();
        match self.projects.iter().any(|project| project.members.first() == Some(&account)) {
            true => Err(ApiError::invalid(format!(
                "The account {name} leads a project; give it to another account first"
            ))),
            false => Ok(()),
        }
    }

    /// Removes what an account has beside machines and networks, and the account. What its disks rested on is answered.
    fn forget_account(&mut self, account: Uuid) -> Vec<crate::driver::LayerId> {
        if !self.accounts.contains(account) {
            return Vec::new();
        }
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
        let project = self.accounts.remove(account).and_then(|account| account.project);
        self.bury(account, Account::KIND);
        if let Some(project) = project.filter(|project| self.projects.contains(*project)) {
            self.projects.remove(project);
            self.bury(project, Project::KIND);
        }
        layers
    }
}

/// How an account's removal ended, or how it goes on.
enum Left {
    /// Nothing is left but layers that may be needed no more.
    Nothing(Vec<crate::driver::LayerId>),
    /// These are to be removed first, and templates are being made of the disks of `busy` machines.
    Something { machines: Vec<Uuid>, networks: Vec<Uuid>, busy: Vec<Uuid> },
}

impl Core {
    /// Stops every machine of an account, each in its turn: one that is starting is stopped when it has started.
    pub(crate) async fn stop_machines_of(&self, account: Uuid) -> Result<(), ApiError> {
        let up: Vec<Uuid> = self.read(|model| {
            let up =
                |machine: &&crate::model::VirtualMachine| machine.account == account && machine.state.is_up();
            model.virtual_machines.iter().filter(up).map(|machine| machine.id).collect()
        });
        for machine in up {
            let _turn = self.lanes().join(Lane::Machine(machine)).turn().await;
            let state = self.read(|model| model.virtual_machines.get(machine).map(|machine| machine.state));
            if state == Some(MachineState::Running) {
                self.stop_machine(machine, Stop::Orderly).await?;
            }
        }
        Ok(())
    }

    /// Removes an account with everything it has, and the project that it stands for. From its beginning nobody can act
    /// for the account or give it anything, so that it comes to an end; whatever is done to its machines and networks by
    /// then is awaited in their lanes. When something can't be removed, the account stays with what is left.
    pub(crate) async fn remove_account(&self, account: Uuid) -> Result<(), ApiError> {
        not_doomed()?;
        self.set_leaving(account, true).await?;
        let removed = self.remove_all_of(account).await;
        if removed.is_err() {
            self.set_leaving(account, false).await?;
        }
        removed
    }

    async fn set_leaving(&self, account: Uuid, leaving: bool) -> Result<(), ApiError> {
        self.change(|model, _| {
            if leaving {
                model.leads_nothing(account)?;
            }
            if let Some(account) = model.accounts.edit(account) {
                account.leaving = leaving;
            }
            Ok(())
        })
        .await
    }

    async fn remove_all_of(&self, account: Uuid) -> Result<(), ApiError> {
        loop {
            // What is left, and that nothing is, is seen in the same transaction that ends it.
            let left = self.change(|model, _| Ok(model.forget_if_empty(account))).await?;
            let (machines, networks, busy) = match left {
                Left::Nothing(layers) => {
                    self.remove_unused(layers).await;
                    return Ok(());
                }
                Left::Something { machines, networks, busy } => (machines, networks, busy),
            };
            for machine in busy {
                drop(self.lanes().join(Lane::Machine(machine)).turn().await);
            }
            for machine in machines {
                let _turn = self.lanes().join(Lane::Machine(machine)).turn().await;
                // Whoever had the turn before may have done it.
                if self.read(|model| model.virtual_machines.contains(machine)) {
                    self.destroy_machine(machine).await?;
                    self.expunge_machine(machine).await?;
                }
            }
            for network in networks {
                let _turn = self.lanes().join(Lane::Network(network)).turn().await;
                if self.read(|model| model.networks.contains(network)) {
                    self.remove_network(network).await?;
                }
            }
        }
    }

    /// Ends the removals of accounts that a crash cut off.
    pub(crate) async fn finish_leaving(&self) {
        let leaving: Vec<Uuid> = self.read(|model| {
            model.accounts.iter().filter(|account| account.leaving).map(|account| account.id).collect()
        });
        for account in leaving {
            if let Err(error) = self.remove_account(account).await {
                tracing::warn!(%account, %error, "an account that was being removed is still there");
            }
        }
    }
}
