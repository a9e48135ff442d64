//! Projects and who is in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::account::{COUNTS, counts, limit_of, machines_of};
use super::answer::Answer;
use super::call::{View, object, time};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Account, Model, Project, Resource, Standing};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createProject",
        "Makes a project, which its maker leads",
        JobKind::new("user.project.CreateProjectCmd"),
        &[
            Parameter::text("name").required(),
            Parameter::text("displaytext"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
        ],
        create,
    )
    .answering(&PROJECT),
    Command::list(
        "listProjects",
        "Lists projects",
        &[
            Parameter::id("id", Entity::Project),
            Parameter::text("name"),
            Parameter::text("displaytext"),
            Parameter::text("state"),
            Parameter::map("tags"),
        ],
        list,
    )
    .answering(&PROJECT)
    .reaching(Reach::Accounts),
    Command::job(
        "updateProject",
        "Changes a project's name or who leads it",
        JobKind::new("user.project.UpdateProjectCmd"),
        &[
            Parameter::id("id", Entity::Project).required(),
            Parameter::text("name"),
            Parameter::text("displaytext"),
            Parameter::text("account"),
        ],
        update,
    )
    .answering(&PROJECT),
    Command::job(
        "activateProject",
        "Takes a suspended project into use again",
        JobKind::new("user.project.ActivateProjectCmd"),
        &[Parameter::id("id", Entity::Project).required()],
        |call| set_active(call, true),
    )
    .answering(&PROJECT),
    Command::job(
        "suspendProject",
        "Stops a project's machines and keeps it from being used",
        JobKind::new("user.project.SuspendProjectCmd"),
        &[Parameter::id("id", Entity::Project).required()],
        |call| set_active(call, false),
    )
    .answering(&PROJECT),
    Command::job(
        "deleteProject",
        "Removes a project, with cleanup all its things too",
        JobKind::new("user.project.DeleteProjectCmd"),
        &[Parameter::id("id", Entity::Project).required(), Parameter::boolean("cleanup")],
        delete,
    ),
    Command::job(
        "addAccountToProject",
        "Lets an account use a project's things",
        JobKind::new("user.account.AddAccountToProjectCmd"),
        &[Parameter::id("projectid", Entity::Project).required(), Parameter::text("account")],
        add_member,
    ),
    Command::job(
        "deleteAccountFromProject",
        "Keeps an account from using a project's things",
        JobKind::new("user.account.DeleteAccountFromProjectCmd"),
        &[Parameter::id("projectid", Entity::Project).required(), Parameter::text("account").required()],
        remove_member,
    ),
    Command::list(
        "listProjectAccounts",
        "Lists the accounts in a project",
        &[
            Parameter::id("projectid", Entity::Project).required(),
            Parameter::text("account"),
            Parameter::text("role"),
        ],
        list_members,
    )
    .answering(&PROJECT)
    .reaching(Reach::Catalogue),
];

const PROJECT: Answer = Answer::of(&[
    &["id", "name", "displaytext", "domainid", "domain", "projectaccountname", "owner", "state", "created"],
    &["vmstopped", "vmrunning", "tags:list"],
    COUNTS,
])
.with(&[("tags", &super::tag::TAG)]);

fn gone() -> ApiError {
    ApiError::invalid("Unable to find the project")
}

