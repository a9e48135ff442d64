//! Load balancer rules and their members.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Key, RuleState};
use crate::driver::{Algorithm, Protocol, Stickiness};

/// Traffic to a port of a public address that goes to one of several guests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoadBalancerRule {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) network: Uuid,
    pub(crate) address: Uuid,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) public_port: u16,
    pub(crate) private_port: u16,
    pub(crate) algorithm: Algorithm,
    /// TCP or UDP.
    pub(crate) protocol: Protocol,
    /// The protocol as it was given, if it was.
    pub(crate) named_protocol: Option<String>,
    pub(crate) source_list: Option<String>,
    pub(crate) members: Vec<Member>,
    #[serde(default)]
    pub(crate) stickiness: Vec<StickinessPolicy>,
    pub(crate) state: RuleState,
    /// Whether a machine was ever assigned.
    pub(crate) assigned: bool,
}

/// How a client is kept to the machine it got first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StickinessPolicy {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// `LbCookie`, `AppCookie` or `SourceBased`.
    pub(crate) method: String,
    pub(crate) parameters: std::collections::BTreeMap<String, String>,
}

impl StickinessPolicy {
    /// What its cookie is called, where that is said.
    pub(crate) fn cookie(&self) -> Option<&str> {
        let named = self.parameters.get("cookie-name").or_else(|| self.parameters.get("cookiename"));
        named.map(String::as_str)
    }

    /// What the router is to do for it.
    pub(super) fn for_driver(&self) -> Option<Stickiness> {
        let cookie = |default: &str| self.cookie().unwrap_or(default).parse().ok();
        match self.method.as_str() {
            "LbCookie" => cookie("SERVERID").map(Stickiness::BalancerCookie),
            "AppCookie" => cookie("JSESSIONID").map(Stickiness::MemberCookie),
            "SourceBased" => Some(Stickiness::Source),
            _ => None,
        }
    }
}

/// A machine behind a load balancer rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) virtual_machine: Uuid,
    pub(crate) guest: Ipv4Addr,
}

impl LoadBalancerRule {
    /// Whose connections it takes; none is everybody's.
    pub(super) fn sources(&self) -> Vec<Ipv4Net> {
        let ranges = self.source_list.iter().flat_map(|list| list.split_whitespace());
        let range = |text: &str| {
            text.parse::<Ipv4Net>().or_else(|_| text.parse::<Ipv4Addr>().map(Ipv4Net::from)).ok()
        };
        ranges.filter_map(range).collect()
    }

    /// Whether its members are told in the PROXY protocol whose connection it is.
    pub(super) fn proxy_protocol(&self) -> bool {
        self.named_protocol.as_deref() == Some("tcp-proxy")
    }

    /// Its state: `Add` until a machine is assigned, as on the real server.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.state {
            RuleState::Active if !self.assigned => "Add",
            state => state.name(),
        }
    }
}

impl Entity for LoadBalancerRule {
    const KIND: &'static str = "load balancer rule";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn keys(&self) -> Vec<Key> {
        vec![Key::of(self.network)]
    }
}
