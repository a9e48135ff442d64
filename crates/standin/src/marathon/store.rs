//! What an instance leaves for the next leader, in ZooKeeper: the framework's id and the applications.

use super::{Marathon, apps::Apps};
use crate::zookeeper::{Session, SessionLost};

fn node(marathon: &Marathon, name: &str) -> String {
    format!("{}/state/{name}", marathon.configuration.ensemble.path())
}

const FRAMEWORK_ID: &str = "framework-id";
const APPS: &str = "standin-apps";

/// Reads what the leader before has left.
pub(super) async fn load(marathon: &Marathon, session: &Session) -> Result<(), SessionLost> {
    session.make_directory(&format!("{}/state", marathon.configuration.ensemble.path())).await?;
    let id = session.read(&node(marathon, FRAMEWORK_ID)).await?;
    *marathon.framework_id() = id.map(|id| String::from_utf8_lossy(&id).into_owned());
    let apps = session.read(&node(marathon, APPS)).await?.unwrap_or_default();
    let apps: Apps = match serde_json::from_slice(&apps) {
        Ok(apps) => apps,
        Err(_) if apps.is_empty() => Apps::default(),
        Err(error) => {
            tracing::error!("The applications kept in ZooKeeper could not be read: {error}");
            Apps::default()
        }
    };
    *marathon.apps() = apps;
    Ok(())
}

/// Keeps the framework's id.
pub(super) async fn keep_framework_id(
    marathon: &Marathon,
    session: &Session,
    id: &str,
) -> Result<(), SessionLost> {
    session.write(&node(marathon, FRAMEWORK_ID), id.as_bytes()).await?;
    *marathon.framework_id() = Some(id.to_owned());
    Ok(())
}

/// Keeps the applications as they now are.
pub(super) async fn keep_apps(marathon: &Marathon, session: &Session) -> Result<(), SessionLost> {
    let apps = serde_json::to_vec(&*marathon.apps()).unwrap_or_default();
    session.write(&node(marathon, APPS), &apps).await
}
