//! Where a daemon listens: a host and a port, as they stand in a pid, a `Location` or Marathon's leader field.

use std::fmt;
use std::str::FromStr;

/// A host (name or literal address, an IPv6 one without brackets) and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Name or literal address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// The text was not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an address of the form host:port")]
pub struct InvalidAddress {
    text: String,
}

impl Address {
    /// The daemon at `host`, `port`.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The address part of a libprocess pid: `master@10.0.0.11:5050`, `slave(1)@10.0.0.21:5051`.
    pub fn from_pid(pid: &str) -> Option<Self> {
        let (_, address) = pid.rsplit_once('@')?;
        address.parse().ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAddress { text: text.chars().take(100).collect() };
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let unbracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let bare_colon = unbracketed.is_none() && host.contains(':');
        let host = unbracketed.unwrap_or(host);
        if host.is_empty() || bare_colon || host.contains(|c: char| c.is_whitespace() || "/[]".contains(c)) {
            return Err(invalid());
        }
        Ok(Self::new(host, port.parse().map_err(|_| invalid())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_address_reads_back_as_written(host in "([a-z][a-z0-9.-]{0,20}|[0-9]{1,3}(\\.[0-9]{1,3}){3}|fe80::[0-9a-f]{1,4})", port: u16) {
            let address = Address::new(host, port);
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = text.parse::<Address>();
            let _ = Address::from_pid(&text);
        }
    }

    #[test]
    fn the_address_in_a_pid_is_found() {
        assert_eq!(Address::from_pid("slave(1)@10.0.0.21:5051"), Some(Address::new("10.0.0.21", 5051)));
        assert_eq!(Address::from_pid("10.0.0.21:5051"), None);
        assert_eq!(Address::from_pid("master@10.0.0.21:70000"), None);
    }
}
