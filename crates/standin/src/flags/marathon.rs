//! How Marathon 1.11 reads its flags: `--name value` or `--name=value`; switches take no value, and those that are on
//! by default are turned off by `--disable_name`. Every `MARATHON_NAME` of the environment is one more `--name value`
//! (an empty one a bare `--name`), so there an unknown variable is as fatal as an unknown flag, and so is a flag
//! that both have. Only `MARATHON_APP_…`, which Marathon itself sets for its tasks, is passed over.

use std::collections::BTreeMap;

/// The type of a flag's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Int,
    Long,
    Number,
    /// Without a value; `true`: it also has a `--disable_` form.
    Switch(bool),
}

use Kind::{Int, Long, Number, Text};
const TOGGLE: Kind = Kind::Switch(true);
const SWITCH: Kind = Kind::Switch(false);

#[rustfmt::skip]
const TABLE: &[(&str, Kind)] = &[
    ("access_control_allow_origin", Text), ("assets_path", Text), ("backup_location", Text), ("checkpoint", TOGGLE),
    ("decline_offer_duration", Long), ("default_accepted_resource_roles", Text), ("default_network_name", Text),
    ("deprecated_features", Text), ("draining_seconds", Long), ("enable_features", Text), ("env_vars_prefix", Text),
    ("executor", Text), ("failover_timeout", Long), ("framework_name", Text), ("gpu_scheduling_behavior", Text),
    ("ha", TOGGLE), ("help", SWITCH), ("hostname", Text), ("http", TOGGLE), ("http_address", Text),
    ("http_compression", TOGGLE), ("http_credentials", Text), ("http_max_concurrent_requests", Int), ("http_port", Int),
    ("http_realm", Text), ("https_address", Text), ("https_port", Int), ("launch_token_refresh_interval", Long),
    ("launch_tokens", Int), ("leader_proxy_connection_timeout", Int), ("leader_proxy_max_open_connections", Int),
    ("leader_proxy_read_timeout", Int), ("leader_proxy_ssl_ignore_hostname", SWITCH), ("local_port_max", Int),
    ("local_port_min", Int), ("logging_level", Text), ("logstash", Text), ("maintenance_mode", TOGGLE),
    ("master", Text), ("max_apps", Int), ("max_instances_per_offer", Int), ("max_running_deployments", Int),
    ("mesos_authentication", TOGGLE), ("mesos_authentication_principal", Text), ("mesos_authentication_secret", Text),
    ("mesos_authentication_secret_file", Text), ("mesos_bridge_name", Text), ("mesos_heartbeat_failure_threshold", Int),
    ("mesos_heartbeat_interval", Long), ("mesos_leader_ui_url", Text), ("mesos_role", Text), ("mesos_user", Text),
    ("metrics_datadog", TOGGLE), ("metrics_datadog_host", Text), ("metrics_datadog_port", Int),
    ("metrics_datadog_protocol", Text), ("metrics_datadog_transmission_interval_ms", Int),
    ("metrics_histogram_reservoir_reset_periodically", TOGGLE), ("metrics_histogram_reservoir_resetting_chunks", Int),
    ("metrics_histogram_reservoir_resetting_interval_ms", Int),
    ("metrics_histogram_reservoir_significant_digits", Int), ("metrics_name_prefix", Text),
    ("metrics_prometheus", TOGGLE), ("metrics_statsd", TOGGLE), ("metrics_statsd_host", Text),
    ("metrics_statsd_port", Int), ("metrics_statsd_transmission_interval_ms", Int), ("min_revive_offers_interval", Long),
    ("offer_matching_timeout", Long), ("on_elected_prepare_timeout", Long), ("plugin_conf", Text), ("plugin_dir", Text),
    ("reconciliation_initial_delay", Long), ("reconciliation_interval", Long), ("revive_offers_for_new_apps", TOGGLE),
    ("revive_offers_repetitions", Int), ("scale_apps_initial_delay", Long), ("scale_apps_interval", Long),
    ("ssl_keystore_password", Text), ("ssl_keystore_path", Text), ("store_cache", TOGGLE), ("suppress_offers", TOGGLE),
    ("task_launch_confirm_timeout", Long), ("task_launch_timeout", Long), ("task_lost_expunge_gc", Long),
    ("task_lost_expunge_initial_delay", Long), ("task_lost_expunge_interval", Long), ("tracing", TOGGLE),
    ("version", SWITCH), ("webui_url", Text), ("zk", Text), ("zk_compression", TOGGLE),
    ("zk_compression_threshold", Long), ("zk_connection_timeout", Long), ("zk_max_node_size", Long),
    ("zk_max_versions", Int), ("zk_session_timeout", Long), ("zk_timeout", Number),
];

