//! Replies against those of a real CloudStack: which fields they have and of which types, to users and to root admins; and
//! refusals by their codes and texts.
//!
//! `facts.txt` was derived from recordings of a CloudStack 4.23; it is written anew by
//! `REPLIES=directory cargo test --workspace --test zone replies`, the directory holding a recorded call a file.

mod by_hand;
mod deeds;
mod facts;
mod refusals;

use std::path::Path;

use devcloud::ZoneConfig;
use devcloud::simulator::{Capacity, Latencies};
use serde_json::{Value, json};

use self::facts::Facts;
use crate::kit::{self, Caller, World, borrowed, text};

const FACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zone/replies/facts.txt");

/// Fields that a real server has for what there is none of here, or is not measured.
const NOT_HERE: &[&str] = &[
    // Settings of a machine that only the server changes, by name; what is measured; graphics cards.
    "readonlydetails",
    "cpuused",
    "diskioread",
    "diskiowrite",
    "diskkbsread",
    "diskkbswrite",
    "memoryintfreekbs",
    "memorykbs",
    "memorytargetkbs",
    "networkkbsread",
    "networkkbswrite",
    "gputotal",
    "gpuused",
    // Hosts are names of one computer: how large it is and how it does is not theirs to tell, nor has any an address.
    "listHosts.ipaddress",
    "listHosts.capabilities",
    "listHosts.cpunumber",
    "listHosts.cpuspeed",
    "listHosts.cpuallocated",
    "listHosts.cpuallocatedpercentage",
    "listHosts.cpuallocatedwithoverprovisioning",
    "listHosts.cpuwithoverprovisioning",
    "listHosts.cpuloadaverage",
    "listHosts.memorytotal",
    "listHosts.memorywithoverprovisioning",
    "listHosts.memoryallocatedpercentage",
    "listHosts.memoryused",
    "listHosts.lastpinged",
    "listHosts.events",
    // A router is a part of this computer: on no host, of no template, with no scripts and no link of its own to them.
    "listRouters.hostid",
    "listRouters.hostname",
    "listRouters.hostcontrolstate",
    "listRouters.templateid",
    "listRouters.templatename",
    "listRouters.scriptsversion",
    "listRouters.softwareversion",
    "listRouters.linklocalip",
    "listRouters.linklocalmacaddress",
    "listRouters.linklocalnetmask",
    "listRouters.linklocalnetworkid",
    "listRouters.guestmacaddress",
    "listRouters.publicmacaddress",
    "listRouters.nic",
    // The storage pool is the whole zone's and a directory of the driver's: no pod or cluster has it, no server, and how
    // large it is the driver alone knows.
    "listStoragePools.podid",
    "listStoragePools.podname",
    "listStoragePools.clusterid",
    "listStoragePools.clustername",
    "listStoragePools.ipaddress",
    "listStoragePools.path",
    "listStoragePools.capacitybytes",
    "listStoragePools.disksizetotal",
    "listStoragePools.disksizeused",
    "listStoragePools.capacityiops",
    "listStoragePools.usediops",
    // So are templates: in a directory.
    "listImageStores.url",
    "listImageStores.protocol",
    "listImageStores.providername",
    // The recorded server's was fetched when it answered; and it makes keys in a job, as no release does.
    "registerTemplate.size",
    "registerTemplate.physicalsize",
    "registerUserKeys.*",
    // The zone's own templates were fetched from nowhere.
    "listTemplates.checksum",
    "listTemplates.url",
    "listTemplates.datastoreId",
    "listTemplates.datastoreRole",
    // Events of machines alone were recorded.
    "listEvents.resourcetype",
];

/// Fields that are told here and were not in the recordings, because nothing there had them.
const NOT_THERE: &[&str] = &[
    // Told in the recorded conversations, and not in the recorded single calls.
    "keepmacaddressonpublicnic",
    // The recorded machines had no key pair.
    "destroyVirtualMachine.keypairs",
    "rebootVirtualMachine.keypairs",
    "recoverVirtualMachine.keypairs",
    "startVirtualMachine.keypairs",
    // Of a template that was made from a volume; the real job's result is a moment older than the list.
    "createTemplate.physicalsize",
    "listTemplates.sourcetemplateid",
];

/// A template that the zone has to fetch first.
const FETCHED: [(&str, &str); 7] = [
    ("name", "late"),
    ("displaytext", "late"),
    ("format", "QCOW2"),
    ("hypervisor", "Simulator"),
    ("ostypeid", "1"),
    ("url", "http://example.org/late.qcow2"),
    ("zoneid", "{zone}"),
];

