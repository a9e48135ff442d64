//! The whole job on real machines: image, cluster, growth, the leader's death, the zone's own death, and nothing left.
//!
//! Needs root on Linux and what `scripts/host-setup.sh` installs, and takes minutes: `make test` runs it, with every step's
//! time printed. One test, since its steps build on each other and a zone is dear.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and tells what it measures"
)]

mod cloud;
mod host;
mod http;
mod rehearsal;

use std::{
    net::{IpAddr, SocketAddr},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{
    cloud::{Cloud, KINDS, MACHINE},
    host::Host,
    rehearsal::Rehearsal,
};

/// Answers in a row, spread over the gateways in turn, after which all of them lead to the new leader.
const GATEWAYS_AGREE: u32 = 10;

/// How long a new leader may take; ZooKeeper's sessions end after some seconds, the gateway looks every few.
const NEW_LEADER: Duration = Duration::from_secs(90);
/// How often an apply is killed.
const KILLS: u32 = 10;
/// The moments of a run among which one is drawn: together the killed runs last about as long as a whole one.
const FIRST_MOMENT: Duration = Duration::from_millis(100);
const LAST_MOMENT: Duration = Duration::from_millis(2_500);
/// How long after a run was killed its lease is over: 10 s, and what is left between it and the next one.
const LEASE_IS_OVER: Duration = Duration::from_secs(13);

fn file(zone: &str, public: &str, agents: u16) -> String {
    let program = rehearsal::program();
    format!(
        "[cloud]\n\
         command = ['{}', 'zone', 'credentials', '--name', '{zone}', '--json']\n\
         zone = '{zone}'\n\
         [access]\n\
         allow = ['{public}.1/32']\n\
         private_key = 'key'\n\
         [image]\n\
         packages = 'standin'\n\
         [cluster]\n\
         agents = {agents}\n",
        program.display()
    )
}

#[test]
#[ignore = "real machines: needs root on Linux, and minutes"]
fn a_cluster_lives_its_whole_life_on_real_machines() {
    let before = Host::look();
    let zone = format!("e2e-{}", std::process::id());
    let mut rehearsal = Rehearsal::new(&zone);
    live(&mut rehearsal, &zone);
    rehearsal.run(&["zone", "down", "--name", &zone]);
    rehearsal.print_times();
    drop(rehearsal);
    assert_eq!(Host::look().more_than(&before), Vec::<String>::new(), "left on the host");
}

fn live(rehearsal: &mut Rehearsal, zone: &str) {
    let public = "198.18.7";
    let range = format!("{public}.0/24");
    let up = ["zone", "up", "--name", zone, "--port", "8887", "--public-range", &range];
    rehearsal.run(&up);
    rehearsal.write_file(&file(zone, public, 3));
    let cloud = Cloud::new(&rehearsal.ask(&["zone", "credentials", "--name", zone]));

    rehearsal.run(&["image", "validate"]);
    rehearsal.run(&["image", "build"]);
    rehearsal.run(&["validate"]);
    assert_eq!(rehearsal.try_run(&["plan"]).status.code(), Some(2), "there is something to change");
    let began = Instant::now();
    rehearsal.run(&["apply", "--yes"]);
    let status = rehearsal.ask(&["status"]);
    let took = began.elapsed();
    assert_eq!(status["healthy"], true, "{status}");
    rehearsal.note("from apply to healthy", took);

    let output = rehearsal.ask(&["output"]);
    let address: IpAddr = output["public_ip"].as_str().unwrap().parse().unwrap();
    both_ports_answer(address);
    assert!(rehearsal.run(&["ssh", "master-1", "--", "hostname"]).contains("master-1"));
    a_machine_is_entered_from_its_host(rehearsal, zone);

    assert_eq!(rehearsal.try_run(&["plan"]).status.code(), Some(0), "nothing to change after an apply");
    let before = machines(&cloud);
    let whole = cloud.census();
    rehearsal.run(&["apply", "--yes"]);
    assert_eq!(machines(&cloud), before, "an apply on a finished cluster changes nothing");

    rehearsal.write_file(&file(zone, public, 5));
    rehearsal.run(&["apply", "--yes"]);
    let grown = machines(&cloud);
    assert_eq!(grown.len(), before.len() + 2);
    assert!(before.iter().all(|machine| grown.contains(machine)), "growing touches nothing else");
    assert_eq!(rehearsal.ask(&["status"])["agents"].as_array().map(Vec::len), Some(5));

    two_nodes_are_made_anew(rehearsal, &cloud);

    the_leader_dies(rehearsal, &cloud, address);
    rehearsal.run(&["apply", "--yes"]);
    assert_eq!(rehearsal.ask(&["status"])["healthy"], true, "an apply brings the lost master back");

    the_zone_dies(rehearsal, &cloud, &up);

    rehearsal.run(&["destroy", "--yes"]);
    nothing_is_left(&cloud);

    rehearsal.write_file(&file(zone, public, 3));
    applies_are_killed(rehearsal);
    rehearsal.run(&["apply", "--yes", "--wait"]);
    assert_eq!(rehearsal.ask(&["status"])["healthy"], true, "healthy after {KILLS} killed applies");
    assert_eq!(rehearsal.try_run(&["plan"]).status.code(), Some(0), "and nothing to change");
    assert_eq!(cloud.census(), whole, "nothing twice, nothing lost");
    rehearsal.run(&["destroy", "--yes"]);
    nothing_is_left(&cloud);
}

/// Without network, key or rule.
fn a_machine_is_entered_from_its_host(rehearsal: &mut Rehearsal, zone: &str) {
    let exec = ["zone", "exec", "--name", zone, "mesos-master-1", "--"];
    let script = r#"hostname; id -un; test -n "$HOME" && echo at home; echo "$1""#;
    let said = rehearsal.run(&[&exec[..], &["sh", "-c", script, "sh", "$HOME %n"]].concat());
    assert_eq!(said, "mesos-master-1\nroot\nat home\n$HOME %n\n");
    let output = rehearsal.try_run(&[&exec[..], &["sh", "-c", "echo wrong >&2; exit 7"]].concat());
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "wrong\n");
    let console = rehearsal.run(&["zone", "console", "--name", zone, "mesos-master-1"]);
    assert!(console.contains("cloud-init") && !console.contains('\u{1b}'), "{console}");
    assert!(rehearsal.run(&["zone", "logs", "--name", zone]).contains("the zone answers"));
}

