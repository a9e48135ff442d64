//! Limits of accounts.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Scope, View, object};
use super::{Call, Command, Entity, Listing, Parameter};
use crate::error::ApiError;
use crate::model::{RESOURCE_TYPES, Resource};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listResourceLimits",
        "Lists how much an account may have",
        &[Parameter::integer("resourcetype"), Parameter::text("resourcetypename")],
        list,
    ),
    Command::change(
        "updateResourceLimit",
        "Sets how much an account may have",
        &[
            Parameter::integer("resourcetype").required(),
            Parameter::integer("max").about("-1 is without limit"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
        ],
        update,
    ),
];

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let account = match call.scope()? {
        Scope::Account(account) => Some(account),
        Scope::Everyone => Some(call.caller.account),
        Scope::Nobody => None,
    };
    let wanted = call.arguments.integer("resourcetype");
    let found = RESOURCE_TYPES.into_iter().filter_map(|(number, name, _)| {
        let by_name =
            call.arguments.text("resourcetypename").is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
        (wanted.is_none_or(|wanted| wanted == i64::from(number)) && by_name).then_some((account?, number))
    });
    Listing::of("resourcelimit", call.arguments, found, |(account, number)| {
        view(call.view(), account, number)
    })
}

fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.owner()?;
    if !call.caller.root_admin {
        return Err(ApiError::permission("Can't update resource limit for the account"));
    }
    let number = call.arguments.integer("resourcetype").unwrap_or(-1);
    let known = RESOURCE_TYPES.into_iter().find(|(known, ..)| i64::from(*known) == number);
    let (number, ..) = known.ok_or_else(|| ApiError::invalid("Please specify a valid resource type"))?;
    let max = call.arguments.integer("max").unwrap_or(-1).max(-1);
    if let Some(account) = call.model.accounts.edit(account) {
        account.limits.insert(number, max);
    }
    Ok(json!({ "resourcelimit": view(call.view(), account, number) }))
}

fn view(view: View<'_>, account: Uuid, number: u8) -> Value {
    let (_, name, default) = RESOURCE_TYPES[usize::from(number)];
    let limited = Resource::ALL.into_iter().find(|resource| resource.number() == number);
    let owner = view.model.accounts.get(account);
    let max = match limited {
        Some(resource) => view.model.limit(account, resource, &view.settings.config.limits),
        None if owner.is_some_and(|owner| owner.root_admin) => -1,
        None => owner.and_then(|owner| owner.limits.get(&number).copied()).unwrap_or(default),
    };
    object([
        json!({ "resourcetype": number.to_string(), "resourcetypename": name, "max": max }),
        view.ownership(account),
    ])
}