/// The project that a parameter names, the caller's to lead.
fn led(call: &Call<'_>, parameter: &'static str) -> Result<Uuid, ApiError> {
    let id = call.arguments.required_id(parameter)?;
    let project = call.model.projects.get(id).ok_or_else(gone)?;
    let leads = project.members.first() == Some(&call.caller.account);
    let over = || call.caller.account != project.account && !project.members.contains(&call.caller.account);
    if leads || call.caller.root_admin || (over() && call.may_use(project.account)) {
        return Ok(id);
    }
    Err(ApiError::permission(format!("Account {} can't change project id={id}", call.caller.name)))
}

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let leader = call.owner()?;
    call.within_limit(leader, Resource::Projects, 1)?;
    let domain = call.model.accounts.get(leader).and_then(|account| account.domain);
    let name = call.arguments.required_text("name")?.to_owned();
    let taken = call.model.projects.iter().any(|project| {
        let account = call.model.accounts.get(project.account);
        project.name.eq_ignore_ascii_case(&name) && account.is_some_and(|account| account.domain == domain)
    });
    if taken {
        return Err(ApiError::invalid(format!("Project with name {name} already exists in the domain")));
    }
    let number = call.model.next_number();
    let (id, account) = (call.model.next_id(), call.model.next_id());
    let own_account = Account {
        number: call.model.next_number(),
        id: account,
        name: format!("PrjAcct-{name}-{number}"),
        root_admin: false,
        domain_admin: false,
        domain,
        standing: Standing::Enabled,
        leaving: false,
        project: Some(id),
        network_domain: None,
        created: call.now,
        limits: BTreeMap::new(),
        users: Vec::new(),
    };
    call.model.accounts.insert(own_account);
    let project = Project {
        number,
        id,
        display_text: call.arguments.text("displaytext").unwrap_or(&name).to_owned(),
        name,
        account,
        members: vec![leader],
        active: true,
        created: call.now,
    };
    call.model.projects.insert(project);
    let arguments = call.arguments.clone();
    Ok(Begun::making(id, "Project", Lane::Free, move |running| async move {
        running.change_as_caller(&arguments, |call| answer(call, id)).await
    }))
}

fn answer(call: &Call<'_>, id: Uuid) -> Result<Value, ApiError> {
    let project = call.model.projects.get(id).ok_or_else(gone)?;
    Ok(json!({ "project": view(call.view(), project) }))
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let all = call.caller.root_admin
        && (arguments.boolean("listall") == Some(true) || arguments.id("id").is_some());
    let found = call.model.projects.iter().filter(|project| {
        (all || project.members.contains(&call.caller.account)
            || (call.caller.domain_admin.is_some() && call.may_use(project.account)))
            && call.wanted(project.id)
            && call.name_is(&project.name)
            && call.text_is("displaytext", &project.display_text)
            && call.text_is("state", state(call.model, project))
            && call.tags_match(project.id)
            && call.keyword_in(&[&project.name, &project.display_text])
    });
    Listing::of("project", arguments, found, |project| view(call.view(), project))
}

fn update(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = led(call, "id")?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(Some(("Project", Some(id))), Lane::Free, move |running| async move {
        running
            .change_as_caller(&arguments, |call| {
                let leader = match call.arguments.text("account") {
                    Some(name) => Some(member(call, id, name)?),
                    None => None,
                };
                let arguments = call.arguments;
                let project = call.model.projects.edit(id).ok_or_else(gone)?;
                if let Some(text) = arguments.text("displaytext") {
                    text.clone_into(&mut project.display_text);
                }
                if let Some(name) = arguments.text("name") {
                    name.clone_into(&mut project.name);
                }
                if let Some(leader) = leader {
                    project.members.retain(|member| *member != leader);
                    project.members.insert(0, leader);
                }
                answer(call, id)
            })
            .await
    }))
}

