//! Users and their keys.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Answer;
use super::call::{View, object, time};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Account, Standing, User};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listUsers",
        "Lists users",
        &[
            Parameter::id("id", Entity::User),
            Parameter::text("username"),
            Parameter::integer("accounttype"),
            Parameter::text("state"),
        ],
        list,
    )
    .answering(&USER)
    .reaching(Reach::Accounts),
    Command::read("getUser", "Finds a user by its API key", &[Parameter::text("userapikey").required()], get)
        .answering(&USER)
        .for_admins(),
    Command::read(
        "getUserKeys",
        "Answers a user's API key and secret key",
        &[Parameter::id("id", Entity::User).required()],
        get_keys,
    )
    .answering(&KEYS_AND_ACCESS),
    Command::change(
        "registerUserKeys",
        "Makes a new API key and secret key for a user",
        &[Parameter::id("id", Entity::User).required()],
        register_keys,
    )
    .answering(&KEYS),
    Command::change(
        "createUser",
        "Makes a further user of an account",
        &[
            Parameter::text("account").required(),
            Parameter::text("username").required(),
            Parameter::text("password").required(),
            Parameter::text("email").required(),
            Parameter::text("firstname").required(),
            Parameter::text("lastname").required(),
            Parameter::id("domainid", Entity::Domain),
            Parameter::text("timezone"),
        ],
        create,
    )
    .answering(&USER)
    .for_admins(),
    Command::change(
        "updateUser",
        "Changes what is said about a user, its name or its password",
        &[
            Parameter::id("id", Entity::User).required(),
            Parameter::text("username"),
            Parameter::text("password"),
            Parameter::text("currentpassword"),
            Parameter::text("email"),
            Parameter::text("firstname"),
            Parameter::text("lastname"),
            Parameter::text("timezone"),
            Parameter::text("userapikey"),
            Parameter::text("usersecretkey"),
        ],
        update,
    )
    .answering(&USER),
    Command::change("deleteUser", "Removes a user", &[Parameter::id("id", Entity::User).required()], delete)
        .for_admins(),
    Command::change(
        "enableUser",
        "Lets a user call again",
        &[Parameter::id("id", Entity::User).required()],
        |call| stand(call, Standing::Enabled),
    )
    .answering(&USER)
    .for_admins(),
    Command::job(
        "disableUser",
        "Keeps a user from calling",
        JobKind::new("admin.user.DisableUserCmd"),
        &[Parameter::id("id", Entity::User).required()],
        disable,
    )
    .answering(&USER)
    .for_admins(),
    Command::change(
        "lockUser",
        "Keeps a user from calling, for a while",
        &[Parameter::id("id", Entity::User).required()],
        |call| stand(call, Standing::Locked),
    )
    .answering(&USER)
    .for_admins(),
];

/// What is told of a user.
pub(super) const USER: Answer = Answer::of(&[
    &[
        "id",
        "username",
        "firstname",
        "lastname",
        "email",
        "timezone",
        "created",
        "state",
        "account",
        "accountid",
    ],
    &["accounttype", "roleid", "roletype", "rolename", "usersource", "domainid", "domain", "apikey"],
    &["iscallerchilddomain", "isdefault", "is2faenabled", "is2famandated"],
    &["apikeyaccess:apikeyaccess"],
]);

const KEYS: Answer = Answer::of(&[&["apikey", "secretkey"]]);

const KEYS_AND_ACCESS: Answer = Answer::of(&[&["apikey", "secretkey", "apikeyaccess:boolean"]]);

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let found = super::account::seen(call)
        .flat_map(|account| account.users.iter().map(move |user| (account, user)))
        .filter(|(account, user)| {
            call.wanted(user.id)
                && call.text_is("username", &user.name)
                && call.text_is("state", user.standing.name())
                && call.text_is("account", &account.name)
                && call.keyword_in(&[&user.name, &user.email])
                && arguments.integer("accounttype").is_none_or(|kind| kind == account.kind())
        });
    let access = json!({ "apikeyaccess": call.caller.root_admin.then_some("INHERIT") });
    Listing::of("user", arguments, found, |(account, user)| {
        object([view(call.view(), account, user), access.clone()])
    })
}

fn get(call: &Call<'_>) -> Result<Value, ApiError> {
    let key = call.arguments.required_text("userapikey")?;
    let found = call.model.users().find(|(_, user)| user.api_key.as_deref() == Some(key));
    let (account, user) =
        found.ok_or_else(|| ApiError::invalid("User with provided API key does not exist"))?;
    call.must_be_mine(account.id)?;
    Ok(json!({ "user": view(call.view(), account, user) }))
}

fn gone() -> ApiError {
    ApiError::invalid("Unable to find user by id")
}

/// The user that `id` names, the caller's to change.
fn named(call: &Call<'_>) -> Result<Uuid, ApiError> {
    let id = call.arguments.required_id("id")?;
    let (account, user) = call.model.user(id).ok_or_else(gone)?;
    call.must_be_mine(account.id)?;
    Ok(user.id)
}

fn get_keys(call: &Call<'_>) -> Result<Value, ApiError> {
    let mut told = keys(call.model.user(named(call)?).ok_or_else(gone)?.1)?;
    told["userkeys"]["apikeyaccess"] = json!(true);
    Ok(told)
}

fn register_keys(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = named(call)?;
    let (api_key, secret_key) = (call.model.next_secret(64), call.model.next_secret(64));
    let user = call.model.edit_user(id).ok_or_else(gone)?;
    user.api_key = Some(api_key);
    user.secret_key = SecretString::from(secret_key);
    keys(user)
}

