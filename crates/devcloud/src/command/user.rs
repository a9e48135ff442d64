//! Users and their keys.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::call::{View, object, time};
use super::{Call, Command, Entity, Listing, Parameter};
use crate::error::ApiError;
use crate::model::Account;

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listUsers",
        "Lists users",
        &[Parameter::id("id", Entity::User), Parameter::text("username"), Parameter::integer("accounttype")],
        list,
    ),
    Command::read("getUser", "Finds a user by its API key", &[Parameter::text("userapikey").required()], get),
    Command::read(
        "getUserKeys",
        "Answers a user's API key and secret key",
        &[Parameter::id("id", Entity::User).required()],
        get_keys,
    ),
    Command::change(
        "registerUserKeys",
        "Makes a new API key and secret key for a user",
        &[Parameter::id("id", Entity::User).required()],
        register_keys,
    ),
];

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let found = super::account::seen(call).filter(|account| {
        call.wanted(account.user.id)
            && call
                .arguments
                .text("username")
                .is_none_or(|name| name.eq_ignore_ascii_case(&account.user.name))
            && call.keyword_in(&[&account.user.name])
            && call.arguments.integer("accounttype").is_none_or(|kind| kind == i64::from(account.root_admin))
    });
    Listing::of("user", call.arguments, found, |account| view(call.view(), account))
}

fn get(call: &Call<'_>) -> Result<Value, ApiError> {
    let key = call.arguments.required_text("userapikey")?;
    let account = call.model.accounts.iter().find(|account| account.user.api_key.as_deref() == Some(key));
    let account = account.ok_or_else(|| ApiError::invalid("User with provided API key does not exist"))?;
    call.must_be_mine(account.id)?;
    Ok(json!({ "user": view(call.view(), account) }))
}

fn owner_of<'a>(call: &'a Call<'_>) -> Result<&'a Account, ApiError> {
    let user = call.arguments.required_id("id")?;
    let account = call.model.accounts.iter().find(|account| account.user.id == user);
    let account = account.ok_or_else(|| ApiError::invalid("Unable to find user by id"))?;
    call.must_be_mine(account.id)?;
    Ok(account)
}

fn get_keys(call: &Call<'_>) -> Result<Value, ApiError> {
    keys(owner_of(call)?)
}

fn register_keys(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = owner_of(call)?.id;
    let (api_key, secret_key) = (call.model.next_secret(64), call.model.next_secret(64));
    let account =
        call.model.accounts.edit(account).ok_or_else(|| ApiError::invalid("Unable to find user by id"))?;
    account.user.api_key = Some(api_key);
    account.user.secret_key = SecretString::from(secret_key);
    keys(account)
}

fn keys(account: &Account) -> Result<Value, ApiError> {
    Ok(json!({ "userkeys": {
        "apikey": account.user.api_key,
        "secretkey": account.user.secret_key.expose_secret(),
    }}))
}

pub(super) fn view(view: View<'_>, account: &Account) -> Value {
    let user = &account.user;
    object([
        json!({
            "id": user.id,
            "username": user.name,
            "firstname": user.first_name,
            "lastname": user.last_name,
            "email": user.email,
            "created": time(account.created),
            "state": "enabled",
            "account": account.name,
            "accountid": account.id,
            "accounttype": i32::from(account.root_admin),
            "usersource": "native",
            "domainid": view.settings.catalogue.domain_id,
            "domain": crate::catalogue::DOMAIN,
            "apikey": user.api_key,
            "iscallerchilddomain": false,
            "isdefault": false,
            "is2faenabled": false,
        }),
        super::account::role(view, account),
    ])
}
