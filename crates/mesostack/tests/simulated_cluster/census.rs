//! Everything a zone has, of whomever, in a form that two zones can be compared in field by field: ids by what they are
//! called, what differs from run to run by what it is, and nothing in an order.

use std::collections::BTreeMap;

use cloudstack::{Client, Effect};
use devcloud::driver::Balancer;
use serde_json::Value;

use crate::zone::Bench;

/// Lists of the root admin, with the member their rows are in.
const LISTS: [(&str, &str); 10] = [
    ("listVirtualMachines", "virtualmachine"),
    ("listNetworks", "network"),
    ("listPublicIpAddresses", "publicipaddress"),
    ("listFirewallRules", "firewallrule"),
    ("listEgressFirewallRules", "firewallrule"),
    ("listPortForwardingRules", "portforwardingrule"),
    ("listLoadBalancerRules", "loadbalancerrule"),
    ("listAffinityGroups", "affinitygroup"),
    ("listSSHKeyPairs", "sshkeypair"),
    ("listVolumes", "volume"),
];

/// Fields that say when and where, not what.
const PASSING: [&str; 16] = [
    "created",
    "lastupdated",
    "macaddress",
    "instancename",
    "hostid",
    "hostname",
    "hostcontrolstate",
    "jobid",
    "jobstatus",
    "associated",
    "allocated",
    "attached",
    "vlan",
    "broadcasturi",
    "isolationuri",
    "related",
];

/// What a zone has: rows by list.
pub(crate) type Census = BTreeMap<&'static str, Vec<Value>>;

/// Counts everything.
pub(crate) async fn census(bench: &Bench) -> Census {
    let client = bench.client_of("admin");
    let mut rows = BTreeMap::new();
    for (command, member) in LISTS {
        let mut all = list(&client, command, member, &[("listall", "true")]).await;
        // What a killed run's lease has left is cleared away by whoever comes after it, or with the cluster.
        all.retain(|row| !row["name"].as_str().is_some_and(|name| name.contains(".lease")));
        rows.insert(command, all);
    }
    let mut names = Names::of(&rows);
    let mut members = Vec::new();
    for rule in &rows["listLoadBalancerRules"] {
        let id = rule["id"].as_str().expect("an id");
        let machines =
            list(&client, "listLoadBalancerRuleInstances", "loadbalancerruleinstance", &[("id", id)]).await;
        let machines = machines.iter().map(|machine| machine["name"].clone()).collect::<Vec<_>>();
        members.push(serde_json::json!({ "rule": rule["name"], "members": machines }));
    }
    rows.insert("members", members);
    // What runs, and what the router was told: the records could be right and the host wrong.
    let machines = rows["listVirtualMachines"].iter().map(|machine| {
        let id = machine["id"].as_str().expect("an id");
        let runs = bench.simulator.machine(id.parse().expect("an id")).is_some();
        serde_json::json!({ "machine": id, "runs": runs })
    });
    let routers = rows["listNetworks"].iter().filter_map(|network| {
        let router = bench.simulator.router(network["id"].as_str()?.parse().ok()?)?;
        let lines = |lines: Vec<String>| Value::from(lines);
        // A master that was made again stands behind the others.
        let in_order = |rule: &Balancer| {
            let mut rule = rule.clone();
            rule.members.sort_unstable();
            format!("{rule:?}")
        };
        Some(serde_json::json!({
            "ingress": lines(router.ingress.iter().map(|rule| format!("{rule:?}")).collect()),
            "egress": lines(router.egress.iter().map(|rule| format!("{rule:?}")).collect()),
            "forwards": lines(router.forwards.iter().map(|rule| format!("{rule:?}")).collect()),
            "balancers": lines(router.balancers.iter().map(in_order).collect()),
            "guests": lines(router.guests.iter().map(|guest| format!("{} {}", guest.host_name, guest.address)).collect()),
        }))
    });
    let (machines, routers) = (machines.collect::<Vec<_>>(), routers.collect::<Vec<_>>());
    rows.insert("machines on the host", machines);
    rows.insert("routers on the host", routers);
    let told = bench.nodes.told.lock().expect("no panic");
    let nodes = told.iter().map(|(name, (digest, _))| serde_json::json!({ "node": name, "digest": digest }));
    rows.insert("nodes", nodes.collect());
    for rows in rows.values_mut() {
        rows.iter_mut().for_each(|row| names.settle(row));
        rows.sort_by_key(Value::to_string);
    }
    rows
}

