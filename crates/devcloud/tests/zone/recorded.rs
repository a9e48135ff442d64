//! Conversations with a real CloudStack, replayed: the same calls in the same order and at the same times, ids as this zone
//! gives them, and replies of the same shape expected.
//!
//! The recordings are no part of this repository. `DEVCLOUD_RECORDINGS` names a directory of them: in `transcripts/` whole
//! conversations (`*.jsonl`, a call a line: `at` in seconds, `request`, `status`, `response`). Without it nothing is
//! replayed, and the test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use devcloud::driver::{BaseTemplate, LayerId};
use devcloud::simulator::{Capacity, Latencies};
use devcloud::{Request, ZoneConfig};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::kit::{self, Caller};

/// Fields that a real server has for what there is none of here: usage that is measured, graphics cards, autoscaling.
/// Networks of the cloud's own, versions of routers and where base templates were fetched from are not here either; and a
/// job may be under way a moment longer there.
const NOT_HERE: &[&str] = &[
    "gputotal",
    "gpuused",
    "cpuused",
    "networkkbsread",
    "networkkbswrite",
    "diskkbsread",
    "diskkbswrite",
    "memorykbs",
    "memoryintfreekbs",
    "memorytargetkbs",
    "diskioread",
    "diskiowrite",
    "jobid",
    "jobstatus",
    "path",
    "datastoreId",
    "datastoreRole",
    "readonlydetails",
];

/// The same for single commands.
const NOT_OF: &[(&str, &[&str])] = &[
    ("listTemplates", &["url", "checksum"]),
    ("listNetworkOfferings", &["serviceofferingid"]),
    (
        "listRouters",
        &[
            "arch",
            "guestmacaddress",
            "healthchecksfailed",
            "hostcontrolstate",
            "hostid",
            "hostname",
            "linklocalip",
            "linklocalmacaddress",
            "linklocalnetmask",
            "linklocalnetworkid",
            "nic",
            "publicmacaddress",
            "publicnetworkid",
            "redundantstate",
            "requiresupgrade",
            "scriptsversion",
            "serviceofferingid",
            "serviceofferingname",
            "softwareversion",
            "templateid",
            "templatename",
            "version",
        ],
    ),
];

const MORE: &str = "not in the recording";
const TIMING: &str = "earlier, later or otherwise than in the recording";

/// What differs: the command, the place in its reply, and how.
type Differences = BTreeMap<(String, String), BTreeSet<String>>;

struct Replay {
    caller: Caller,
    ids: BTreeMap<String, String>,
    /// The command that each job is of, by this zone's id.
    jobs: BTreeMap<String, String>,
    differences: Differences,
    calls: usize,
    left_out: usize,
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4
}

impl Replay {
    fn note(&mut self, command: &str, place: &str, what: String) {
        self.differences.entry((command.to_owned(), place.to_owned())).or_default().insert(what);
    }

