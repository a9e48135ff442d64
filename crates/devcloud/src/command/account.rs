//! Accounts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::Answer;
use super::call::{View, object, time};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Account, MachineState, RESOURCE_TYPES, Resource, Standing};

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
    )
    .answering(&ACCOUNT)
    .reaching(Reach::Domain),
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
            Parameter::integer("accounttype")
                .about("0 a user's (the default), 1 a root admin's, 2 a domain admin's"),
            Parameter::id("roleid", Entity::Role),
            Parameter::id("domainid", Entity::Domain),
            Parameter::text("networkdomain"),
            Parameter::text("timezone"),
        ],
        create,
    )
    .answering(&ACCOUNT)
    .for_admins(),
    Command::change(
        "updateAccount",
        "Changes an account's name or role",
        &[
            Parameter::id("id", Entity::Account),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::text("newname"),
            Parameter::text("networkdomain"),
            Parameter::id("roleid", Entity::Role),
        ],
        update,
    )
    .answering(&ACCOUNT)
    .for_admins(),
    Command::change(
        "enableAccount",
        "Lets an account's users call again",
        &[
            Parameter::id("id", Entity::Account),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
        ],
        |call| stand(call, Standing::Enabled),
    )
    .answering(&ACCOUNT)
    .for_admins(),
    Command::change(
        "lockAccount",
        "Keeps an account's users from calling",
        &[Parameter::text("account").required(), Parameter::id("domainid", Entity::Domain).required()],
        |call| stand(call, Standing::Locked),
    )
    .answering(&ACCOUNT)
    .for_admins(),
    Command::job(
        "disableAccount",
        "Keeps an account's users from calling, and unless it is only locked stops its machines",
        JobKind::new("admin.account.DisableAccountCmd"),
        &[
            Parameter::boolean("lock").required(),
            Parameter::id("id", Entity::Account),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
        ],
        disable,
    )
    .answering(&ACCOUNT)
    .for_admins(),
    Command::job(
        "deleteAccount",
        "Removes an account with everything it has",
        JobKind::new("admin.account.DeleteAccountCmd"),
        &[Parameter::id("id", Entity::Account).required()],
        delete,
    )
    .for_admins(),
];

/// How much something has and may have.
pub(super) const COUNTS: &[&str] = &[
    "vmlimit",
    "vmtotal",
    "vmavailable",
    "iplimit",
    "iptotal",
    "ipavailable",
    "volumelimit",
    "volumetotal",
    "volumeavailable",
    "snapshotlimit",
    "snapshottotal",
    "snapshotavailable",
    "templatelimit",
    "templatetotal",
    "templateavailable",
    "networklimit",
    "networktotal",
    "networkavailable",
    "vpclimit",
    "vpctotal",
    "vpcavailable",
    "cpulimit",
    "cputotal",
    "cpuavailable",
    "memorylimit",
    "memorytotal",
    "memoryavailable",
    "primarystoragelimit",
    "primarystoragetotal",
    "primarystorageavailable",
    "secondarystoragelimit",
    "secondarystoragetotal",
    "secondarystorageavailable",
    "backuplimit",
    "backuptotal",
    "backupavailable",
    "backupstoragelimit",
    "backupstoragetotal",
    "backupstorageavailable",
    "bucketlimit",
    "buckettotal",
    "bucketavailable",
    "gpulimit",
    "gputotal",
    "gpuavailable",
    "objectstoragelimit",
    "objectstoragetotal",
    "objectstorageavailable",
];

/// The same for projects, which are not in projects.
pub(super) const PROJECT_COUNTS: &[&str] = &["projectlimit", "projecttotal", "projectavailable"];

/// What is told of an account.
const ACCOUNT: Answer = Answer::of(&[
    &["id", "name", "accounttype", "roleid", "roletype", "rolename", "domainid", "domain", "domainpath"],
    COUNTS,
    PROJECT_COUNTS,
    &["vmstopped", "vmrunning", "state", "created", "networkdomain", "user", "isdefault", "groups"],
    &["apikeyaccess:apikeyaccess"],
])
.with(&[("user", &super::user::USER)]);

/// The accounts a caller may see: a user its own alone, an admin with `listall` (or an id, or a name) all it may use.
pub(super) fn seen<'a>(call: &'a Call<'_>) -> impl Iterator<Item = &'a Account> {
    let admin = call.caller.root_admin || call.caller.domain_admin.is_some();
    let all = admin
        && (call.arguments.boolean("listall") == Some(true)
            || call.arguments.id("id").is_some()
            || call.arguments.id("domainid").is_some()
            || ["name", "username", "account"].iter().any(|name| call.arguments.text(name).is_some()));
    let root = call.catalogue().domain_id;
    let recursive = call.arguments.boolean("isrecursive") == Some(true);
    let domain = call.arguments.id("domainid").map(|domain| Some(domain).filter(|domain| *domain != root));
    call.model.accounts.iter().filter(move |account| {
        account.project.is_none()
            && (account.id == call.caller.account || (all && call.may_use(account.id)))
            && domain.is_none_or(|domain| {
                account.domain == domain || (recursive && call.model.domain_holds(domain, account.domain))
            })
    })
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let kind = call.arguments.integer("accounttype");
    let found = seen(call).filter(|account| {
        call.wanted(account.id)
            && call.name_is(&account.name)
            && call.keyword_in(&[&account.name])
            && kind.is_none_or(|kind| kind == account.kind())
            && call
                .arguments
                .text("state")
                .is_none_or(|state| state.eq_ignore_ascii_case(account.standing.name()))
    });
    Listing::of("account", call.arguments, found, |account| view(call.view(), account))
}