fn keys(user: &User) -> Result<Value, ApiError> {
    Ok(json!({ "userkeys": {
        "apikey": user.api_key,
        "secretkey": user.secret_key.expose_secret(),
    }}))
}

/// A user as these arguments describe it, whose name nobody in the domain has.
pub(super) fn from_arguments(call: &mut Call<'_>, domain: Option<Uuid>) -> Result<User, ApiError> {
    let arguments = call.arguments;
    let name = arguments.required_text("username")?.to_owned();
    free_name(call, domain, &name)?;
    let text = |name: &'static str| arguments.required_text(name).map(str::to_owned);
    Ok(User {
        id: call.model.next_id(),
        name,
        first_name: text("firstname")?,
        last_name: text("lastname")?,
        email: text("email")?,
        timezone: arguments.text("timezone").map(str::to_owned),
        standing: Standing::Enabled,
        created: Some(call.now),
        api_key: None,
        secret_key: SecretString::default(),
        password: SecretString::from(text("password")?),
    })
}

fn free_name(call: &Call<'_>, domain: Option<Uuid>, name: &str) -> Result<(), ApiError> {
    let taken =
        |(account, user): (&Account, &User)| account.domain == domain && user.name.eq_ignore_ascii_case(name);
    if call.model.users().any(taken) {
        let domain = call.model.domain_name(domain);
        return Err(ApiError::invalid(format!("The user {name} already exists in domain {domain}")));
    }
    Ok(())
}

fn create(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let domain = call.named_domain();
    let name = call.arguments.required_text("account")?;
    let account = call.model.account_in(domain, name).map(|account| account.id);
    let account = account.ok_or_else(|| {
        let domain = call.model.domain_name(domain);
        ApiError::invalid(format!("Unable to find account {name} in domain {domain} to create user"))
    })?;
    call.must_be_mine(account)?;
    let user = from_arguments(call, domain)?;
    let id = user.id;
    if let Some(account) = call.model.accounts.edit(account) {
        account.users.push(user);
    }
    answer(call, id)
}

fn answer(call: &Call<'_>, id: Uuid) -> Result<Value, ApiError> {
    let (account, user) = call.model.user(id).ok_or_else(gone)?;
    Ok(json!({ "user": view(call.view(), account, user) }))
}

fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = named(call)?;
    let arguments = call.arguments;
    let (account, user) = call.model.user(id).ok_or_else(gone)?;
    if let Some(name) = arguments.text("username").filter(|name| !name.eq_ignore_ascii_case(&user.name)) {
        free_name(call, account.domain, name)?;
    }
    if arguments.text("password").is_some() && !call.caller.root_admin && call.caller.domain_admin.is_none() {
        let current = arguments.text("currentpassword");
        let current = current.ok_or_else(|| {
            ApiError::invalid("To set a new password the current password must be provided.")
        })?;
        if current != user.password.expose_secret() {
            return Err(ApiError::invalid("Current password is incorrect."));
        }
    }
    match (arguments.text("userapikey"), arguments.text("usersecretkey")) {
        (Some(_), None) | (None, Some(_)) => {
            return Err(ApiError::invalid(
                "Please provide an userApiKey/userSecretKey pair: one of them is missing",
            ));
        }
        _ => {}
    }
    let user = call.model.edit_user(id).ok_or_else(gone)?;
    for (field, name) in [
        (&mut user.name, "username"),
        (&mut user.first_name, "firstname"),
        (&mut user.last_name, "lastname"),
        (&mut user.email, "email"),
    ] {
        if let Some(text) = arguments.text(name) {
            text.clone_into(field);
        }
    }
    let text = |name: &str| arguments.text(name).map(str::to_owned);
    user.timezone = text("timezone").or(user.timezone.take());
    user.api_key = text("userapikey").or(user.api_key.take());
    if let Some(secret) = text("usersecretkey") {
        user.secret_key = SecretString::from(secret);
    }
    if let Some(password) = text("password") {
        user.password = SecretString::from(password);
    }
    answer(call, id)
}

fn delete(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = named(call)?;
    if id == call.caller.user {
        return Err(ApiError::invalid("The user that calls can't remove itself"));
    }
    let account = call.model.user(id).ok_or_else(gone)?.0.id;
    let account = call.model.accounts.edit(account).ok_or_else(gone)?;
    account.users.retain(|user| user.id != id);
    Ok(json!({ "success": true }))
}

fn stand(call: &mut Call<'_>, standing: Standing) -> Result<Value, ApiError> {
    let id = named(call)?;
    call.model.edit_user(id).ok_or_else(gone)?.standing = standing;
    answer(call, id)
}

fn disable(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = named(call)?;
    let arguments = call.arguments.clone();
    Ok(Begun::doing(Some(("User", Some(id))), Lane::Free, move |running| async move {
        running.change_as_caller(&arguments, |call| stand(call, Standing::Disabled)).await
    }))
}

pub(super) fn view(view: View<'_>, account: &Account, user: &User) -> Value {
    object([
        json!({
            "id": user.id,
            "username": user.name,
            "firstname": user.first_name,
            "lastname": user.last_name,
            "email": user.email,
            "timezone": user.timezone,
            "created": time(user.created.unwrap_or(account.created)),
            "state": user.standing.name(),
            "account": account.name,
            "accountid": account.id,
            "accounttype": account.kind(),
            "usersource": "native",
            "domainid": account.domain.unwrap_or(view.settings.catalogue.domain_id),
            "domain": view.model.domain_name(account.domain),
            "apikey": user.api_key,
            "iscallerchilddomain": false,
            "isdefault": false,
            "is2faenabled": false,
            "is2famandated": false,
        }),
        super::account::role(view, account),
    ])
}