fn facts() -> Facts {
    if let Ok(directory) = std::env::var("REPLIES") {
        std::fs::write(FACTS, Facts::derive(Path::new(&directory)).text()).expect("written");
    }
    Facts::read(&std::fs::read_to_string(FACTS).expect("facts"))
}

/// A user's zone with a little of everything that was recorded, and what it answered while it was made.
struct Furnished {
    world: World,
    alice: Caller,
    /// Things by what they are called in calls.
    things: Vec<(&'static str, String)>,
    answered: Facts,
}

impl Furnished {
    async fn new() -> Self {
        let config =
            ZoneConfig { users_may_expunge: false, strict_signatures: true, ..ZoneConfig::simulated_time() };
        let world = kit::world_with(config, Latencies::default(), Capacity::default()).await;
        let alice = world.admin().account("alice", &[]).await;
        let mut furnished = Self { world, alice, things: Vec::new(), answered: Facts::default() };
        furnished.fill().await;
        furnished
    }

    fn put(&mut self, name: &'static str, id: &Value) {
        self.things.push((name, text(id)));
    }

    /// A call's parameters with the things' ids in them.
    fn filled(&self, parameters: &[(&str, &str)]) -> Vec<(String, String)> {
        let fill = |value: &str| {
            let known = self.things.iter().find(|(name, _)| value == format!("{{{name}}}"));
            known.map_or_else(|| value.to_owned(), |(_, id)| id.clone())
        };
        parameters.iter().map(|(name, value)| ((*name).to_owned(), fill(value))).collect()
    }

    /// A call of alice's that has to be carried out; what its answer, or its job's result, has in it.
    async fn ask(&mut self, command: &str, parameters: &[(&str, &str)]) -> Value {
        let parameters = self.filled(parameters);
        let parameters = borrowed(&parameters, &[]);
        let mut inside = self.alice.call(command, &parameters).await;
        if let Some(job) = inside["jobid"].as_str().filter(|_| command != "listAsyncJobs") {
            let ended = self.alice.wait(job).await;
            assert_eq!(ended["jobstatus"], json!(1), "{command}: {ended}");
            inside = ended["jobresult"].clone();
        }
        self.answered.learn(command, "user", "", &inside);
        inside
    }

