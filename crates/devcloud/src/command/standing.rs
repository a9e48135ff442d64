//! What a caller can ask of itself and the server: who the cloud is, and how many calls are left.

use cloudstack::signature::signed_text;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::answer::Answer;
use super::{Call, Command, Entity, Parameter};
use crate::config::Throttle;
use crate::error::ApiError;

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        "getCloudIdentifier",
        "Answers what stands for this cloud, signed with a user's secret key",
        &[Parameter::id("userid", Entity::User).required()],
        identifier,
    )
    .answering(&IDENTIFIER),
    Command::read("getApiLimit", "Answers how many calls the account may make, and has left", &[], limit)
        .answering(&LIMIT),
    Command::read(
        "resetApiLimit",
        "Has an account's calls, or everyone's, be counted anew",
        &[Parameter::id("account", Entity::Account)],
        reset,
    )
    .for_root_admin(),
];

const IDENTIFIER: Answer = Answer::of(&[&["cloudidentifier", "signature"]]);

const LIMIT: Answer = Answer::of(&[&["accountid", "account", "apiIssued", "apiAllowed", "expireAfter"]]);

fn identifier(call: &Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("userid")?;
    let (account, user) = call.model.user(id).ok_or_else(|| ApiError::invalid("Unable to find user"))?;
    call.must_be_mine(account.id)?;
    let identifier = call.catalogue().zone_id.to_string();
    let signature = signed_text(&identifier, user.secret_key.expose_secret());
    Ok(json!({ "cloudidentifier": {
        "cloudidentifier": identifier,
        "signature": signature,
    }}))
}

/// How calls are counted, where they are.
fn throttle(call: &Call<'_>) -> Result<Throttle, ApiError> {
    let unthrottled = "This api is only available when api.throttling.enabled = true.";
    call.settings.config.throttle.ok_or_else(|| ApiError::unsupported(unthrottled))
}

fn limit(call: &Call<'_>) -> Result<Value, ApiError> {
    let throttle = throttle(call)?;
    let (issued, left) = call.server.windows.standing(call.caller.account, throttle);
    Ok(json!({ "apilimit": {
        "accountid": call.caller.account,
        "account": call.caller.name,
        "apiIssued": issued,
        "apiAllowed": throttle.calls.saturating_sub(issued),
        "expireAfter": u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
    }}))
}

fn reset(call: &Call<'_>) -> Result<Value, ApiError> {
    throttle(call)?;
    call.server.windows.forget(call.arguments.id("account"));
    Ok(json!({ "success": true }))
}
