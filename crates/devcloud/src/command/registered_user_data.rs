//! User-data that is kept under a name.

use base64::Engine;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, OWNED};
use super::call::{View, object};
use super::virtual_machine::parse_user_data;
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::model::{Entity as _, UserData};

pub(super) const COMMANDS: &[Command] = &[
    Command::change(
        "registerUserData",
        "Keeps user-data under a name",
        &[
            Parameter::text("name").required(),
            Parameter::text("userdata").required().length(1_048_576),
            Parameter::text("params"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        register,
    ),
    Command::list(
        "listUserData",
        "Lists user-data that is kept",
        &[Parameter::id("id", Entity::UserData), Parameter::text("name")],
        list,
    )
    .answering(&USER_DATA)
    .reaching(Reach::Owned),
    Command::change(
        "deleteUserData",
        "Forgets user-data; machines keep theirs",
        &[
            Parameter::id("id", Entity::UserData).required(),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        delete,
    ),
];

const USER_DATA: Answer =
    Answer::of(&[OWNED, &["id", "name", "accountid", "userdata", "params:string", "hasannotations"]]);

fn register(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.owner()?;
    let name = call.arguments.required_text("name")?.to_owned();
    let same = |known: &UserData| known.account == account && known.name.eq_ignore_ascii_case(&name);
    if call.model.user_data.iter().any(same) {
        return Err(ApiError::invalid(format!(
            "A userdata with name {name} already exists for this account."
        )));
    }
    let data =
        parse_user_data(call.arguments.required_text("userdata")?, call.settings.config.user_data_limit)?;
    let user_data = UserData {
        number: call.model.next_number(),
        id: call.model.next_id(),
        account,
        name,
        data: data.unwrap_or_default(),
        params: call.arguments.text("params").map(str::to_owned),
    };
    let answer = json!({ "userdata": view(call.view(), &user_data) });
    call.model.user_data.insert(user_data);
    Ok(answer)
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let found = call.model.user_data.iter().filter(|data| {
        scope.includes(data.account)
            && call.wanted(data.id)
            && call.name_is(&data.name)
            && call.keyword_in(&[&data.name])
    });
    Listing::of("userdata", call.arguments, found, |data| view(call.view(), data))
}

fn delete(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let linked = |template: &&crate::model::Template| {
        template.user_data.as_ref().is_some_and(|(linked, _)| *linked == id)
    };
    if let Some(template) = call.model.templates.iter().find(linked) {
        return Err(ApiError::internal(format!(
            "Userdata {id} cannot be removed as it is linked to template {}",
            template.id
        )));
    }
    call.model.user_data.remove(id).ok_or_else(|| ApiError::invalid("Unable to find the user-data"))?;
    call.model.bury(id, UserData::KIND);
    Ok(json!({ "success": true }))
}

fn view(view: View<'_>, data: &UserData) -> Value {
    object([
        json!({
            "id": data.id,
            "name": data.name,
            "accountid": data.account,
            "userdata": data.data,
            "params": data.params,
            "hasannotations": false,
        }),
        view.ownership(data.account),
    ])
}

/// Registered user-data with its variables replaced, base64: `{{ name }}` by what is given for `name`.
pub(super) fn filled_in(
    call: &Call<'_>,
    id: Uuid,
    values: &std::collections::BTreeMap<String, String>,
) -> Result<Option<String>, ApiError> {
    let known =
        call.model.user_data.get(id).ok_or_else(|| ApiError::invalid("Unable to find the user-data"))?;
    call.must_be_mine(known.account)?;
    let engine = base64::engine::general_purpose::STANDARD;
    let Some(text) = engine.decode(&known.data).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Ok(Some(known.data.clone()));
    };
    let filled =
        values.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    Ok(Some(engine.encode(filled)).filter(|data| !data.is_empty()))
}
