//! IP forwarding rules: ports of an address with static NAT that are opened.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, PortRange, RuleState};
use crate::driver::Protocol;

/// Traffic to ports of an address that is one machine's alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IpForwardingRule {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) network: Uuid,
    pub(crate) address: Uuid,
    pub(crate) virtual_machine: Uuid,
    /// TCP or UDP.
    pub(crate) protocol: Protocol,
    pub(crate) ports: PortRange,
    pub(crate) state: RuleState,
}

impl Entity for IpForwardingRule {
    const KIND: &'static str = "ip forwarding rule";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}
