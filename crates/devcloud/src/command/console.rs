//! `createConsoleEndpoint`: where a machine's console can be seen. It is a page of the zone's own, with what the machine
//! said last.

use serde_json::{Value, json};

use super::answer::Answer;
use super::{Call, Command, Entity, Parameter};
use crate::error::ApiError;
use crate::model::MachineState;

pub(super) const COMMANDS: &[Command] = &[Command::read(
    "createConsoleEndpoint",
    "Answers an address at which a running machine's console is shown for ten minutes",
    &[
        Parameter::id("virtualmachineid", Entity::VirtualMachine).required(),
        Parameter::text("token").about("is not asked for there"),
    ],
    create,
)
.answering(&ENDPOINT)];

const ENDPOINT: Answer = Answer::of(&[&["success", "details:string", "url"]]);

fn create(call: &Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("virtualmachineid")?;
    let machine = call.model.virtual_machines.get(id);
    let machine = machine.ok_or_else(|| ApiError::invalid("Unable to find the virtual machine"))?;
    call.must_be_mine(machine.account)?;
    if machine.state != MachineState::Running {
        let details =
            format!("The machine {} is {} and shows no console", machine.name, machine.state.name());
        return Ok(json!({ "consoleendpoint": { "success": false, "details": details } }));
    }
    let url = format!("http://{}/devcloud/console/{}", call.server.host, call.server.tickets.give(id));
    Ok(json!({ "consoleendpoint": { "success": true, "url": url } }))
}
