//! Forms: a query string and a body become names and values.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;

use super::Request;

/// Everything that came, unescaped: the query's and the form's parameters together; on a name in both, the query's value
/// counts, and of several in one the last.
pub(super) fn decode(request: &Request) -> BTreeMap<String, String> {
    let is_form = request
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
    let mut received = BTreeMap::new();
    if is_form {
        parse(&request.body, &mut received);
    }
    parse(request.query.as_bytes(), &mut received);
    received
}

fn parse(text: &[u8], into: &mut BTreeMap<String, String>) {
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = unescape(halves.next().unwrap_or_default());
        let value = unescape(halves.next().unwrap_or_default());
        into.insert(name, value);
    }
}

fn unescape(text: &[u8]) -> String {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).decode_utf8_lossy().into_owned()
}

/// A parameter whose name is taken in any case.
pub(super) fn find<'a>(received: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    received.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Names in lower case, but for a map's field: `zoneId` is `zoneid`, `details[0].cpuNumber` keeps its `N`.
pub(super) fn lower_names(received: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let lower = |name: &str| match name.split_once('[') {
        Some((map, rest)) => format!("{}[{rest}", map.to_lowercase()),
        None => name.to_lowercase(),
    };
    received.iter().map(|(name, value)| (lower(name), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_escaped_comes_back(pairs in proptest::collection::btree_map("[a-zA-Z][a-zA-Z0-9.\\[\\]]{0,10}", any::<String>(), 0..8)) {
            let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
            prop_assert_eq!(decode(&Request::get(text.join("&"))), pairs.clone());
            prop_assert_eq!(decode(&Request::post(text.join("&"))), pairs);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(query in any::<String>(), body in any::<Vec<u8>>()) {
            let mut request = Request::post("");
            request.query = query;
            request.body = body;
            let _ = lower_names(&decode(&request));
        }
    }

    #[test]
    fn the_query_wins_over_the_form_and_the_last_over_the_first() {
        let mut request = Request::post("name=form&other=1");
        request.query = "name=first&name=last+one".to_owned();
        let received = decode(&request);
        assert_eq!(received.get("name").map(String::as_str), Some("last one"));
        assert_eq!(received.get("other").map(String::as_str), Some("1"));
    }

    #[test]
    fn a_body_that_is_no_form_says_nothing() {
        let mut request = Request::post("command=listZones");
        request.content_type = Some("application/json".to_owned());
        assert!(decode(&request).is_empty());
    }
}
