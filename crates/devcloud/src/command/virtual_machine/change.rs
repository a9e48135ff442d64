//! Changes to a machine that need no driver: its names, size, keys, user-data, and its way back from destruction.

use serde_json::{Value, json};
use uuid::Uuid;

use super::deploy::{keys, unique_name, wanted_size};
use super::{user_data, view};
use crate::command::{Begun, Call};
use crate::driver::HostName;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{MachineState, Model, Resource, VirtualMachine};

pub(super) fn find<'a>(call: &'a Call<'_>, id: Uuid) -> Result<&'a VirtualMachine, ApiError> {
    let machine = call.model.virtual_machines.get(id);
    machine.ok_or_else(|| ApiError::invalid("unable to find virtual machine with that id"))
}

pub(super) fn edit(model: &mut Model, id: Uuid) -> Result<&mut VirtualMachine, ApiError> {
    let machine = model.virtual_machines.edit(id);
    machine.ok_or_else(|| ApiError::invalid("unable to find virtual machine with that id"))
}

fn answer(call: &Call<'_>, id: Uuid) -> Result<Value, ApiError> {
    Ok(json!({ "virtualmachine": view(call.view(), find(call, id)?) }))
}

/// The machine's networks have to tell it something else from now on.
fn tell(call: &mut Call<'_>, id: Uuid) {
    let networks: Vec<Uuid> = call
        .model
        .virtual_machines
        .get(id)
        .map(|machine| machine.nics.iter().map(|nic| nic.network).collect())
        .unwrap_or_default();
    for network in networks {
        call.model.touch(network);
        call.refresh.push(network);
    }
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let id = arguments.required_id("id")?;
    let machine = find(call, id)?;
    let networks: Vec<Uuid> = machine.nics.iter().map(|nic| nic.network).collect();
    if let Some(name) = arguments.text("name") {
        if name.parse::<HostName>().is_err() {
            return Err(ApiError::invalid(format!("Invalid name {name}: it is not a legal host name")));
        }
        for network in networks {
            unique_name(call, network, name, Some(id))?;
        }
    }
    let tells_more = arguments.text("userdata").is_some() || arguments.id("userdataid").is_some();
    let new_user_data = if tells_more { Some(user_data::of_arguments(call, None)?) } else { None };
    let tells = new_user_data.is_some() || arguments.text("name").is_some();
    let (account, now) = (find(call, id)?.account, call.now);
    if let Some(group) = arguments.text("group").filter(|group| !group.is_empty()) {
        call.model.have_group(account, group, now);
    }
    let root_admin = call.caller.root_admin;
    let machine = edit(call.model, id)?;
    if let Some(shown) = arguments.boolean("displayvm").filter(|_| root_admin) {
        machine.hidden = !shown;
    }
    if let Some(name) = arguments.text("name") {
        name.clone_into(&mut machine.name);
    }
    if let Some(name) = arguments.text("displayname") {
        name.clone_into(&mut machine.display_name);
    }
    if let Some(group) = arguments.text("group") {
        machine.group = Some(group.to_owned()).filter(|group| !group.is_empty());
    }
    if let Some(user_data) = new_user_data {
        machine.user_data = user_data.data;
        machine.user_data_id = user_data.registered;
        machine.user_data_details = user_data.values;
    }
    if let Some(protection) = arguments.boolean("deleteprotection") {
        machine.delete_protection = protection;
    }
    if let Some(scalable) = arguments.boolean("isdynamicallyscalable") {
        machine.dynamically_scalable = scalable;
    }
    machine.ha = arguments.boolean("haenable").unwrap_or(machine.ha);
    machine.os_type = arguments.id("ostypeid").or(machine.os_type);
    if arguments.boolean("cleanupdetails") == Some(true) {
        machine.details.clear();
    } else if !arguments.map("details").is_empty() {
        machine.details = arguments
            .map("details")
            .iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
    }
    if tells {
        tell(call, id);
    }
    answer(call, id)
}

pub(super) fn reset_user_data(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let machine = find(call, id)?;
    if machine.state != MachineState::Stopped {
        return Err(ApiError::invalid(format!(
            "Vm {} should be stopped to do UserData reset",
            call.model.described(id)
        )));
    }
    let told = user_data::of_arguments(call, None)?;
    let machine = edit(call.model, id)?;
    machine.user_data = told.data;
    machine.user_data_id = told.registered;
    machine.user_data_details = told.values;
    tell(call, id);
    answer(call, id)
}

