//! Domains, and the roles of accounts.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::account::{COUNTS, PROJECT_COUNTS};
use super::answer::Answer;
use super::call::{View, object, time};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::faults::not_doomed;
use crate::job::Lane;
use crate::model::{Domain, Entity as _, Model};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listDomains",
        "Lists domains",
        &[Parameter::id("id", Entity::Domain), Parameter::text("name"), Parameter::integer("level")],
        |call| list(call, false),
    )
    .answering(&DOMAIN)
    .for_admins()
    .reaching(Reach::Tagged),
    Command::list(
        "listDomainChildren",
        "Lists the domains in a domain",
        &[
            Parameter::id("id", Entity::Domain),
            Parameter::text("name"),
            Parameter::boolean("listall"),
            Parameter::boolean("isrecursive"),
        ],
        |call| list(call, true),
    )
    .answering(&DOMAIN)
    .for_admins()
    .reaching(Reach::Catalogue),
    Command::change(
        "createDomain",
        "Makes a domain in another one",
        &[
            Parameter::text("name").required(),
            Parameter::id("parentdomainid", Entity::Domain),
            Parameter::text("networkdomain"),
        ],
        create,
    )
    .answering(&DOMAIN)
    .for_admins(),
    Command::change(
        "updateDomain",
        "Changes a domain's name",
        &[
            Parameter::id("id", Entity::Domain).required(),
            Parameter::text("name"),
            Parameter::text("networkdomain"),
        ],
        update,
    )
    .answering(&DOMAIN)
    .for_admins(),
    Command::job(
        "deleteDomain",
        "Removes a domain that nothing is in, or all of it with cleanup",
        JobKind::new("admin.domain.DeleteDomainCmd"),
        &[Parameter::id("id", Entity::Domain).required(), Parameter::boolean("cleanup")],
        delete,
    )
    .for_admins(),
    Command::list(
        "listRoles",
        "Lists what accounts may do",
        &[Parameter::id("id", Entity::Role), Parameter::text("name"), Parameter::text("type")],
        list_roles,
    )
    .answering(&ROLE)
    .reaching(Reach::Catalogue)
    .for_admins(),
];

const DOMAIN: Answer = Answer::of(&[
    &[
        "id",
        "name",
        "level:integer",
        "parentdomainid",
        "parentdomainname",
        "haschild",
        "networkdomain",
        "path",
    ],
    &["state", "created", "hasannotations"],
    COUNTS,
    PROJECT_COUNTS,
]);

const ROLE: Answer = Answer::of(&[&["id", "name", "type", "description", "isdefault", "ispublic", "state"]]);

/// A domain by its id; the inner none is ROOT.
type Place = Option<Uuid>;

fn place(call: &Call<'_>, id: Uuid) -> Place {
    Some(id).filter(|id| *id != call.catalogue().domain_id)
}

/// The caller's own domain.
fn own(call: &Call<'_>) -> Place {
    call.model.accounts.get(call.caller.account).and_then(|account| account.domain)
}

fn list(call: &Call<'_>, children: bool) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let wanted = arguments.id("id").map(|id| place(call, id));
    let everything =
        arguments.boolean("listall") == Some(true) || arguments.boolean("isrecursive") == Some(true);
    let all = std::iter::once(None).chain(call.model.domains.iter().map(|domain| Some(domain.id)));
    let found = all.filter(|domain| {
        let below = |top: Place| match everything {
            true => *domain != top && call.model.domain_holds(top, *domain),
            false => domain.is_some_and(|id| call.model.domains.get(id).is_some_and(|it| it.parent == top)),
        };
        let meant = match (children, wanted) {
            (true, top) => below(top.unwrap_or_else(|| own(call))),
            (false, Some(wanted)) => *domain == wanted,
            (false, None) => {
                arguments.boolean("listall") != Some(false) && call.caller.root_admin
                    || call.model.domain_holds(own(call), *domain)
            }
        };
        let name = call.model.domain_name(*domain);
        meant
            && call.reaches_domain(*domain)
            && call.name_is(name)
            && call.keyword_in(&[name])
            && arguments
                .integer("level")
                .is_none_or(|level| usize::try_from(level).ok() == Some(call.model.domain_level(*domain)))
    });
    Listing::of("domain", arguments, found, |domain| view(call.view(), domain))
}

fn must_be_in_reach(call: &Call<'_>, domain: Place) -> Result<(), ApiError> {
    let reach = call.caller.root_admin
        || call.caller.domain_admin.is_some_and(|top| call.model.domain_holds(top, domain));
    if reach { Ok(()) } else { Err(ApiError::not_yours()) }
}

fn free_name(call: &Call<'_>, parent: Place, name: &str) -> Result<(), ApiError> {
    let taken = call
        .model
        .domains
        .iter()
        .any(|domain| domain.parent == parent && domain.name.eq_ignore_ascii_case(name));
    if taken {
        return Err(ApiError::invalid(format!(
            "Domain with name {name} already exists for the parent {}",
            call.model.domain_name(parent)
        )));
    }
    Ok(())
}

