//! Routers: raised when a network's first machine starts, programmed when the network has changed, taken down with it.
//! Work on one network's router is done one at a time; it is programmed only when it is behind the records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as TurnTaking;
use uuid::Uuid;

use crate::driver::{self, DriverError};
use crate::error::ApiError;
use crate::faults::doomed;
use crate::model::{AddressState, Entity, Model, Network, NetworkState, Told};
use crate::zone::Core;

/// For each network that ever had a router: what it knows.
#[derive(Debug, Default)]
pub(crate) struct Routers(Mutex<BTreeMap<Uuid, Arc<Router>>>);

type Router = TurnTaking<Programmed>;

/// What a router was last programmed with.
#[derive(Debug, Default)]
struct Programmed {
    /// The network's revision then; none where the router has to be told whatever it may know.
    revision: Option<u64>,
    /// Its guests then: those that have not changed are told as they were.
    told: Told,
}

impl Routers {
    fn of(&self, network: Uuid) -> Arc<Router> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(network).or_default())
    }

    fn forget(&self, network: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&network);
    }
}

/// What a job meets that is told to fail.
pub(super) fn told_to_fail() -> DriverError {
    DriverError::Failed("this job was told to fail".to_owned())
}

/// Why a rule was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotApplied {
    #[error("the virtual router is not in the right state")]
    NotReady,
    #[error(transparent)]
    Driver(#[from] DriverError),
}

impl Core {
    fn network_state(&self, network: Uuid) -> Option<(NetworkState, u64)> {
        self.read(|model| model.networks.get(network).map(|network| (network.state, network.revision)))
    }

    async fn set_network_state(&self, network: Uuid, state: NetworkState) -> Result<(), ApiError> {
        self.change(|model, _| {
            if let Some(network) = model.networks.edit(network) {
                network.state = state;
            }
            Ok(())
        })
        .await
    }

    /// What the network's router is to do.
    fn router(&self, network: Uuid, programmed: &mut Programmed) -> Option<driver::Network> {
        self.read(|model| model.router(network, &self.settings().catalogue, &mut programmed.told))
    }

    /// Programs a standing router if it is behind.
    async fn program(&self, network: Uuid, programmed: &mut Programmed) -> Result<(), DriverError> {
        while let Some((NetworkState::Implemented, revision)) = self.network_state(network) {
            if programmed.revision == Some(revision) {
                break;
            }
            let Some(told) = self.router(network, programmed) else { break };
            self.driver().program_network(&told).await?;
            programmed.revision = Some(revision);
        }
        Ok(())
    }

    /// Makes a rule's change so: at once where a router stands, later where there is none.
    pub(crate) async fn apply_rules(&self, network: Uuid) -> Result<(), NotApplied> {
        if doomed() {
            return Err(told_to_fail().into());
        }
        if matches!(
            self.network_state(network),
            Some((NetworkState::Implementing | NetworkState::Shutdown, _))
        ) {
            return Err(NotApplied::NotReady);
        }
        self.refresh_router(network).await?;
        Ok(())
    }

    /// Brings a network's router, if it stands, up to date.
    pub(crate) async fn refresh_router(&self, network: Uuid) -> Result<(), DriverError> {
        let router = self.routers().of(network);
        let mut programmed = router.lock().await;
        self.program(network, &mut programmed).await
    }

