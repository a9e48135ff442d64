//! `listApis`: what can be called here, read from the very tables that calls are dispatched by.

use serde_json::{Value, json};

use super::answer::Answer;
use super::{Call, Command, Parameter};
use crate::error::ApiError;

pub(super) const COMMANDS: &[Command] =
    &[Command::read("listApis", "Lists the commands the caller may use", &[Parameter::text("name")], list)
        .answering(&API)];

const API: Answer =
    Answer::of(&[&["name", "description", "since", "isasync", "related", "params:set", "response", "type"]])
        .with(&[("params", &PARAMETER), ("response", &FIELD)]);

const PARAMETER: Answer =
    Answer::of(&[&["name", "description", "type", "length", "required", "since", "related"]]);

const FIELD: Answer = Answer::of(&[&["name", "description", "type", "response"]]);

fn list(call: &Call<'_>) -> Result<Value, ApiError> {
    let name = call.arguments.text("name");
    let found: Vec<Value> = super::all()
        .filter(|command| command.is_for(call.caller))
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

/// What `listApis` answers a root admin: every command with its parameters and the fields of its answer.
pub fn apis() -> Value {
    let all: Vec<Value> = super::all().map(view).collect();
    json!({ "listapisresponse": { "count": all.len(), "api": all } })
}

fn view(command: &'static Command) -> Value {
    let parameters: Vec<Value> = command.all_parameters().map(parameter).collect();
    json!({
        "name": command.name,
        "description": command.description,
        "isasync": command.is_job(),
        "related": "",
        "params": parameters,
        "response": command.answer.view(),
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
