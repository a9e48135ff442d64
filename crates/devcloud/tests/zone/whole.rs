//! Whether a zone hangs together, told from what a root admin's lists show of it: everything that is named is there, nothing
//! is there by half, and nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use devcloud::simulator::Simulator;
use serde_json::Value;
use uuid::Uuid;

/// A command, the object it lists, and further parameters that it needs.
pub(crate) type List = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What a root admin lists to see everything.
pub(crate) const LISTS: [List; 24] = [
    ("listAccounts", "account", &[]),
    ("listAffinityGroups", "affinitygroup", &[]),
    ("listDiskOfferings", "diskoffering", &[]),
    ("listDomains", "domain", &[]),
    ("listEgressFirewallRules", "firewallrule", &[]),
    ("listEvents", "event", &[]),
    ("listFirewallRules", "firewallrule", &[]),
    ("listInstanceGroups", "instancegroup", &[]),
    ("listIpForwardingRules", "ipforwardingrule", &[]),
    ("listIsos", "iso", &[("isofilter", "all")]),
    ("listLoadBalancerRules", "loadbalancerrule", &[]),
    ("listNetworks", "network", &[]),
    ("listPortForwardingRules", "portforwardingrule", &[]),
    ("listProjects", "project", &[]),
    ("listPublicIpAddresses", "publicipaddress", &[]),
    ("listResourceLimits", "resourcelimit", &[]),
    ("listSSHKeyPairs", "sshkeypair", &[]),
    ("listServiceOfferings", "serviceoffering", &[]),
    ("listSnapshots", "snapshot", &[]),
    ("listTags", "tag", &[]),
    ("listTemplates", "template", &[("templatefilter", "all")]),
    ("listUsers", "user", &[]),
    ("listVirtualMachines", "virtualmachine", &[]),
    ("listVolumes", "volume", &[]),
];

/// What each of [`LISTS`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen(BTreeMap<&'static str, Vec<Value>>);

impl Seen {
    /// Takes one list's answer; what was there before stays.
    pub(crate) fn add(&mut self, command: &'static str, object: &str, answer: &Value) {
        let found = answer[object].as_array().cloned().unwrap_or_default();
        let count = answer["count"].as_u64().unwrap_or_default();
        assert_eq!(count, found.len() as u64, "{command} counts what it lists");
        let before = self.0.entry(command).or_default();
        let new: Vec<Value> = if before.is_empty() {
            found
        } else {
            found.into_iter().filter(|thing| !before.contains(thing)).collect()
        };
        before.extend(new);
    }

    pub(crate) fn of(&self, command: &str) -> &[Value] {
        self.0.get(command).map_or(&[], Vec::as_slice)
    }

    /// The thing of this id.
    pub(crate) fn get(&self, command: &str, id: &str) -> Option<&Value> {
        self.of(command).iter().find(|thing| thing["id"] == id)
    }

    fn ids(&self, command: &str) -> BTreeSet<&str> {
        self.of(command).iter().filter_map(|thing| thing["id"].as_str()).collect()
    }

    /// What a driver runs that is not shown so, or the other way round, with the data disks that machines have.
    pub(crate) fn machines_that_differ(&self, driver: &Simulator, running: &[Uuid]) -> Vec<String> {
        let running: BTreeSet<String> = running.iter().map(ToString::to_string).collect();
        let shown = self.of("listVirtualMachines").iter().filter(|machine| machine["state"] == "Running");
        let shown: BTreeSet<String> =
            shown.filter_map(|machine| Some(machine["id"].as_str()?.to_owned())).collect();
        let mut differ: Vec<String> =
            running.difference(&shown).map(|id| format!("runs and is not shown so: {id}")).collect();
        differ.extend(shown.difference(&running).map(|id| format!("is shown as running and does not: {id}")));
        for id in running.intersection(&shown) {
            let machine = driver.machine(id.parse().expect("an id")).expect("it runs");
            let has: BTreeSet<String> = machine.disks.iter().map(|disk| disk.volume.to_string()).collect();
            let disks = self.of("listVolumes").iter();
            let disks = disks.filter(|disk| disk["type"] == "DATADISK" && disk["virtualmachineid"] == **id);
            let shown: BTreeSet<String> =
                disks.filter_map(|disk| Some(disk["id"].as_str()?.to_owned())).collect();
            if has != shown {
                differ.push(format!("{id} has the disks {has:?} and is shown with {shown:?}"));
            }
        }
        differ
    }

