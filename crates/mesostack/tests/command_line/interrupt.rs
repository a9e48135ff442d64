//! Ctrl-C at an apply of a simulated cloud whose machines take long to start: once to stop in good order, twice at once.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use devcloud::{
    MemoryRecords, Records, Zone, ZoneConfig,
    faults::{Faults, JobFault, When},
    simulator::Simulator,
};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;

const FILE: &str = "[cloud]\nzone = \"devcloud\"\n[access]\nallow = [\"127.0.0.1\"]\nprivate_key = \"key\"\n[image]\n\
                    name = \"Debian 12\"\n[cluster]\nmasters = 1\nagents = 1\n";

/// A zone whose machines take a minute to start, at a port of this host, as long as the runtime lives.
fn slow_zone() -> (Runtime, String, (String, String)) {
    let runtime = Runtime::new().unwrap();
    let (zone, listener) = runtime.block_on(async {
        let slow = JobFault::Slow(Duration::from_secs(60).into());
        let faults = Faults::seeded(1).job("startVirtualMachine", When::Always, slow);
        let config = ZoneConfig { faults, ..ZoneConfig::default() };
        let records = Records::memory(MemoryRecords::default());
        let zone = Zone::open(config, Arc::new(Simulator::default()), records).await.unwrap();
        (zone, TcpListener::bind("127.0.0.1:0").await.unwrap())
    });
    let url = format!("http://{}/client/api", listener.local_addr().unwrap());
    let keys = zone.credentials("mesostack").unwrap();
    let keys = (keys.api_key, keys.secret_key.expose_secret().to_owned());
    runtime.spawn(devcloud::serve(zone, listener, CancellationToken::new()));
    (runtime, url, keys)
}

/// An apply that has come as far as starting machines; its lines from there on.
fn starting(
    folder: &Path,
    url: &str,
    (key, secret): &(String, String),
    options: &[&str],
) -> (Child, impl Iterator<Item = Value>) {
    std::fs::write(folder.join("mesostack.toml"), FILE).unwrap();
    let mut apply = Command::new(env!("CARGO_BIN_EXE_mesostack"))
        .args(["apply", "--yes", "--json"])
        .args(options)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("CLOUDSTACK_API_URL", url)
        .env("CLOUDSTACK_API_KEY", key)
        .env("CLOUDSTACK_SECRET_KEY", secret)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(apply.stdout.take().unwrap()).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let begun = |line: &Value| line["event"] == "job_started" && line["command"] == "startVirtualMachine";
    let mut seen = Vec::new();
    let found = lines.by_ref().any(|line| {
        seen.push(line.clone());
        begun(&line)
    });
    assert!(found, "no machine was started: {seen:#?}");
    let at = |event: &str| seen.iter().position(|line| line["event"] == event).expect(event);
    assert!(at("estimated") < at("started"), "{seen:#?}");
    assert!(seen[at("estimated")]["takes"].as_f64().is_some_and(|seconds| seconds > 1.0), "{seen:#?}");
    (apply, lines)
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_first_interruption_stops_in_good_order_and_names_what_goes_on() {
    let (_runtime, url, keys) = slow_zone();
    let folder = tempfile::tempdir().unwrap();
    let (apply, lines) = starting(folder.path(), &url, &keys, &[]);
    let interrupted = Instant::now();
    interrupt(&apply);
    let lines = lines.collect::<Vec<_>>();
    let output = apply.wait_with_output().unwrap();
    assert!(interrupted.elapsed() < Duration::from_secs(20), "{:?}", interrupted.elapsed());
    assert_eq!(output.status.code(), Some(130));
    let at = lines.iter().position(|line| line["event"] == "stopping").expect("it says so");
    assert!(
        lines[at]["running"].as_array().unwrap().contains(&"start mesos-master-1".into()),
        "{}",
        lines[at]
    );
    assert!(lines[at..].iter().all(|line| line["event"] != "started"), "{lines:#?}");
    let told = lines.iter().find(|line| line["event"] == "unfinished").expect("how it ended");
    assert_eq!(told["interrupted"], true);
    assert!(
        told["detached"].as_array().unwrap().iter().any(|job| job["step"] == "start mesos-master-1"),
        "{told}"
    );
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("still under way in the cloud") && text.contains("startVirtualMachine"), "{text}");
}

#[test]
fn a_deadline_that_passed_is_told_as_one_with_what_to_do_next() {
    let (_runtime, url, keys) = slow_zone();
    let folder = tempfile::tempdir().unwrap();
    let (apply, lines) = starting(folder.path(), &url, &keys, &["--deadline", "5s", "--lease", "30s"]);
    let lines = lines.collect::<Vec<_>>();
    let output = apply.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = |event: &str| lines.iter().find(|line| line["event"] == event).expect(event);
    assert_eq!(told("stopping")["why"], "deadline_passed");
    assert_eq!(told("run_ended")["outcome"], "deadline_passed");
    let unfinished = told("unfinished");
    assert_eq!((&unfinished["deadline_passed"], &unfinished["interrupted"]), (&true.into(), &false.into()));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("the deadline has passed: ") && text.contains("longer --deadline"), "{text}");
    assert!(!text.contains("interrupted"), "{text}");
}

#[test]
fn the_second_interruption_ends_it_at_once() {
    let (_runtime, url, keys) = slow_zone();
    let folder = tempfile::tempdir().unwrap();
    let (mut apply, mut lines) = starting(folder.path(), &url, &keys, &[]);
    interrupt(&apply);
    assert!(lines.by_ref().any(|line| line["event"] == "stopping"));
    let again = Instant::now();
    interrupt(&apply);
    assert_eq!(apply.wait().unwrap().code(), Some(130));
    assert!(again.elapsed() < Duration::from_secs(5), "{:?}", again.elapsed());
}
