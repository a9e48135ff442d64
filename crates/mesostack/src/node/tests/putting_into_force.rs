//! The script that puts a configuration into force, run by a real bash on a directory of the test's own, with a systemctl
//! that only keeps a record.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    super::{Configuration, Facts, File, Unit, render, script},
    facts, spec,
};

/// Knows which units are enabled and active, and writes down what it is told to change.
const SYSTEMCTL: &str = r#"#!/bin/bash
state=STATE; verb=$1; shift
units=(); for word in "$@"; do case $word in -*|NeedDaemonReload) ;; [0-9]*) ;; *) units+=("$word");; esac; done
now=; case " $* " in *" --now "*) now=yes;; esac
quiet=; case " $* " in *" --quiet "*) quiet=yes;; esac
say() { [ -n "$quiet" ] || echo "$1"; }
status=0
case $verb in
  show) for unit in "${units[@]}"; do [ -e "$state/reload" ] && echo yes || echo no; done;;
  daemon-reload) echo "$verb" >> "$state/told"; rm -f "$state/reload";;
  is-enabled) for u in "${units[@]}"; do [ -e "$state/enabled/$u" ] && say enabled || { say disabled; status=1; }; done;;
  is-active) for u in "${units[@]}"; do [ -e "$state/active/$u" ] && say active || { say inactive; status=3; }; done;;
  reset-failed|status) ;;
  enable|disable|start|restart)
    echo "$verb ${units[*]}" >> "$state/told"
    for u in "${units[@]}"; do
      [ ! -e "$state/broken/$u" ] || { echo "Job for $u failed" >&2; exit 1; }
      case $verb in
        enable) touch "$state/enabled/$u";;
        disable) rm -f "$state/enabled/$u"; [ -z "$now" ] || rm -f "$state/active/$u";;
        *) touch "$state/active/$u";;
      esac
    done;;
  *) echo "unexpected: $verb" >&2; exit 64;;
esac
exit $status
"#;

/// A node, as far as the script can tell.
struct Machine {
    directory: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { directory: tempfile::tempdir().unwrap() };
        for part in ["bin", "state/enabled", "state/active", "state/broken", "etc"] {
            fs::create_dir_all(machine.at(part)).unwrap();
        }
        let systemctl = machine.at("bin/systemctl");
        fs::write(&systemctl, SYSTEMCTL.replace("STATE", &machine.at("state").display().to_string()))
            .unwrap();
        fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
        machine
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(path)
    }

    fn run(&self, script: &str) -> Result<String, String> {
        let script = script.replace("/etc/mesostack", &self.at("etc").display().to_string());
        let path = format!("{}:/usr/bin:/bin", self.at("bin").display());
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-c", &script])
            .env_clear()
            .env("PATH", path)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            assert_eq!(errors, "");
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(errors)
        }
    }

    fn put_into_force(&self, configuration: &Configuration) -> Result<String, String> {
        self.run(&script::put_into_force(configuration))
    }

    fn check(&self, configuration: &Configuration) -> String {
        self.run(&script::check(configuration)).unwrap()
    }

    /// What systemctl was told to change since it was last asked.
    fn told(&self) -> Vec<String> {
        let told = fs::read_to_string(self.at("state/told")).unwrap_or_default();
        let _ = fs::remove_file(self.at("state/told"));
        told.lines().map(str::to_owned).collect()
    }
}

fn master() -> Configuration {
    let spec = spec(3, 3);
    render(&spec, &spec.masters()[0], &facts())
}

const ALL_OF_A_MASTER: &str = "zookeeper.service mesos-master.service marathon.service mesos-gateway.service";

#[test]
fn a_fresh_node_gets_its_services_and_the_next_run_touches_nothing() {
    let machine = Machine::new();
    let configuration = master();
    assert_eq!(machine.check(&configuration), "changed");
    machine.put_into_force(&configuration).unwrap();
    assert_eq!(machine.told(), [format!("enable {ALL_OF_A_MASTER}"), format!("restart {ALL_OF_A_MASTER}")]);
    assert_eq!(machine.check(&configuration), "unchanged");
    machine.put_into_force(&configuration).unwrap();
    assert_eq!(machine.told(), Vec::<String>::new());
}

