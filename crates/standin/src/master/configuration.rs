//! The master's flags, checked beyond their types as its start-up checks them.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::Addresses;
use crate::ending::Ending;
use crate::flags::Flags;
use crate::link::Patience;
use crate::zookeeper::Ensemble;

/// What a master needs to know to run.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    pub(super) addresses: Addresses,
    /// None: alone, always leading.
    pub(super) election: Option<Election>,
    pub(super) cluster: Option<String>,
    pub(super) pings: Patience,
    pub(super) reregister_timeout: Duration,
    pub(super) store_timeout: Duration,
    pub(super) flags: Flags,
}

/// How it stands for election.
#[derive(Debug, Clone)]
pub(super) struct Election {
    pub(super) ensemble: Ensemble,
    /// How many masters make a majority.
    pub(super) quorum: usize,
    pub(super) session_timeout: Duration,
}

impl Configuration {
    pub(super) fn of(flags: Flags, environment: &[(String, String)]) -> Result<Self, Ending> {
        let refuse = |reason: String| Ending::failed(1, reason);
        let election = election(&flags).map_err(refuse)?;
        let duration = |name: &str| flags.duration(name).unwrap_or_default();
        if duration("agent_reregister_timeout") < Duration::from_secs(600) {
            return Err(refuse(format!(
                "Invalid value '{}' for --agent_reregister_timeout: Must be at least 10mins",
                flags.get("agent_reregister_timeout").unwrap_or_default()
            )));
        }
        prepare_work_dir(&flags).map_err(refuse)?;
        warn_of_what_is_left_out(&flags);
        Ok(Self {
            addresses: Addresses::of(&flags, environment)?,
            election,
            cluster: flags.get("cluster").map(str::to_owned),
            pings: Patience {
                interval: duration("agent_ping_timeout"),
                unanswered: flags.parsed("max_agent_ping_timeouts").unwrap_or(5),
            },
            reregister_timeout: duration("agent_reregister_timeout"),
            store_timeout: duration("registry_store_timeout"),
            flags,
        })
    }
}

fn election(flags: &Flags) -> Result<Option<Election>, String> {
    let Some(url) = flags.get("zk") else { return Ok(None) };
    let ensemble = Ensemble::parse(url).map_err(|error| format!("Failed to parse --zk: {error}"))?;
    let Some(quorum) = flags.parsed::<i32>("quorum") else {
        return Err(
            "Need to specify --quorum for replicated log based registry when using ZooKeeper".to_owned()
        );
    };
    let quorum = usize::try_from(quorum).ok().filter(|quorum| *quorum > 0);
    let quorum = quorum.ok_or("Invalid value for --quorum: Must be at least 1")?;
    let session_timeout = flags.duration("zk_session_timeout").unwrap_or_default();
    Ok(Some(Election { ensemble, quorum, session_timeout }))
}

/// The real registry lives in `work_dir`. The stand-in keeps it in ZooKeeper, but makes the directory all the same: a
/// master that could not write there would not start.
fn prepare_work_dir(flags: &Flags) -> Result<(), String> {
    match flags.get("registry").unwrap_or_default() {
        "in_memory" => return Ok(()),
        "replicated_log" => {}
        other => return Err(format!("'{other}' is not a supported option for registry persistence")),
    }
    let Some(work_dir) = flags.get("work_dir") else {
        return Err("--work_dir needed for replicated log based registry".to_owned());
    };
    let log = PathBuf::from(work_dir).join("replicated_log");
    std::fs::create_dir_all(&log).map_err(|error| format!("Failed to create {}: {error}", log.display()))
}

fn warn_of_what_is_left_out(flags: &Flags) {
    for name in [
        "authenticate_agents",
        "authenticate_frameworks",
        "authenticate_http_frameworks",
        "authenticate_http_readonly",
        "authenticate_http_readwrite",
    ] {
        if flags.is(name) {
            tracing::warn!("--{name} is accepted, but this stand-in checks no credentials");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Asked, load, master};

    fn configure(arguments: &[&str]) -> Result<Configuration, String> {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let Ok(Asked::Run(flags)) = load(master::TABLE, &arguments, &[]) else { panic!("{arguments:?}") };
        Configuration::of(flags, &[("LIBPROCESS_IP".into(), "127.0.0.1".into())]).map_err(|ending| {
            match ending {
                Ending::Failed { code: 1, reason } => reason,
                other => panic!("{other:?}"),
            }
        })
    }

    #[test]
    fn what_a_master_needs_to_start_is_demanded() {
        for (arguments, refusal) in [
            (&["--zk=zk://10.0.0.1:2181/mesos"][..], "Need to specify --quorum"),
            (&["--zk=10.0.0.1:2181/mesos", "--quorum=1"], "Failed to parse --zk: Expecting 'zk://'"),
            (&["--zk=zk://10.0.0.1/m", "--quorum=0"], "Invalid value for --quorum"),
            (&["--zk=zk://10.0.0.1/m", "--quorum=1"], "--work_dir needed"),
            (&["--registry=etcd"], "'etcd' is not a supported option"),
            (&["--registry=in_memory", "--agent_reregister_timeout=1mins"], "Must be at least 10mins"),
            (&["--work_dir=/proc/nothing"], "Failed to create /proc/nothing/replicated_log"),
        ] {
            let reason = configure(arguments).unwrap_err();
            assert!(reason.contains(refusal), "{arguments:?}: {reason}");
        }
    }

    #[test]
    fn without_zookeeper_neither_quorum_nor_election_is_needed() {
        let configuration = configure(&["--registry=in_memory"]).unwrap();
        assert!(configuration.election.is_none());
        assert_eq!(configuration.pings.total(), Duration::from_secs(75));
    }
}
