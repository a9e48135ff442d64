//! `listApis`: what can be called here, read from the very tables that calls are dispatched by.

use serde_json::{Value, json};

use super::parameter::LIST_PARAMETERS;
use super::{Call, Command, Parameter, Run, Who};
use crate::error::ApiError;

pub(super) const COMMANDS: &[Command] =
    &[Command::read("listApis", "Lists the commands the caller may use", &[Parameter::text("name")], list)];

fn list(call: &Call<'_>) -> Result<Value, ApiError> {
    let name = call.arguments.text("name");
    let found: Vec<Value> = super::all()
        .filter(|command| command.who == Who::Everyone || call.caller.root_admin)
        .filter(|command| name.is_none_or(|name| command.name.eq_ignore_ascii_case(name)))
        .map(view)
        .collect();
    if found.is_empty() {
        return Err(ApiError::internal(
            "Api Discovery plugin was unable to find an api by that name or process any apis",
        )
        .with_cs_code(9999));
    }
    Ok(json!({ "count": found.len(), "api": found }))
}

fn view(command: &'static Command) -> Value {
    let generic: &[Parameter] = if matches!(command.run, Run::List(_)) { &LIST_PARAMETERS } else { &[] };
    let parameters: Vec<Value> = command.parameters.iter().chain(generic).map(parameter).collect();
    json!({
        "name": command.name,
        "description": command.description,
        "isasync": command.is_job(),
        "related": "",
        "params": parameters,
        "response": response(command),
    })
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "description": parameter.description,
        "type": parameter.type_name(),
        "length": parameter.length,
        "required": parameter.required,
        "related": parameter.related(),
    })
}

/// The fields of the envelope; those of the objects in it are seen in any answer.
fn response(command: &Command) -> Value {
    let field = |name: &str, kind: &str, description: &str| json!({ "name": name, "type": kind, "description": description });
    match command.run {
        Run::Job(..) => json!([
            field("jobid", "string", "the job's id"),
            field("jobstatus", "integer", "how far the job is: 0 under way, 1 done, 2 failed"),
        ]),
        Run::List(_) => json!([field("count", "integer", "the number of all matches")]),
        Run::Read(_) | Run::Change(_) | Run::ChangeWithKey(_) => {
            json!([field("success", "boolean", "whether it was done, where nothing else is answered")])
        }
    }
}
