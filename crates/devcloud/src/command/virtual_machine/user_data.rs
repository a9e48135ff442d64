//! User-data: base64 in, base64 out, and how long it may be.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::command::answer::Answer;
use crate::command::registered_user_data::filled_in;
use crate::command::{Call, View};
use crate::error::ApiError;

/// What is told of a machine's user-data.
pub(super) const USER_DATA: Answer = Answer::of(&[&["virtualmachineid", "userdata"]]);

/// Takes base64 with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest user-data that can come in a URL.
pub(crate) const GET_LIMIT: usize = 4096;

/// User-data as it is kept: base64 with padding. A client that escaped it twice is understood.
pub(in crate::command) fn parse(text: &str, limit: usize) -> Result<Option<String>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let text = if text.contains('%') {
        percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
    } else {
        text.to_owned()
    };
    if text.len() > limit {
        return Err(ApiError::invalid(format!("User data has exceeded configurable max length: {limit}")));
    }
    let decoded = BASE64.decode(&text).map_err(|_| ApiError::invalid("User data is not base64 encoded."))?;
    Ok(Some(base64::engine::general_purpose::STANDARD.encode(decoded)))
}

/// What a machine is told when it boots, and where it comes from.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Base64.
    pub(super) data: Option<String>,
    pub(super) registered: Option<Uuid>,
    /// What its variables stand for.
    pub(super) values: BTreeMap<String, String>,
}

/// From `userdata`, or `userdataid` with `userdatadetails`, or what is linked to the template.
pub(super) fn of_arguments(call: &Call<'_>, linked: Option<&(Uuid, String)>) -> Result<Wanted, ApiError> {
    let arguments = call.arguments;
    let values: BTreeMap<String, String> = arguments
        .map("userdatadetails")
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let text = arguments.text("userdata").filter(|text| !text.is_empty());
    let own = arguments.id("userdataid");
    if let Some((_, policy)) = linked
        && policy == "DENYOVERRIDE"
        && (text.is_some() || own.is_some())
    {
        return Err(ApiError::invalid(
            "The template's user-data can't be overridden: leave userdata and userdataid out",
        ));
    }
    match (text, own) {
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "Both userdata and userdataid inputs are not allowed, please provide only one",
        )),
        (Some(text), None) => {
            let data = parse(text, call.settings.config.user_data_limit)?;
            Ok(Wanted { data, registered: None, values })
        }
        (None, registered) => {
            let registered = registered.or_else(|| linked.map(|(linked, _)| *linked));
            let data = match registered {
                Some(id) => filled_in(call, id, &values)?,
                None => None,
            };
            Ok(Wanted { data, registered, values })
        }
    }
}

pub(super) fn get(call: &Call<'_>) -> Result<Value, ApiError> {
    let View { model, .. } = call.view();
    let id = call.arguments.required_id("virtualmachineid")?;
    let gone = || ApiError::invalid("unable to find a virtual machine with that id");
    let machine = model.virtual_machines.get(id).ok_or_else(gone)?;
    call.must_be_mine(machine.account)?;
    let mut answer = json!({ "virtualmachineid": id });
    if let Some(user_data) = &machine.user_data {
        answer["userdata"] = json!(user_data);
    }
    Ok(json!({ "virtualmachineuserdata": answer }))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn user_data_is_base64_of_limited_length() {
        assert_eq!(parse("aGVsbG8=", 100).expect("fine").as_deref(), Some("aGVsbG8="));
        assert_eq!(parse("aGVsbG8", 100).expect("fine").as_deref(), Some("aGVsbG8="));
        assert_eq!(parse("aGVsbG8%3D", 100).expect("fine").as_deref(), Some("aGVsbG8="));
        assert_eq!(parse("", 100).expect("fine"), None);
        assert_eq!(parse("no base64!", 100).expect_err("refused").text, "User data is not base64 encoded.");
        let long = "aaaa".repeat(26);
        assert_eq!(
            parse(&long, 100).expect_err("refused").text,
            "User data has exceeded configurable max length: 100"
        );
        assert!(parse(&long, 104).is_ok());
    }
}
