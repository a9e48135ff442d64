//! Jobs, as clients ask for them.

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::{View, object, time};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::model::{Job, JobStatus};

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        "queryAsyncJobResult",
        "Answers how far a job is, and its result",
        &[Parameter::id("jobid", Entity::Job)],
        query,
    )
    .answering(&JOB),
    Command::list("listAsyncJobs", "Lists jobs under way", &[Parameter::time("startdate")], list)
        .answering(&JOB)
        .reaching(Reach::Accounts),
];

const JOB: Answer = Answer::of(&[&[
    "accountid",
    "account",
    "domainid",
    "domainpath",
    "userid",
    "cmd",
    "jobstatus",
    "jobprocstatus",
    "jobresultcode",
    "jobresulttype",
    "jobresult",
    "jobinstancetype",
    "jobinstanceid",
    "managementserverid",
    "managementservername",
    "created",
    "completed",
    "jobid",
]]);

fn query(call: &Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.id("jobid");
    let id = id.ok_or_else(|| ApiError::invalid("Please specify the id of the job"))?;
    let unknown = || ApiError::unknown_entity("queryasyncjobresult", "jobid", &id.to_string());
    let job = call.model.jobs.get(id).ok_or_else(unknown)?;
    call.must_be_mine(job.account)?;
    Ok(view(call.view(), job))
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let found = call.model.jobs.iter().filter(|job| {
        job.status == JobStatus::Pending
            && scope.includes(job.account)
            && call.keyword_in(&[&job.class])
            && call.arguments.time("startdate").is_none_or(|start| job.created >= start)
    });
    Listing::of("asyncjobs", call.arguments, found, |job| view(call.view(), job))
}

fn view(view: View<'_>, job: &Job) -> Value {
    let account = view.model.accounts.get(job.account);
    let (status, code, result) = match &job.status {
        JobStatus::Pending => (0, 0, None),
        JobStatus::Succeeded(result) => (1, 0, Some(result.clone())),
        JobStatus::Failed { code, text } => (2, *code, Some(json!({ "errorcode": code, "errortext": text }))),
    };
    let pending = job.status == JobStatus::Pending;
    let has_result = result.is_some();
    let mut shown = object([json!({
        "accountid": job.account,
        "account": account.map(|account| &account.name),
        "domainid": account.and_then(|account| account.domain).unwrap_or(view.settings.catalogue.domain_id),
        "domainpath": view.model.domain_path(account.and_then(|account| account.domain)),
        "userid": job.user.or_else(|| account?.first_user().map(|user| user.id)),
        "cmd": format!("org.apache.cloudstack.api.command.{}", job.class),
        "jobstatus": status,
        "jobprocstatus": 0,
        "jobresultcode": code,
        "jobresulttype": has_result.then_some("object"),
        "jobinstancetype": job.instance_kind,
        "jobinstanceid": job.instance,
        "managementserverid": pending.then_some(view.settings.catalogue.management_server),
        "managementservername": pending.then_some("localhost"),
        "created": time(job.created),
        "completed": job.completed.map(time),
        "jobid": job.id,
    })]);
    // Put in as it is: `json!` would copy it.
    if let (Some(result), Value::Object(fields)) = (result, &mut shown) {
        fields.insert("jobresult".to_owned(), result);
    }
    shown
}
