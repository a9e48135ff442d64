//! Affinity groups: which machines must, or should, share a host or keep apart.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Entity;

/// A group; its members are named by the machines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AffinityGroup {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) kind: AffinityType,
}

impl Entity for AffinityGroup {
    const KIND: &'static str = "affinity group";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

/// What a group asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AffinityType {
    Apart,
    Together,
    RatherApart,
    RatherTogether,
}

impl AffinityType {
    /// In the order `listAffinityGroupTypes` has them.
    pub(crate) const ALL: [Self; 4] = [Self::Apart, Self::Together, Self::RatherApart, Self::RatherTogether];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Apart => "host anti-affinity",
            Self::Together => "host affinity",
            Self::RatherApart => "non-strict host anti-affinity",
            Self::RatherTogether => "non-strict host affinity",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