fn set_active(call: &mut Call<'_>, active: bool) -> Result<Begun, ApiError> {
    let id = led(call, "id")?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(Some(("Project", Some(id))), Lane::Free, move |running| async move {
        let account = running
            .change_as_caller(&arguments, |call| {
                let project = call.model.projects.edit(id).ok_or_else(gone)?;
                project.active = active;
                Ok(project.account)
            })
            .await?;
        if !active {
            running.core.stop_machines_of(account).await?;
        }
        running.change_as_caller(&arguments, |call| answer(call, id)).await
    }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = led(call, "id")?;
    let account = call.model.projects.get(id).ok_or_else(gone)?.account;
    if call.arguments.boolean("cleanup") != Some(true) && call.model.owns_anything(account) {
        return Err(ApiError::invalid(
            "Can't delete the project yet because it has things in it; remove them, or pass cleanup=true",
        ));
    }
    Ok(Begun::doing(Some(("Project", Some(id))), Lane::Free, move |running| async move {
        running.core.remove_account(account).await?;
        Ok(json!({ "success": true }))
    }))
}

/// An account of the project's domain, by its name.
fn account_by_name(call: &Call<'_>, project: Uuid, name: &str) -> Result<Uuid, ApiError> {
    let project = call.model.projects.get(project).ok_or_else(gone)?;
    let domain = call.model.accounts.get(project.account).and_then(|account| account.domain);
    let account = call.model.account_in(domain, name);
    let account = account.filter(|account| account.project.is_none() && !account.leaving);
    account
        .map(|account| account.id)
        .ok_or_else(|| ApiError::invalid(format!("Unable to find account {name} in the project's domain")))
}

fn member(call: &Call<'_>, project: Uuid, name: &str) -> Result<Uuid, ApiError> {
    let account = account_by_name(call, project, name)?;
    let known = call.model.projects.get(project).is_some_and(|project| project.members.contains(&account));
    let none = || ApiError::invalid(format!("Account {name} is not in the project; add it first"));
    if known { Ok(account) } else { Err(none()) }
}

fn add_member(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = led(call, "projectid")?;
    let name = call
        .arguments
        .text("account")
        .ok_or_else(|| ApiError::invalid("account must be specified: nobody is invited by mail here"))?;
    let account = account_by_name(call, id, name)?;
    Ok(Begun::doing(Some(("Project", Some(id))), Lane::Free, move |running| async move {
        running
            .core
            .change(|model, _| {
                let project = model.projects.edit(id).ok_or_else(gone)?;
                if !project.members.contains(&account) {
                    project.members.push(account);
                }
                Ok(json!({ "success": true }))
            })
            .await
    }))
}

fn remove_member(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = led(call, "projectid")?;
    let account = member(call, id, call.arguments.required_text("account")?)?;
    if call.model.projects.get(id).is_some_and(|project| project.members.first() == Some(&account)) {
        return Err(ApiError::invalid("The account that leads the project can't be removed from it"));
    }
    Ok(Begun::doing(Some(("Project", Some(id))), Lane::Free, move |running| async move {
        running
            .core
            .change(|model, _| {
                let project = model.projects.edit(id).ok_or_else(gone)?;
                project.members.retain(|member| *member != account);
                Ok(json!({ "success": true }))
            })
            .await
    }))
}

fn list_members(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let project = arguments.id("projectid").and_then(|id| call.model.projects.get(id));
    let project = project.filter(|project| call.may_use(project.account));
    let members = project.into_iter().flat_map(|project| {
        project.members.iter().enumerate().filter_map(move |(number, member)| {
            let role = if number == 0 { "Admin" } else { "Regular" };
            Some((project, call.model.accounts.get(*member)?, role))
        })
    });
    let found = members.filter(|(_, account, role)| {
        call.text_is("account", &account.name)
            && call.text_is("role", role)
            && call.keyword_in(&[&account.name])
    });
    Listing::of("projectaccount", arguments, found, |(project, account, role)| {
        json!({
            "projectid": project.id,
            "project": project.name,
            "account": account.name,
            "accountid": account.id,
            "accounttype": account.kind(),
            "role": role,
        })
    })
}

fn state(model: &Model, project: &Project) -> &'static str {
    match project.active {
        // Being deleted.
        _ if model.is_leaving(project.account) => "Disabled",
        true => "Active",
        false => "Suspended",
    }
}

fn view(view: View<'_>, project: &Project) -> Value {
    let account = view.model.accounts.get(project.account);
    let domain = account.and_then(|account| account.domain);
    let leaders: Vec<Value> = project
        .members
        .first()
        .and_then(|leader| view.model.accounts.get(*leader))
        .map(|leader| json!({ "account": leader.name }))
        .into_iter()
        .collect();
    object([
        json!({
            "id": project.id,
            "name": project.name,
            "displaytext": project.display_text,
            "domainid": domain.unwrap_or(view.settings.catalogue.domain_id),
            "domain": view.model.domain_name(domain),
            "projectaccountname": account.map(|account| &account.name),
            "owner": leaders,
            "state": state(view.model, project),
            "created": time(project.created),
            "tags": view.tags(project.id),
        }),
        machines_of(view, project.account),
        Value::Object(
            counts(view, &[project.account], |number| limit_of(view, project.account, number))
                .into_iter()
                .filter(|(name, _)| !name.starts_with("project"))
                .collect(),
        ),
    ])
}
