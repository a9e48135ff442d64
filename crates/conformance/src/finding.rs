//! What comes of a check: it holds, it differs, or it cannot be made here.

use std::fmt::Display;

use serde_json::Value;

/// Why a behaviour did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The server does something else.
    Differs { expected: String, came: String },
    /// It cannot be asked here, and why.
    Skipped(String),
}

pub(crate) type Verdict<T = ()> = Result<T, Finding>;

pub(crate) fn differs(expected: impl Display, came: impl Display) -> Finding {
    Finding::Differs { expected: expected.to_string(), came: shortened(&came.to_string()) }
}

pub(crate) fn skipped(reason: impl Display) -> Finding {
    Finding::Skipped(reason.to_string())
}

/// Passes when it holds.
pub(crate) fn hold(holds: bool, expected: impl Display, came: impl Display) -> Verdict {
    if holds { Ok(()) } else { Err(differs(expected, came)) }
}

/// The text under a name.
pub(crate) fn text<'v>(of: &'v Value, name: &str) -> Verdict<&'v str> {
    of[name].as_str().ok_or_else(|| differs(format!("a text as `{name}`"), of))
}

/// Passes when the member has this value, in this type.
pub(crate) fn is(of: &Value, name: &str, expected: impl Into<Value>) -> Verdict {
    let expected = expected.into();
    hold(of[name] == expected, format!("`{name}` is {expected}"), format!("{} in {of}", of[name]))
}

/// Passes when none of these members are there.
pub(crate) fn lacks(of: &Value, names: &[&str]) -> Verdict {
    let there: Vec<&&str> = names.iter().filter(|name| of.get(**name).is_some()).collect();
    hold(there.is_empty(), format!("none of {names:?}"), of)
}

/// Passes when all of these members are there.
pub(crate) fn has(of: &Value, names: &[&str]) -> Verdict {
    let missing: Vec<&&str> = names.iter().filter(|name| of.get(**name).is_none()).collect();
    hold(missing.is_empty(), format!("`{missing:?}` among the members"), of)
}

/// A list as it came.
pub(crate) fn shown(things: &[Value]) -> String {
    Value::from(things.to_vec()).to_string()
}

/// Long texts (whole machines, pages of HTML) without their end.
fn shortened(text: &str) -> String {
    const MOST: usize = 600;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
