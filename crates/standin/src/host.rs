//! This host, and names of others. A static program must not load the system's name service, so names are looked up
//! in `/etc/hosts` alone, where mesostack's nodes have them; everything else has to be a literal address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const HOSTS: &str = "/etc/hosts";

/// A name that could not be turned into an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is neither a literal address nor a name in /etc/hosts, where alone this stand-in looks names up"
)]
pub(crate) struct UnknownName(String);

/// The address of a host given by literal address or name.
pub(crate) fn resolve(host: &str) -> Result<IpAddr, UnknownName> {
    let hosts = std::fs::read_to_string(HOSTS).unwrap_or_default();
    resolve_in(&hosts, host)
}

/// The socket's address of `host:port`.
pub(crate) fn resolve_socket(host: &str, port: u16) -> Result<SocketAddr, UnknownName> {
    Ok(SocketAddr::new(resolve(host)?, port))
}

/// The name that belongs to an address.
pub(crate) fn name_of(address: IpAddr) -> Option<String> {
    let hosts = std::fs::read_to_string(HOSTS).unwrap_or_default();
    entries(&hosts).find(|(listed, _)| *listed == address).map(|(_, name)| name.to_owned())
}

/// This host's own name.
pub(crate) fn own_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

fn resolve_in(hosts: &str, host: &str) -> Result<IpAddr, UnknownName> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let listed = |wants_v4: bool| {
        entries(hosts)
            .find(|(address, name)| name.eq_ignore_ascii_case(host) && address.is_ipv4() == wants_v4)
            .map(|(address, _)| address)
    };
    listed(true)
        .or_else(|| listed(false))
        .or_else(|| host.eq_ignore_ascii_case("localhost").then_some(Ipv4Addr::LOCALHOST.into()))
        .ok_or_else(|| UnknownName(host.to_owned()))
}

fn entries(hosts: &str) -> impl Iterator<Item = (IpAddr, &str)> {
    hosts.lines().flat_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next().and_then(|word| word.parse().ok());
        words.filter_map(move |name| Some((address?, name)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_come_from_the_hosts_file_and_ipv4_first() {
        let hosts = "::1 both\n127.0.0.1 localhost # loop\n127.0.1.1 both Node.example node\n";
        assert_eq!(resolve_in(hosts, "node").unwrap().to_string(), "127.0.1.1");
        assert_eq!(resolve_in(hosts, "BOTH").unwrap().to_string(), "127.0.1.1");
        assert_eq!(resolve_in(hosts, "10.0.0.1").unwrap().to_string(), "10.0.0.1");
        assert_eq!(resolve_in("", "localhost").unwrap().to_string(), "127.0.0.1");
        assert!(resolve_in(hosts, "loop").is_err());
    }

    proptest! {
        #[test]
        fn any_hosts_file_is_read(hosts in "[0-9a-z.:# \n\t]{0,200}", name in "[a-z.]{0,10}") {
            let _ = resolve_in(&hosts, &name);
        }
    }
}