/// The kind of account that the arguments ask for, which the caller has to be above.
fn kind(call: &Call<'_>, before: i64) -> Result<i64, ApiError> {
    let role = call.arguments.id("roleid");
    let role = role.and_then(|id| call.catalogue().roles().find(|role| role.id == id));
    let kind = match (role, call.arguments.integer("accounttype")) {
        (Some(role), _) => role.account_kind,
        (None, Some(kind)) => kind,
        (None, None) => before,
    };
    if !(0..=2).contains(&kind) {
        return Err(ApiError::invalid(format!("Invalid account type {kind}: use 0, 1 or 2")));
    }
    if kind == 1 && !call.caller.root_admin {
        return Err(ApiError::permission(format!(
            "Account {} can not make accounts of more rights than its own",
            call.caller.name
        )));
    }
    Ok(kind)
}

fn free_name(call: &Call<'_>, domain: Option<Uuid>, name: &str) -> Result<(), ApiError> {
    match call.model.account_in(domain, name) {
        Some(_) => Err(ApiError::invalid(format!("The specified account: {name} already exists"))),
        None => Ok(()),
    }
}

fn create(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let domain = call.named_domain();
    if call.caller.domain_admin.is_some_and(|own| !call.model.domain_holds(own, domain)) {
        return Err(ApiError::not_yours());
    }
    let name = arguments.text("account").unwrap_or(arguments.required_text("username")?).to_owned();
    free_name(call, domain, &name)?;
    let kind = kind(call, 0)?;
    let user = super::user::from_arguments(call, domain)?;
    let account = Account {
        number: call.model.next_number(),
        id: call.model.next_id(),
        name,
        root_admin: kind == 1,
        domain_admin: kind == 2,
        domain,
        standing: Standing::Enabled,
        leaving: false,
        project: None,
        network_domain: arguments.changed_network_domain(None)?,
        created: call.now,
        limits: BTreeMap::new(),
        users: vec![user],
    };
    let id = account.id;
    call.model.accounts.insert(account);
    answer(call, id)
}

fn gone() -> ApiError {
    ApiError::invalid("Unable to find account by id or by name in the domain")
}

fn answer(call: &Call<'_>, id: Uuid) -> Result<Value, ApiError> {
    let account = call.model.accounts.get(id).ok_or_else(gone)?;
    Ok(json!({ "account": view(call.view(), account) }))
}

/// The account that `id`, or `account` with `domainid`, names; the caller's to change.
fn named(call: &Call<'_>) -> Result<Uuid, ApiError> {
    let account = match (call.arguments.id("id"), call.arguments.text("account")) {
        (Some(id), _) => call.model.accounts.get(id),
        (None, Some(name)) => call.model.account_in(call.named_domain(), name),
        (None, None) => None,
    };
    let account = account.filter(|account| account.project.is_none()).ok_or_else(gone)?;
    call.must_be_mine(account.id)?;
    Ok(account.id)
}

fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = named(call)?;
    let account = call.model.accounts.get(id).ok_or_else(gone)?;
    let kind = kind(call, account.kind())?;
    let name = call.arguments.text("newname");
    if let Some(name) = name.filter(|name| !name.eq_ignore_ascii_case(&account.name)) {
        free_name(call, account.domain, name)?;
    }
    let domain = call.arguments.changed_network_domain(account.network_domain.as_ref())?;
    let account = call.model.accounts.edit(id).ok_or_else(gone)?;
    if let Some(name) = name {
        name.clone_into(&mut account.name);
    }
    account.network_domain = domain;
    (account.root_admin, account.domain_admin) = (kind == 1, kind == 2);
    answer(call, id)
}

fn stand(call: &mut Call<'_>, standing: Standing) -> Result<Value, ApiError> {
    let id = named(call)?;
    let name = call.model.accounts.get(id).ok_or_else(gone)?.name.clone();
    if standing != Standing::Enabled && (name == "admin" || id == call.caller.account) {
        return Err(ApiError::permission(
            "The account that calls, and the zone's first one, can't be disabled",
        ));
    }
    call.model.accounts.edit(id).ok_or_else(gone)?.standing = standing;
    answer(call, id)
}

