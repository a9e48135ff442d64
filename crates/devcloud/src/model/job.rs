//! Jobs: what was asked for and takes time, and how it ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Entity;

/// A job, under way or ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) account: Uuid,
    /// Who asked for it.
    #[serde(default)]
    pub(crate) user: Option<Uuid>,
    /// The command's class, as clients see it: `user.vm.DeployVMCmd`.
    pub(crate) class: String,
    /// `VirtualMachine`, `Network` …, when the command names a resource.
    pub(crate) instance_kind: Option<String>,
    pub(crate) instance: Option<Uuid>,
    pub(crate) created: Timestamp,
    pub(crate) completed: Option<Timestamp>,
    pub(crate) status: JobStatus,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum JobStatus {
    Pending,
    Succeeded(Value),
    Failed { code: u16, text: String },
}

impl Entity for Job {
    const KIND: &'static str = "job";
    fn number(&self) -> u64 {
        self.number
    }
    fn id(&self) -> Uuid {
        self.id
    }
}
