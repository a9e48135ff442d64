//! The program itself: what it refuses and how it ends, and the packages it writes.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mesostack-standin");

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM).args(arguments).env_clear().envs(environment.iter().copied()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn refused_flags_end_each_daemon_with_its_own_code_and_a_message() {
    for (arguments, code, message) in [
        (&["mesos-master", "--nonsense=1"][..], 1, "Failed to load unknown flag 'nonsense'"),
        (&["mesos-agent"], 1, "Flag 'master' is required, but it was not provided"),
        (&["mesos-master", "--zk=zk://127.0.0.1/m"], 1, "Need to specify --quorum"),
        (&["marathon"], 112, "Required option 'master' not found"),
        (&["marathon", "--nonsense"], 112, "Unknown option 'nonsense'"),
        (&["nonsense"], 2, "unrecognized subcommand"),
    ] {
        let output = run(arguments, &[]);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(stderr(&output).contains(message), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn versions_say_that_they_are_a_stand_ins() {
    for daemon in ["mesos-master", "mesos-agent", "marathon"] {
        let output = run(&[daemon, "--version"], &[]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("1.11") && text.contains("stand-in"), "{text}");
        assert!(run(&[daemon, "--help"], &[]).stdout.len() > 1000);
    }
}

#[test]
fn a_port_in_use_ends_each_daemon_with_its_own_code() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let work_dir = directory.path().to_str().unwrap();
    let mesos = [("MESOS_IP", "127.0.0.1"), ("MESOS_PORT", port.as_str()), ("MESOS_WORK_DIR", work_dir)];
    assert_eq!(run(&["mesos-master"], &mesos).status.code(), Some(1));
    assert_eq!(run(&["mesos-agent", "--master=127.0.0.1:1"], &mesos).status.code(), Some(1));
    let arguments = ["marathon", "--master=127.0.0.1:1", "--hostname=127.0.0.1", "--http_address=127.0.0.1"];
    let output = run(&arguments, &[("MARATHON_HTTP_PORT", &port)]);
    assert_eq!(output.status.code(), Some(111), "{}", stderr(&output));
    assert!(stderr(&output).contains("stand-in"), "the log's first line says so");
}

#[test]
fn marathon_without_zookeeper_gives_up_with_its_code() {
    let arguments = ["marathon", "--master=127.0.0.1:1", "--hostname=127.0.0.1", "--http_address=127.0.0.1"];
    let environment =
        [("MARATHON_ZK", "zk://127.0.0.1:1/marathon"), ("MARATHON_ZK_CONNECTION_TIMEOUT", "100")];
    let port = super::daemon::free_port().to_string();
    let environment = [&environment[..], &[("MARATHON_HTTP_PORT", port.as_str())]].concat();
    assert_eq!(run(&arguments, &environment).status.code(), Some(100));
}

#[test]
fn the_packages_are_the_same_bytes_each_time_and_dpkg_installs_them() {
    let directory = tempfile::tempdir().unwrap();
    let written = |name: &str| {
        let out = directory.path().join(name);
        let output = run(&["packages", "--out", out.to_str().unwrap()], &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        let paths: Vec<String> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(paths.len(), 2, "{paths:?}");
        paths
    };
    let (first, second) = (written("a"), written("b"));
    for (one, other) in first.iter().zip(&second) {
        assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap(), "{one}");
    }
    if !Path::new("/usr/bin/dpkg-deb").exists() {
        println!("skipped: installing needs dpkg");
        return;
    }
    let root = directory.path().join("root");
    for package in &first {
        let field = |name| {
            let output = Command::new("dpkg-deb").args(["--field", package, name]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        assert!(field("Description").contains("stand-in"));
        assert!(field("Version").ends_with("+standin"));
        let unpacked = Command::new("dpkg-deb").args(["--extract", package]).arg(&root).status().unwrap();
        assert!(unpacked.success());
    }
    let program = std::fs::metadata(root.join("usr/lib/mesostack-standin/mesostack-standin")).unwrap();
    assert_eq!(program.len(), std::fs::metadata(PROGRAM).unwrap().len());
    for daemon in ["mesos-master", "mesos-agent", "marathon"] {
        let target = std::fs::read_link(root.join("usr/bin").join(daemon)).unwrap();
        assert_eq!(target, Path::new("/usr/lib/mesostack-standin/mesostack-standin"), "{daemon}");
    }
}
