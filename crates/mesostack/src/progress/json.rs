//! Events as JSON lines, for programs that watch a run.

use std::io::Write;

use jiff::Timestamp;
use mesostack::events::{Event, Listener, SCHEMA};

/// Writes an object an event to standard output.
#[derive(Debug)]
pub(super) struct Lines;

impl Listener for Lines {
    fn hear(&self, event: Event) {
        // A reader that went away ends its watching, not the run.
        let _ = writeln!(std::io::stdout(), "{}", line(Timestamp::now(), &event));
    }
}

/// The event's own fields, and when it happened.
fn line(at: Timestamp, event: &Event) -> String {
    let mut fields = match serde_json::to_value(event) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    fields.insert("v".to_owned(), SCHEMA.into());
    fields.insert("at".to_owned(), format!("{at:.3}").into());
    serde_json::Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mesostack::events::Work;

    use super::*;

    fn at() -> Timestamp {
        "2026-11-23T09:00:00.25Z".parse().unwrap()
    }

    #[test]
    fn an_event_is_one_line_with_its_name_its_time_and_its_fields() {
        let event = Event::Done {
            work: Work::new("start master-1"),
            detail: Some("172.16.0.20".into()),
            took: Duration::from_micros(1_234_567),
        };
        assert_eq!(
            line(at(), &event),
            r#"{"at":"2026-11-23T09:00:00.250Z","detail":"172.16.0.20","event":"done","took":1.235,"v":1,"work":"start master-1"}"#
        );
    }

    #[test]
    fn line_breaks_in_an_error_stay_inside_the_line() {
        let event = Event::Failed { work: Work::new("x"), error: "first\nsecond".into() };
        assert!(!line(at(), &event).contains('\n'));
    }
}
