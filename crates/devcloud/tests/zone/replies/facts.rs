//! Facts of a real CloudStack's replies: which fields each reply has, of which type and whether always, to whom; and the
//! codes of each refusal with a digest of its text. Derived from recordings, kept in `facts.txt` in a form of our own:
//!
//! `fields COMMAND ROLE PATH name:type! …` (`!` is always there), `order COMMAND up|down` (by the times at which things were
//! made), `refusal NAME STATUS CODE FINER DIGEST`,
//! `failure NAME CODE DIGEST` (of a job).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A command's replies to a role: objects by their path in it.
pub(super) type Place = (String, String, String);

/// The fields of the objects in one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    objects: usize,
    /// Types and in how many objects, by name.
    names: BTreeMap<String, (BTreeSet<char>, usize)>,
}

impl Fields {
    pub(super) fn always(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter(|(_, (_, times))| *times == self.objects).map(|(name, _)| name.as_str())
    }

    pub(super) fn types(&self, name: &str) -> Option<&BTreeSet<char>> {
        self.names.get(name).map(|(types, _)| types)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }
}

/// How a call was turned down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The HTTP status; none is a job's failure.
    pub(super) status: Option<u64>,
    pub(super) code: u64,
    pub(super) finer: Option<u64>,
    pub(super) digest: String,
}

/// Whether a list begins with the oldest thing or with the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Up,
    Down,
}

impl Order {
    /// The order of a list of three things or more that were not all made at once.
    fn of(items: &[Value]) -> Option<Self> {
        let made: Vec<&str> = items.iter().map(|item| item["created"].as_str()).collect::<Option<_>>()?;
        let several = made.len() > 2 && made.iter().collect::<BTreeSet<_>>().len() > 1;
        let down = made.iter().rev().is_sorted();
        (several && (down || made.is_sorted())).then_some(if down { Self::Down } else { Self::Up })
    }
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    /// By command.
    pub(super) orders: BTreeMap<String, BTreeSet<Order>>,
    pub(super) fields: BTreeMap<Place, Fields>,
    pub(super) refused: BTreeMap<String, Refused>,
}

/// Keys of their own making, not fields.
const FREE: [&str; 3] = ["details", "params", "userdatadetails"];

fn kind(value: &Value) -> char {
    match value {
        Value::Null => '0',
        Value::Bool(_) => 'b',
        Value::Number(number) if number.is_f64() => 'f',
        Value::Number(_) => 'n',
        Value::String(_) => 's',
        Value::Array(_) => 'l',
        Value::Object(_) => 'o',
    }
}

/// A text without what differs from one server to the next: ids, numbers.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if bare.len() == 36 && bare.bytes().filter(|byte| *byte == b'-').count() == 4 {
            plain.push('#');
            plain.push_str(&word[bare.len()..]);
        } else {
            plain.push_str(word);
        }
    }
    let mut out = String::new();
    for character in plain.chars() {
        match character.is_ascii_digit() {
            true if out.ends_with('#') => {}
            true => out.push('#'),
            false => out.push(character),
        }
    }
    out
}

pub(super) fn digest(text: &str) -> String {
    let bytes = Sha256::digest(plain(text));
    bytes.iter().take(4).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("written");
        hex
    })
}

