//! Accounts.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::call::{View, object, time};
use super::{Call, Command, Entity, Listing, Parameter};
use crate::error::ApiError;
use crate::model::{Account, MachineState, Resource, User};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listAccounts",
        "Lists accounts and what they have and may have",
        &[
            Parameter::id("id", Entity::Account),
            Parameter::text("name"),
            Parameter::integer("accounttype"),
            Parameter::text("state"),
        ],
        list,
    ),
    Command::change(
        "createAccount",
        "Makes an account with its user",
        &[
            Parameter::text("username").required(),
            Parameter::text("password").required(),
            Parameter::text("email").required(),
            Parameter::text("firstname").required(),
            Parameter::text("lastname").required(),
            Parameter::text("account"),
            Parameter::integer("accounttype").about("0 a user (the default), 1 a root admin"),
            Parameter::id("roleid", Entity::Role),
            Parameter::id("domainid", Entity::Domain),
        ],
        create,
    )
    .for_root_admin(),
];

/// The accounts a caller may see: a user its own alone, a root admin with `listall` (or an id, or a name) all.
pub(super) fn seen<'a>(call: &'a Call<'_>) -> impl Iterator<Item = &'a Account> {
    let all = call.caller.root_admin
        && (call.arguments.boolean("listall") == Some(true)
            || call.arguments.id("id").is_some()
            || call.arguments.text("name").is_some()
            || call.arguments.text("username").is_some());
    call.model.accounts.iter().filter(move |account| all || account.id == call.caller.account)
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let kind = call.arguments.integer("accounttype");
    let found = seen(call).filter(|account| {
        call.wanted(account.id)
            && call.name_is(&account.name)
            && call.keyword_in(&[&account.name])
            && kind.is_none_or(|kind| kind == i64::from(account.root_admin))
            && call.arguments.text("state").is_none_or(|state| state.eq_ignore_ascii_case("enabled"))
    });
    Listing::of("account", call.arguments, found, |account| view(call.view(), account))
}

fn create(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let user_name = arguments.required_text("username")?.to_owned();
    let name = arguments.text("account").unwrap_or(&user_name).to_owned();
    if call.model.account_named(&name).is_some() {
        return Err(ApiError::invalid(format!("The specified account: {name} already exists")));
    }
    if call.model.accounts.iter().any(|account| account.user.name == user_name) {
        return Err(ApiError::invalid(format!("The user {user_name} already exists in domain 1")));
    }
    let root_admin = arguments.integer("accounttype") == Some(1)
        || arguments.id("roleid") == Some(call.catalogue().admin_role);
    let id = call.model.next_id();
    let account = Account {
        number: call.model.next_number(),
        id,
        name,
        root_admin,
        created: call.now,
        limits: BTreeMap::new(),
        user: User {
            id: call.model.next_id(),
            name: user_name,
            first_name: arguments.required_text("firstname")?.to_owned(),
            last_name: arguments.required_text("lastname")?.to_owned(),
            email: arguments.required_text("email")?.to_owned(),
            api_key: None,
            secret_key: SecretString::default(),
            password: SecretString::from(arguments.required_text("password")?.to_owned()),
        },
    };
    let view = view(View { model: call.model, settings: call.settings, root_admin: true }, &account);
    call.model.accounts.insert(account);
    Ok(json!({ "account": view }))
}

fn view(view: View<'_>, account: &Account) -> Value {
    let machines = |state: MachineState| {
        let machines = view.model.virtual_machines.iter();
        machines.filter(|machine| machine.account == account.id && machine.state == state).count()
    };
    let mut counts = Map::new();
    let mut count = |prefix: &str, used: i64, limit: i64| {
        let shown = |number: i64| if limit < 0 { "Unlimited".to_owned() } else { number.to_string() };
        counts.insert(format!("{prefix}limit"), shown(limit).into());
        counts.insert(format!("{prefix}total"), used.into());
        counts.insert(format!("{prefix}available"), shown(limit - used).into());
    };
    for (prefix, resource) in [
        ("vm", Resource::Machines),
        ("ip", Resource::PublicAddresses),
        ("volume", Resource::Volumes),
        ("template", Resource::Templates),
        ("network", Resource::Networks),
        ("cpu", Resource::Processors),
        ("memory", Resource::Memory),
    ] {
        let used = view.model.usage(account.id, resource, |offering| view.settings.catalogue.size(offering));
        count(prefix, used, view.model.limit(account.id, resource, &view.settings.config.limits));
    }
    for (prefix, limit) in
        [("snapshot", 20), ("project", 10), ("vpc", 20), ("primarystorage", 200), ("secondarystorage", 400)]
    {
        count(prefix, 0, if account.root_admin { -1 } else { limit });
    }
    object([
        json!({
            "id": account.id,
            "name": account.name,
            "accounttype": i32::from(account.root_admin),
            "vmstopped": machines(MachineState::Stopped),
            "vmrunning": machines(MachineState::Running),
            "state": "enabled",
            "created": time(account.created),
            "user": [super::user::view(view, account)],
            "isdefault": false,
            "groups": [],
        }),
        role(view, account),
        Value::Object(counts),
        json!({
            "domainid": view.settings.catalogue.domain_id,
            "domain": crate::catalogue::DOMAIN,
            "domainpath": crate::catalogue::DOMAIN,
        }),
    ])
}

pub(super) fn role(view: View<'_>, account: &Account) -> Value {
    let catalogue = &view.settings.catalogue;
    if account.root_admin {
        json!({ "roleid": catalogue.admin_role, "roletype": "Admin", "rolename": "Root Admin" })
    } else {
        json!({ "roleid": catalogue.user_role, "roletype": "User", "rolename": "User" })
    }
}
