//! Envelopes: the one top-level key around every answer and error, as JSON or XML.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Reply, xml};
use crate::command::VERSION;
use crate::error::ApiError;

/// The longest description sent as a header, in characters; the body has all of it.
const DESCRIPTION_LIMIT: usize = 1000;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Xml,
}

impl Form {
    /// JSON when asked for in any case, else XML, as the real server has it.
    pub(super) fn of(response: Option<&str>) -> Self {
        match response {
            Some(response) if response.eq_ignore_ascii_case("json") => Self::Json,
            _ => Self::Xml,
        }
    }
}

fn reply(form: Form, status: u16, key: &str, inner: &Value, description: Option<&str>) -> Reply {
    let (content_type, body) = match form {
        // Written straight from what is there: a map of it would be a copy of all of it.
        Form::Json => (
            "application/json;charset=utf-8",
            serde_json::to_vec(&BTreeMap::from([(key, inner)])).unwrap_or_default(),
        ),
        Form::Xml => {
            let version = (status == 200).then_some(VERSION);
            ("text/xml;charset=utf-8", xml::document(key, inner, version).into_bytes())
        }
    };
    let mut headers = vec![
        ("X-Content-Type-Options", "nosniff".to_owned()),
        ("X-XSS-Protection", "1;mode=block".to_owned()),
        ("content-security-policy", "default-src=none".to_owned()),
    ];
    if let Some(description) = description {
        let printable = |character: char| if matches!(character, ' '..='~') { character } else { ' ' };
        // A text may name a value as long as a form may be; clients give up on headers that long.
        let text = description.chars().take(DESCRIPTION_LIMIT).map(printable).collect();
        headers.push(("X-Description", text));
    }
    Reply { status, content_type, headers, body }
}

pub(super) fn answer(form: Form, key: &str, inner: Value) -> Reply {
    reply(form, 200, key, &inner, None)
}

pub(super) fn error(form: Form, key: &str, error: &ApiError, root_admin: bool) -> Reply {
    let text = error.text_for(root_admin);
    let ids: Vec<Value> =
        error.ids.iter().map(|(id, description)| json!({ "uuid": id, "description": description })).collect();
    let mut inner = json!({ "uuidList": ids, "errorcode": error.code, "errortext": text });
    if let Some(cs_code) = error.cs_code {
        inner["cserrorcode"] = json!(cs_code);
    }
    // Identity errors come without a description.
    reply(form, error.code, key, &inner, error.cs_code.map(|_| text))
}

/// A text where an envelope would be, which is neither JSON nor XML whatever its type says.
pub(super) fn bare(form: Form, status: u16, text: &str) -> Reply {
    Reply { body: text.as_bytes().to_vec(), ..reply(form, status, "", &Value::Null, None) }
}

/// What the server around the API answers: a page, not an envelope.
pub(super) fn page(status: u16, reason: &str) -> Reply {
    let body = format!("<html><body><h1>{status}</h1><pre>{reason}</pre></body></html>\n");
    Reply { status, content_type: "text/html;charset=utf-8", headers: Vec::new(), body: body.into_bytes() }
}
