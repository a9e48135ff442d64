//! Keeps the agent registered with whoever leads.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Agent, Leader};
use crate::ending::Ending;
use crate::http::{self, Failure};
use crate::protocol::{AGENTS, Registered, Registration, UNREGISTER, Unregistration};

/// How long one registration may take.
const PATIENCE: Duration = Duration::from_secs(25);

/// Registers, and again whenever need be. Ends only when the agent must not run on.
pub(super) async fn keep(agent: &Arc<Agent>, mut leader: watch::Receiver<Option<Leader>>) -> Ending {
    loop {
        let Some(master) = leader.borrow_and_update().clone() else {
            drop(leader.changed().await);
            continue;
        };
        let registered = tokio::select! {
            outcome = register(agent, &master) => match outcome {
                Ok(registered) => registered,
                Err(ending) => return ending,
            },
            changed = leader.changed() => {
                drop(changed);
                continue;
            }
        };
        agent.registered.send_replace(Some(master));
        let silence = Duration::from_millis(registered.ping_timeout_ms);
        tokio::select! {
            changed = leader.changed() => drop(changed),
            () = agent.forgotten.notified() => tracing::warn!("The master counts this agent as disconnected"),
            () = silent_for(agent, silence) => tracing::warn!("No pings from the master for {silence:?}"),
        }
        agent.registered.send_replace(None);
    }
}

/// Tries until it is registered, more and more slowly.
async fn register(agent: &Agent, master: &Leader) -> Result<Registered, Ending> {
    let factor = agent.flags.duration("registration_backoff_factor").unwrap_or(Duration::from_secs(1));
    let mut longest = factor;
    loop {
        let id = agent.identity().id().map(str::to_owned);
        let registration = Registration { id, info: agent.info.clone() };
        match http::post::<Registered>(master.socket, AGENTS, &registration, PATIENCE).await {
            Ok(registered) => {
                if let Err(error) = agent.identity().keep(&registered.id, &agent.info) {
                    return Err(Ending::failed(1, format!("Failed to checkpoint agent info: {error}")));
                }
                *agent.pinged() = Instant::now();
                tracing::info!("Registered with master@{}; given agent ID {}", master.socket, registered.id);
                return Ok(registered);
            }
            Err(failure) if failure.status().is_some_and(|status| status.as_u16() == 410) => {
                return Err(Ending::failed(
                    1,
                    format!(
                        "Agent asked to shut down by master@{} because 'Agent has been marked gone'; to start as a \
                         new agent remove meta/slaves/latest in its work directory",
                        master.socket
                    ),
                ));
            }
            Err(failure) => refused(&failure),
        }
        // Spread, so that not all agents come back to a new leader at once.
        sleep(longest.mul_f64(rand::rng().random_range(0.5..1.0))).await;
        longest = (longest * 2).min(Duration::from_secs(60)).min(factor * 8);
    }
}

fn refused(failure: &Failure) {
    tracing::warn!("Not registered yet: {failure}; trying again");
}

async fn silent_for(agent: &Agent, silence: Duration) {
    loop {
        let end = *agent.pinged() + silence;
        if Instant::now() >= end {
            return;
        }
        sleep_until(end).await;
    }
}

/// Tells the master that the agent leaves for good.
pub(super) async fn leave(agent: &Agent) {
    let master = agent.registered.borrow().clone();
    let id = agent.identity().id().map(str::to_owned);
    let (Some(master), Some(id)) = (master, id) else { return };
    tracing::info!("Unregistering from master@{}", master.socket);
    let left =
        http::post::<serde_json::Value>(master.socket, UNREGISTER, &Unregistration { id }, PATIENCE).await;
    if let Err(failure) = left {
        tracing::warn!("The master could not be told: {failure}");
    }
}
