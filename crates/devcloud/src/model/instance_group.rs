//! Groups of machines: a name that several of an account's machines have in common.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Model, VirtualMachine};

/// A group. Machines name theirs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InstanceGroup {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    pub(crate) name: String,
    pub(crate) created: Timestamp,
}

impl Entity for InstanceGroup {
    const KIND: &'static str = "instance group";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Model {
    /// The account's group of this name.
    pub(crate) fn group_named(&self, account: Uuid, name: &str) -> Option<&InstanceGroup> {
        self.instance_groups
            .iter()
            .find(|group| group.account == account && group.name.eq_ignore_ascii_case(name))
    }

    /// The group a machine is in.
    pub(crate) fn group_of(&self, machine: &VirtualMachine) -> Option<&InstanceGroup> {
        self.group_named(machine.account, machine.group.as_deref()?)
    }

    /// Makes the account's group of this name, unless there is one.
    pub(crate) fn have_group(&mut self, account: Uuid, name: &str, now: Timestamp) -> Uuid {
        if let Some(group) = self.group_named(account, name) {
            return group.id;
        }
        let group = InstanceGroup {
            number: self.next_number(),
            id: self.next_id(),
            account,
            name: name.to_owned(),
            created: now,
        };
        let id = group.id;
        self.instance_groups.insert(group);
        id
    }
}
