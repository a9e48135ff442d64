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
    Iso,
    Volume,
    Snapshot,
    Network,
    Nic,
    LoadBalancer,
    PortForwardingRule,
    FirewallRule,
    PublicIpAddress,
    Project,
    Account,
    User,
}

impl TaggedKind {
    const ALL: [Self; 14] = [
        Self::UserVm,
        Self::Template,
        Self::Iso,
        Self::Volume,
        Self::Snapshot,
        Self::Network,
        Self::Nic,
        Self::LoadBalancer,
        Self::PortForwardingRule,
        Self::FirewallRule,
        Self::PublicIpAddress,
        Self::Project,
        Self::Account,
        Self::User,
    ];

    /// The name the API uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UserVm => "UserVm",
            Self::Template => "Template",
            Self::Iso => "ISO",
            Self::Volume => "Volume",
            Self::Snapshot => "Snapshot",
            Self::Network => "Network",
            Self::Nic => "Nic",
            Self::LoadBalancer => "LoadBalancer",
            Self::PortForwardingRule => "PortForwardingRule",
            Self::FirewallRule => "FirewallRule",
            Self::PublicIpAddress => "PublicIpAddress",
            Self::Project => "Project",
            Self::Account => "Account",
            Self::User => "User",
        }
    }

    /// By its name in any case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}