    async fn fill(&mut self) {
        let zone = self.alice.zone_id().await;
        let service = self.alice.offering_id("t1.small").await;
        let template = self.alice.template_id().await;
        self.things = vec![
            ("zone", zone),
            ("offering", service),
            ("template", template),
            ("nothing", "00000000-0000-0000-0000-000000000000".to_owned()),
        ];
        let isolated = [("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")];
        let offering = self.ask("listNetworkOfferings", &isolated).await["networkoffering"][0]["id"].clone();
        self.put("networkoffering", &offering);
        let network = [
            ("name", "net1"),
            ("displaytext", "net1"),
            ("zoneid", "{zone}"),
            ("networkofferingid", "{networkoffering}"),
            ("gateway", "10.1.5.1"),
            ("netmask", "255.255.255.0"),
        ];
        let made = self.ask("createNetwork", &network).await;
        self.put("network", &made["network"]["id"]);
        let asleep = self.ask("createNetwork", &network).await;
        self.put("asleep", &asleep["network"]["id"]);
        self.ask("createSSHKeyPair", &[("name", "kp1")]).await;
        let group = [("name", "ag1"), ("type", "host anti-affinity"), ("description", "apart")];
        let group = self.ask("createAffinityGroup", &group).await["affinitygroup"]["id"].clone();
        self.put("group", &group);
        let machine = [
            ("zoneid", "{zone}"),
            ("serviceofferingid", "{offering}"),
            ("templateid", "{template}"),
            ("networkids", "{network}"),
        ];
        let first = [
            &machine[..],
            &[
                ("name", "vm1"),
                ("displayname", "VM one"),
                ("keypairs", "kp1"),
                ("ipaddress", "10.1.5.50"),
                ("userdata", "aGVsbG8="),
                ("affinitygroupids", "{group}"),
            ],
        ];
        let first = self.ask("deployVirtualMachine", &first.concat()).await;
        self.put("vm1", &first["virtualmachine"]["id"]);
        let second = [&machine[..], &[("name", "vm2"), ("keypairs", "kp1")]].concat();
        let second = self.ask("deployVirtualMachine", &second).await;
        self.put("vm2", &second["virtualmachine"]["id"]);
        self.ask("stopVirtualMachine", &[("id", "{vm2}")]).await;
        let address = self.ask("associateIpAddress", &[("networkid", "{network}")]).await;
        self.put("address", &address["ipaddress"]["id"]);
        let source_nat = self.ask("listPublicIpAddresses", &[("issourcenat", "true")]).await;
        self.put("sourcenat", &source_nat["publicipaddress"][0]["id"]);
        let rule = [("ipaddressid", "{address}"), ("protocol", "tcp")];
        let ssh = [("startport", "22"), ("endport", "22"), ("cidrlist", "10.0.0.0/8,192.168.0.0/16")];
        self.ask("createFirewallRule", &[&rule[..], &ssh].concat()).await;
        let range = [("startport", "9000"), ("endport", "9010")];
        self.ask("createFirewallRule", &[&rule[..], &range].concat()).await;
        let egress = [
            ("networkid", "{network}"),
            ("protocol", "tcp"),
            ("startport", "443"),
            ("endport", "443"),
            ("cidrlist", "10.1.5.0/24"),
        ];
        self.ask("createEgressFirewallRule", &egress).await;
        let forward = [
            ("publicport", "22"),
            ("privateport", "22"),
            ("virtualmachineid", "{vm1}"),
            ("openfirewall", "false"),
        ];
        self.ask("createPortForwardingRule", &[&rule[..], &forward].concat()).await;
        let range = [
            ("publicport", "9000"),
            ("publicendport", "9010"),
            ("privateport", "9000"),
            ("privateendport", "9010"),
            ("virtualmachineid", "{vm1}"),
            ("openfirewall", "false"),
        ];
        self.ask("createPortForwardingRule", &[&rule[..], &range].concat()).await;
        let balancer = [
            ("publicipid", "{address}"),
            ("name", "web"),
            ("algorithm", "roundrobin"),
            ("publicport", "80"),
            ("privateport", "8080"),
            ("openfirewall", "false"),
        ];
        let balancer = self.ask("createLoadBalancerRule", &balancer).await["loadbalancer"]["id"].clone();
        self.put("lb", &balancer);
        let idle = [
            ("publicipid", "{address}"),
            ("name", "web2"),
            ("algorithm", "roundrobin"),
            ("publicport", "443"),
            ("privateport", "8443"),
            ("openfirewall", "false"),
        ];
        self.ask("createLoadBalancerRule", &idle).await;
        self.ask("registerSSHKeyPair", &[("name", "kp2"), ("publickey", kit::PUBLIC_KEY)]).await;
        let domain = self.ask("listUsers", &[]).await["user"][0]["domainid"].clone();
        self.put("domain", &domain);
        self.ask("assignToLoadBalancerRule", &[("id", "{lb}"), ("virtualmachineids", "{vm1}")]).await;
        let sticky = [("lbruleid", "{lb}"), ("name", "stick"), ("methodname", "LbCookie")];
        self.ask("createLBStickinessPolicy", &sticky).await;
        let tags = [
            ("tags[0].key", "env"),
            ("tags[0].value", "test"),
            ("tags[1].key", "owner"),
            ("tags[1].value", "alice"),
        ];
        let tags = [&[("resourceids", "{vm1}"), ("resourcetype", "UserVm")][..], &tags].concat();
        self.ask("createTags", &tags).await;
        let volumes = self.ask("listVolumes", &[("virtualmachineid", "{vm2}")]).await;
        self.put("volume2", &volumes["volume"][0]["id"]);
        let volumes = self.ask("listVolumes", &[("virtualmachineid", "{vm1}")]).await;
        self.put("volume1", &volumes["volume"][0]["id"]);
        self.ask("createSnapshot", &[("volumeid", "{volume2}"), ("name", "snap1")]).await;
        let golden =
            [("volumeid", "{volume2}"), ("name", "golden"), ("displaytext", "golden"), ("ostypeid", "1")];
        let golden = self.ask("createTemplate", &golden).await["template"]["id"].clone();
        self.put("golden", &golden);
        self.ask("updateTemplate", &[("id", "{golden}"), ("displaytext", "gold")]).await;
        self.ask("updateVMAffinityGroup", &[("id", "{vm2}"), ("affinitygroupids", "{group}")]).await;
    }

