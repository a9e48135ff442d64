//! Every answer that a test sees is held against what `listApis` says of its command: no field that is not shown there,
//! none of another type.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::kit;

type Fields = BTreeMap<String, Shown>;

/// A field as `listApis` shows it.
struct Shown {
    kind: String,
    inside: Option<Fields>,
}

fn fields(shown: &Value) -> Fields {
    let text = |field: &Value, name: &str| field[name].as_str().expect("text").to_owned();
    let shown = shown.as_array().expect("fields").iter();
    shown
        .map(|field| {
            let inside = field.get("response").map(fields);
            (text(field, "name"), Shown { kind: text(field, "type"), inside })
        })
        .collect()
}

/// What is shown of every command; asked of a zone of its own, so that no test's zone is touched.
fn shown() -> &'static BTreeMap<String, Fields> {
    static SHOWN: OnceLock<BTreeMap<String, Fields>> = OnceLock::new();
    SHOWN.get_or_init(|| {
        let asked = std::thread::spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let world = kit::world().await;
                let reply = world.admin().ask("listApis", &[]).await;
                kit::inside(&reply)["api"].as_array().expect("commands").clone()
            })
        });
        let commands = asked.join().expect("an answer");
        commands
            .iter()
            .map(|command| {
                (command["name"].as_str().expect("a name").to_owned(), fields(&command["response"]))
            })
            .collect()
    })
}

fn fits(kind: &str, value: &Value) -> bool {
    match kind {
        "boolean" => value.is_boolean(),
        "integer" | "int" | "long" | "short" => value.is_i64() || value.is_u64(),
        "float" | "double" => value.is_number(),
        "list" | "set" => value.is_array(),
        "map" => value.is_object(),
        kind if kind == "responseobject" || kind.ends_with("response") => value.is_object(),
        _ => value.is_string(),
    }
}

/// Commands that answer more than `listApis` says of them, there and here: they are held against another one that answers
/// the same.
const SAID_ELSEWHERE: [(&str, &str); 2] =
    [("scaleVirtualMachine", "startVirtualMachine"), ("registerUserData", "listUserData")];

/// What real answers have although `listApis` does not show it.
const UNSAID: [(&str, &str); 7] = [
    ("PortForwardingRule", "networkname"),
    ("ProjectAccounts", "project"),
    ("ProjectAccounts", "projectid"),
    ("ProjectAccounts", "account"),
    ("ProjectAccounts", "accountid"),
    ("ProjectAccounts", "accounttype"),
    ("ProjectAccounts", "role"),
];

fn check_object(place: &str, object: &Value, known: &Fields) {
    for (name, value) in object.as_object().into_iter().flatten() {
        let shown = known.get(name);
        if UNSAID.iter().any(|(of, field)| place.contains(of) && field == name) {
            continue;
        }
        let shown =
            shown.unwrap_or_else(|| panic!("{place} answers {name}, which listApis does not show: {value}"));
        assert!(fits(&shown.kind, value), "{place} answers {name} as {value}, which is no {}", shown.kind);
        if let Some(inside) = &shown.inside {
            for object in value.as_array().into_iter().flatten() {
                check_object(&format!("{place}.{name}"), object, inside);
            }
        }
    }
}

/// Holds what is inside an answer's envelope, or a job's result, against what is shown of the command.
pub(crate) fn check(command: &str, inside: &Value) {
    let said = SAID_ELSEWHERE.iter().find(|(here, _)| *here == command).map_or(command, |(_, there)| there);
    let Some(known) = shown().get(said) else { return };
    let Some(answer) = inside.as_object() else { return };
    // Everything else has one key with an object or a list of them in it; this one has none.
    if command == "queryAsyncJobResult" {
        return check_object(command, inside, known);
    }
    for (name, value) in answer {
        // Without `lbvmips` the machines themselves, which listApis does not say there or here.
        let known = if name == "loadbalancerruleinstance" { &shown()["listVirtualMachines"] } else { known };
        match value {
            Value::Array(objects) => objects.iter().for_each(|object| check_object(command, object, known)),
            Value::Object(_) => check_object(command, value, known),
            _ if name == "count" || name == "id" || name == "jobid" => {}
            _ => {
                let shown = known.get(name).unwrap_or_else(|| panic!("{command} answers {name}: {value}"));
                assert!(fits(&shown.kind, value), "{command} answers {name} as {value}");
            }
        }
    }
}