impl Facts {
    /// Takes in what a reply has in it.
    pub(super) fn learn(&mut self, command: &str, role: &str, path: &str, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.learn(command, role, path, item)),
            Value::Object(members) => {
                if !path.is_empty() {
                    let place = (command.to_owned(), role.to_owned(), path.to_owned());
                    let fields = self.fields.entry(place).or_default();
                    fields.objects += 1;
                    for (name, value) in members {
                        let (types, times) = fields.names.entry(name.clone()).or_default();
                        types.insert(kind(value));
                        *times += 1;
                    }
                }
                let lists = members.values().filter_map(Value::as_array).filter(|_| path.is_empty());
                for order in lists.filter_map(|items| Order::of(items)) {
                    self.orders.entry(command.to_owned()).or_default().insert(order);
                }
                for (name, value) in members.iter().filter(|(name, _)| !FREE.contains(&name.as_str())) {
                    let inside = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.learn(command, role, &inside, value);
                }
            }
            _ => {}
        }
    }

    /// What recordings tell, a file a reply.
    pub(super) fn derive(directory: &Path) -> Self {
        let mut facts = Self::default();
        let files =
            std::fs::read_dir(directory).expect("recordings").map(|entry| entry.expect("a file").path());
        let files: BTreeSet<_> =
            files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
        for file in files {
            let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            let recorded: Value = serde_json::from_slice(&std::fs::read(&file).expect("read")).expect("JSON");
            facts.take(&name, &recorded);
        }
        facts
    }

    fn take(&mut self, name: &str, recorded: &Value) {
        // A few keep the body as it came.
        let body = recorded["response"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
        let whole = body.as_ref().unwrap_or(&recorded["response"]).as_object();
        let status = recorded["http"]["status"].as_u64().or_else(|| recorded["http_status"].as_u64());
        let (Some(inside), Some(status)) = (whole.and_then(|whole| whole.values().next()), status) else {
            return;
        };
        // A job that was looked at again and again tells its end in the last look.
        let looked = recorded["samples"].as_array().and_then(|looks| looks.last());
        let looked = looked.map(|look| &look["queryAsyncJobResult"]);
        let waited = recorded["async"]["queryAsyncJobResult"].as_array().and_then(|looks| looks.last());
        let job = waited.or(looked).map(|look| &look["response"]["queryasyncjobresultresponse"]);
        if let Some(error) = name.strip_prefix("error.") {
            let (told, code, finer, status) = match job {
                Some(job) => (&job["jobresult"]["errortext"], &job["jobresultcode"], None, None),
                None => {
                    (&inside["errortext"], &inside["errorcode"], inside["cserrorcode"].as_u64(), Some(status))
                }
            };
            if let (Some(told), Some(code)) = (told.as_str(), code.as_u64()) {
                self.refused.insert(error.to_owned(), Refused { status, code, finer, digest: digest(told) });
            }
            return;
        }
        let (Some(command), Some(caller)) = (recorded["command"].as_str(), recorded["caller"].as_str())
        else {
            return;
        };
        // What is asked for in part, and in odd ways, says nothing of what is told.
        let partly =
            ["details", "userdata", "keyword"].iter().any(|part| recorded["request"].get(*part).is_some());
        if status != 200 || (partly && command.starts_with("list")) || command == "listApis" {
            return;
        }
        let role = if caller == "admin" { "admin" } else { "user" };
        match job {
            Some(job) if job["jobstatus"] == 1 => self.learn(command, role, "", &job["jobresult"]),
            Some(_) => {}
            None => self.learn(command, role, "", inside),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for ((command, role, path), fields) in &self.fields {
            write!(text, "fields {command} {role} {path}").expect("written");
            for (name, (types, times)) in &fields.names {
                let types: String = types.iter().collect();
                let end = if *times == fields.objects { "!" } else { "" };
                write!(text, " {name}:{types}{end}").expect("written");
            }
            text.push('\n');
        }
        for (command, orders) in &self.orders {
            for order in orders {
                let order = if *order == Order::Up { "up" } else { "down" };
                writeln!(text, "order {command} {order}").expect("written");
            }
        }
        for (name, Refused { status, code, finer, digest }) in &self.refused {
            let finer = finer.map_or_else(|| "-".to_owned(), |finer| finer.to_string());
            match status {
                Some(status) => writeln!(text, "refusal {name} {status} {code} {finer} {digest}"),
                None => writeln!(text, "failure {name} {code} {digest}"),
            }
            .expect("written");
        }
        text
    }

    pub(super) fn read(text: &str) -> Self {
        let mut facts = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["fields", command, role, path, names @ ..] => {
                    let mut fields = Fields { objects: 2, names: BTreeMap::new() };
                    for word in names {
                        let (name, types) = word.split_once(':').expect("a type");
                        let times = if types.ends_with('!') { 2 } else { 1 };
                        let types = types.trim_end_matches('!').chars().collect();
                        fields.names.insert(name.to_owned(), (types, times));
                    }
                    let place = ((*command).to_owned(), (*role).to_owned(), (*path).to_owned());
                    facts.fields.insert(place, fields);
                }
                ["order", command, order] => {
                    let order = if *order == "up" { Order::Up } else { Order::Down };
                    facts.orders.entry((*command).to_owned()).or_default().insert(order);
                }
                ["refusal", name, status, code, finer, digest] => {
                    let refused = Refused {
                        status: status.parse().ok(),
                        code: code.parse().expect("a code"),
                        finer: finer.parse().ok(),
                        digest: (*digest).to_owned(),
                    };
                    facts.refused.insert((*name).to_owned(), refused);
                }
                ["failure", name, code, digest] => {
                    let code = code.parse().expect("a code");
                    let refused = Refused { status: None, code, finer: None, digest: (*digest).to_owned() };
                    facts.refused.insert((*name).to_owned(), refused);
                }
                _ => panic!("no fact: {line}"),
            }
        }
        facts
    }
}
