//! The zone's own `listApis` against that of a real CloudStack: every command, parameter and field that is shown here is
//! there under that name and of that type, and what is required there is required here.
//!
//! `facts.txt` is what a real server's `listApis` says of the commands that are served here, in a form of our own: an
//! object's fields a line (`@7 id:string tags:set@3`), a command with its parameters (`!` is required) and the object it
//! answers. It was derived from the reply of a CloudStack 4.23 to a root admin, and is derived anew, from that server or
//! another one, by `LISTAPIS=reply.json cargo test --workspace --test zone schema`: the test then writes it first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

use crate::kit;

/// Where the facts are; read when they are needed, so that deriving them anew needs no second build.
const FACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zone/schema/facts.txt");

/// Commands that are served here and that a real server's ordinary users have, a name a line: from that server's `listApis`
/// to such a user, written anew by `LISTAPIS_USER=reply.json` in the same way.
const USERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zone/schema/users.txt");

#[derive(Debug, Default)]
struct Facts {
    objects: BTreeMap<String, BTreeMap<String, Typed>>,
    commands: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    is_async: bool,
    parameters: BTreeMap<String, (String, bool)>,
    answer: String,
}

/// A field's type, and the object that is in it.
#[derive(Debug)]
struct Typed {
    kind: String,
    inside: Option<String>,
}

impl Facts {
    fn read(text: &str) -> Self {
        let mut facts = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let mut words = line.split(' ');
            let first = words.next().expect("a word");
            if let Some(object) = first.strip_prefix('@') {
                let fields = words.map(|word| {
                    let (name, kind) = word.split_once(':').expect("a type");
                    let (kind, inside) = match kind.split_once('@') {
                        Some((kind, inside)) => (kind, Some(inside.to_owned())),
                        None => (kind, None),
                    };
                    (name.to_owned(), Typed { kind: kind.to_owned(), inside })
                });
                facts.objects.insert(object.to_owned(), fields.collect());
            } else {
                let is_async = words.next() == Some("async");
                let answer = words.next().expect("an answer").trim_start_matches('@').to_owned();
                let parameters = words.map(|word| {
                    let (name, kind) = word.split_once(':').expect("a type");
                    (name.to_owned(), (kind.trim_end_matches('!').to_owned(), kind.ends_with('!')))
                });
                let known = Known { is_async, answer, parameters: parameters.collect() };
                facts.commands.insert(first.to_owned(), known);
            }
        }
        facts
    }

    /// What is shown of an object that the real one has not, or otherwise.
    fn compare(&self, place: &str, shown: &Value, object: &str, wrong: &mut Vec<String>) {
        let known = &self.objects[object];
        for field in shown.as_array().expect("fields") {
            let name = field["name"].as_str().expect("a name");
            let Some(typed) = known.get(name) else {
                wrong.push(format!("{place} answers {name}, which the real one does not"));
                continue;
            };
            if field["type"] != typed.kind.as_str() {
                wrong.push(format!(
                    "{place} answers {name} as {}, the real one as {}",
                    field["type"], typed.kind
                ));
            }
            if let Some(inside) = field.get("response") {
                match &typed.inside {
                    Some(object) => self.compare(&format!("{place}.{name}"), inside, object, wrong),
                    None => wrong.push(format!("{place}.{name} is no object in the real one")),
                }
            }
        }
    }
}

async fn shown() -> Vec<Value> {
    let world = kit::world().await;
    let answer = world.admin().call("listApis", &[]).await;
    answer["api"].as_array().expect("commands").clone()
}