    /// Has the network's router stand, up to date: raises it when there is none.
    pub(crate) async fn raise_router(&self, network: Uuid) -> Result<(), ApiError> {
        let router = self.routers().of(network);
        let mut programmed = router.lock().await;
        let failed = |error: DriverError| match error {
            DriverError::Capacity(why) => {
                ApiError::capacity(4331, format!("Unable to implement network: {why}"))
            }
            DriverError::Failed(why) => ApiError::internal(format!("Unable to implement network: {why}")),
        };
        let Some((state, _)) = self.network_state(network) else {
            return Err(ApiError::invalid("The network is gone"));
        };
        if state != NetworkState::Implemented {
            let revision = self
                .change(|model, now| {
                    if model.source_nat_of(network).is_none() {
                        let owner =
                            model.networks.get(network).map(|network| network.account).unwrap_or_default();
                        let taken = model.take_address(owner, Some(network), None, now);
                        let taken = taken.ok_or_else(|| {
                            ApiError::capacity(
                                4320,
                                "Unable to implement network: Insufficient address capacity",
                            )
                        })?;
                        if let Some(address) = model.public_ip_addresses.edit(taken) {
                            address.state = AddressState::Allocated;
                        }
                    }
                    model.touch(network);
                    let network = model.networks.edit(network);
                    let network = network.ok_or_else(|| ApiError::invalid("The network is gone"))?;
                    network.state = NetworkState::Implementing;
                    Ok(network.revision)
                })
                .await?;
            let told = self.router(network, &mut programmed);
            let told = told.ok_or_else(|| ApiError::invalid("The network is gone"))?;
            if let Err(error) = self.driver().raise_network(&told).await {
                tracing::warn!(%network, %error, "a network's router could not be raised");
                self.set_network_state(network, NetworkState::Shutdown).await?;
                if let Err(error) = self.driver().lower_network(network).await {
                    tracing::warn!(%network, %error, "a half-raised router could not be taken down");
                }
                self.set_network_state(network, NetworkState::Allocated).await?;
                return Err(failed(error));
            }
            programmed.revision = Some(revision);
            self.set_network_state(network, NetworkState::Implemented).await?;
        }
        self.program(network, &mut programmed).await.map_err(failed)
    }

    /// Programs a standing router anew, whatever it was told before; makes it anew first, if so told.
    pub(crate) async fn restart_router(&self, network: Uuid, make_anew: bool) -> Result<(), DriverError> {
        if doomed() {
            return Err(told_to_fail());
        }
        let router = self.routers().of(network);
        let mut programmed = router.lock().await;
        *programmed = Programmed::default();
        // One that was taken down meanwhile stays so.
        let stands = matches!(self.network_state(network), Some((NetworkState::Implemented, _)));
        if make_anew
            && stands
            && let Some(told) = self.router(network, &mut programmed)
        {
            self.driver().raise_network(&told).await?;
        }
        self.program(network, &mut programmed).await
    }

    /// Takes a network's router down; its records, addresses and rules stay.
    pub(crate) async fn lower_router(&self, network: Uuid) -> Result<(), ApiError> {
        let router = self.routers().of(network);
        let mut programmed = router.lock().await;
        if !matches!(self.network_state(network), Some((NetworkState::Implemented, _))) {
            return Ok(());
        }
        self.set_network_state(network, NetworkState::Shutdown).await?;
        let lowered = self.driver().lower_network(network).await;
        // What is left of it is told anew, whether it could be taken down or not.
        *programmed = Programmed::default();
        let state = if lowered.is_ok() { NetworkState::Allocated } else { NetworkState::Implemented };
        self.set_network_state(network, state).await?;
        lowered.map_err(|error| ApiError::internal(format!("Failed to shut the network down: {error}")))
    }

    /// Removes a network without machines, with its router, addresses and rules.
    pub(crate) async fn remove_network(&self, id: Uuid) -> Result<(), ApiError> {
        let failed = || ApiError::internal("Failed to delete network");
        if doomed() || self.read(|model| model.machines_in(id).next().is_some()) {
            return Err(failed());
        }
        loop {
            self.lower_router(id).await.map_err(|error| {
                tracing::warn!(network = %id, %error, "a network could not be deleted");
                failed()
            })?;
            let removed = self
                .change(|model, _| {
                    // A machine may have been deployed while the router was taken down.
                    if model.machines_in(id).next().is_some() {
                        return Err(failed());
                    }
                    // Or one may have come and gone, and have left a router.
                    if model.networks.get(id).ok_or_else(failed)?.state != NetworkState::Allocated {
                        return Ok(false);
                    }
                    model.forget_network(id);
                    Ok(true)
                })
                .await?;
            if removed {
                break;
            }
        }
        self.routers().forget(id);
        Ok(())
    }
}

impl Model {
    /// Removes a network with its addresses and rules.
    fn forget_network(&mut self, id: Uuid) {
        for address in self.addresses_of(id).map(|address| address.id).collect::<Vec<_>>() {
            self.release(address);
        }
        for rule in self.firewall_rules_of(id).map(|rule| rule.id).collect::<Vec<_>>() {
            self.firewall_rules.remove(rule);
            self.tags.remove(rule);
        }
        self.networks.remove(id);
        self.bury(id, Network::KIND);
    }
}
