//! Plans against a simulated zone behind a socket: exit codes, saved plans and their refusal, graphs.

use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use async_trait::async_trait;
use cloudstack::{Client, Credentials};
use devcloud::{
    Limits, MemoryRecords, Records, Zone, ZoneConfig, serve,
    simulator::{Capacity, Latencies, Simulator},
};
use insta::assert_snapshot;
use mesostack::{
    cluster::{self, Context, Desired, Observed, OperatorKey, apply, find_or_make_key, plan},
    events::Silent,
    node::{self, Configuration, Drained, Health, Nodes, SetUp, Status, Tell, Whereabouts},
    spec::{Node, Spec},
};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{mesostack, run};

/// Nodes that say they did what they were told.
#[derive(Clone, Copy, Debug)]
struct Obedient;

#[async_trait]
impl Nodes for Obedient {
    async fn answers(&self, _: &Whereabouts, _: Instant) -> Result<(), node::Error> {
        Ok(())
    }

    async fn set_up(&self, _: &Whereabouts, _: &Configuration, _: Instant) -> Result<SetUp, node::Error> {
        Ok(SetUp::Changed { restarted: Vec::new() })
    }

    async fn check(&self, _: &Whereabouts, _: Instant) -> Result<Health, node::Error> {
        Ok(Health::Well)
    }

    async fn status(&self, _: &[Whereabouts], _: &[Node], _: Instant) -> Status {
        unreachable!("no master is replaced or told anew")
    }

    async fn drain(&self, _: &[Whereabouts], _: &Node, _: Duration, _: &Tell<'_>) -> Drained {
        unreachable!("no agent goes")
    }
}