    /// The lists that differ from another look.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let differs = |command: &&&str| self.of(command) != other.of(command);
        let commands = LISTS.iter().map(|(command, ..)| command).filter(|command| differs(command));
        commands
            .map(|command| {
                let (one, two) = (self.of(command), other.of(command));
                let only = |these: &[Value], those: &[Value]| -> Vec<String> {
                    these.iter().filter(|thing| !those.contains(thing)).map(Value::to_string).collect()
                };
                format!("{command}: {:?} became {:?}", only(one, two), only(two, one))
            })
            .collect()
    }

    /// Everything that does not hang together in a zone without a job under way.
    pub(crate) fn defects(&self) -> Vec<String> {
        let mut defects = Vec::new();
        let mut wants = |held: bool, what: String| {
            if !held {
                defects.push(what);
            }
        };
        let machines = self.ids("listVirtualMachines");
        let networks = self.ids("listNetworks");
        let addresses = self.ids("listPublicIpAddresses");
        let groups = self.ids("listAffinityGroups");
        let accounts: BTreeSet<&str> =
            self.of("listAccounts").iter().filter_map(|account| account["name"].as_str()).collect();
        for (command, _, _) in &LISTS {
            let things = self.of(command);
            let ids: Vec<&str> = things.iter().filter_map(|thing| thing["id"].as_str()).collect();
            let once: BTreeSet<&str> = ids.iter().copied().collect();
            wants(once.len() == ids.len(), format!("{command} shows an id twice"));
            for thing in things.iter().filter(|thing| thing["account"].is_string()) {
                let owner = thing["account"].as_str().unwrap_or_default();
                let known = owner == "system" || accounts.contains(owner);
                wants(known, format!("{command}: nobody's: {thing}"));
                wants(
                    thing["jobid"].is_null() || *command == "listEvents",
                    format!("{command}: busy: {thing}"),
                );
            }
        }
        let mut guests = BTreeSet::new();
        let mut macs = BTreeSet::new();
        for machine in self.of("listVirtualMachines") {
            let state = machine["state"].as_str().unwrap_or_default();
            let settled = matches!(state, "Running" | "Stopped" | "Error" | "Destroyed");
            wants(settled, format!("a machine half way: {machine}"));
            for nic in machine["nic"].as_array().into_iter().flatten() {
                let network = nic["networkid"].as_str().unwrap_or_default();
                wants(networks.contains(network), format!("an interface in no network: {machine}"));
                wants(
                    guests.insert((network, nic["ipaddress"].to_string())),
                    format!("an address twice: {machine}"),
                );
                wants(macs.insert(nic["macaddress"].to_string()), format!("a MAC address twice: {machine}"));
            }
            for group in machine["affinitygroup"].as_array().into_iter().flatten() {
                let id = group["id"].as_str().unwrap_or_default();
                wants(groups.contains(id), format!("a machine in no affinity group: {machine}"));
            }
            let disks = self.of("listVolumes").iter();
            let roots = disks
                .filter(|volume| volume["virtualmachineid"] == machine["id"] && volume["type"] == "ROOT");
            // A machine whose deployment was refused is a record and nothing else.
            let refused = state == "Error" && machine["nic"].as_array().is_some_and(Vec::is_empty);
            let right = roots.count() == usize::from(!refused);
            wants(right, format!("a machine without its one root disk: {machine}"));
        }
        for volume in self.of("listVolumes") {
            let holder = volume["virtualmachineid"].as_str();
            let right = holder.map_or(volume["type"] == "DATADISK", |holder| machines.contains(holder));
            wants(right, format!("a disk of no machine: {volume}"));
            let state = volume["state"].as_str().unwrap_or_default();
            wants(matches!(state, "Ready" | "Allocated" | "Destroy"), format!("a disk half way: {volume}"));
        }
        for snapshot in self.of("listSnapshots") {
            wants(snapshot["state"] == "BackedUp", format!("a snapshot half way: {snapshot}"));
        }
        for network in self.of("listNetworks") {
            let state = network["state"].as_str().unwrap_or_default();
            wants(matches!(state, "Allocated" | "Implemented"), format!("a network half way: {network}"));
            let gateways = self.of("listPublicIpAddresses").iter().filter(|address| {
                address["associatednetworkid"] == network["id"] && address["issourcenat"] == true
            });
            let gateways = gateways.count();
            let right = if state == "Implemented" { gateways == 1 } else { gateways <= 1 };
            wants(right, format!("{gateways} source-NAT addresses: {network}"));
        }
        for address in self.of("listPublicIpAddresses") {
            wants(address["state"] == "Allocated", format!("an address half way: {address}"));
            if let Some(network) = address["associatednetworkid"].as_str() {
                wants(networks.contains(network), format!("an address of no network: {address}"));
            }
            if let Some(machine) = address["virtualmachineid"].as_str() {
                wants(machines.contains(machine), format!("static NAT to no machine: {address}"));
            }
        }
        for command in [
            "listFirewallRules",
            "listEgressFirewallRules",
            "listIpForwardingRules",
            "listPortForwardingRules",
            "listLoadBalancerRules",
        ] {
            for rule in self.of(command) {
                let network = rule["networkid"].as_str().unwrap_or_default();
                wants(networks.contains(network), format!("{command}: in no network: {rule}"));
                let state = rule["state"].as_str().unwrap_or_default();
                wants(matches!(state, "Active" | "Add"), format!("{command}: half way: {rule}"));
                wants(
                    state == "Active" || command == "listLoadBalancerRules",
                    format!("{command}: half way: {rule}"),
                );
                for address in
                    [&rule["ipaddressid"], &rule["publicipid"]].into_iter().filter_map(|id| id.as_str())
                {
                    wants(addresses.contains(address), format!("{command}: on no address: {rule}"));
                }
                if let Some(machine) = rule["virtualmachineid"].as_str() {
                    wants(machines.contains(machine), format!("{command}: to no machine: {rule}"));
                }
            }
        }
        let tagged = [
            "listNetworks",
            "listVirtualMachines",
            "listPublicIpAddresses",
            "listVolumes",
            "listTemplates",
            "listFirewallRules",
            "listEgressFirewallRules",
            "listPortForwardingRules",
            "listLoadBalancerRules",
            "listAffinityGroups",
            "listAccounts",
            "listUsers",
            "listIsos",
            "listSnapshots",
            "listProjects",
            "listIpForwardingRules",
        ];
        let interfaces =
            self.of("listVirtualMachines").iter().filter_map(|machine| machine["nic"].as_array());
        let interfaces: BTreeSet<&str> = interfaces.flatten().filter_map(|nic| nic["id"].as_str()).collect();
        for tag in self.of("listTags") {
            let resource = tag["resourceid"].as_str().unwrap_or_default();
            let there = tagged.iter().any(|command| self.get(command, resource).is_some())
                || interfaces.contains(resource);
            wants(there, format!("a tag on nothing: {tag}"));
        }
        defects
    }
}
