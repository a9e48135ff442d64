//! Where a Mesos daemon listens and what it tells others about that, from its flags and libprocess' environment.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::ending::Ending;
use crate::flags::Flags;
use crate::host;

/// A daemon's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// What it listens on.
    pub(crate) listen: SocketAddr,
    /// What other daemons are told (the pid).
    pub(crate) ip: IpAddr,
    /// The port that goes with it.
    pub(crate) port: u16,
    /// What browsers and redirects are told.
    pub(crate) hostname: String,
}

/// What is known of the host that the rules for addresses need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'n> {
    pub(crate) own_name: &'n str,
    pub(crate) resolve: fn(&str) -> Option<IpAddr>,
    pub(crate) name_of: fn(IpAddr) -> Option<String>,
}

impl Addresses {
    /// The flags `--ip`, `--port`, `--advertise_ip`, `--advertise_port`, `--hostname`, `--hostname_lookup`, and
    /// `LIBPROCESS_IP` where `--ip` is not given. Without either the daemon listens everywhere and tells others
    /// what its host name resolves to: a loopback address on hosts whose hosts file says so.
    pub(crate) fn of(flags: &Flags, environment: &[(String, String)]) -> Result<Self, Ending> {
        let own_name = host::own_name();
        let names =
            Names { own_name: &own_name, resolve: |name| host::resolve(name).ok(), name_of: host::name_of };
        let addresses =
            Self::decide(flags, environment, names).map_err(|reason| Ending::failed(1, reason))?;
        if addresses.ip.is_loopback() {
            tracing::warn!(
                "Bound to loopback interface! Cannot communicate with remote daemons. You might want to set '--ip' \
                 flag to a routable IP address"
            );
        }
        Ok(addresses)
    }

    fn decide(flags: &Flags, environment: &[(String, String)], names: Names<'_>) -> Result<Self, String> {
        if flags.get("ip_discovery_command").is_some() {
            return Err("This stand-in does not run --ip_discovery_command; give --ip".into());
        }
        let variable =
            |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let parse = |what: &str, text: &str| {
            text.trim()
                .parse::<IpAddr>()
                .map_err(|_| format!("Failed to parse {what} '{text}' as an IP address"))
        };
        let given = match (flags.get("ip"), variable("LIBPROCESS_IP")) {
            (Some(ip), _) => Some(parse("--ip", ip)?),
            (None, Some(ip)) => Some(parse("LIBPROCESS_IP", ip)?),
            (None, None) => None,
        };
        let port = flags.parsed("port").unwrap_or_default();
        let own = match given {
            Some(ip) if !ip.is_unspecified() => ip,
            _ => (names.resolve)(names.own_name).ok_or_else(|| {
                format!("Failed to resolve this host's name '{}'; give --ip", names.own_name)
            })?,
        };
        let ip = match flags.get("advertise_ip").or(variable("LIBPROCESS_ADVERTISE_IP")) {
            Some(ip) => parse("--advertise_ip", ip)?,
            None => own,
        };
        let hostname = match flags.get("hostname") {
            Some(hostname) => hostname.to_owned(),
            None if flags.is("hostname_lookup") => (names.name_of)(own).unwrap_or_else(|| own.to_string()),
            None => own.to_string(),
        };
        Ok(Self {
            listen: SocketAddr::new(given.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), port),
            ip,
            port: flags.parsed("advertise_port").unwrap_or(port),
            hostname,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Asked, load, master};

    fn decide(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Addresses, String> {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let Ok(Asked::Run(flags)) = load(master::TABLE, &arguments, &[]) else { panic!("{arguments:?}") };
        let environment: Vec<_> =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let names = Names {
            own_name: "node",
            resolve: |name| (name == "node").then_some(IpAddr::V4(Ipv4Addr::new(127, 0, 1, 1))),
            name_of: |ip| (ip.to_string() == "10.0.0.11").then(|| "master-1".to_owned()),
        };
        Addresses::decide(&flags, &environment, names)
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_hosts_name() {
        let told = |arguments: &[&str], environment: &[(&str, &str)]| {
            let addresses = decide(arguments, environment).unwrap();
            (addresses.listen.to_string(), addresses.ip.to_string(), addresses.hostname)
        };
        let expect = |listen: &str, ip: &str, hostname: &str| (listen.into(), ip.into(), hostname.into());
        let libprocess = [("LIBPROCESS_IP", "10.0.0.12")];
        assert_eq!(told(&[], &[]), expect("0.0.0.0:5050", "127.0.1.1", "127.0.1.1"));
        assert_eq!(told(&[], &libprocess), expect("10.0.0.12:5050", "10.0.0.12", "10.0.0.12"));
        assert_eq!(told(&["--ip=10.0.0.11"], &libprocess), expect("10.0.0.11:5050", "10.0.0.11", "master-1"));
        assert_eq!(
            told(&["--ip=10.0.0.11", "--no-hostname_lookup"], &[]),
            expect("10.0.0.11:5050", "10.0.0.11", "10.0.0.11")
        );
        assert_eq!(
            told(&["--ip=10.0.0.11", "--hostname=198.18.0.10", "--advertise_ip=10.9.9.9"], &[]),
            expect("10.0.0.11:5050", "10.9.9.9", "198.18.0.10")
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(decide(&["--ip=master-1"], &[]).unwrap_err().contains("'master-1'"));
        assert!(decide(&[], &[("LIBPROCESS_IP", "x")]).unwrap_err().contains("LIBPROCESS_IP"));
    }
}
