//! Marathon's flags, checked beyond their types.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::agent::Detector;
use crate::flags::marathon::Flags;
use crate::host;
use crate::zookeeper::Ensemble;

/// What an instance needs to know to run.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    pub(super) listen: SocketAddr,
    /// `host:port`, by which the other instances reach this one.
    pub(super) own: String,
    pub(super) hostname: String,
    pub(super) http_port: u16,
    pub(super) ensemble: Ensemble,
    pub(super) session_timeout: Duration,
    pub(super) connection_timeout: Duration,
    /// Whether leaders are elected; otherwise this instance is the only one.
    pub(super) elects: bool,
    pub(super) master: Detector,
    pub(super) master_url: String,
    pub(super) framework_name: String,
    pub(super) user: String,
    pub(super) failover_timeout: f64,
    /// Where the master reaches the framework; port 0: any.
    pub(super) scheduler: SocketAddr,
    pub(super) webui_url: Option<String>,
    pub(super) mesos_leader_ui_url: Option<String>,
    pub(super) proxy_connecting: Duration,
    pub(super) proxy_reading: Duration,
}

impl Configuration {
    pub(super) fn of(flags: &Flags, environment: &[(String, String)]) -> Result<Self, String> {
        if flags.switch("http") == Some(false) || flags.get("ssl_keystore_path").is_some() {
            return Err(
                "This stand-in speaks no TLS: leave out --disable_http and --ssl_keystore_path".into()
            );
        }
        if flags.get("http_credentials").is_some() || flags.switch("mesos_authentication") == Some(true) {
            tracing::warn!("Credentials are accepted, but this stand-in neither checks nor uses them");
        }
        let variable =
            |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let port = |name: &str, default: u16| match flags.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("--{name} {text} is no port")),
        };
        let address =
            |what: &str, text: &str| host::resolve(text).map_err(|unknown| format!("{what}: {unknown}"));
        let milliseconds =
            |name: &str, default: u64| Duration::from_millis(flags.parsed(name).unwrap_or(default));
        let hostname = flags.get("hostname").map_or_else(host::own_name, str::to_owned);
        let http_port = port("http_port", 8080)?;
        let http_address = match flags.get("http_address") {
            Some(text) => address("--http_address", text)?,
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        let scheduler_ip = match variable("LIBPROCESS_IP") {
            Some(text) => text.parse().map_err(|_| format!("LIBPROCESS_IP={text} is no IP address"))?,
            None => address("--hostname", &hostname)?,
        };
        let scheduler_port = match variable("LIBPROCESS_PORT") {
            Some(text) => text.parse().map_err(|_| format!("LIBPROCESS_PORT={text} is no port"))?,
            None => 0,
        };
        let ensemble = flags.get("zk").unwrap_or("zk://localhost:2181/marathon");
        let session_timeout = milliseconds("zk_session_timeout", 10_000);
        let master_url = flags.get("master").unwrap_or_default().to_owned();
        Ok(Self {
            listen: SocketAddr::new(http_address, http_port),
            own: format!("{hostname}:{http_port}"),
            hostname,
            http_port,
            ensemble: Ensemble::parse(ensemble).map_err(|error| format!("--zk: {error}"))?,
            session_timeout,
            connection_timeout: milliseconds("zk_connection_timeout", 10_000),
            elects: flags.switch("ha") != Some(false),
            master: Detector::of(&master_url, session_timeout)?,
            master_url,
            framework_name: flags.get("framework_name").unwrap_or("marathon").to_owned(),
            user: flags.get("mesos_user").or(variable("USER")).unwrap_or("root").to_owned(),
            failover_timeout: flags.parsed("failover_timeout").unwrap_or(604_800.0),
            scheduler: SocketAddr::new(scheduler_ip, scheduler_port),
            webui_url: flags.get("webui_url").map(str::to_owned),
            mesos_leader_ui_url: flags.get("mesos_leader_ui_url").map(str::to_owned),
            proxy_connecting: milliseconds("leader_proxy_connection_timeout", 5000),
            proxy_reading: milliseconds("leader_proxy_read_timeout", 10_000),
        })
    }

    /// The master's URL without credentials.
    pub(super) fn master_shown(&self) -> String {
        match &self.master {
            Detector::Election { ensemble, .. } => ensemble.to_string(),
            Detector::Fixed(_) => self.master_url.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::marathon::{Asked, load};

    fn configure(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Configuration, String> {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let environment: Vec<_> =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let Ok(Asked::Run(flags)) = load(&arguments, &environment) else { panic!("{arguments:?}") };
        Configuration::of(&flags, &environment)
    }

    const MASTER: &str = "--master=zk://user:secret@10.0.0.1:2181/mesos";

    #[test]
    fn addresses_come_from_flags_and_libprocess_environment() {
        let configuration = configure(
            &[MASTER, "--hostname", "10.0.0.11", "--http_address", "10.0.0.11"],
            &[("LIBPROCESS_IP", "10.0.0.12"), ("LIBPROCESS_PORT", "9090")],
        )
        .unwrap();
        assert_eq!(configuration.own, "10.0.0.11:8080");
        assert_eq!(configuration.listen.to_string(), "10.0.0.11:8080");
        assert_eq!(configuration.scheduler.to_string(), "10.0.0.12:9090");
        assert_eq!(configuration.master_shown(), "zk://10.0.0.1:2181/mesos");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (arguments, environment) in [
            (&[MASTER, "--hostname", "10.0.0.11", "--zk", "zk://10.0.0.1:2181"][..], &[][..]),
            (&[MASTER, "--hostname", "10.0.0.11", "--http_port", "70000"], &[]),
            (&[MASTER, "--hostname", "10.0.0.11", "--disable_http"], &[]),
            (&[MASTER, "--hostname", "10.0.0.11"], &[("LIBPROCESS_IP", "here")]),
            (&["--master", "nonsense", "--hostname", "10.0.0.11"], &[]),
        ] {
            assert!(configure(arguments, environment).is_err(), "{arguments:?} {environment:?}");
        }
    }
}