/// A simulated zone that listens, and a folder with a file for it.
struct Place {
    runtime: Runtime,
    folder: TempDir,
    url: String,
    keys: devcloud::Keys,
    stop: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Place {
    fn with(limits: Limits) -> Self {
        let runtime = Runtime::new().unwrap();
        let simulator = Arc::new(Simulator::new(Latencies::default(), Capacity::default()));
        let config = ZoneConfig { limits, watch: None, ..ZoneConfig::default() };
        let zone = Zone::open(config, simulator, Records::memory(MemoryRecords::default()));
        let zone = runtime.block_on(zone).unwrap();
        let keys = zone.credentials("mesostack").unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/client/api", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        runtime.spawn(serve(zone, listener, stop.clone()));
        let place = Self { runtime, folder: tempfile::tempdir().unwrap(), url, keys, stop };
        place.write(1, 1);
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, masters: u16, agents: u16) {
        let text = format!(
            "[cloud]\napi_url = \"{}\"\nzone = \"devcloud\"\n[access]\nallow = [\"192.0.2.1\"]\nprivate_key = \"key\"\n\
             [image]\nname = \"Debian 12\"\n[cluster]\nmasters = {masters}\nagents = {agents}\n",
            self.url
        );
        std::fs::write(self.path("mesostack.toml"), text).unwrap();
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = mesostack(self.folder.path());
        command.env("CLOUDSTACK_API_KEY", &self.keys.api_key);
        command.env("CLOUDSTACK_SECRET_KEY", self.keys.secret_key.expose_secret());
        let (code, output, errors) = run(command.args(arguments));
        // A warning about a single master comes with the time of day.
        let errors = errors.lines().filter(|line| !line.contains(" warning: "));
        (code, output, errors.map(|line| format!("{line}\n")).collect())
    }

    /// The rest of an apply, with nodes that are none.
    fn finish(&self) {
        let text = std::fs::read_to_string(self.path("mesostack.toml")).unwrap();
        let (spec, _) = Spec::parse(&text, "mesostack.toml", self.folder.path()).unwrap();
        let key = OperatorKey::of(&find_or_make_key(&self.path("key")).unwrap());
        let credentials = Credentials {
            api_key: self.keys.api_key.clone().into(),
            secret_key: self.keys.secret_key.clone(),
        };
        let client = Client::builder(self.url.parse().unwrap(), credentials).build().unwrap();
        let desired = Desired::of(&spec, Some(key));
        self.runtime.block_on(async {
            let observed = Observed::read(&client, &desired).await.unwrap();
            let plan = plan(&desired, &observed);
            let context = Context {
                client,
                desired,
                observed,
                nodes: Some(Arc::new(Obedient)),
                listener: Arc::new(Silent),
                stop: CancellationToken::new(),
                deadline: None,
                limits: cluster::Limits::from(&spec),
            };
            apply(&plan, &context).await.unwrap();
        });
    }
}

/// What differs from run to run, by what it is; long lines in one piece.
fn filtered(text: &str, check: impl FnOnce(&str)) {
    let mut whole: Vec<String> = Vec::new();
    for line in text.lines() {
        let broken = line.strip_prefix("  │ ").filter(|rest| !rest.starts_with(' ') && !rest.ends_with(':'));
        match (broken, whole.last_mut()) {
            (Some(rest), Some(last)) => {
                let space = if last.ends_with('-') { "" } else { " " };
                *last = format!("{last}{space}{rest}");
            }
            _ => whole.push(line.to_owned()),
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID");
    settings.add_filter("([0-9a-f]{2}:){15}[0-9a-f]{2}", "FINGERPRINT");
    settings.bind(|| check(&whole.join("\n")));
}

#[test]
fn plan_exits_with_2_for_changes_0_for_none_and_1_when_something_is_in_the_way() {
    let place = Place::with(Limits::CLOUDSTACK);
    let (code, output, errors) = place.run(&["plan"]);
    assert_eq!(code, 2, "{errors}");
    assert!(output.contains("+ virtual machine mesos-master-1"), "{output}");
    let (code, ..) = place.run(&["apply", "--only", "infrastructure", "--yes"]);
    assert_eq!(code, 0);
    let (code, output, _) = place.run(&["plan", "--json"]);
    assert_eq!(code, 2, "{output}");
    place.finish();
    let (code, output, errors) = place.run(&["plan"]);
    assert_eq!((code, output.as_str()), (0, "cluster mesos: no changes\n"), "{errors}");
    place.write(1, 40);
    let (code, output, errors) = place.run(&["plan", "--out", "plan.json"]);
    assert_eq!((code, output.as_str()), (1, ""));
    filtered(&errors, |errors| assert_snapshot!(errors));
    assert!(!place.path("plan.json").exists(), "a plan that cannot be carried out is not saved");
    // `validate` says the same, and the document has it too.
    let (code, _, validated) = place.run(&["validate"]);
    assert_eq!((code, validated), (1, errors));
    let (code, output, _) = place.run(&["plan", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((code, document["obstacles"].as_array().map(Vec::len)), (1, Some(4)), "{output}");
}

#[test]
fn what_an_apply_does_not_mend_is_no_success() {
    let place = Place::with(Limits::CLOUDSTACK);
    place.run(&["apply", "--only", "infrastructure", "--yes"]);
    place.finish();
    let text = std::fs::read_to_string(place.path("mesostack.toml")).unwrap();
    std::fs::write(place.path("mesostack.toml"), text + "first_agent = 150\n").unwrap();
    let told = "~ virtual machine mesos-agent-1: 172.16.0.100 instead of 172.16.0.150: nothing is done to it";
    let (code, output, errors) = place.run(&["plan"]);
    assert_eq!(code, 2, "{errors}");
    assert!(output.contains(told) && output.contains("no changes, 1 left as it is"), "{output}");
    let (code, _, errors) = place.run(&["apply", "--yes"]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains(told), "{errors}");
    let (code, output, _) = place.run(&["apply", "--yes", "--json"]);
    let result = output.lines().last().expect("a result");
    let result: serde_json::Value = serde_json::from_str(result).unwrap();
    assert_eq!((code, &result["changed"]), (1, &false.into()), "{output}");
    assert_eq!(result["remains"].as_array().map(Vec::len), Some(1), "{output}");
    let (code, _, errors) = place.run(&["validate"]);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains(told), "{errors}");
}

#[test]
fn a_saved_plan_is_carried_out_once_and_then_refused_with_the_difference() {
    let place = Place::with(Limits::CLOUDSTACK);
    let (code, _, errors) = place.run(&["plan", "--out", "plan.json"]);
    assert_eq!(code, 2);
    assert!(errors.contains("saved: `mesostack apply plan.json`"), "{errors}");
    let text = std::fs::read_to_string(place.path("plan.json")).unwrap();
    for secret in [&place.keys.api_key, place.keys.secret_key.expose_secret(), "PRIVATE KEY"] {
        assert!(!text.contains(secret), "a secret in a saved plan");
    }
    let mode = std::fs::metadata(place.path("plan.json")).unwrap().permissions().mode();
    assert_ne!(mode & 0o044, 0, "others may read it: {mode:o}");

    let (code, _, errors) = place.run(&["apply", "plan.json", "--only", "infrastructure"]);
    assert_eq!(code, 0, "{errors}");
    let (code, output, errors) = place.run(&["apply", "plan.json"]);
    assert_eq!((code, output.as_str()), (1, ""));
    filtered(&errors, |errors| assert_snapshot!(errors));
}

#[test]
fn a_saved_plan_is_refused_when_the_file_has_moved() {
    let place = Place::with(Limits::CLOUDSTACK);
    place.run(&["plan", "--out", "plan.json"]);
    place.write(1, 2);
    let (code, output, errors) = place.run(&["apply", "plan.json"]);
    assert_eq!((code, output.as_str()), (1, ""));
    filtered(&errors, |errors| assert_snapshot!(errors));
    // A new one may take the old one's place; nothing else is written over.
    assert_eq!(place.run(&["plan", "--out", "plan.json"]).0, 2);
    let (code, _, errors) = place.run(&["plan", "--out", "mesostack.toml"]);
    assert_eq!(code, 1);
    assert!(errors.contains("mesostack.toml is there, and is not a saved plan"), "{errors}");
    assert!(std::fs::read_to_string(place.path("mesostack.toml")).unwrap().starts_with("[cloud]"));
    let (code, _, errors) = place.run(&["apply", "mesostack.toml"]);
    assert_eq!(code, 1);
    assert!(errors.contains("this is not a saved plan"), "{errors}");
    assert_eq!(place.run(&["apply", "none.json"]).0, 1);
}

#[test]
fn a_replacement_is_shown_before_it_is_begun_and_refused_where_it_cannot_be() {
    let place = Place::with(Limits::CLOUDSTACK);
    assert_eq!(place.run(&["apply", "--only", "infrastructure", "--yes"]).0, 0);
    place.finish();
    let (code, output, errors) = place.run(&["replace", "agent-1"]);
    assert_eq!((code, output.as_str()), (1, ""));
    let shown = errors.lines().filter(|line| !line.starts_with("takes about"));
    filtered(&shown.collect::<Vec<_>>().join("\n"), |shown| assert_snapshot!(shown));
    let (code, output, errors) = place.run(&["replace", "master-1", "--yes"]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.contains("master-1 is the only master"), "{errors}");
    let (code, _, errors) = place.run(&["replace", "agent-9", "--yes"]);
    assert_eq!(code, 1, "{errors}");
    assert_eq!(place.run(&["plan"]).0, 0, "nothing was done");
}

#[test]
fn a_saved_plan_is_carried_out_only_with_the_options_it_was_made_with() {
    let place = Place::with(Limits::CLOUDSTACK);
    let (code, _, errors) = place.run(&["plan", "--prune", "--out", "plan.json"]);
    assert_eq!(code, 2);
    assert!(errors.contains("saved: `mesostack apply plan.json --prune` carries it out"), "{errors}");
    let (code, _, errors) = place.run(&["apply", "plan.json", "--only", "infrastructure"]);
    assert_eq!(code, 1);
    assert!(errors.contains("the option --prune"), "{errors}");
    let (code, _, errors) = place.run(&["apply", "plan.json", "--prune", "--only", "infrastructure"]);
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn the_graph_is_all_there_is_on_standard_output() {
    let place = Place::with(Limits::CLOUDSTACK);
    let (code, output, _) = place.run(&["plan", "--graph", "dot"]);
    assert_eq!(code, 2);
    assert!(output.starts_with("digraph plan {\n") && output.ends_with("}\n"), "{output}");
    let (code, output, _) = place.run(&["plan", "--graph", "svg"]);
    assert_eq!(code, 2);
    assert!(output.starts_with("<svg ") && output.ends_with("</svg>\n"), "{output}");
    assert_eq!(place.run(&["plan", "--graph", "png"]).0, 64);
    assert_eq!(place.run(&["plan", "--graph", "dot", "--json"]).0, 64);
}

#[test]
fn no_more_calls_begin_in_a_second_than_the_file_says() {
    let place = Place::with(Limits::NONE);
    let file = std::fs::read_to_string(place.path("mesostack.toml")).unwrap();
    let few = file.replace("[cloud]\n", "[cloud]\ncalls_per_second = 3\n");
    std::fs::write(place.path("mesostack.toml"), few).unwrap();
    let began = std::time::Instant::now();
    assert_eq!(place.run(&["plan"]).0, 2);
    // At least seven calls, a third of a second apart.
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_cloud_that_does_not_know_the_keys_is_told_at_once() {
    let place = Place::with(Limits::CLOUDSTACK);
    let mut command = mesostack(place.folder.path());
    command.env("CLOUDSTACK_API_KEY", "nobody").env("CLOUDSTACK_SECRET_KEY", "nothing");
    let (code, output, errors) = run(command.arg("plan"));
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.contains("does not accept the keys"), "{errors}");
}
