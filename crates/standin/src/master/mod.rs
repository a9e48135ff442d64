//! The stand-in for mesos-master: it stands for election in ZooKeeper, and the one that leads keeps the list of agents
//! and frameworks. Like the real one it gives up rather than doubt: a leader that loses ZooKeeper or the lead exits,
//! and its supervisor starts it again as a follower.

mod api;
mod campaign;
mod cluster;
mod configuration;
mod endpoints;
mod info;
mod members;
mod metrics;
mod registry;
mod views;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub(crate) use self::info::MasterInfo;

use self::campaign::Standing;
use self::cluster::Cluster;
use self::configuration::Configuration;
use crate::ending::Ending;
use crate::flags::{self, Asked};
use crate::zookeeper::Session;
use crate::{http, log, notice};

/// What the master's parts share.
#[derive(Debug)]
struct Master {
    configuration: Configuration,
    info: MasterInfo,
    /// Unix time.
    started: f64,
    standing: watch::Sender<Standing>,
    cluster: Mutex<Cluster>,
    /// Where the registry is written, while this master leads.
    registry: tokio::sync::Mutex<Option<Session>>,
}

impl Master {
    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        // A panic while the lock was held leaves nothing half-done that a restart would not also find.
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unix time now.
pub(crate) fn now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

/// Runs mesos-master.
pub(crate) fn main(arguments: &[String], environment: &[(String, String)]) -> Ending {
    let flags = match flags::load(flags::master::TABLE, arguments, environment) {
        Ok(Asked::Run(flags)) => flags,
        Ok(Asked::Help) => {
            return Ending::Told { text: flags::usage("mesos-master", flags::master::TABLE, None) };
        }
        Ok(Asked::Version) => return Ending::Told { text: notice::version("mesos", notice::MESOS_VERSION) },
        Err(refusal) => {
            let text = flags::usage("mesos-master", flags::master::TABLE, Some(&refusal.to_string()));
            return Ending::Refused { code: 1, text };
        }
    };
    log::start(flags.get("logging_level").unwrap_or_default());
    tracing::info!("{}", notice::first_line("mesos-master", notice::MESOS_VERSION));
    let configuration = match Configuration::of(flags, environment) {
        Ok(configuration) => configuration,
        Err(ending) => return ending,
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(configuration)),
        Err(error) => Ending::failed(1, format!("Failed to start the runtime: {error}")),
    }
}

async fn run(configuration: Configuration) -> Ending {
    let addresses = &configuration.addresses;
    let listener = match http::listen(addresses.listen).await {
        Ok(listener) => listener,
        Err(error) => return Ending::failed(1, format!("Failed to bind on {}: {error}", addresses.listen)),
    };
    let info = MasterInfo::new(uuid::Uuid::new_v4().to_string(), addresses);
    tracing::info!("Master {} ({}) started on {}", info.id, info.hostname, addresses.listen);
    let master = Arc::new(Master {
        cluster: Mutex::new(Cluster::new(info.id.clone())),
        started: now(),
        standing: watch::Sender::new(Standing::default()),
        registry: tokio::sync::Mutex::new(None),
        info,
        configuration,
    });
    let server = http::serve(listener, endpoints::router(Arc::clone(&master)));
    tokio::select! {
        error = server => Ending::failed(1, format!("Failed to serve: {error}")),
        ending = campaign::run(&master) => ending,
    }
}
