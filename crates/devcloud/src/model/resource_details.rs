//! Details: further keys and values on things that have no details of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, TaggedKind};

/// All details of one resource; the set's id is the resource's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResourceDetails {
    pub(crate) number: u64,
    pub(crate) resource: Uuid,
    pub(crate) kind: TaggedKind,
    pub(crate) details: BTreeMap<String, String>,
}

impl Entity for ResourceDetails {
    const KIND: &'static str = "details";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.resource
    }
}
