//! Answers as XML: what clients get that do not ask for JSON. Lists repeat their element, empty ones are not there.

use serde_json::Value;

/// The whole document. Answers say the server's version in their root; errors do not.
pub(super) fn document(key: &str, inner: &Value, version: Option<&str>) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let attributes = version.map(|version| format!(" cloud-stack-version=\"{version}\"")).unwrap_or_default();
    root(&mut text, key, &attributes, inner);
    text
}

fn element(text: &mut String, name: &str, value: &Value) {
    root(text, name, "", value);
}

fn root(text: &mut String, name: &str, attributes: &str, value: &Value) {
    match value {
        Value::Array(items) => {
            for item in items {
                element(text, name, item);
            }
        }
        Value::Null => {}
        value => {
            text.push_str(&format!("<{name}{attributes}>"));
            match value {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        // Details have names that XML can't have.
                        if is_name(name) {
                            element(text, name, value);
                        }
                    }
                }
                Value::String(value) => escape(text, value),
                other => text.push_str(&other.to_string()),
            }
            text.push_str(&format!("</{name}>"));
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || "_-.".contains(character))
}

fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            // XML has no way to write these, escaped or not.
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                text.push('\u{fffd}');
            }
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '"' => text.push_str("&quot;"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::document;

    #[test]
    fn what_xml_cannot_have_does_not_break_the_document() {
        let inner = json!({ "1st": "gone", "-": "gone", "": "gone", "kept": "a\u{0}b\u{1b}\u{ffff}" });
        assert_eq!(
            document("r", &inner, None),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><r><kept>a\u{fffd}b\u{fffd}\u{fffd}</kept></r>"
        );
    }

    #[test]
    fn lists_repeat_their_element() {
        let inner =
            json!({ "count": 2, "zone": [{ "name": "a&b", "tags": [] }, { "name": "c", "up": true }] });
        assert_eq!(
            document("listzonesresponse", &inner, Some("4.22")),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><listzonesresponse cloud-stack-version=\"4.22\"><count>2</count><zone><name>a&amp;b</name></zone>\
             <zone><name>c</name><up>true</up></zone></listzonesresponse>"
        );
    }
}
