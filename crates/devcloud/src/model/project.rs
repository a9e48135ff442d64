//! Projects: accounts that work on the same things. A project's things belong to an account of its own, which nobody logs
//! in to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Account, Entity, Model};

/// A project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Project {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) display_text: String,
    /// The account that its things belong to.
    pub(crate) account: Uuid,
    /// The accounts that may use its things; its first one leads it.
    pub(crate) members: Vec<Uuid>,
    pub(crate) active: bool,
    pub(crate) created: Timestamp,
}

impl Entity for Project {
    const KIND: &'static str = "project";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Model {
    /// The project whose things belong to this account.
    pub(crate) fn project_of(&self, account: &Account) -> Option<&Project> {
        account.project.and_then(|project| self.projects.get(project))
    }

    /// The projects that an account is in.
    pub(crate) fn projects_with(&self, account: Uuid) -> impl Iterator<Item = &Project> {
        self.projects.iter().filter(move |project| project.members.contains(&account))
    }
}