/// What everything is, by its id: whoever owns it, as the root admin sees it, without what passes.
pub(crate) async fn things(bench: &Bench) -> BTreeMap<String, Value> {
    let client = bench.client_of("admin");
    let mut things = BTreeMap::new();
    for (command, member) in LISTS {
        for mut row in list(&client, command, member, &[("listall", "true")]).await {
            let (Some(id), Some(members)) = (row["id"].as_str().map(str::to_owned), row.as_object_mut())
            else {
                continue;
            };
            members.retain(|name, _| !PASSING.contains(&name.as_str()));
            // A rule is written down before the router stands, and in force after that.
            if command.ends_with("Rules") {
                members.remove("state");
            }
            things.insert(id, row);
        }
    }
    things
}

/// Says where two censuses differ; nothing when they do not.
pub(crate) fn difference(is: &Census, should: &Census) -> Vec<String> {
    let mut lines = Vec::new();
    for (list, should) in should {
        let is = &is[list];
        let text = |row: &Value| format!("{list}: {row}");
        lines.extend(is.iter().filter(|row| !should.contains(row)).map(|row| format!("+ {}", text(row))));
        lines.extend(should.iter().filter(|row| !is.contains(row)).map(|row| format!("- {}", text(row))));
        if lines.is_empty() && is.len() != should.len() {
            lines.push(format!("{list}: {} instead of {}", is.len(), should.len()));
        }
    }
    lines
}

async fn list(client: &Client, command: &str, member: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
    let reply = client.raw(command, Effect::Read, parameters).await.expect("a list");
    reply[member].as_array().cloned().unwrap_or_default()
}

/// What ids stand for.
#[derive(Debug)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn of(rows: &BTreeMap<&'static str, Vec<Value>>) -> Self {
        let mut names = BTreeMap::new();
        for (list, field) in [
            ("listVirtualMachines", "name"),
            ("listNetworks", "name"),
            ("listPublicIpAddresses", "ipaddress"),
            ("listAffinityGroups", "name"),
            ("listLoadBalancerRules", "name"),
        ] {
            for row in &rows[list] {
                let (id, name) = (row["id"].as_str().expect("an id"), row[field].as_str().expect("a name"));
                names.insert(id.to_owned(), format!("<{list} {name}>"));
            }
        }
        Self(names)
    }

    fn settle(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.settled(text),
            Value::Array(values) => {
                values.iter_mut().for_each(|value| self.settle(value));
                values.sort_by_key(Value::to_string);
                // What a tag with a passing name says is one thing, however often it was said.
                values.dedup();
            }
            Value::Object(members) => {
                members.retain(|name, _| !PASSING.contains(&name.as_str()));
                tag(members);
                members.values_mut().for_each(|value| self.settle(value));
            }
            _ => {}
        }
    }

    fn settled(&self, text: &str) -> String {
        let mut words = text.split(' ').map(|word| match self.0.get(word) {
            Some(name) => name.clone(),
            None if word.trim_end_matches(',').parse::<uuid::Uuid>().is_ok() => "<id>".to_owned(),
            // A volume is numbered through.
            None if word.strip_prefix("ROOT-").is_some_and(|number| number.parse::<u64>().is_ok()) => {
                "ROOT-<number>".to_owned()
            }
            None => word.to_owned(),
        });
        let first = words.next().unwrap_or_default();
        words.fold(first, |all, word| all + " " + &word)
    }
}

/// Host keys are random.
fn tag(members: &mut serde_json::Map<String, Value>) {
    let Some(key) = members.get("key").and_then(Value::as_str).map(str::to_owned) else { return };
    if key.starts_with("mesostack.hostkey.") {
        let is_key = members["value"].as_str().is_some_and(|value| value.starts_with("ssh-ed25519 "));
        members.insert("value".to_owned(), Value::from(if is_key { "<host key>" } else { "<no key>" }));
    }
}
