//! What is around an answer: one top-level member, named after the command in one of several irregular ways, around
//! either the answer or an error; or no JSON at all.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::command::Effect;
use crate::error::{ApiError, Error, Failure};
use crate::id::Id;
use crate::transport::RawReply;

/// The body of a refusal, and of a failed job's result.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct ErrorBody {
    /// CloudStack's code.
    #[serde(rename = "errorcode", deserialize_with = "crate::lenient::field")]
    pub(crate) code: Option<u16>,
    /// The exception's class.
    #[serde(rename = "cserrorcode", deserialize_with = "crate::lenient::field")]
    pub(crate) cs_code: Option<u32>,
    /// The server's words.
    #[serde(rename = "errortext", deserialize_with = "crate::lenient::field")]
    pub(crate) text: String,
    /// Things it names.
    #[serde(rename = "uuidList", deserialize_with = "crate::lenient::field")]
    pub(crate) ids: Vec<NamedId>,
}

/// One of the things an error names.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct NamedId {
    /// Its id.
    #[serde(rename = "uuid", deserialize_with = "crate::lenient::field")]
    pub(crate) id: Id,
}

/// Opens a reply: the members of what is inside the only top-level member, or the error in it.
///
/// The key of that member is not looked at: it is the command's name in lower case with `response` behind it for most
/// commands, and something else for the others.
pub(crate) fn open(command: &str, effect: Effect, reply: &RawReply) -> Result<Map<String, Value>, Error> {
    let inner = serde_json::from_slice::<Map<String, Value>>(&reply.body).ok().and_then(only_object);
    match inner {
        Some(inner) if reply.status == 200 && !inner.contains_key("errorcode") => Ok(inner),
        Some(inner) if inner.contains_key("errorcode") => {
            Err(Error::Api(refusal(command, reply.status, inner)))
        }
        _ => Err(no_api(command, effect, reply)),
    }
}

fn only_object(whole: Map<String, Value>) -> Option<Map<String, Value>> {
    let mut members = whole.into_iter();
    match (members.next(), members.next()) {
        (Some((_, Value::Object(inner))), None) => Some(inner),
        _ => None,
    }
}

fn refusal(command: &str, http_status: u16, inner: Map<String, Value>) -> ApiError {
    let body = error_body(Value::Object(inner));
    ApiError {
        command: command.to_owned(),
        code: body.code.unwrap_or(http_status),
        cs_code: body.cs_code,
        text: body.text,
        http_status,
        ids: body.ids.into_iter().map(|named| named.id).filter(|id| !id.is_empty()).collect(),
    }
}

/// Reads an error as far as it can be read.
pub(crate) fn error_body(value: Value) -> ErrorBody {
    let text = value.get("errortext").and_then(Value::as_str).unwrap_or_default().to_owned();
    serde_json::from_value(value).unwrap_or(ErrorBody { text, ..ErrorBody::default() })
}

fn no_api(command: &str, effect: Effect, reply: &RawReply) -> Error {
    let command = command.to_owned();
    let status = reply.status;
    if status == 200 {
        let problem = format!("expected an object with one member, got {}", kind(&reply.body));
        return Error::Decode { command, effect, path: ".".to_owned(), problem };
    }
    let excerpt = excerpt(&reply.body);
    match effect {
        Effect::Write if status >= 500 => {
            Error::UnknownOutcome { command, cause: Failure::NotTheApi { status, excerpt } }
        }
        _ => Error::NotTheApi { command, status, excerpt },
    }
}

/// What a body is. A page is quoted; anything that may be an answer is not, for it could hold a new private key.
fn kind(body: &[u8]) -> String {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => excerpt(body),
        Some(b'{' | b'[') => format!("{} bytes of another shape", body.len()),
        Some(_) => format!("{} bytes that are no JSON", body.len()),
        None => "nothing".to_owned(),
    }
}

/// The beginning of a page's text, without its markup.
fn excerpt(body: &[u8]) -> String {
    const LONGEST: usize = 160;
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let mut plain = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            c if !in_tag => plain.push(if c.is_control() { ' ' } else { c }),
            _ => {}
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    let plain = words.join(" ");
    match plain.char_indices().nth(LONGEST) {
        _ if plain.is_empty() => "an empty page".to_owned(),
        None => plain,
        Some((end, _)) => format!("{}…", &plain[..end]),
    }
}

/// What a reply holds: inside `{"network": {…}}` the network, in `{"count": 1, "template": […]}` the list, and in
/// anything else all of it.
pub(crate) fn content(mut inner: Map<String, Value>) -> (String, Value) {
    let wrapper = {
        let mut members =
            inner.iter().filter(|(name, _)| !matches!(name.as_str(), "count" | "jobid" | "jobstatus"));
        match (members.next(), members.next()) {
            (Some((name, Value::Object(_) | Value::Array(_))), None) => Some(name.clone()),
            _ => None,
        }
    };
    match wrapper.and_then(|name| inner.remove(&name).map(|value| (name, value))) {
        Some((name, value)) => (name, value),
        None => (String::new(), Value::Object(inner)),
    }
}

/// Decodes a value that was found under `prefix`, naming the field that fails.
pub(crate) fn decode<T: DeserializeOwned>(
    command: &str,
    effect: Effect,
    prefix: &str,
    value: Value,
) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = match (prefix, path.as_str()) {
            ("", path) => path.to_owned(),
            (prefix, ".") => prefix.to_owned(),
            (prefix, path) if path.starts_with('[') => format!("{prefix}{path}"),
            (prefix, path) => format!("{prefix}.{path}"),
        };
        Error::Decode { command: command.to_owned(), effect, path, problem: error.into_inner().to_string() }
    })
}

/// One page of a list.
pub(crate) struct Page {
    /// The list's member name, for errors.
    pub(crate) name: String,
    /// How many things match in all, when the server says.
    pub(crate) count: Option<u64>,
    /// The things on this page.
    pub(crate) rows: Vec<Value>,
}

/// Reads a page: `{"count": 2, "zone": […]}`, `{}` when there is nothing, `{"count": 2}` past the end.
pub(crate) fn page(command: &str, inner: Map<String, Value>) -> Result<Page, Error> {
    let mut page = Page { name: String::new(), count: None, rows: Vec::new() };
    for (name, value) in inner {
        match value {
            Value::Array(rows) if page.name.is_empty() => {
                page.name = name;
                page.rows = rows;
            }
            value if name == "count" => page.count = value.as_u64(),
            _ => {
                return Err(Error::Decode {
                    command: command.to_owned(),
                    effect: Effect::Read,
                    path: name,
                    problem: "expected one list and its count".to_owned(),
                });
            }
        }
    }
    Ok(page)
}

/// The first answer of a command that starts a job.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct StartedBody {
    /// The thing that is being made, when the command makes one.
    #[serde(rename = "id", deserialize_with = "crate::lenient::field")]
    pub(crate) id: Option<Id>,
    /// The job.
    #[serde(rename = "jobid", deserialize_with = "crate::lenient::field")]
    pub(crate) job: Option<crate::id::JobId>,
}
