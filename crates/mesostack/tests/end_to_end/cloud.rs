//! The zone's API, asked as any client would, for what the program has no command for.

use std::time::Duration;

use cloudstack::{Client, Credentials, Effect, Expect, Id, resource::DestroyVirtualMachine};
use serde_json::Value;
use tokio::{runtime::Runtime, time::Instant};

/// A client of the zone for blocking tests.
#[derive(Debug)]
pub(crate) struct Cloud {
    client: Client,
    runtime: Runtime,
}

/// What `listVirtualMachines` calls its machines.
pub(crate) const MACHINE: &str = "virtualmachine";

/// Every kind of thing a cluster has in the cloud: the command that lists it, and what the reply calls it.
pub(crate) const KINDS: &[(&str, &str)] = &[
    ("listVirtualMachines", MACHINE),
    ("listNetworks", "network"),
    ("listPublicIpAddresses", "publicipaddress"),
    ("listPortForwardingRules", "portforwardingrule"),
    ("listFirewallRules", "firewallrule"),
    ("listLoadBalancerRules", "loadbalancerrule"),
    ("listVolumes", "volume"),
    ("listSSHKeyPairs", "sshkeypair"),
    ("listAffinityGroups", "affinitygroup"),
    ("listTags", "tag"),
];

impl Cloud {
    /// From what `zone credentials --json` says.
    pub(crate) fn new(credentials: &Value) -> Self {
        let text = |name: &str| credentials[name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned();
        let keys = Credentials::new(text("api_key"), text("secret_key"));
        let client = Client::builder(text("api_url").parse().unwrap(), keys).build().unwrap();
        Self { client, runtime: Runtime::new().unwrap() }
    }

    /// Everything of a kind.
    pub(crate) fn list(&self, command: &str, item: &str) -> Vec<Value> {
        let listing = self.client.raw(command, Effect::Read, &[("listall", "true")]);
        let reply = self.runtime.block_on(listing).unwrap();
        reply.get(item).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// How many there are of every kind but tags, and the machines' names and addresses.
    pub(crate) fn census(&self) -> Vec<String> {
        let mut census: Vec<_> = KINDS
            .iter()
            .filter(|(_, item)| *item != "tag")
            .map(|(command, item)| format!("{item}: {}", self.list(command, item).len()))
            .collect();
        let machines = self.list("listVirtualMachines", MACHINE);
        census.extend(
            machines.iter().map(|machine| format!("{} {}", machine["name"], machine["nic"][0]["ipaddress"])),
        );
        census.sort();
        census
    }

    /// The machine of that name.
    pub(crate) fn machine(&self, name: &str) -> Value {
        let machines = self.list("listVirtualMachines", MACHINE);
        machines
            .into_iter()
            .find(|machine| machine["name"] == name)
            .unwrap_or_else(|| panic!("no machine {name}"))
    }

    /// Destroys a machine for good, and waits until it is gone.
    pub(crate) fn destroy_machine(&self, name: &str) {
        let id = Id::from(self.machine(name)["id"].as_str().unwrap());
        let destroy = DestroyVirtualMachine::new(&id).expunge(true);
        self.runtime.block_on(async {
            let deadline = Instant::now() + Duration::from_secs(120);
            self.client.run(&destroy, Expect::Long, deadline).await.unwrap();
        });
    }
}
