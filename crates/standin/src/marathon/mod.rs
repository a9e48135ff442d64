//! The stand-in for Marathon: several instances elect a leader in ZooKeeper, the others pass every request on to it.
//! The leader subscribes to Mesos as a framework and keeps applications; their tasks are records on the registered
//! agents, no processes. Like the real one it lets itself crash, with the real exit codes, and be started again.

mod apps;
mod configuration;
mod endpoints;
mod latch;
mod proxy;
mod scheduler;
mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use self::apps::Apps;
use self::configuration::Configuration;
use self::latch::Standing;
use crate::ending::Ending;
use crate::flags::marathon::{self as flags, Asked};
use crate::notice::MARATHON_VERSION;
use crate::{http, log, notice};

/// Why Marathon ends: the codes of the real one.
mod code {
    pub(super) const NO_ZOOKEEPER: u8 = 100;
    pub(super) const ZOOKEEPER_LOST: u8 = 101;
    pub(super) const LEADERSHIP_LOST: u8 = 103;
    pub(super) const ABDICATED: u8 = 105;
    pub(super) const BIND: u8 = 111;
    pub(super) const FLAGS: u8 = 112;
    /// Ended by SIGTERM, as a Java program says it.
    pub(super) const TERMINATED: u8 = 143;
}

/// What the instance's parts share.
#[derive(Debug)]
struct Marathon {
    configuration: Configuration,
    standing: watch::Sender<Standing>,
    apps: Mutex<Apps>,
    framework_id: Mutex<Option<String>>,
    /// Applications have changed, or the master has lost sight of the framework.
    stir: Notify,
    /// The leader was told to step down.
    abdicate: Notify,
}

impl Marathon {
    fn apps(&self) -> MutexGuard<'_, Apps> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn framework_id(&self) -> MutexGuard<'_, Option<String>> {
        self.framework_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs Marathon.
pub(crate) fn main(arguments: &[String], environment: &[(String, String)]) -> Ending {
    let flags = match flags::load(arguments, environment) {
        Ok(Asked::Run(flags)) => flags,
        Ok(Asked::Help) => return Ending::Told { text: flags::usage() },
        Ok(Asked::Version) => return Ending::Told { text: notice::version("marathon", MARATHON_VERSION) },
        Err(refusal) => {
            return Ending::Refused { code: code::FLAGS, text: format!("[scallop] Error: {refusal}\n") };
        }
    };
    log::start(flags.get("logging_level").unwrap_or_default());
    tracing::info!("{}", notice::first_line("Marathon", MARATHON_VERSION));
    let configuration = match Configuration::of(&flags, environment) {
        Ok(configuration) => configuration,
        Err(reason) => return Ending::failed(code::FLAGS, reason),
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let ending = runtime.block_on(run(configuration));
            // Time for the closing of the ZooKeeper session to reach the server.
            runtime.shutdown_timeout(std::time::Duration::from_millis(200));
            ending
        }
        Err(error) => Ending::failed(1, format!("Failed to start the runtime: {error}")),
    }
}

async fn run(configuration: Configuration) -> Ending {
    let listener = match http::listen(configuration.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            return Ending::failed(
                code::BIND,
                format!("Failed to bind on {}: {error}", configuration.listen),
            );
        }
    };
    tracing::info!("Marathon {} listens on {}", configuration.own, configuration.listen);
    let marathon = Arc::new(Marathon {
        configuration,
        standing: watch::Sender::new(Standing::default()),
        apps: Mutex::default(),
        framework_id: Mutex::default(),
        stir: Notify::new(),
        abdicate: Notify::new(),
    });
    let server = http::serve(listener, endpoints::router(&marathon));
    tokio::select! {
        error = server => Ending::failed(code::BIND, format!("Failed to serve: {error}")),
        ending = latch::run(&marathon) => ending,
        () = terminated() => Ending::failed(code::TERMINATED, "Terminated"),
    }
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}
