//! What a master writes into its node in ZooKeeper, by which agents, frameworks and the other masters find it.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::address::Addresses;
use crate::notice::MESOS_VERSION;

/// A master, as the others know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MasterInfo {
    /// New at every start.
    pub(crate) id: String,
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
    /// The name it advertises.
    pub(crate) hostname: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    id: String,
    #[serde(default)]
    hostname: String,
    address: Address,
}

#[derive(Serialize, Deserialize)]
struct Address {
    ip: IpAddr,
    port: u16,
}

impl MasterInfo {
    pub(super) fn new(id: String, addresses: &Addresses) -> Self {
        Self { id, ip: addresses.ip, port: addresses.port, hostname: addresses.hostname.clone() }
    }

    /// Reads a node's data.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let Wire { id, hostname, address: Address { ip, port } } = serde_json::from_slice(data).ok()?;
        Some(Self { id, ip, port, hostname })
    }

    /// Where the other daemons reach it.
    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    pub(crate) fn pid(&self) -> String {
        format!("master@{}", self.socket())
    }

    /// The whole MasterInfo message; `ip` once more as a number in the host's byte order.
    pub(super) fn json(&self) -> Value {
        let number = match self.ip {
            IpAddr::V4(ip) => u32::from_le_bytes(ip.octets()),
            IpAddr::V6(_) => 0,
        };
        json!({
            "address": { "hostname": self.hostname, "ip": self.ip.to_string(), "port": self.port },
            "capabilities": [{ "type": "AGENT_UPDATE" }, { "type": "AGENT_DRAINING" }, { "type": "QUOTA_V2" }],
            "hostname": self.hostname,
            "id": self.id,
            "ip": number,
            "pid": self.pid(),
            "port": self.port,
            "version": MESOS_VERSION,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_number_of_an_address_is_little_endian() {
        let info = MasterInfo { id: "x".into(), ip: [10, 0, 0, 11].into(), port: 5050, hostname: "m".into() };
        assert_eq!(info.json()["ip"], 184_549_386);
        assert_eq!(info.json()["pid"], "master@10.0.0.11:5050");
    }

    proptest! {
        #[test]
        fn a_master_reads_back_as_written(id in "[a-z0-9-]{1,36}", ip: [u8; 4], port: u16, hostname in "[a-z0-9.]{0,20}") {
            let info = MasterInfo { id, ip: ip.into(), port, hostname };
            prop_assert_eq!(MasterInfo::parse(info.json().to_string().as_bytes()), Some(info));
        }

        #[test]
        fn any_data_is_read_or_passed_over(data in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = MasterInfo::parse(&data);
        }
    }
}