/// Why the flags were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Unknown option '{0}'")]
    Unknown(String),
    #[error("Excess arguments provided: '{0}'")]
    Excess(String),
    #[error(
        "Bad arguments for option '{name}': '{values}' - you should provide exactly one argument for this option"
    )]
    NotOne { name: String, values: String },
    #[error("Bad arguments for option '{name}': '{values}' - too many arguments")]
    SwitchWithValue { name: String, values: String },
    #[error("Bad arguments for option '{name}': '{value}' - wrong arguments format")]
    WrongType { name: String, value: String },
    #[error("Required option '{0}' not found")]
    Required(&'static str),
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Run(Flags),
    Help,
    Version,
}

/// The flags as given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    values: BTreeMap<&'static str, String>,
    switches: BTreeMap<&'static str, bool>,
}

impl Flags {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|value| value.trim().parse().ok())
    }

    /// Whether the switch is on; `None` when it was not given.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.switches.get(name).copied()
    }
}

/// Reads the environment and the command line (without the program's name).
pub(crate) fn load(arguments: &[String], environment: &[(String, String)]) -> Result<Asked, Refusal> {
    let mut words = from_environment(environment);
    words.extend(from_arguments(arguments));
    let mut given: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for word in words {
        match word {
            Word::Excess(text) => return Err(Refusal::Excess(text)),
            Word::Option(name, value) => given.entry(name).or_default().push(value),
        }
    }
    let mut flags = Flags::default();
    for (name, values) in given {
        set(&mut flags, name, &values)?;
    }
    if flags.switch("help") == Some(true) {
        return Ok(Asked::Help);
    }
    if flags.switch("version") == Some(true) {
        return Ok(Asked::Version);
    }
    if flags.get("master").is_none() {
        return Err(Refusal::Required("master"));
    }
    Ok(Asked::Run(flags))
}

fn set(flags: &mut Flags, name: String, values: &[Option<String>]) -> Result<(), Refusal> {
    let disabled = name.strip_prefix("disable_");
    let known = |name: &str| TABLE.iter().find(|(known, _)| *known == name).copied();
    let joined = || values.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    let (flag, on) = match (known(&name), disabled.and_then(known)) {
        (Some(flag), _) => (flag, true),
        (None, Some(flag)) if flag.1 == TOGGLE => (flag, false),
        _ => return Err(Refusal::Unknown(name)),
    };
    if let Kind::Switch(_) = flag.1 {
        if values.iter().any(Option::is_some) {
            return Err(Refusal::SwitchWithValue { name, values: joined() });
        }
        if values.len() > 1 || flags.switches.insert(flag.0, on).is_some() {
            return Err(Refusal::NotOne { name, values: joined() });
        }
        return Ok(());
    }
    let [Some(value)] = values else {
        return Err(Refusal::NotOne { name, values: joined() });
    };
    let fits = match flag.1 {
        Int => value.parse::<i32>().is_ok(),
        Long => value.parse::<i64>().is_ok(),
        Number => value.parse::<f64>().is_ok(),
        Text | Kind::Switch(_) => true,
    };
    if !fits {
        return Err(Refusal::WrongType { name, value: value.clone() });
    }
    flags.values.insert(flag.0, value.clone());
    Ok(())
}

enum Word {
    Option(String, Option<String>),
    Excess(String),
}

fn from_environment(environment: &[(String, String)]) -> Vec<Word> {
    environment
        .iter()
        .filter(|(key, _)| !key.starts_with("MARATHON_APP_"))
        .filter_map(|(key, value)| Some((key.strip_prefix("MARATHON_")?, value)))
        .map(|(name, value)| Word::Option(name.to_lowercase(), (!value.is_empty()).then(|| value.clone())))
        .collect()
}