fn create(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let parent = match call.arguments.id("parentdomainid") {
        Some(parent) => place(call, parent),
        None => own(call),
    };
    must_be_in_reach(call, parent)?;
    let name = call.arguments.required_text("name")?.to_owned();
    free_name(call, parent, &name)?;
    let network_domain = call.arguments.changed_network_domain(None)?;
    let id = call.model.next_id();
    let domain = Domain {
        number: call.model.next_number(),
        id,
        name,
        parent,
        network_domain,
        created: call.now,
        limits: BTreeMap::new(),
    };
    call.model.domains.insert(domain);
    Ok(json!({ "domain": view(call.view(), Some(id)) }))
}

fn gone() -> ApiError {
    ApiError::invalid("Unable to find the domain")
}

fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let domain = place(call, id);
    must_be_in_reach(call, domain)?;
    let before = call.model.domains.get(id).ok_or_else(gone)?;
    let name = call.arguments.text("name").filter(|name| !name.eq_ignore_ascii_case(&before.name));
    if let Some(name) = name {
        free_name(call, before.parent, name)?;
    }
    let network_domain = call.arguments.changed_network_domain(before.network_domain.as_ref())?;
    let edited = call.model.domains.edit(id).ok_or_else(gone)?;
    if let Some(name) = name {
        name.clone_into(&mut edited.name);
    }
    edited.network_domain = network_domain;
    Ok(json!({ "domain": view(call.view(), domain) }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let domain = place(call, id);
    must_be_in_reach(call, domain)?;
    if domain.is_none() || domain == own(call) {
        return Err(ApiError::permission("ROOT and the caller's own domain can't be deleted"));
    }
    let cleanup = call.arguments.boolean("cleanup") == Some(true);
    Ok(Begun::doing(Some(("Domain", Some(id))), Lane::Free, move |running| async move {
        let core = &running.core;
        not_doomed()?;
        loop {
            // What is left, and that nothing is, is seen in the same transaction that ends it.
            let left = core.change(|model, _| forget_if_empty(model, id, cleanup)).await?;
            if left.is_empty() {
                break;
            }
            for account in left {
                core.remove_account(account).await?;
            }
        }
        Ok(json!({ "success": true }))
    }))
}

/// Removes a domain with the domains in it, once there is no account in any of them; answers those that there are,
/// projects' own before the accounts that lead these.
fn forget_if_empty(model: &mut Model, id: Uuid, with_all: bool) -> Result<Vec<Uuid>, ApiError> {
    let inside = model.domains.iter().filter(|inner| model.domain_holds(Some(id), Some(inner.id)));
    let inside: Vec<Uuid> = inside.map(|inner| inner.id).collect();
    let accounts = model.accounts.iter().filter(|account| model.domain_holds(Some(id), account.domain));
    let mut accounts: Vec<_> = accounts.map(|account| (account.project.is_none(), account.id)).collect();
    if !with_all && (inside.len() > 1 || !accounts.is_empty()) {
        return Err(ApiError::internal(
            "Failed to delete domain; it has accounts or domains in it. Pass cleanup=true to remove them too",
        ));
    }
    if accounts.is_empty() {
        for domain in inside {
            model.domains.remove(domain);
            model.bury(domain, Domain::KIND);
        }
    }
    accounts.sort_unstable();
    Ok(accounts.into_iter().map(|(_, id)| id).collect())
}

fn view(view: View<'_>, domain: Option<Uuid>) -> Value {
    let root = view.settings.catalogue.domain_id;
    let known = domain.and_then(|domain| view.model.domains.get(domain));
    let parent = known.map(|known| known.parent);
    let accounts = view.model.accounts.iter().filter(|account| account.domain == domain);
    let accounts: Vec<Uuid> = accounts.map(|account| account.id).collect();
    object([
        json!({
            "id": domain.unwrap_or(root),
            "name": view.model.domain_name(domain),
            "level": view.model.domain_level(domain),
            "parentdomainid": parent.map(|parent| parent.unwrap_or(root)),
            "parentdomainname": parent.map(|parent| view.model.domain_name(parent)),
            "haschild": view.model.domains.iter().any(|inner| inner.parent == domain),
            "networkdomain": known.and_then(|known| known.network_domain.as_ref()),
            "path": view.model.domain_path(domain),
            "state": "Active",
            "created": time(known.map_or(view.settings.catalogue.created, |known| known.created)),
            "hasannotations": false,
        }),
        Value::Object(super::account::counts(view, &accounts, |number| {
            view.model.domain_limit(domain, number)
        })),
    ])
}

fn list_roles(call: &Call<'_>) -> Result<Listing, ApiError> {
    let found = call.catalogue().roles().filter(|role| {
        call.wanted(role.id)
            && call.name_is(role.name)
            && call.keyword_in(&[role.name])
            && call.text_is("type", role.kind)
    });
    Listing::of("role", call.arguments, found, |role| {
        json!({
            "id": role.id,
            "name": role.name,
            "type": role.kind,
            "description": format!("Default {} role", role.name.to_lowercase()),
            "isdefault": true,
            "ispublic": true,
            "state": "enabled",
        })
    })
}
