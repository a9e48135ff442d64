//! Jobs. [`Jobs`](crate::Jobs) waits for them; these are the questions it asks.

use serde_json::Value;

use crate::command::command;
use crate::id::{Id, JobId};
use crate::lenient::FromScalar;

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// It waits or works (0).
    #[default]
    Pending,
    /// It has ended well (1).
    Succeeded,
    /// It has failed (2).
    Failed,
    /// It was cancelled (3).
    Cancelled,
}

impl FromScalar for JobStatus {
    const EXPECTED: &'static str = "a job's status, 0 to 3";
    fn from_scalar(text: &str) -> Option<Self> {
        match text.trim() {
            "0" => Some(Self::Pending),
            "1" => Some(Self::Succeeded),
            "2" => Some(Self::Failed),
            "3" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

/// A job as the server tells of it.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct AsyncJob {
    /// Its id.
    #[serde(rename = "jobid", deserialize_with = "crate::lenient::field")]
    pub id: JobId,
    /// The server's class for its command, such as `org.apache.cloudstack.api.command.user.vm.DeployVMCmd`.
    #[serde(rename = "cmd", deserialize_with = "crate::lenient::field")]
    pub command: String,
    /// How far it is.
    #[serde(rename = "jobstatus", deserialize_with = "status")]
    pub status: JobStatus,
    /// The error code of a failed one; 0 otherwise.
    #[serde(rename = "jobresultcode", deserialize_with = "crate::lenient::field")]
    pub code: Option<u16>,
    /// What it resulted in, or its error; `null` as long as it is pending.
    #[serde(rename = "jobresult")]
    pub result: Value,
    /// The kind of the thing it is about, where it is about one.
    #[serde(rename = "jobinstancetype", deserialize_with = "crate::lenient::field")]
    pub instance_type: Option<String>,
    /// The thing it is about.
    #[serde(rename = "jobinstanceid", deserialize_with = "crate::lenient::field")]
    pub instance_id: Option<Id>,
    /// When it was made.
    #[serde(rename = "created", deserialize_with = "crate::lenient::field")]
    pub created: Option<jiff::Timestamp>,
    /// When it ended.
    #[serde(rename = "completed", deserialize_with = "crate::lenient::field")]
    pub completed: Option<jiff::Timestamp>,
}

fn status<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<JobStatus, D::Error> {
    Ok(crate::lenient::field::<D, Option<JobStatus>>(deserializer)?.unwrap_or_default())
}

command! {
    /// Lists the account's pending jobs; those that have ended are not in it.
    ListAsyncJobs("listAsyncJobs") lists AsyncJob;
}

command! {
    /// Asks how far a job is, and for its result. [`Jobs::wait`](crate::Jobs::wait) does so until it has ended.
    QueryAsyncJobResult("queryAsyncJobResult") asks AsyncJob;
    required {
        /// The job.
        job_id: JobId,
    }
}
