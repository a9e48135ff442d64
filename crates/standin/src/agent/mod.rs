//! The stand-in for mesos-agent: it finds the leading master, by ZooKeeper or by address, registers with the id it
//! keeps in its work directory, and registers again whenever the leader changes or has lost sight of it.

mod detector;
mod endpoints;
mod identity;
mod registration;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub(crate) use self::detector::{Detector, Leader};

use self::identity::Identity;
use crate::address::Addresses;
use crate::ending::Ending;
use crate::flags::{self, Asked, Flags};
use crate::notice::MESOS_VERSION;
use crate::protocol::AgentInfo;
use crate::resources::{self, Found, Resources};
use crate::{http, log, master, notice};

/// What the agent's parts share.
#[derive(Debug)]
struct Agent {
    info: AgentInfo,
    flags: Flags,
    identity: Mutex<Identity>,
    /// Unix time.
    started: f64,
    /// The master it is registered with.
    registered: watch::Sender<Option<Leader>>,
    /// When the master last pinged.
    pinged: Mutex<Instant>,
    /// The master said that it does not count this agent as connected.
    forgotten: Notify,
}

impl Agent {
    fn identity(&self) -> MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pinged(&self) -> MutexGuard<'_, Instant> {
        self.pinged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs mesos-agent.
pub(crate) fn main(arguments: &[String], environment: &[(String, String)]) -> Ending {
    let flags = match flags::load(flags::agent::TABLE, arguments, environment) {
        Ok(Asked::Run(flags)) => flags,
        Ok(Asked::Help) => {
            return Ending::Told { text: flags::usage("mesos-agent", flags::agent::TABLE, None) };
        }
        Ok(Asked::Version) => return Ending::Told { text: notice::version("mesos", MESOS_VERSION) },
        Err(refusal) => {
            let text = flags::usage("mesos-agent", flags::agent::TABLE, Some(&refusal.to_string()));
            return Ending::Refused { code: 1, text };
        }
    };
    log::start(flags.get("logging_level").unwrap_or_default());
    tracing::info!("{}", notice::first_line("mesos-agent", MESOS_VERSION));
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            runtime.block_on(async { start(flags, environment).await.unwrap_or_else(|ending| ending) })
        }
        Err(error) => Ending::failed(1, format!("Failed to start the runtime: {error}")),
    }
}

async fn start(flags: Flags, environment: &[(String, String)]) -> Result<Ending, Ending> {
    let refuse = |reason: String| Ending::failed(1, reason);
    let session_timeout = flags.duration("zk_session_timeout").unwrap_or(Duration::from_secs(10));
    let detector = Detector::of(flags.get("master").unwrap_or_default(), session_timeout).map_err(refuse)?;
    let addresses = Addresses::of(&flags, environment)?;
    let work_dir = PathBuf::from(flags.get("work_dir").unwrap_or_default());
    std::fs::create_dir_all(&work_dir)
        .map_err(|error| refuse(format!("Failed to create {}: {error}", work_dir.display())))?;
    check_containers(&flags).map_err(refuse)?;
    let info = AgentInfo {
        hostname: addresses.hostname.clone(),
        ip: addresses.ip.to_string(),
        port: addresses.port,
        version: MESOS_VERSION.to_owned(),
        resources: Resources::read(flags.get("resources"), Found::here(&work_dir)).map_err(refuse)?,
        attributes: resources::attributes(flags.get("attributes")).map_err(refuse)?,
    };
    let additive = flags.get("reconfiguration_policy") == Some("additive");
    let identity = Identity::recover(work_dir.join("meta"), &info, additive).map_err(refuse)?;
    let listener = http::listen(addresses.listen)
        .await
        .map_err(|error| refuse(format!("Failed to bind on {}: {error}", addresses.listen)))?;
    tracing::info!("Agent {} started on {}", identity.id().unwrap_or("without an id yet"), addresses.listen);
    let agent = Arc::new(Agent {
        info,
        flags,
        identity: Mutex::new(identity),
        started: master::now(),
        registered: watch::Sender::new(None),
        pinged: Mutex::new(Instant::now()),
        forgotten: Notify::new(),
    });
    Ok(run(agent, detector, listener).await)
}

async fn run(agent: Arc<Agent>, detector: Detector, listener: tokio::net::TcpListener) -> Ending {
    let leader = watch::Sender::new(None);
    let leader_known = leader.subscribe();
    let server = http::serve(listener, endpoints::router(Arc::clone(&agent)));
    tokio::select! {
        error = server => Ending::failed(1, format!("Failed to serve: {error}")),
        never = detector.follow(&leader) => match never {},
        ending = registration::keep(&agent, leader_known) => ending,
        ending = leave_when_told(&agent) => ending,
    }
}

/// Combinations that the real agent refuses to start with.
fn check_containers(flags: &Flags) -> Result<(), String> {
    for containerizer in flags.get("containerizers").unwrap_or_default().split(',') {
        if !matches!(containerizer, "mesos" | "docker") {
            return Err(format!("Unknown or unsupported containerizer: {containerizer}"));
        }
    }
    match flags.get("reconfiguration_policy") {
        Some("equal" | "additive") | None => Ok(()),
        Some(other) => Err(format!("Unknown option for 'reconfiguration_policy' flag {other}")),
    }
}

/// SIGUSR1: leave the cluster at once, then end.
async fn leave_when_told(agent: &Agent) -> Ending {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::user_defined1()) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(error) => {
            tracing::warn!("SIGUSR1 cannot be heard: {error}");
            std::future::pending::<()>().await;
        }
    }
    registration::leave(agent).await;
    Ending::Told { text: String::new() }
}