/// An agent and a master are replaced by others, and nobody else is touched.
fn two_nodes_are_made_anew(rehearsal: &mut Rehearsal, cloud: &Cloud) {
    for node in ["agent-2", "master-3"] {
        let before = machines(cloud);
        rehearsal.run(&["replace", node, "--yes"]);
        let after = machines(cloud);
        let stayed = before.iter().filter(|machine| after.contains(machine)).count();
        assert_eq!(
            (after.len(), stayed),
            (before.len(), before.len() - 1),
            "{node} alone is another machine"
        );
        assert_eq!(rehearsal.ask(&["status"])["healthy"], true, "with another {node}");
        assert_eq!(
            rehearsal.try_run(&["plan"]).status.code(),
            Some(0),
            "nothing to change after a replacement"
        );
    }
}

fn nothing_is_left(cloud: &Cloud) {
    for (command, item) in KINDS {
        // The image stays, with its tags.
        let left: Vec<_> =
            cloud.list(command, item).into_iter().filter(|left| left["resourcetype"] != "Template").collect();
        assert!(left.is_empty(), "{command}: {left:?}");
    }
}

/// Begins to apply, and kills the program at a random moment, again and again: each run goes on where the one before it
/// was cut off.
fn applies_are_killed(rehearsal: &Rehearsal) {
    for kill in 1..=KILLS {
        let moment = rand::random_range(FIRST_MOMENT..LAST_MOMENT);
        let mut run = rehearsal.command(&["apply", "--yes", "--wait", "--lease", "10s"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(moment);
        let ended = run.try_wait().unwrap();
        run.kill().unwrap();
        run.wait().unwrap();
        if ended.is_none() {
            sleep(LEASE_IS_OVER);
        }
        println!(
            "{:7.1} s  kill {kill} of {KILLS}: {}",
            moment.as_secs_f64(),
            match ended {
                None => "killed",
                Some(status) if status.success() => "had ended well",
                Some(status) => panic!("it ended by itself with {status}"),
            }
        );
    }
}

/// Ids and states of all machines.
fn machines(cloud: &Cloud) -> Vec<(String, String)> {
    let mut machines: Vec<_> = cloud
        .list("listVirtualMachines", MACHINE)
        .iter()
        .map(|machine| {
            (machine["id"].as_str().unwrap().to_owned(), machine["state"].as_str().unwrap().to_owned())
        })
        .collect();
    machines.sort();
    machines
}

/// Mesos and Marathon, as a browser reaches them: the elected master itself, and the leading Marathon itself.
fn both_ports_answer(address: IpAddr) {
    let mesos = http::get(SocketAddr::new(address, 5050), "/metrics/snapshot").expect("port 5050 answers");
    let metrics: Value = serde_json::from_str(&mesos.body).unwrap();
    assert_eq!((mesos.status, metrics["master/elected"].as_f64()), (200, Some(1.0)), "{}", mesos.body);
    let marathon = http::get(SocketAddr::new(address, 8080), "/ping").expect("port 8080 answers");
    assert_eq!(marathon.status, 200);
    assert!(
        !marathon.head.to_lowercase().contains("x-marathon-via"),
        "not the leader itself: {}",
        marathon.head
    );
}

fn answers_as_leader(address: IpAddr) -> bool {
    let mesos = http::get(SocketAddr::new(address, 5050), "/metrics/snapshot").is_some_and(|reply| {
        let metrics: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        reply.status == 200 && metrics["master/elected"].as_f64() == Some(1.0)
    });
    mesos && http::get(SocketAddr::new(address, 8080), "/ping").is_some_and(|reply| reply.status == 200)
}

/// Destroys the machine of the leading master behind the program's back: both ports answer again by themselves.
fn the_leader_dies(rehearsal: &mut Rehearsal, cloud: &Cloud, address: IpAddr) {
    let status = rehearsal.ask(&["status"]);
    let leader = status["leading_master"].as_str().unwrap().to_owned();
    cloud.destroy_machine(&format!("mesos-{leader}"));
    let began = Instant::now();
    // Each gateway sees the new leader for itself, a second or so apart: by then all of them lead there, one after another.
    let mut in_a_row = 0;
    while in_a_row < GATEWAYS_AGREE {
        assert!(began.elapsed() < NEW_LEADER, "no new leader answers");
        in_a_row = if answers_as_leader(address) { in_a_row + 1 } else { 0 };
        sleep(Duration::from_millis(100));
    }
    rehearsal.note("both ports answer from the new leader", began.elapsed());
    both_ports_answer(address);
    let output = rehearsal.try_run(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(3), "a cluster without one of its masters is not healthy");
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(status["leading_master"].is_string() && status["leading_master"] != leader.as_str(), "{status}");
}

/// Kills the zone's process without warning: raised again, it has its records and its machines as they were.
fn the_zone_dies(rehearsal: &mut Rehearsal, cloud: &Cloud, up: &[&str]) {
    let before = machines(cloud);
    let zone = rehearsal.zone.clone();
    let status = rehearsal.ask(&["zone", "status", "--name", &zone]);
    let pid = status["pid"].as_u64().unwrap_or_else(|| panic!("no process id: {status}"));
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    rehearsal.run(up);
    assert_eq!(machines(cloud), before, "records and machines are as they were");
    assert_eq!(rehearsal.ask(&["status"])["healthy"], true);
}