fn disable(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = named(call)?;
    let only_lock = call.arguments.boolean("lock") == Some(true);
    let arguments = call.arguments.clone();
    Ok(Begun::doing(Some(("Account", Some(id))), Lane::Free, move |running| async move {
        let standing = if only_lock { Standing::Locked } else { Standing::Disabled };
        running.change_as_caller(&arguments, |call| stand(call, standing)).await?;
        if !only_lock {
            running.core.stop_machines_of(id).await?;
        }
        running.change_as_caller(&arguments, |call| answer(call, id)).await
    }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = named(call)?;
    let account = call.model.accounts.get(id).ok_or_else(gone)?;
    if account.name == "admin" || id == call.caller.account {
        return Err(ApiError::permission(
            "The account that calls, and the zone's first one, can't be deleted",
        ));
    }
    call.model.leads_nothing(id)?;
    Ok(Begun::doing(Some(("Account", Some(id))), Lane::Free, move |running| async move {
        running.core.remove_account(id).await?;
        Ok(json!({ "success": true }))
    }))
}

/// What these accounts have together, beside what each of them may have.
pub(super) fn counts(view: View<'_>, accounts: &[Uuid], limit: impl Fn(u8) -> i64) -> Map<String, Value> {
    let mut counts = Map::new();
    let mut count = |prefix: &str, used: i64, limit: i64| {
        // The server counts secondary storage in fractions.
        let fraction = prefix == "secondarystorage";
        let total =
            if fraction { f64::from(i32::try_from(used).unwrap_or(i32::MAX)).into() } else { used.into() };
        let shown = |number: i64| if limit < 0 { "Unlimited".to_owned() } else { number.to_string() };
        let end = if fraction && limit >= 0 { ".0" } else { "" };
        counts.insert(format!("{prefix}limit"), shown(limit).into());
        counts.insert(format!("{prefix}total"), total);
        counts.insert(format!("{prefix}available"), (shown(limit - used) + end).into());
    };
    for (prefix, resource) in [
        ("vm", Resource::Machines),
        ("ip", Resource::PublicAddresses),
        ("volume", Resource::Volumes),
        ("snapshot", Resource::Snapshots),
        ("template", Resource::Templates),
        ("project", Resource::Projects),
        ("network", Resource::Networks),
        ("cpu", Resource::Processors),
        ("memory", Resource::Memory),
        ("primarystorage", Resource::PrimaryStorage),
        ("secondarystorage", Resource::SecondaryStorage),
    ] {
        let used = accounts.iter().map(|account| view.usage(*account, resource)).sum();
        count(prefix, used, limit(resource.number()));
    }
    for (prefix, number) in [
        ("vpc", 7),
        ("backup", 12),
        ("backupstorage", 13),
        ("bucket", 14),
        ("objectstorage", 15),
        ("gpu", 16),
    ] {
        count(prefix, 0, limit(number));
    }
    counts
}

/// The limit of an account, by the number of the resource's type.
pub(super) fn limit_of(view: View<'_>, account: Uuid, number: u8) -> i64 {
    let limited = Resource::ALL.into_iter().find(|resource| resource.number() == number);
    let owner = view.model.accounts.get(account);
    match limited {
        Some(resource) => view.model.limit(account, resource, &view.settings.config.limits),
        None if owner.is_some_and(|owner| owner.root_admin) => -1,
        None => owner
            .and_then(|owner| owner.limits.get(&number).copied())
            .unwrap_or(RESOURCE_TYPES[usize::from(number)].2),
    }
}

/// How many machines of an account run, and how many are stopped.
pub(super) fn machines_of(view: View<'_>, account: Uuid) -> Value {
    let in_state = |state: MachineState| {
        let machines = view.model.virtual_machines.iter();
        machines.filter(|machine| machine.account == account && machine.state == state).count()
    };
    json!({ "vmstopped": in_state(MachineState::Stopped), "vmrunning": in_state(MachineState::Running) })
}

fn view(view: View<'_>, account: &Account) -> Value {
    object([
        json!({
            "id": account.id,
            "name": account.name,
            "accounttype": account.kind(),
            "state": account.standing.name(),
            "created": time(account.created),
            "networkdomain": account.network_domain,
            "user": account.users.iter().map(|user| super::user::view(view, account, user)).collect::<Vec<_>>(),
            "isdefault": false,
            "groups": [],
            "apikeyaccess": view.root_admin.then_some("INHERIT"),
        }),
        role(view, account),
        machines_of(view, account.id),
        Value::Object(counts(view, &[account.id], |number| limit_of(view, account.id, number))),
        view.domain(account.domain),
    ])
}

pub(super) fn role(view: View<'_>, account: &Account) -> Value {
    let role = view.settings.catalogue.role_of(account.kind());
    json!({ "roleid": role.id, "roletype": role.kind, "rolename": role.name })
}
