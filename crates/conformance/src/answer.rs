//! One answer of the server, and what is expected of it.

use reqwest::header::{CONTENT_TYPE, HeaderMap, SET_COOKIE};
use serde_json::Value;

use crate::finding::{Finding, Verdict, differs, hold};

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: String,
}

/// What a refusal has to look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    /// The HTTP status, which the body repeats.
    pub(crate) code: u16,
    /// The finer code; identity failures have none.
    pub(crate) finer: Option<u32>,
    /// What the text has in it.
    pub(crate) text: &'static str,
}

/// A refusal by the command's own checks or by the generic ones.
pub(crate) const fn refusal(code: u16, finer: u32, text: &'static str) -> Refusal {
    Refusal { code, finer: Some(finer), text }
}

/// The refusal of everybody whose identity is not proven.
pub(crate) const NOBODY: Refusal =
    Refusal { code: 401, finer: None, text: "unable to verify user credentials and/or request signature" };

/// The refusal of an id that nothing has, or that is none: the text that clients search for.
pub(crate) const UNKNOWN: Refusal = refusal(
    431,
    9999,
    "due to incorrect long value format, or entity does not exist or due to incorrect parameter annotation for the \
     field in api cmd class.",
);

impl Answer {
    pub(crate) fn new(status: u16, headers: HeaderMap, body: &[u8]) -> Self {
        Self { status, headers, body: String::from_utf8_lossy(body).into_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE.as_str()).unwrap_or_default()
    }

    /// The cookies it sets: names and values.
    pub(crate) fn cookies(&self) -> Vec<(String, String)> {
        let set = self.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        set.filter_map(|cookie| cookie.split(';').next()?.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
            .collect()
    }

    /// The one key at the top, and what is under it.
    pub(crate) fn envelope(&self) -> Verdict<(String, Value)> {
        let whole: Value = serde_json::from_str(&self.body).map_err(|_| self.instead_of("JSON"))?;
        match whole {
            Value::Object(members) if members.len() == 1 => {
                members.into_iter().next().ok_or_else(|| self.instead_of("one top-level key"))
            }
            _ => Err(self.instead_of("an object with exactly one top-level key")),
        }
    }

    /// What is inside a success.
    pub(crate) fn inside(&self) -> Verdict<Value> {
        hold(self.status == 200, "HTTP 200", self.summary())?;
        Ok(self.envelope()?.1)
    }

    /// Passes when it is this refusal, under this key.
    pub(crate) fn refused_under(&self, key: &str, refusal: Refusal) -> Verdict {
        let (came, _) = self.envelope()?;
        hold(came == key, format!("the key `{key}`"), format!("`{came}`"))?;
        self.refused(refusal).map(drop)
    }

    /// Passes when it is this refusal; its text.
    pub(crate) fn refused(&self, refusal: Refusal) -> Verdict<String> {
        let Refusal { code, finer, text } = refusal;
        let wanted = match finer {
            Some(finer) => format!("a refusal with {code}/{finer} and a text with \"{text}\""),
            None => format!("a refusal with {code}, no cserrorcode and a text with \"{text}\""),
        };
        let (_, inside) = self.envelope().map_err(|_| differs(&wanted, self.summary()))?;
        let said = inside["errortext"].as_str().unwrap_or_default();
        let right = self.status == code
            && inside["errorcode"] == code
            && inside["uuidList"].is_array()
            && inside.get("cserrorcode").cloned() == finer.map(Value::from)
            && said.contains(text);
        hold(right, wanted, self.summary())?;
        Ok(said.to_owned())
    }

    pub(crate) fn summary(&self) -> String {
        format!("HTTP {} ({}): {}", self.status, self.content_type(), self.body)
    }

    fn instead_of(&self, expected: &str) -> Finding {
        differs(expected, self.summary())
    }
}
