//! How the Mesos daemons read their flags, and as strictly: `--name=value`, `--name` and `--no-name` for booleans,
//! `MESOS_NAME` from the environment where the command line does not have the flag. An unknown flag, one given twice
//! or a value of the wrong type ends the program; an unknown `MESOS_` variable is ignored. A value `file:///path`
//! stands for the file's content, except where the flag is itself a path.
//!
//! Marathon has another reader with other rules: [`marathon`].

pub(crate) mod agent;
pub(crate) mod marathon;
pub(crate) mod master;
pub(crate) mod value;

use std::collections::BTreeMap;

use self::value::Kind;

/// One flag of a daemon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    /// An older name that is still understood.
    pub(crate) alias: Option<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) default: Option<&'static str>,
    /// The daemon does not start without it.
    pub(crate) required: bool,
}

impl Flag {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, alias: None, kind, default: None, required: false }
    }

    pub(crate) const fn alias(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    pub(crate) const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    pub(crate) const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

/// Why the flags were refused, in the words of the daemons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Failed to load unknown flag '{name}'{}", through(.via))]
    Unknown { name: String, via: Option<String> },
    #[error("Flag '{name}' is already loaded via name '{loaded}'")]
    Twice { name: String, loaded: String },
    #[error("Failed to load non-boolean flag '{name}': Missing value")]
    NoValue { name: String },
    #[error("Failed to load non-boolean flag '{name}' via 'no-{name}'")]
    NotNegatable { name: String },
    #[error("Failed to load boolean flag '{name}' via 'no-{name}' with value '{value}'")]
    NegatedWithValue { name: String, value: String },
    #[error("Failed to load flag '{name}': {reason}")]
    Value { name: String, reason: String },
    #[error("Flag '{name}' is required, but it was not provided")]
    Required { name: String },
}

fn through(name: &Option<String>) -> String {
    name.as_ref().map_or_else(String::new, |name| format!(" via '{name}'"))
}

/// The flags as loaded: every one that has a value, given or by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    values: BTreeMap<&'static str, Loaded>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Loaded {
    /// What the program works with: a file's content where the value named a file.
    value: String,
    /// What `/flags` and the log show.
    shown: String,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Run(Flags),
    Help,
    Version,
}

/// Reads the command line (without the program's name) and the environment against the daemon's table of flags.
pub(crate) fn load(
    table: &'static [Flag],
    arguments: &[String],
    environment: &[(String, String)],
) -> Result<Asked, Refusal> {
    let mut given = from_arguments(arguments);
    for (name, value) in from_environment(table, environment) {
        // The command line beats the environment, by the name as it was given.
        if !given.iter().any(|(given, _)| *given == name) {
            given.push((name, Some(value)));
        }
    }
    let mut flags = Flags::default();
    let mut loaded: BTreeMap<&'static str, String> = BTreeMap::new();
    for (name, value) in given {
        let positive = name.strip_prefix("no-");
        let called = positive.unwrap_or(&name).to_owned();
        let Some(flag) = find(table, &called) else {
            let via = positive.is_some().then(|| name.clone());
            return Err(Refusal::Unknown { name: called, via });
        };
        if let Some(before) = loaded.get(flag.name) {
            return Err(Refusal::Twice { name: called, loaded: before.clone() });
        }
        let value = given_value(flag, &called, positive.is_some(), value)?;
        let entry = read(flag, &value).map_err(|reason| Refusal::Value {
            name: called.clone(),
            reason: format!("Failed to load value '{value}': {reason}"),
        })?;
        flags.values.insert(flag.name, entry);
        loaded.insert(flag.name, called);
    }
    if flags.is("help") {
        return Ok(Asked::Help);
    }
    if flags.is("version") {
        return Ok(Asked::Version);
    }
    for flag in table {
        match flag.default {
            _ if flags.values.contains_key(flag.name) => {}
            Some(default) => {
                let entry = Loaded { value: default.to_owned(), shown: default.to_owned() };
                flags.values.insert(flag.name, entry);
            }
            None if flag.required => return Err(Refusal::Required { name: flag.name.to_owned() }),
            None => {}
        }
    }
    Ok(Asked::Run(flags))
}