#[tokio::test(start_paused = true)]
async fn every_command_parameter_and_field_that_is_shown_is_the_real_one_s() {
    let shown = shown().await;
    if let Ok(path) = std::env::var("LISTAPIS") {
        let reply = std::fs::read(path).expect("LISTAPIS names a file");
        std::fs::write(FACTS, derive(&shown, &serde_json::from_slice(&reply).expect("JSON")))
            .expect("written");
    }
    let facts = Facts::read(&std::fs::read_to_string(FACTS).expect("facts"));
    let mut wrong = Vec::new();
    for command in shown {
        let name = command["name"].as_str().expect("a name");
        let Some(known) = facts.commands.get(name) else {
            wrong.push(format!("the real one has no {name}"));
            continue;
        };
        // A job in the development version that the facts are of, and not in the releases whose version is shown here.
        if command["isasync"] != known.is_async && name != "registerUserKeys" {
            wrong.push(format!("{name}: isasync is {} in the real one", known.is_async));
        }
        let mut seen = BTreeSet::new();
        for parameter in command["params"].as_array().expect("parameters") {
            let parameter_name = parameter["name"].as_str().expect("a name");
            seen.insert(parameter_name.to_owned());
            match known.parameters.get(parameter_name) {
                None => wrong.push(format!("{name} takes {parameter_name}, which the real one does not")),
                Some((kind, required)) => {
                    if parameter["type"] != kind.as_str() {
                        wrong.push(format!(
                            "{name} takes {parameter_name} as {}, the real one as {kind}",
                            parameter["type"]
                        ));
                    }
                    if parameter["required"] != *required {
                        wrong.push(format!(
                            "{name}: whether {parameter_name} is required is {required} in the real one"
                        ));
                    }
                }
            }
        }
        for (parameter, (_, required)) in &known.parameters {
            if *required && !seen.contains(parameter) {
                wrong.push(format!("{name} does not know {parameter}, which the real one requires"));
            }
        }
        facts.compare(name, &command["response"], &known.answer, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn users_have_the_commands_that_a_real_server_s_users_have_and_no_others() {
    let names = |shown: &[Value]| -> BTreeSet<String> {
        shown.iter().map(|command| command["name"].as_str().expect("a name").to_owned()).collect()
    };
    let all = names(&shown().await);
    if let Ok(path) = std::env::var("LISTAPIS_USER") {
        let reply: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
        let listed = &reply.get("response").unwrap_or(&reply)["listapisresponse"]["api"];
        // A reply of which only the names were kept does too.
        let theirs: BTreeSet<String> = match reply["names"].as_array() {
            Some(names) => names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect(),
            None => names(listed.as_array().expect("commands")),
        };
        let served: Vec<&str> = all.intersection(&theirs).map(String::as_str).collect();
        std::fs::write(USERS, served.join("\n") + "\n").expect("written");
    }
    let theirs: BTreeSet<String> =
        std::fs::read_to_string(USERS).expect("facts").lines().map(str::to_owned).collect();
    let world = kit::world().await;
    let shown = world.user().call("listApis", &[]).await;
    let ours = names(shown["api"].as_array().expect("commands"));
    let more: Vec<_> = ours.difference(&theirs).collect();
    let fewer: Vec<_> = theirs.difference(&ours).collect();
    assert!(more.is_empty() && fewer.is_empty(), "only here: {more:?}; only there: {fewer:?}");
    for command in all.difference(&theirs) {
        let (code, finer, _) = world.user().refused(command, &[]).await;
        assert_eq!((code, finer), (432, Some(9999)), "{command}");
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_read_list_apis_find_what_they_read() {
    for command in shown().await {
        for text in ["name", "description", "related"] {
            assert!(command[text].is_string(), "{text} of {command}");
        }
        assert!(command["isasync"].is_boolean(), "{command}");
        for parameter in command["params"].as_array().expect("parameters") {
            assert!(parameter["description"].is_string() && parameter["related"].is_string(), "{parameter}");
        }
        assert!(!command["response"].as_array().expect("fields").is_empty(), "{command}");
    }
}

/// Objects of the same fields are written once.
fn object(fields: &Value, objects: &mut BTreeMap<String, usize>) -> usize {
    let mut words: BTreeSet<String> = BTreeSet::new();
    for field in fields.as_array().into_iter().flatten() {
        let Some(name) = field["name"].as_str() else { continue };
        let kind = field["type"].as_str().unwrap_or("string");
        words.insert(match field.get("response") {
            Some(inside) => format!("{name}:{kind}@{}", object(inside, objects)),
            None => format!("{name}:{kind}"),
        });
    }
    let words = words.into_iter().collect::<Vec<_>>().join(" ");
    let next = objects.len();
    *objects.entry(words).or_insert(next)
}

/// The facts in a server's reply to `listApis`, of the commands that are shown here.
fn derive(shown: &[Value], reply: &Value) -> String {
    let reply = reply.get("response").unwrap_or(reply);
    let served: BTreeSet<&str> =
        shown.iter().map(|command| command["name"].as_str().expect("a name")).collect();
    let (mut objects, mut commands) = (BTreeMap::new(), String::new());
    for command in reply["listapisresponse"]["api"].as_array().expect("commands") {
        let name = command["name"].as_str().expect("a name");
        if !served.contains(name) {
            continue;
        }
        let kind = if command["isasync"] == true { "async" } else { "sync" };
        write!(commands, "{name} {kind} @{}", object(&command["response"], &mut objects)).expect("written");
        let parameters: BTreeSet<String> = command["params"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| {
                let text = |field: &str| parameter[field].as_str().unwrap_or_default().to_owned();
                format!(
                    "{}:{}{}",
                    text("name"),
                    text("type"),
                    if parameter["required"] == true { "!" } else { "" }
                )
            })
            .collect();
        for parameter in parameters {
            write!(commands, " {parameter}").expect("written");
        }
        commands.push('\n');
    }
    let mut objects: Vec<_> = objects.into_iter().collect();
    objects.sort_by_key(|(_, number)| *number);
    let mut text = "# What a real CloudStack says of the commands served here; see mod.rs for the form and the source.\n".to_owned();
    for (words, number) in objects {
        writeln!(text, "@{number} {words}").expect("written");
    }
    let mut lines: Vec<&str> = commands.lines().collect();
    lines.sort_unstable();
    for line in lines {
        writeln!(text, "{line}").expect("written");
    }
    text
}
