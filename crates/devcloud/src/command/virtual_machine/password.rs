//! Passwords of machines whose templates have guests that take one: made up or given, answered once, and told to the guest
//! by its network's router.

use serde_json::{Value, json};
use uuid::Uuid;

use super::change::{edit, find};
use crate::command::{Begun, Call, Running};
use crate::driver::Password;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::MachineState;

/// A password that a client gives, which has to be one that a guest can set.
fn given(call: &Call<'_>) -> Result<Option<Password>, ApiError> {
    let Some(text) = call.arguments.text("password").filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) || text.contains(':') {
        return Err(ApiError::invalid("A valid password for this virtual machine was not provided."));
    }
    Ok(Some(Password::new(text)))
}

/// The password of a new machine, if machines of its template have one.
pub(super) fn wanted(call: &mut Call<'_>, enabled: bool) -> Result<Option<Password>, ApiError> {
    if !enabled {
        return Ok(None);
    }
    Ok(Some(match given(call)? {
        Some(given) => given,
        None => call.model.next_password(),
    }))
}

impl Running {
    /// A machine that was started as its job's result, with the password where that has not been answered yet.
    pub(super) async fn started_answer(&self, id: Uuid) -> Result<Value, ApiError> {
        let due = self
            .core
            .read(|model| model.virtual_machines.get(id).is_some_and(|machine| machine.password_due));
        if !due {
            return self.machine_answer(id);
        }
        let password = self
            .core
            .change(|model, _| {
                let machine = edit(model, id)?;
                machine.password_due = false;
                Ok(machine.password.clone())
            })
            .await?;
        self.answer_with(id, password.as_ref())
    }

    fn answer_with(&self, id: Uuid, password: Option<&Password>) -> Result<Value, ApiError> {
        let mut answer = self.machine_answer(id)?;
        if let Some(password) = password {
            answer["virtualmachine"]["password"] = json!(password.expose());
        }
        Ok(answer)
    }
}

pub(super) fn reset(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    find(call, id)?;
    let given = given(call);
    Ok(Begun::doing(Some(("VirtualMachine", Some(id))), Lane::Machine(id), move |running| async move {
        let given = given?;
        let (password, network) = running
            .core
            .change(|model, _| {
                let name = model.described(id);
                let machine = edit(model, id)?;
                let (template, state) = (machine.template, machine.state);
                let network = machine.nics.first().map(|nic| nic.network);
                if !model.templates.get(template).is_some_and(|template| template.password_enabled) {
                    return Err(ApiError::invalid(
                        "Fail to reset password for the virtual machine, the template is not password enabled",
                    ));
                }
                match state {
                    MachineState::Stopped => {}
                    MachineState::Error | MachineState::Expunging => {
                        return Err(ApiError::invalid(format!("Vm {name} is not in the right state")));
                    }
                    _ => {
                        return Err(ApiError::invalid(format!(
                            "Vm {name} should be stopped to do password reset"
                        )));
                    }
                }
                let password = given.unwrap_or_else(|| model.next_password());
                let machine = edit(model, id)?;
                machine.password = Some(password.clone());
                machine.password_due = false;
                if let Some(network) = network {
                    model.touch(network);
                }
                Ok((password, network))
            })
            .await?;
        if let Some(network) = network {
            let told = running.core.refresh_router(network).await;
            told.map_err(|error| ApiError::internal(format!("Failed to reset password: {error}")))?;
        }
        running.answer_with(id, Some(&password))
    }))
}