    /// All lists, as alice and as the root admin.
    async fn list(&mut self) {
        for (command, parameters) in [
            ("listAccounts", &[][..]),
            ("listAffinityGroupTypes", &[]),
            ("listAffinityGroups", &[]),
            ("listCapabilities", &[]),
            ("listDiskOfferings", &[]),
            ("listEgressFirewallRules", &[]),
            ("listEventTypes", &[]),
            ("listEvents", &[]),
            ("listFirewallRules", &[]),
            ("listHypervisors", &[]),
            ("listLBHealthCheckPolicies", &[("lbruleid", "{lb}")]),
            ("listLBStickinessPolicies", &[("lbruleid", "{lb}")]),
            ("listLoadBalancerRuleInstances", &[("id", "{lb}")]),
            ("listLoadBalancerRules", &[]),
            ("listNetworkOfferings", &[]),
            ("listNetworks", &[]),
            ("listNics", &[("virtualmachineid", "{vm1}")]),
            ("listOsCategories", &[]),
            ("listOsTypes", &[]),
            ("listPortForwardingRules", &[]),
            ("listPublicIpAddresses", &[]),
            ("listResourceLimits", &[]),
            ("listSSHKeyPairs", &[]),
            ("listServiceOfferings", &[]),
            ("listSnapshots", &[]),
            ("listTags", &[]),
            ("listTemplates", &[("templatefilter", "executable")]),
            ("listUsers", &[]),
            ("listVirtualMachines", &[]),
            ("listVolumes", &[]),
            ("listZones", &[]),
        ] {
            self.ask(command, parameters).await;
            let everything = [parameters, &[("listall", "true")]].concat();
            let everything = self.filled(&everything);
            let told = self.world.admin().call(command, &borrowed(&everything, &[])).await;
            self.answered.learn(command, "admin", "", &told);
        }
        for command in
            ["listHosts", "listRouters", "listStoragePools", "listImageStores", "listConfigurations"]
        {
            let told = self.world.admin().call(command, &[("listall", "true")]).await;
            self.answered.learn(command, "admin", "", &told);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn replies_have_the_fields_that_a_real_server_s_have_and_no_others() {
    let facts = facts();
    let mut furnished = Furnished::new().await;
    furnished.list().await;
    furnished.change().await;
    let mut wrong = Vec::new();
    for ((command, role, path), ours) in &furnished.answered.fields {
        let place = (command.clone(), role.clone(), path.clone());
        let Some(theirs) = facts.fields.get(&place) else { continue };
        let at = format!("{command} ({role}) {path}");
        for name in theirs.always().filter(|name| !excused(NOT_HERE, command, name)) {
            if ours.always().all(|own| own != name) {
                wrong.push(format!("{at}: {name} is not always there"));
            }
        }
        for name in ours.names() {
            let own = ours.types(name).expect("a type");
            match theirs.types(name) {
                None if excused(NOT_THERE, command, name) => {}
                None => wrong.push(format!("{at}: {name} is told")),
                Some(types) if own.is_subset(types) => {}
                Some(types) => wrong.push(format!("{at}: {name} is {own:?} and not {types:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn lists_begin_where_those_of_a_real_server_begin() {
    let facts = facts();
    let mut furnished = Furnished::new().await;
    for name in ["net2", "net3", "net4"] {
        let network = [
            ("name", name),
            ("displaytext", name),
            ("zoneid", "{zone}"),
            ("networkofferingid", "{networkoffering}"),
        ];
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        furnished.ask("createNetwork", &network).await;
        let template = [("volumeid", "{volume2}"), ("name", name), ("displaytext", name), ("ostypeid", "1")];
        furnished.ask("createTemplate", &template).await;
        let machine = [
            ("zoneid", "{zone}"),
            ("serviceofferingid", "{offering}"),
            ("templateid", "{template}"),
            ("networkids", "{network}"),
            ("startvm", "false"),
        ];
        furnished.ask("deployVirtualMachine", &machine).await;
    }
    furnished.list().await;
    let mut compared = 0;
    for (command, theirs) in &facts.orders {
        let Some(ours) = furnished.answered.orders.get(command) else { continue };
        assert_eq!(ours, theirs, "{command}");
        compared += 1;
    }
    assert!(compared >= 5, "{compared} lists had enough in them: {:?}", furnished.answered.orders);
}

/// Whether a field, or a field of this command (`command.field`), is in such a list.
fn excused(list: &[&str], command: &str, name: &str) -> bool {
    list.iter().any(|known| match known.split_once('.') {
        Some((of, field)) => of == command && (field == name || field == "*"),
        None => *known == name,
    })
}
