//! The registry: what a new leader has to know of the agents. The real one is replicated among the masters; this one
//! is a node in ZooKeeper, written before an agent hears that it is registered.

use std::sync::Arc;

use tokio::time::{sleep, timeout};

use super::cluster::Registry;
use super::{Master, now};
use crate::zookeeper::{Ensemble, Session, SessionLost};

fn node(ensemble: &Ensemble) -> String {
    format!("{}/standin_registry", ensemble.path())
}

/// The registry could not be written: whoever asked must ask again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Failed to update the registry: {0}")]
pub(super) struct NotStored(String);

/// Reads the registry, and from now on gives up agents that do not register in time.
pub(super) async fn recover(
    master: &Arc<Master>,
    session: &Session,
    ensemble: &Ensemble,
) -> Result<(), SessionLost> {
    let data = session.read(&node(ensemble)).await?.unwrap_or_default();
    let registry: Registry = match serde_json::from_slice(&data) {
        Ok(registry) => registry,
        Err(_) if data.is_empty() => Registry::default(),
        Err(error) => {
            tracing::error!("The registry could not be read and is begun anew: {error}");
            Registry::default()
        }
    };
    tracing::info!("Recovered {} agents from the registry", registry.agents.len());
    master.cluster().recover(registry);
    *master.registry.lock().await = Some(session.clone());
    let master = Arc::clone(master);
    tokio::spawn(async move {
        sleep(master.configuration.reregister_timeout).await;
        let given_up = master.cluster().give_up_recovered(now());
        if given_up > 0 {
            tracing::warn!("{given_up} agents did not re-register in time and are unreachable");
            if let Err(error) = store(&master).await {
                tracing::warn!("{error}");
            }
        }
    });
    Ok(())
}

/// Writes the registry as it now is.
pub(super) async fn store(master: &Master) -> Result<(), NotStored> {
    let Some(election) = &master.configuration.election else {
        return Ok(()); // Alone, nobody takes over.
    };
    // Held while writing, so that an older registry never overwrites a newer one.
    let session = master.registry.lock().await;
    let Some(session) = session.as_ref() else {
        return Err(NotStored("this master has not recovered it".into()));
    };
    if master.standing.borrow().replicas < election.quorum {
        return Err(NotStored("fewer masters than a quorum are present".into()));
    }
    let registry = master.cluster().registry();
    let data = serde_json::to_vec(&registry).map_err(|error| NotStored(error.to_string()))?;
    match timeout(master.configuration.store_timeout, session.write(&node(&election.ensemble), &data)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(lost)) => Err(NotStored(lost.to_string())),
        Err(_) => Err(NotStored("time ran out".into())),
    }
}
