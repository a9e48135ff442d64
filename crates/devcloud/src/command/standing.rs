//! What a caller can ask of itself and the server: who the cloud is, and how many calls are left.

use std::time::Duration;

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

const IDENTIFIER: Answer = Answer::of(&[&["userid", "cloudidentifier", "signature"]]);

const LIMIT: Answer = Answer::of(&[&["accountid", "account", "apiIssued", "apiAllowed", "expireAfter"]]);

fn identifier(call: &Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("userid")?;
    let (_, user) = call.model.user(id).ok_or_else(|| ApiError::invalid("Unable to find user"))?;
    let identifier = call.catalogue().zone_id.to_string();
    let signature = signed_text(&identifier, user.secret_key.expose_secret());
    Ok(json!({ "cloudidentifier": {
        "userid": id,
        "cloudidentifier": identifier,
        "signature": signature,
    }}))
}

/// Whether calls are counted or not: where they are not, as many are allowed as a server's setting has.
fn limit(call: &Call<'_>) -> Result<Value, ApiError> {
    let throttle = call.settings.config.throttle.unwrap_or(UNSET);
    let (issued, left) = call.server.windows.standing(call.caller.account, throttle);
    Ok(json!({ "apilimit": {
        "accountid": call.caller.account,
        "account": call.caller.name,
        "apiIssued": issued,
        "apiAllowed": throttle.calls.saturating_sub(issued),
        "expireAfter": u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
    }}))
}

/// What a server that does not throttle has in its settings.
const UNSET: Throttle = Throttle { calls: 25, window: Duration::from_secs(1) };

fn reset(call: &Call<'_>) -> Result<Value, ApiError> {
    call.server.windows.forget(call.arguments.id("account"));
    Ok(json!({ "success": true }))
}
