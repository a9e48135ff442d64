//! Tags: keys and values on other things, a key at most once on each.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;

/// All tags of one resource; the set's id is the resource's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TagSet {
    pub(crate) number: u64,
    pub(crate) resource: Uuid,
    pub(crate) kind: TaggedKind,
    pub(crate) account: Uuid,
    /// Keys and values, in the order they came.
    pub(crate) tags: Vec<(String, String)>,
}

impl Entity for TagSet {
    const KIND: &'static str = "tags";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.resource
    }
}

/// What can have tags here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TaggedKind {
    UserVm,
    Template,
    Volume,
    Network,
    LoadBalancer,
    PortForwardingRule,
    FirewallRule,
    PublicIpAddress,
}

impl TaggedKind {
    const ALL: [Self; 8] = [
        Self::UserVm,
        Self::Template,
        Self::Volume,
        Self::Network,
        Self::LoadBalancer,
        Self::PortForwardingRule,
        Self::FirewallRule,
        Self::PublicIpAddress,
    ];

    /// The name the API uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UserVm => "UserVm",
            Self::Template => "Template",
            Self::Volume => "Volume",
            Self::Network => "Network",
            Self::LoadBalancer => "LoadBalancer",
            Self::PortForwardingRule => "PortForwardingRule",
            Self::FirewallRule => "FirewallRule",
            Self::PublicIpAddress => "PublicIpAddress",
        }
    }

    /// By its name in any case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}
