//! What every answer has to be, whatever was asked.

use devcloud::Reply;
use serde_json::Value;

/// What kind of answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answered {
    Done,
    Refused(u16),
}

impl std::fmt::Display for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("answered"),
            Self::Refused(code) => write!(f, "refused with {code}"),
        }
    }
}

/// The API's own codes, and those of the server around it.
const CODES: [u16; 14] = [401, 404, 405, 414, 429, 430, 431, 432, 503, 530, 531, 533, 535, 537];

/// The header of an answer that every client takes, in bytes.
const HEADERS: usize = 4096;

/// Checks an answer by itself.
pub(super) fn check(reply: &Reply) -> Result<Answered, String> {
    let body = String::from_utf8(reply.body.clone()).map_err(|_| "an answer that is no text".to_owned())?;
    let headers: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    if headers > HEADERS {
        return Err(format!("{headers} bytes of headers"));
    }
    if let Some((name, value)) =
        reply.headers.iter().find(|(_, value)| value.chars().any(|character| !matches!(character, ' '..='~')))
    {
        return Err(format!("the header {name} can't be sent: {value:?}"));
    }
    if reply.status != 200 && !CODES.contains(&reply.status) {
        return Err(format!("status {}: {body}", reply.status));
    }
    if reply.content_type.starts_with("application/json") {
        json(reply.status, &body)?;
    } else if reply.content_type.starts_with("text/xml") {
        xml(reply.status, &body)?;
    } else if reply.status == 200 || !body.contains(&reply.status.to_string()) {
        return Err(format!("a page without its reason: {body}"));
    }
    Ok(if reply.status == 200 { Answered::Done } else { Answered::Refused(reply.status) })
}

fn json(status: u16, body: &str) -> Result<(), String> {
    let whole: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))?;
    let whole = whole.as_object().filter(|whole| whole.len() == 1);
    let inside =
        whole.and_then(|whole| whole.values().next()).ok_or_else(|| format!("no envelope: {body}"))?;
    if status != 200 {
        let reason = inside["errortext"].as_str().unwrap_or_default();
        if reason.trim().is_empty() || inside["errorcode"] != status {
            return Err(format!("{status} without a reason: {body}"));
        }
        // What a check lets through that the command then misses.
        if reason.contains("is not declared as") || reason.contains("a defect of its own") {
            return Err(format!("a defect: {body}"));
        }
    }
    Ok(())
}

/// Whether elements are closed as they were opened, with names and characters that XML has.
fn xml(status: u16, body: &str) -> Result<(), String> {
    let broken = |why: &str| Err(format!("{why}: {body}"));
    if body.chars().any(
        |c| matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'),
    ) {
        return broken("a character that XML has not");
    }
    let mut rest = body.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").unwrap_or_default();
    let mut open: Vec<&str> = Vec::new();
    while let Some(start) = rest.find('<') {
        let Some(end) = rest[start..].find('>') else { return broken("a tag without an end") };
        // Without its attributes.
        let tag = rest[start + 1..start + end].split(' ').next().unwrap_or_default();
        rest = &rest[start + end + 1..];
        match tag.strip_prefix('/') {
            Some(name) if open.pop() == Some(name) => {}
            Some(_) => return broken("closed what was not open"),
            None if tag.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') => {
                open.push(tag)
            }
            None => return broken("a name that XML has not"),
        }
    }
    if !open.is_empty() || body.is_empty() {
        return broken("not closed");
    }
    if status != 200 && !body.contains(&format!("<errorcode>{status}</errorcode>")) {
        return broken("no reason");
    }
    Ok(())
}