/// Like changing its service offering, but in a job, and for running machines too where that makes them larger and their
/// offering says that it can be done.
pub(super) fn scale(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let arguments = call.arguments.clone();
    let instance = Some(("VirtualMachine", Some(id)));
    Ok(Begun::doing(instance, Lane::Machine(id), move |running| async move {
        let networks = running
            .change_as_caller(&arguments, |call| {
                let machine = find(call, id)?;
                if machine.state == MachineState::Running {
                    let before = call.model.size_of(machine);
                    let offering = call.model.service_offerings.get(machine.offering);
                    let scalable =
                        machine.dynamically_scalable && offering.is_some_and(|it| it.dynamically_scalable);
                    let offering = call.arguments.required_id("serviceofferingid")?;
                    let (wanted, _) = wanted_size(call, offering, Some(before))?;
                    if !scalable {
                        return Err(ApiError::invalid(
                            "Unable to scale the running machine: it or its offering is not dynamically scalable; stop it first",
                        ));
                    }
                    if wanted.processors < before.processors || wanted.memory_mib < before.memory_mib {
                        return Err(ApiError::invalid("Scaling down is not supported while the VM is running."));
                    }
                }
                resize(call, id)?;
                Ok(std::mem::take(&mut call.refresh))
            })
            .await?;
        for network in networks {
            let told = running.core.refresh_router(network).await;
            told.map_err(|error| ApiError::internal(format!("Failed to scale vm: {error}")))?;
        }
        running.machine_answer(id)
    }))
}

pub(super) fn service(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let machine = find(call, id)?;
    if machine.state != MachineState::Stopped {
        return Err(ApiError::invalid(format!(
            "Unable to upgrade Instance {} in state {}; make sure the Instance is stopped",
            call.model.described(id),
            machine.state.name()
        )));
    }
    resize(call, id)?;
    answer(call, id)
}

/// Gives a machine the size that the arguments name, if its account may have that.
fn resize(call: &mut Call<'_>, id: Uuid) -> Result<(), ApiError> {
    let offering = call.arguments.required_id("serviceofferingid")?;
    let machine = find(call, id)?;
    let before = call.model.size_of(machine);
    let (size, own) = wanted_size(call, offering, Some(before).filter(|_| machine.offering == offering))?;
    if machine.offering == offering && size == before {
        let name = call.model.service_offerings.get(offering).map(|offering| offering.name.clone());
        return Err(ApiError::invalid(format!(
            "Not upgrading vm {} since it already has the requested service offering ({})",
            call.model.described(id),
            name.unwrap_or_default()
        )));
    }
    let account = machine.account;
    let more = |old: u64, new: u64| i64::try_from(new.saturating_sub(old)).unwrap_or(i64::MAX);
    call.within_limit(account, Resource::Processors, more(before.processors.into(), size.processors.into()))?;
    call.within_limit(account, Resource::Memory, more(before.memory_mib, size.memory_mib))?;
    let machine = edit(call.model, id)?;
    machine.offering = offering;
    machine.size = own;
    tell(call, id);
    Ok(())
}

pub(super) fn recover(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    if !call.may_expunge_machines() {
        return Err(ApiError::permission(
            "Recovering a vm can only be done by an Admin. Or when the allow.user.expunge.recover.vm key is set.",
        ));
    }
    let machine = find(call, id)?;
    if machine.state != MachineState::Destroyed {
        return Err(ApiError::invalid(format!(
            "Unable to recover instance {}: it is {} and not Destroyed",
            machine.id,
            machine.state.name()
        )));
    }
    let (account, size) = (machine.account, call.model.size_of(machine));
    call.within_limit(account, Resource::Machines, 1)?;
    call.within_limit(account, Resource::Processors, size.processors.into())?;
    call.within_limit(account, Resource::Memory, i64::try_from(size.memory_mib).unwrap_or(i64::MAX))?;
    let now = call.now;
    let machine = edit(call.model, id)?;
    machine.state = MachineState::Stopped;
    machine.updated = Some(now);
    answer(call, id)
}

// Everything is checked when the job runs, as on the real server.
pub(super) fn reset_keys(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let found = keys(call, find(call, id)?.account);
    let instance = Some(("VirtualMachine", Some(id)));
    Ok(Begun::doing(instance, Lane::Machine(id), move |running| async move {
        let (names, public_keys) = found?;
        let networks = running
            .core
            .change(|model, _| {
                let machine = edit(model, id)?;
                if machine.state != MachineState::Stopped {
                    return Err(ApiError::invalid(format!(
                        "Vm {} should be stopped to do SSH Key reset",
                        model.described(id)
                    )));
                }
                machine.details.insert("SSH.PublicKey".to_owned(), public_keys.join("\n"));
                machine.details.insert("SSH.KeyPairNames".to_owned(), names.join(","));
                machine.key_pairs = names;
                machine.public_keys = public_keys;
                let networks: Vec<Uuid> = machine.nics.iter().map(|nic| nic.network).collect();
                for network in &networks {
                    model.touch(*network);
                }
                Ok(networks)
            })
            .await?;
        for network in networks {
            let told = running.core.refresh_router(network).await;
            told.map_err(|error| ApiError::internal(format!("Failed to reset SSH key: {error}")))?;
        }
        running.machine_answer(id)
    }))
}