/// A word after an option that takes a value is its value, whatever it looks like unless it begins with `--`.
fn from_arguments(arguments: &[String]) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let Some(option) = argument.strip_prefix("--") else {
            words.push(Word::Excess(argument.clone()));
            continue;
        };
        if let Some((name, value)) = option.split_once('=') {
            words.push(Word::Option(name.to_owned(), Some(value.to_owned())));
            continue;
        }
        let takes_value =
            TABLE.iter().any(|(name, kind)| *name == option && !matches!(kind, Kind::Switch(_)));
        let value = if takes_value { rest.next_if(|next| !next.starts_with("--")).cloned() } else { None };
        words.push(Word::Option(option.to_owned(), value));
    }
    words
}

/// The list of flags that goes with `--help`.
pub(crate) fn usage() -> String {
    let mut text = "Usage: marathon [options]\n\n".to_owned();
    for (name, kind) in TABLE {
        text.push_str(&match kind {
            Kind::Switch(true) => format!("  --[disable_]{name}\n"),
            Kind::Switch(false) => format!("  --{name}\n"),
            Text => format!("  --{name} <text>\n"),
            Int | Long | Number => format!("  --{name} <number>\n"),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Flags, String> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let environment: Vec<(String, String)> =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        match load(&arguments, &environment) {
            Ok(Asked::Run(flags)) => Ok(flags),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    const MASTER: (&str, &str) = ("MARATHON_MASTER", "zk://10.0.0.1:2181/mesos");

    #[test]
    fn what_marathon_refuses_is_refused() {
        for (arguments, environment, refusal) in [
            (&["--nonsense", "1"][..], &[MASTER][..], "Excess arguments provided: '1'"),
            (&["--nonsense"], &[MASTER], "Unknown option 'nonsense'"),
            (&[], &[MASTER, ("MARATHON_NONSENSE", "1")], "Unknown option 'nonsense'"),
            (&["stray"], &[MASTER], "Excess arguments provided: 'stray'"),
            (
                &["--master", "zk://b/m"],
                &[MASTER],
                "Bad arguments for option 'master': 'zk://10.0.0.1:2181/mesos zk://b/m' - you should provide exactly one argument for this option",
            ),
            (
                &["--http_port", "http"],
                &[MASTER],
                "Bad arguments for option 'http_port': 'http' - wrong arguments format",
            ),
            (
                &["--http_port"],
                &[MASTER],
                "Bad arguments for option 'http_port': '' - you should provide exactly one argument for this option",
            ),
            (
                &[],
                &[MASTER, ("MARATHON_HA", "true")],
                "Bad arguments for option 'ha': 'true' - too many arguments",
            ),
            (&["--disable_zk"], &[MASTER], "Unknown option 'disable_zk'"),
            (&["--disable_version"], &[MASTER], "Unknown option 'disable_version'"),
            (&["--zk", "zk://a/marathon"], &[], "Required option 'master' not found"),
        ] {
            assert_eq!(run(arguments, environment).unwrap_err(), refusal, "{arguments:?} {environment:?}");
        }
    }

    #[test]
    fn a_flag_has_the_same_meaning_in_all_its_forms() {
        for (arguments, environment) in [
            (&["--http_port", "9000", "--disable_ha"][..], &[MASTER][..]),
            (&["--http_port=9000", "--disable_ha"], &[MASTER]),
            (&[], &[MASTER, ("MARATHON_HTTP_PORT", "9000"), ("MARATHON_DISABLE_HA", "")]),
        ] {
            let flags = run(arguments, environment).unwrap();
            assert_eq!((flags.parsed::<u16>("http_port"), flags.switch("ha")), (Some(9000), Some(false)));
        }
    }

    #[test]
    fn what_marathon_sets_for_its_tasks_is_passed_over() {
        run(&[], &[MASTER, ("MARATHON_APP_ID", "/x"), ("PATH", "/bin")]).unwrap();
    }

    proptest! {
        #[test]
        fn any_arguments_are_loaded_or_refused(arguments in proptest::collection::vec("(--)?(disable_)?[a-z_=0-9]{0,12}", 0..6)) {
            let _ = load(&arguments, &[]);
        }
    }
}