    /// Learns this zone's ids for the real ones, wherever two replies have them in the same place.
    fn learn(&mut self, real: &Value, ours: &Value) {
        match (real, ours) {
            (Value::String(real), Value::String(ours)) if real != ours && is_id(real) && is_id(ours) => {
                self.ids.insert(real.clone(), ours.clone());
            }
            (Value::Object(real), Value::Object(ours)) => {
                for (name, real) in real {
                    if let Some(ours) = ours.get(name) {
                        self.learn(real, ours);
                    }
                }
            }
            (Value::Array(real), Value::Array(ours)) => {
                for (number, real) in real.iter().enumerate() {
                    let known = real["id"].as_str().and_then(|id| self.ids.get(id)).cloned();
                    let same = ours.iter().find(|ours| match &known {
                        Some(id) => ours["id"] == **id,
                        None => real.get("name").is_some_and(|name| ours.get("name") == Some(name)),
                    });
                    // By its place only where that can't be a mistake: what is something else's already is not this one's.
                    let taken = |ours: &Value| self.ids.values().any(|id| ours["id"] == **id);
                    let placed = ours.get(number).filter(|ours| known.is_none() && !taken(ours));
                    if let Some(ours) = same.or(placed) {
                        self.learn(real, ours);
                    }
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, command: &str, place: &str, real: &Value, ours: &Value) {
        match (real, ours) {
            (Value::Object(real), Value::Object(ours)) => {
                for (name, real) in real {
                    match ours.get(name) {
                        Some(ours) => self.compare(command, &format!("{place}.{name}"), real, ours),
                        None if NOT_HERE.contains(&name.as_str()) => {}
                        None if NOT_OF
                            .iter()
                            .any(|(of, names)| *of == command && names.contains(&name.as_str())) => {}
                        // A list that is empty here, or there: things come and go a moment earlier or later.
                        None if place.matches('.').count() == 1 && (name == "count" || real.is_array()) => {
                            self.note(command, &format!("{place}.{name}"), TIMING.to_owned());
                        }
                        // Free keys, not fields.
                        None if place.ends_with(".details") => {}
                        None => self.note(command, &format!("{place}.{name}"), "missing".to_owned()),
                    }
                }
                for name in ours.keys().filter(|name| !real.contains_key(*name)) {
                    self.note(command, &format!("{place}.{name}"), MORE.to_owned());
                }
            }
            (Value::Array(real), Value::Array(ours)) => {
                for (number, real) in real.iter().enumerate() {
                    let known = real["id"].as_str().and_then(|id| self.ids.get(id)).cloned();
                    let same = match &known {
                        Some(id) => ours.iter().find(|ours| ours["id"] == **id),
                        None if real.get("id").is_some() => None,
                        None if real.get("name").is_some() => {
                            ours.iter().find(|ours| ours.get("name") == real.get("name"))
                        }
                        None => ours.get(number),
                    };
                    if let Some(ours) = same {
                        self.compare(command, &format!("{place}[]"), real, ours);
                    }
                }
                if real.is_empty() != ours.is_empty()
                    && !command.starts_with("list")
                    && !place.ends_with(".capability")
                {
                    self.note(command, place, format!("{} instead of {}", ours.len(), real.len()));
                }
            }
            _ if std::mem::discriminant(real) == std::mem::discriminant(ours) => {}
            _ => self.note(command, place, format!("{ours} instead of {real}")),
        }
    }

    /// Key pairs that were there before the conversation began.
    async fn have_key_pairs(&self, request: &Value) {
        let names = ["keypair", "keypairs"].iter().filter_map(|name| request[*name].as_str());
        for name in names.flat_map(|names| names.split(',')) {
            let known = self.caller.call("listSSHKeyPairs", &[("name", name)]).await;
            if known.get("count").is_none() {
                let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBd0Ox2nq4HlBWQ0OqlU4WgnNR0AXVWZ4vd8RTB2pQ3b";
                self.caller.call("registerSSHKeyPair", &[("name", name), ("publickey", key)]).await;
            }
        }
    }

    fn here(&self, value: &str) -> String {
        let parts =
            value.split(',').map(|part| self.ids.get(part).cloned().unwrap_or_else(|| part.to_owned()));
        parts.collect::<Vec<_>>().join(",")
    }

    async fn call(&mut self, line: &Value) {
        let request = line["request"].as_object().expect("a request");
        let command = request["command"].as_str().unwrap_or_default().to_owned();
        let real = &line["response"];
        if real.get("note").is_some() {
            return;
        }
        // What was not made here (its job ended otherwise there) can't be asked for.
        let unknown = |value: &Value| {
            let parts = value.as_str().unwrap_or_default().split(',');
            parts.into_iter().any(|part| is_id(part) && !self.ids.contains_key(part))
        };
        if request.iter().any(|(name, value)| name != "apiKey" && unknown(value)) {
            self.left_out += 1;
            return;
        }
        let dropped = ["command", "response", "apiKey", "apikey", "signature", "signatureversion", "expires"];
        let parameters: Vec<(String, String)> = request
            .iter()
            .filter(|(name, _)| !dropped.contains(&name.as_str()))
            .map(|(name, value)| {
                (name.clone(), self.here(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            })
            .collect();
        let mut all: Vec<(&str, &str)> = vec![("command", &command)];
        all.extend(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let signed = kit::signed(&self.caller.keys, &all);
        let zone = self.caller.zone.clone();
        let send = || zone.handle(Request::post(signed.clone()));
        let mut reply = send().await;
        let mut shown = command.clone();
        if command == "queryAsyncJobResult" {
            let recorded = &real["queryasyncjobresultresponse"]["jobstatus"];
            let deadline = Instant::now() + Duration::from_secs(600);
            while *recorded != json!(0)
                && kit::json_of(&reply)["queryasyncjobresultresponse"]["jobstatus"] == json!(0)
                && Instant::now() < deadline
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
                reply = send().await;
            }
            let job = parameters.iter().find(|(name, _)| name == "jobid").map(|(_, id)| id.clone());
            let of = job.and_then(|job| self.jobs.get(&job).cloned()).unwrap_or_default();
            shown = format!("{command} of {of}");
            let ended = &kit::json_of(&reply)["queryasyncjobresultresponse"]["jobstatus"];
            if ended != recorded {
                // The same thing may take longer there or here: only ends are compared.
                if *recorded != json!(0) {
                    self.note(&shown, "jobstatus", TIMING.to_owned());
                }
                // A rule that was refused here, since the router was not up yet, is not there to be asked for.
                let looked = kit::json_of(&reply);
                let looked = &looked["queryasyncjobresultresponse"];
                if looked["jobresult"]["errortext"] == "Failed to create firewall rule"
                    && let Some(rule) = real["queryasyncjobresultresponse"]["jobinstanceid"].as_str()
                {
                    self.ids.remove(rule);
                }
                return;
            }
        }
        self.calls += 1;
        let ours = kit::json_of(&reply);
        if json!(reply.status) != line["status"] {
            self.note(&shown, "status", format!("{} instead of {}: {ours}", reply.status, line["status"]));
            return;
        }
        self.learn(real, &ours);
        self.compare(&shown, "", real, &ours);
        let inside = ours.as_object().and_then(|ours| ours.values().next());
        if let Some(job) = inside.and_then(|inside| inside["jobid"].as_str()) {
            self.jobs.entry(job.to_owned()).or_insert(command);
        }
    }
}

async fn replay(files: &[&Path]) -> Replay {
    let quick = Latencies {
        raise: Duration::from_millis(800).into(),
        program: Duration::from_millis(80).into(),
        lower: Duration::from_millis(300).into(),
        start: Duration::from_millis(900).into(),
        stop: Duration::from_millis(900).into(),
        capture: Duration::from_millis(500).into(),
        volume: Duration::from_millis(50).into(),
    };
    let config = ZoneConfig {
        name: "Sandbox-simulator".to_owned(),
        // The recorded server's users may not expunge, and are told so.
        users_may_expunge: true,
        ..ZoneConfig::simulated_time()
    };
    let world = kit::world_with(config, quick, Capacity::default()).await;
    let base = BaseTemplate {
        name: "CentOS 5.6 (64-bit) no GUI (Simulator)".to_owned(),
        os_type: "CentOS 5.6 (64-bit)".to_owned(),
        layers: vec![LayerId("recorded-base".to_owned())],
        bytes: 2 << 30,
    };
    world.zone.register_base_template(base).await.expect("a template");
    let caller = world.admin();
    let mut replay = Replay {
        caller,
        ids: BTreeMap::new(),
        jobs: BTreeMap::new(),
        differences: BTreeMap::new(),
        calls: 0,
        left_out: 0,
    };
    for file in files {
        let began = Instant::now();
        let text =
            std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let line: Value = serde_json::from_str(line).expect("JSON");
            replay.have_key_pairs(&line["request"]).await;
            let at = Duration::from_secs_f64(line["at"].as_f64().unwrap_or_default());
            tokio::time::sleep_until(began + at).await;
            replay.call(&line).await;
        }
    }
    replay
}

#[tokio::test(start_paused = true)]
async fn recorded_conversations_get_replies_of_the_same_shape() {
    let Ok(directory) = std::env::var("DEVCLOUD_RECORDINGS") else {
        println!("skipped: DEVCLOUD_RECORDINGS names no directory of recordings");
        return;
    };
    let transcripts = Path::new(&directory).join("transcripts");
    let conversations: [&[&str]; 3] =
        [&["asleep"], &["cmk"], &["terraform-apply", "terraform-plan", "terraform-destroy"]];
    let mut wrong = 0;
    for conversation in conversations {
        let files: Vec<_> =
            conversation.iter().map(|name| transcripts.join(format!("{name}.jsonl"))).collect();
        let files: Vec<&Path> = files.iter().map(|file| file.as_path()).collect();
        let replay = replay(&files).await;
        println!(
            "{}: {} replies compared, {} calls left out",
            conversation.join(", "),
            replay.calls,
            replay.left_out
        );
        for ((command, place), what) in &replay.differences {
            let extra = what.iter().all(|what| what == MORE || what == TIMING);
            println!("{} {command} {place}: {what:?}", if extra { "   " } else { "!!!" });
            wrong += usize::from(!extra);
        }
    }
    assert_eq!(wrong, 0, "differences");
}
