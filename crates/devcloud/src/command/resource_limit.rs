//! Limits of accounts.

use serde_json::{Value, json};
use uuid::Uuid;

use super::account::limit_of;
use super::answer::{Answer, OWNED};
use super::call::{Scope, View, object};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::model::{RESOURCE_TYPES, Resource};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listResourceLimits",
        "Lists how much an account may have",
        &[Parameter::integer("resourcetype"), Parameter::text("resourcetypename")],
        list,
    )
    .answering(&LIMIT)
    .reaching(Reach::Owned),
    Command::change(
        "updateResourceLimit",
        "Sets how much an account may have",
        &[
            Parameter::integer("resourcetype").required(),
            Parameter::long("max").about("-1 is without limit"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        update,
    )
    .answering(&LIMIT),
    Command::change(
        "updateResourceCount",
        "Counts anew what an account has",
        &[
            Parameter::id("domainid", Entity::Domain).required(),
            Parameter::text("account"),
            Parameter::project(),
            Parameter::integer("resourcetype"),
        ],
        count,
    )
    .answering(&COUNT)
    .for_admins(),
];

const COUNT: Answer = Answer::of(&[OWNED, &["resourcetype", "resourcetypename", "resourcecount"]]);

const LIMIT: Answer = Answer::of(&[OWNED, &["resourcetype", "resourcetypename", "max"]]);

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let account = match call.scope()? {
        Scope::Account(account) => Some(account),
        Scope::Several(_) | Scope::Everyone => Some(call.caller.account),
    };
    let wanted = call.arguments.integer("resourcetype");
    let found = RESOURCE_TYPES.into_iter().filter_map(|(number, name, _)| {
        let by_name = call.text_is("resourcetypename", name);
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

// Nothing is counted ahead here, so that counting anew is only telling.
fn count(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.owner()?;
    let wanted = call.arguments.integer("resourcetype");
    let counts: Vec<Value> = Resource::ALL
        .into_iter()
        .filter(|resource| wanted.is_none_or(|wanted| wanted == i64::from(resource.number())))
        .map(|resource| {
            object([
                json!({
                    "resourcetype": resource.number().to_string(),
                    "resourcetypename": resource.name(),
                    "resourcecount": call.model.usage(account, resource),
                }),
                call.view().ownership(account),
            ])
        })
        .collect();
    if counts.is_empty() {
        return Err(ApiError::invalid("Please specify a valid resource type"));
    }
    Ok(json!({ "count": counts.len(), "resourcecount": counts }))
}

fn view(view: View<'_>, account: Uuid, number: u8) -> Value {
    let (_, name, _) = RESOURCE_TYPES[usize::from(number)];
    let max = limit_of(view, account, number);
    object([
        json!({ "resourcetype": number.to_string(), "resourcetypename": name, "max": max }),
        view.ownership(account),
    ])
}
