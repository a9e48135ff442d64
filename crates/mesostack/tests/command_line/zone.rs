//! Simulated zones of this host, as a user meets them. Their names are this process's own: other zones stay as they are.

use std::net::TcpListener;

use cloudstack::{Client, Credentials, Effect};
use serde_json::Value;
use tempfile::TempDir;

use super::{mesostack, run};

/// A zone that is taken down with its test.
struct Zone<'a> {
    folder: &'a TempDir,
    name: String,
}

impl Drop for Zone<'_> {
    fn drop(&mut self) {
        let _ = mesostack(self.folder.path()).args(["zone", "down", "--name", &self.name]).output();
    }
}

impl<'a> Zone<'a> {
    fn up(folder: &'a TempDir, label: &str) -> Self {
        let zone = Self { folder, name: format!("test-{label}-{}", std::process::id()) };
        // Not one of those that the kernel gives away: it stays free while the zone is down.
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let ports = std::iter::repeat_with(|| rand::random_range(11_000..32_000));
        let port = ports.take(1_000).find(free).unwrap().to_string();
        zone.ok("up", &["--simulator", "--port", &port]);
        zone
    }

    fn run(&self, command: &str, arguments: &[&str]) -> (i32, String, String) {
        let mut all = vec!["zone", command, "--name", &self.name];
        all.extend(arguments);
        run(mesostack(self.folder.path()).args(all))
    }

    fn ok(&self, command: &str, arguments: &[&str]) -> String {
        let (code, text, errors) = self.run(command, arguments);
        assert_eq!(code, 0, "{command}: {errors}");
        text
    }

    fn refused(&self, command: &str, arguments: &[&str]) -> String {
        let (code, text, errors) = self.run(command, arguments);
        assert_eq!((code, text.as_str()), (1, ""), "{command}");
        errors.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn keys(&self) -> Value {
        serde_json::from_str(&self.ok("credentials", &["--json"])).unwrap()
    }

    fn client(&self) -> Client {
        let keys = self.keys();
        let key = |name: &str| keys[name].as_str().unwrap().to_owned();
        let credentials =
            Credentials { api_key: key("api_key").into(), secret_key: key("secret_key").into() };
        Client::builder(key("api_url").parse().unwrap(), credentials).build().unwrap()
    }

    fn ask(&self, command: &str, parameters: &[(&str, &str)]) -> Result<Value, cloudstack::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.client().raw(command, Effect::Write, parameters))
    }

    /// Makes an affinity group.
    fn make(&self, name: &str) {
        self.ask("createAffinityGroup", &[("name", name), ("type", "host anti-affinity")]).unwrap();
    }

    /// The names of its affinity groups.
    fn groups(&self) -> Vec<String> {
        let found = self.ask("listAffinityGroups", &[]).unwrap();
        let groups = found["affinitygroup"].as_array().cloned().unwrap_or_default();
        groups.iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn two_zones_live_side_by_side_and_one_is_reset_without_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (Zone::up(&folder, "one"), Zone::up(&folder, "other"));
    let keys = one.keys();
    one.make("first");
    other.make("elsewhere");
    one.ok("snapshot", &["ready"]);
    one.make("second");
    assert_eq!(one.groups(), ["first", "second"]);

    one.ok("reset", &["ready"]);
    assert_eq!(one.groups(), ["first"]);
    assert_eq!(one.keys(), keys, "its keys and its address stay the same");
    one.ok("reset", &[]);
    assert!(one.groups().is_empty());
    assert_eq!(one.keys(), keys);
    one.ok("reset", &["ready"]);
    assert_eq!(one.groups(), ["first"]);
    let refused = one.refused("reset", &["never"]);
    assert!(refused.contains("no snapshot never; it has ready"), "{refused}");

    assert_eq!(other.groups(), ["elsewhere"], "nobody has touched it");
}

#[test]
fn a_zone_s_faults_are_set_shown_and_cleared_while_it_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let zone = Zone::up(&folder, "faults");
    let file = "[[call]]\ncommand = \"createAffinityGroup\"\nfault = \"status\"\nstatus = 418\n";
    std::fs::write(folder.path().join("faults.toml"), file).unwrap();
    zone.ok("faults", &["--set", "faults.toml"]);
    assert_eq!(zone.ok("faults", &["--show"]).trim_end(), file.trim_end());
    assert!(zone.ask("createAffinityGroup", &[("name", "a"), ("type", "host anti-affinity")]).is_err());
    zone.ok("faults", &["--clear"]);
    assert!(zone.ok("faults", &["--show"]).contains("nothing goes wrong"));
    zone.make("b");

    let absent = zone.refused("exec", &["nobody", "--", "true"]);
    assert!(absent.contains("the zone has no machine nobody; there is none"), "{absent}");
    assert!(zone.ok("logs", &["--lines", "5"]).contains("the zone answers"));
    let (code, ..) = zone.run("faults", &[]);
    assert_eq!(code, 64, "it has to be said what is to be done");
}
