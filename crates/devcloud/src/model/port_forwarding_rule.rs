//! Port forwarding rules, and who else may want a port of a public address.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Key, Model, PortRange, RuleState, ranges_meet};
use crate::driver::Protocol;

/// Traffic to ports of a public address that goes to a guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PortForwardingRule {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) network: Uuid,
    pub(crate) address: Uuid,
    /// TCP or UDP.
    pub(crate) protocol: Protocol,
    pub(crate) public: PortRange,
    pub(crate) private: PortRange,
    pub(crate) virtual_machine: Uuid,
    pub(crate) guest: Ipv4Addr,
    pub(crate) sources: Vec<Ipv4Net>,
    pub(crate) state: RuleState,
}

impl Entity for PortForwardingRule {
    const KIND: &'static str = "port forwarding rule";
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

/// Who has a port already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: Uuid,
    pub(crate) number: u64,
    pub(crate) purpose: &'static str,
    pub(crate) state: &'static str,
    pub(crate) ports: PortRange,
}

impl Model {
    /// The forward or load balancer rule that already has one of these ports of a public address. `sources` are those of
    /// the forward that wants them: one with none in common with an old forward is not in its way, as on the real server.
    pub(crate) fn port_holder(
        &self,
        address: Uuid,
        protocol: Protocol,
        ports: PortRange,
        sources: Option<&[Ipv4Net]>,
    ) -> Option<Holder> {
        let forward = self
            .port_forwarding_rules
            .iter()
            .find(|rule| {
                rule.address == address
                    && rule.protocol == protocol
                    && rule.state != RuleState::Revoked
                    && rule.public.overlaps(ports)
                    && sources.is_none_or(|sources| ranges_meet(sources, &rule.sources))
            })
            .map(|rule| Holder {
                id: rule.id,
                number: rule.number,
                purpose: "PortForwarding",
                state: rule.state.name(),
                ports: rule.public,
            });
        forward.or_else(|| {
            self.load_balancer_rules
                .iter()
                .find(|rule| {
                    let public = PortRange { first: rule.public_port, last: rule.public_port };
                    rule.address == address
                        && rule.protocol == protocol
                        && rule.state != RuleState::Revoked
                        && public.overlaps(ports)
                })
                .map(|rule| Holder {
                    id: rule.id,
                    number: rule.number,
                    purpose: "LoadBalancing",
                    state: rule.state_name(),
                    ports: PortRange { first: rule.public_port, last: rule.public_port },
                })
        })
    }
}