/// The flags among the arguments, in their order. Anything that does not begin with `--` is passed over, and
/// everything after a bare `--`, as the daemons do.
fn from_arguments(arguments: &[String]) -> Vec<(String, Option<String>)> {
    arguments
        .iter()
        .map(|argument| argument.trim())
        .take_while(|argument| *argument != "--")
        .filter_map(|argument| argument.strip_prefix("--"))
        .map(|flag| match flag.split_once('=') {
            Some((name, value)) => (name.to_lowercase(), Some(value.to_owned())),
            None => (flag.to_lowercase(), None),
        })
        .collect()
}

fn from_environment(table: &[Flag], environment: &[(String, String)]) -> Vec<(String, String)> {
    environment
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("MESOS_")?.to_lowercase(), value.clone())))
        .filter(|(name, _)| find(table, name.strip_prefix("no-").unwrap_or(name)).is_some())
        .collect()
}

fn find<'t>(table: &'t [Flag], name: &str) -> Option<&'t Flag> {
    table.iter().find(|flag| flag.name == name || flag.alias == Some(name))
}

fn given_value(flag: &Flag, called: &str, negated: bool, value: Option<String>) -> Result<String, Refusal> {
    let name = called.to_owned();
    if flag.kind == Kind::Bool {
        return match value.filter(|value| !value.is_empty()) {
            None => Ok((!negated).to_string()),
            Some(value) if negated => Err(Refusal::NegatedWithValue { name, value }),
            Some(value) => Ok(value),
        };
    }
    if negated {
        return Err(Refusal::NotNegatable { name });
    }
    value.ok_or(Refusal::NoValue { name })
}

fn read(flag: &Flag, given: &str) -> Result<Loaded, String> {
    let value = match given.strip_prefix("file://") {
        Some(path) if flag.kind != Kind::Path => {
            let content = std::fs::read_to_string(path)
                .map_err(|error| format!("Error reading file '{path}': {error}"))?;
            content.trim_end_matches(['\n', '\r']).to_owned()
        }
        _ => given.to_owned(),
    };
    flag.kind.check(&value)?;
    let shown = if flag.kind == Kind::Secret { given.to_owned() } else { value.clone() };
    Ok(Loaded { value, shown })
}

impl Flags {
    /// The flag's value, as text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|loaded| loaded.value.as_str())
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    /// The flag's value in its own type. The text was checked when it was loaded.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|value| value.trim().parse().ok())
    }

    pub(crate) fn duration(&self, name: &str) -> Option<std::time::Duration> {
        self.get(name).and_then(|value| value::duration(value).ok())
    }

    /// Every flag that has a value, as `/flags` shows them.
    pub(crate) fn shown(&self) -> BTreeMap<String, String> {
        self.values.iter().map(|(name, loaded)| ((*name).to_owned(), loaded.shown.clone())).collect()
    }
}

/// The list of flags that goes with `--help` and with a refusal.
pub(crate) fn usage(program: &str, table: &[Flag], message: Option<&str>) -> String {
    use std::fmt::Write as _;
    let mut text = message.map_or_else(String::new, |message| format!("{message}\n\n"));
    let _ = write!(text, "Usage: {program} [options]\n\n");
    for flag in table {
        let names = |name: &str| match flag.kind {
            Kind::Bool => format!("--[no-]{name}"),
            _ => format!("--{name}=VALUE"),
        };
        let mut column = names(flag.name);
        if let Some(alias) = flag.alias {
            let _ = write!(column, ", {}", names(alias));
        }
        let note = match (flag.required, flag.default) {
            (true, _) => "(required)".to_owned(),
            (_, Some(default)) => format!("(default: {default})"),
            _ => String::new(),
        };
        let _ = writeln!(text, "  {column:<60} {note}");
    }
    text
}

#[cfg(test)]
mod tests;
