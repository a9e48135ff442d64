//! Limits of accounts and of domains.

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
        "Lists how much an account or a domain may have",
        &[Parameter::integer("resourcetype"), Parameter::text("resourcetypename")],
        list,
    )
    .answering(&LIMIT)
    .reaching(Reach::Owned),
    Command::change(
        "updateResourceLimit",
        "Sets how much an account or a domain may have",
        &[
            Parameter::integer("resourcetype").required(),
            Parameter::long("max").about("-1 is without limit"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        update,
    )
    .answering(&LIMIT)
    .for_admins(),
    Command::change(
        "updateResourceCount",
        "Counts anew what an account or a domain has",
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

/// Whose limits a command is about.
#[derive(Clone, Copy)]
enum Whose {
    Account(Uuid),
    /// None is ROOT.
    Domain(Option<Uuid>),
}

impl Whose {
    /// Those of the account that is named, of the domain where no account is, else of the caller.
    fn of(call: &Call<'_>) -> Result<Self, ApiError> {
        let arguments = call.arguments;
        let named = arguments.text("account").is_some() || arguments.id("projectid").is_some();
        if arguments.id("domainid").is_none() || named {
            return call.owner().map(Self::Account);
        }
        let domain = call.named_domain();
        if call.reaches_domain(domain) { Ok(Self::Domain(domain)) } else { Err(ApiError::not_yours()) }
    }
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let alone = call.arguments.text("account").is_none() && call.arguments.id("domainid").is_some();
    let whose = if alone { Whose::of(call)? } else { Whose::Account(listed(call)?) };
    let wanted = call.arguments.integer("resourcetype");
    let found = RESOURCE_TYPES.into_iter().filter_map(|(number, name, _)| {
        let by_name = call.text_is("resourcetypename", name);
        (wanted.is_none_or(|wanted| wanted == i64::from(number)) && by_name).then_some(number)
    });
    Listing::of("resourcelimit", call.arguments, found, |number| view(call.view(), whose, number))
}

/// The account whose limits are listed: the one that is asked for, else the caller's.
fn listed(call: &Call<'_>) -> Result<Uuid, ApiError> {
    Ok(match call.scope()? {
        Scope::Account(account) => account,
        Scope::Several(_) | Scope::Everyone => call.caller.account,
    })
}

fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let whose = Whose::of(call)?;
    may_limit(call, whose)?;
    let number = call.arguments.integer("resourcetype").unwrap_or(-1);
    let known = RESOURCE_TYPES.into_iter().find(|(known, ..)| i64::from(*known) == number);
    let (number, ..) = known.ok_or_else(|| ApiError::invalid("Please specify a valid resource type"))?;
    let max = call.arguments.integer("max").unwrap_or(-1).max(-1);
    let limits = match whose {
        Whose::Account(account) => call.model.accounts.edit(account).map(|account| &mut account.limits),
        Whose::Domain(domain) => {
            domain.and_then(|domain| call.model.domains.edit(domain)).map(|domain| &mut domain.limits)
        }
    };
    if let Some(limits) = limits {
        limits.insert(number, max);
    }
    Ok(json!({ "resourcelimit": view(call.view(), whose, number) }))
}

/// Root admins limit everybody but ROOT; domain admins what is in their domain, but neither that nor themselves.
fn may_limit(call: &Call<'_>, whose: Whose) -> Result<(), ApiError> {
    let own = call.model.accounts.get(call.caller.account).and_then(|account| account.domain);
    match whose {
        Whose::Domain(None) => Err(ApiError::permission("Cannot update resource limit for ROOT domain")),
        Whose::Domain(domain) if !call.caller.root_admin && domain == own => {
            Err(ApiError::permission("Cannot update resource limit for the caller's own domain"))
        }
        Whose::Account(account) if !call.caller.root_admin && account == call.caller.account => {
            Err(ApiError::permission("Unable to update resource limit for your own account"))
        }
        _ => Ok(()),
    }
}

// Nothing is counted ahead here, so that counting anew is only telling.
fn count(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let whose = Whose::of(call)?;
    let wanted = call.arguments.integer("resourcetype");
    let counts: Vec<Value> = Resource::ALL
        .into_iter()
        .filter(|resource| wanted.is_none_or(|wanted| wanted == i64::from(resource.number())))
        .map(|resource| {
            let used = match whose {
                Whose::Account(account) => call.model.usage(account, resource),
                Whose::Domain(domain) => call.model.domain_usage(domain, resource),
            };
            object([
                json!({
                    "resourcetype": resource.number().to_string(),
                    "resourcetypename": resource.name(),
                    "resourcecount": used,
                }),
                owner(call.view(), whose),
            ])
        })
        .collect();
    if counts.is_empty() {
        return Err(ApiError::invalid("Please specify a valid resource type"));
    }
    Ok(json!({ "count": counts.len(), "resourcecount": counts }))
}

fn owner(view: View<'_>, whose: Whose) -> Value {
    match whose {
        Whose::Account(account) => view.ownership(account),
        Whose::Domain(domain) => view.domain(domain),
    }
}

fn view(view: View<'_>, whose: Whose, number: u8) -> Value {
    let (_, name, _) = RESOURCE_TYPES[usize::from(number)];
    let max = match whose {
        Whose::Account(account) => limit_of(view, account, number),
        Whose::Domain(domain) => view.model.domain_limit(domain, number),
    };
    object([
        json!({ "resourcetype": number.to_string(), "resourcetypename": name, "max": max }),
        owner(view, whose),
    ])
}