#[test]
fn only_services_that_read_what_changed_start_again() {
    let machine = Machine::new();
    machine.put_into_force(&master()).unwrap();
    machine.told();
    let spec = spec(3, 3);
    let elsewhere = Facts { public_address: [203, 0, 113, 9].into(), ..facts() };
    let changed = render(&spec, &spec.masters()[0], &elsewhere);
    assert_eq!(machine.check(&changed), "changed");
    let said = machine.put_into_force(&changed).unwrap();
    assert_eq!(said, "restarted mesos-master.service marathon.service");
    assert_eq!(machine.told(), ["restart mesos-master.service marathon.service"]);
    assert_eq!(machine.check(&changed), "unchanged");
}

#[test]
fn a_file_that_no_service_reads_restarts_none() {
    let machine = Machine::new();
    let before = master();
    machine.put_into_force(&before).unwrap();
    machine.told();
    let mut files = before.files.clone();
    files.push(File::public("/etc/motd", "hello".to_owned(), &[]));
    let after = Configuration::new(files, before.enable.clone(), before.disable.clone());
    assert_eq!(machine.check(&after), "changed");
    machine.put_into_force(&after).unwrap();
    assert_eq!(machine.told(), Vec::<String>::new());
    assert_eq!(machine.check(&after), "unchanged");
}

#[test]
fn services_of_other_roles_are_stopped_and_disabled() {
    let machine = Machine::new();
    for state in ["enabled", "active"] {
        fs::write(machine.at(format!("state/{state}/{}", Unit::MesosAgent.name())), "").unwrap();
    }
    machine.put_into_force(&master()).unwrap();
    assert_eq!(machine.told()[0], "disable mesos-agent.service");
    assert!(!machine.at("state/active/mesos-agent.service").exists());
}

#[test]
fn a_service_stopped_by_hand_is_noticed_and_only_started() {
    let machine = Machine::new();
    let configuration = master();
    machine.put_into_force(&configuration).unwrap();
    machine.told();
    fs::remove_file(machine.at("state/active/mesos-gateway.service")).unwrap();
    assert_eq!(machine.check(&configuration), "changed");
    machine.put_into_force(&configuration).unwrap();
    assert_eq!(machine.told(), ["start mesos-gateway.service"]);
    fs::remove_file(machine.at("state/enabled/zookeeper.service")).unwrap();
    assert_eq!(machine.check(&configuration), "changed");
    machine.put_into_force(&configuration).unwrap();
    assert_eq!(machine.told(), ["enable zookeeper.service"]);
}

#[test]
fn a_service_that_does_not_start_is_an_error_and_tried_again() {
    let machine = Machine::new();
    let configuration = master();
    let broken = machine.at("state/broken/mesos-gateway.service");
    machine.put_into_force(&configuration).unwrap();
    machine.told();
    let mut files = configuration.files.clone();
    for file in &mut files {
        if file.read_by.contains(&Unit::Gateway) {
            file.contents.push_str("nonsense\n");
        }
    }
    let bad = Configuration::new(files, configuration.enable.clone(), configuration.disable.clone());
    fs::write(&broken, "").unwrap();
    let error = machine.put_into_force(&bad).unwrap_err();
    assert!(error.contains("Job for mesos-gateway.service failed"), "{error}");
    assert_eq!(machine.check(&bad), "changed");
    fs::remove_file(&broken).unwrap();
    machine.told();
    machine.put_into_force(&bad).unwrap();
    assert_eq!(machine.told(), ["restart mesos-gateway.service"]);
}

#[test]
fn units_that_changed_on_disk_are_read_again_first() {
    let machine = Machine::new();
    fs::write(machine.at("state/reload"), "").unwrap();
    machine.put_into_force(&master()).unwrap();
    assert_eq!(machine.told()[0], "daemon-reload");
}
