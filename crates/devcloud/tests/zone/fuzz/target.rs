//! A zone with two accounts that have a bit of everything, and what can be called there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use devcloud::driver::Driver as _;
use devcloud::simulator::Simulator;
use devcloud::{Keys, MemoryRecords, Records, Zone, ZoneConfig};
use serde_json::{Value, json};

use crate::kit::{self, Caller, PUBLIC_KEY, World, text};
use crate::whole::{LISTS, List, Seen};

/// What the victim's things are called, and nothing else here.
pub(super) const MARK: &str = "quokka";

/// Lists whose ids commands take; those that want it with a parameter.
const POOLS: [List; 25] = [
    ("listAccounts", "account", &[]),
    ("listAffinityGroups", "affinitygroup", &[]),
    ("listDiskOfferings", "diskoffering", &[]),
    ("listEgressFirewallRules", "firewallrule", &[]),
    ("listEvents", "event", &[]),
    ("listFirewallRules", "firewallrule", &[]),
    ("listInstanceGroups", "instancegroup", &[]),
    ("listIpForwardingRules", "ipforwardingrule", &[]),
    ("listLoadBalancerRules", "loadbalancerrule", &[]),
    ("listNetworkOfferings", "networkoffering", &[]),
    ("listNetworks", "network", &[]),
    ("listOsCategories", "oscategory", &[]),
    ("listOsTypes", "ostype", &[]),
    ("listPortForwardingRules", "portforwardingrule", &[]),
    ("listProjects", "project", &[]),
    ("listPublicIpAddresses", "publicipaddress", &[]),
    ("listServiceOfferings", "serviceoffering", &[]),
    ("listSnapshots", "snapshot", &[]),
    ("listSSHKeyPairs", "sshkeypair", &[]),
    ("listTemplates", "template", &[("templatefilter", "executable")]),
    ("listUserData", "userdata", &[]),
    ("listUsers", "user", &[]),
    ("listVirtualMachines", "virtualmachine", &[]),
    ("listVolumes", "volume", &[]),
    ("listZones", "zone", &[]),
];

/// A command as `listApis` shows it.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
}

/// A parameter as `listApis` shows it.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) required: bool,
    related: Vec<String>,
}

/// Ids by the command that lists them.
type Pools = BTreeMap<String, Vec<String>>;

/// What a zone was furnished with, and what it left on its disk: every target is a zone opened over a copy of it.
struct Furnished {
    driver: Arc<Simulator>,
    disk: MemoryRecords,
    observer: Keys,
    apis: Vec<Api>,
    mine: Pools,
    theirs: Pools,
}

impl Furnished {
    async fn make() -> Self {
        let config = ZoneConfig { accounts: vec!["other".to_owned()], ..ZoneConfig::simulated_time() };
        let world = kit::world_with(config, Default::default(), Default::default()).await;
        let (user, victim) = (world.user(), world.caller("other"));
        have_everything(&user, "wombat").await;
        have_everything(&victim, MARK).await;
        // Looks on: the one that shoots may be renamed, made a user or locked out by its own shots.
        let observer = world.admin().account("observer", &[("accounttype", "1")]).await;
        let apis = apis(&observer).await;
        let mine = pools(&user).await;
        let shared = mine.values().flatten().cloned().collect::<BTreeSet<_>>();
        let mut theirs = pools(&victim).await;
        for ids in theirs.values_mut() {
            ids.retain(|id| !shared.contains(id));
        }
        theirs.retain(|_, ids| !ids.is_empty());
        Self { driver: world.driver, disk: world.disk, observer: observer.keys, apis, mine, theirs }
    }

    /// The one of this process, made on a clock of its own.
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Furnished> = OnceLock::new();
        SHARED.get_or_init(|| {
            let made = std::thread::spawn(|| super::on_a_paused_clock(Self::make()));
            made.join().expect("a furnished zone")
        })
    }
}

/// A zone to shoot at.
pub(super) struct Target {
    pub(super) world: World,
    victim: Caller,
    pub(super) observer: Caller,
    /// The keys that were shot with last.
    shooter: RefCell<Option<Keys>>,
    pub(super) apis: &'static [Api],
    mine: RefCell<Pools>,
    theirs: &'static Pools,
}

impl Target {
    pub(super) async fn open() -> Self {
        Self::looked_after(ZoneConfig::simulated_time().watch).await
    }

    /// A zone that is looked after so often. One that nobody looks after keeps whatever its jobs leave.
    pub(super) async fn looked_after(watch: Option<Duration>) -> Self {
        let furnished = Furnished::shared();
        // Another seed than the one it was furnished with: ids are not given twice.
        let config = ZoneConfig { seed: Some(2), watch, ..ZoneConfig::simulated_time() };
        let (driver, disk) = (Arc::new(furnished.driver.fork()), furnished.disk.snapshot());
        let zone = Zone::open(config, driver.clone(), Records::memory(disk.clone())).await;
        let world = World { zone: zone.expect("it opens again"), driver, disk };
        let (victim, mine) = (world.caller("other"), RefCell::new(furnished.mine.clone()));
        let observer = Caller { zone: world.zone.clone(), keys: furnished.observer.clone() };
        let (shooter, apis, theirs) = (RefCell::default(), &*furnished.apis, &furnished.theirs);
        Self { world, victim, observer, shooter, apis, mine, theirs }
    }

    /// The keys to shoot with: those that the account has now, since a call may have given it others; where there is no
    /// account of its name any more, those that it had.
    pub(super) fn shooter(&self, as_admin: bool) -> Keys {
        let name = if as_admin { "admin" } else { "mesostack" };
        let mut shooter = self.shooter.borrow_mut();
        let keys = self.world.zone.credentials(name).or_else(|| shooter.take()).expect("it had keys");
        *shooter = Some(keys.clone());
        keys
    }

    /// An id that the parameter is about, of the caller's.
    pub(super) fn fitting(&self, parameter: &Parameter, draw: usize) -> Option<String> {
        let mine = self.mine.borrow();
        let ids: Vec<&String> =
            parameter.related.iter().filter_map(|list| mine.get(list)).flatten().collect();
        ids.get(draw.checked_rem(ids.len())?).map(|id| (*id).clone())
    }

    /// An id that the parameter is about, of the victim's.
    pub(super) fn foreign_for(&self, parameter: &Parameter, draw: usize) -> Option<String> {
        let ids: Vec<&String> =
            parameter.related.iter().filter_map(|list| self.theirs.get(list)).flatten().collect();
        ids.get(draw.checked_rem(ids.len())?).map(|id| (*id).clone())
    }

    /// Any id at all.
    pub(super) fn any_id(&self, draw: usize) -> String {
        let mine = self.mine.borrow();
        let ids: Vec<&String> = mine.values().chain(self.theirs.values()).flatten().collect();
        ids[draw % ids.len()].clone()
    }

    /// Remembers what an answer made, to be asked for later.
    pub(super) fn learn(&self, answer: &Value) {
        let Some(inside) = answer.as_object().and_then(|whole| whole.iter().next()) else { return };
        let mut mine = self.mine.borrow_mut();
        if let Some(job) = inside.1["jobid"].as_str() {
            mine.entry("listAsyncJobs".to_owned()).or_default().push(job.to_owned());
        }
        let lists = [
            ("deployvirtual", "listVirtualMachines"),
            ("associateip", "listPublicIpAddresses"),
            ("createnetwork", "listNetworks"),
            ("createfirewall", "listFirewallRules"),
            ("createegress", "listEgressFirewallRules"),
            ("createportforwarding", "listPortForwardingRules"),
            ("createloadbalancer", "listLoadBalancerRules"),
            ("createtemplate", "listTemplates"),
            ("createaffinity", "listAffinityGroups"),
        ];
        let made = inside.1["id"]
            .as_str()
            .or_else(|| inside.1.as_object()?.values().find_map(|thing| thing["id"].as_str()));
        if let (Some(made), Some((_, list))) =
            (made, lists.iter().find(|(command, _)| inside.0.starts_with(command)))
        {
            mine.entry((*list).to_owned()).or_default().push(made.to_owned());
        }
    }

    /// Every parameter of every command with an id of the victim's, the required ones beside it filled.
    pub(super) fn foreign(&self) -> Vec<(String, Vec<(String, String)>)> {
        let mut calls = Vec::new();
        for api in self.apis {
            for wanted in &api.parameters {
                let count: usize =
                    wanted.related.iter().filter_map(|list| self.theirs.get(list)).map(Vec::len).sum();
                for nth in 0..count {
                    let Some(id) = self.foreign_for(wanted, nth) else { continue };
                    let mut parameters = vec![(wanted.name.clone(), id)];
                    for other in
                        api.parameters.iter().filter(|other| other.required && other.name != wanted.name)
                    {
                        parameters.extend(super::shot::fill(self, other, nth));
                    }
                    calls.push((api.name.clone(), parameters));
                }
            }
        }
        calls
    }

    /// Everything that the victim sees of its own. A domain counts what everybody has, and anybody may take another's account
    /// into a project of theirs.
    pub(super) async fn victims_view(&self) -> Vec<Value> {
        let mut view = Vec::new();
        for (list, object, _) in &LISTS {
            if *list == "listDomains" {
                continue;
            }
            let filter = [("templatefilter", "self"), ("isofilter", "self"), ("pagesize", "-1")];
            let mut answer = self.victim.call(list, &filter).await;
            if let Some(projects) = answer.get_mut("project").and_then(Value::as_array_mut) {
                projects.retain(|project| project["name"] == MARK);
                answer["count"] = json!(answer["project"].as_array().map_or(0, Vec::len));
            }
            for account in answer.get_mut("account").and_then(Value::as_array_mut).into_iter().flatten() {
                // Anybody may also have it lead a project of theirs.
                account.as_object_mut().into_iter().for_each(|fields| {
                    fields.retain(|name, _| !matches!(name.as_str(), "projecttotal" | "projectavailable"));
                });
            }
            for id in answer[object].as_array().into_iter().flatten().filter_map(|thing| thing["id"].as_str())
            {
                if *list == "listLoadBalancerRules" {
                    view.push(self.victim.call("listLoadBalancerRuleInstances", &[("id", id)]).await);
                }
                if *list == "listVirtualMachines" {
                    view.push(
                        self.victim.call("getVirtualMachineUserData", &[("virtualmachineid", id)]).await,
                    );
                }
            }
            view.push(answer);
        }
        view
    }

    /// Waits until no job is under way.
    pub(super) async fn until_quiet(&self) -> Result<(), String> {
        for _ in 0..100_000 {
            let jobs = self.observer.call("listAsyncJobs", &[("listall", "true")]).await;
            if jobs == json!({}) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err("a job has no end".to_owned())
    }

    pub(super) async fn seen(&self) -> Seen {
        seen(&self.observer).await
    }

    /// Another zone over what is on this one's disk.
    pub(super) async fn reopened(&self) -> Seen {
        let World { zone, driver, disk } = &self.world;
        let again =
            Zone::open(zone.config().clone(), Arc::new(driver.fork()), Records::memory(disk.snapshot()));
        let zone = again.await.expect("it opens again");
        seen(&Caller { zone, keys: self.observer.keys.clone() }).await
    }

    /// Whether those machines run that are shown as running, with the disks that are shown.
    pub(super) async fn driver_agrees(&self, seen: &Seen) -> Result<(), String> {
        let running = self.world.driver.running().await.map_err(|error| error.to_string())?;
        let differ = seen.machines_that_differ(&self.world.driver, &running);
        if differ.is_empty() { Ok(()) } else { Err(format!("{differ:#?}")) }
    }
}

/// Everything that a root admin can list; what is in projects is listed apart.
pub(crate) async fn seen(admin: &Caller) -> Seen {
    let mut seen = Seen::default();
    let projects = admin.call("listProjects", &[("listall", "true")]).await != json!({});
    for (command, object, parameters) in LISTS {
        let mut all = vec![("listall", "true"), ("pagesize", "-1")];
        all.extend_from_slice(parameters);
        seen.add(command, object, &admin.call(command, &all).await);
        if projects {
            all.push(("projectid", "-1"));
            seen.add(command, object, &admin.call(command, &all).await);
        }
    }
    seen
}

async fn apis(admin: &Caller) -> Vec<Api> {
    let listed = admin.call("listApis", &[]).await;
    let strings = |text: &Value| -> Vec<String> {
        let text = text.as_str().unwrap_or_default();
        text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let parameter = |parameter: &Value| {
        let name = text(&parameter["name"]);
        let mut related = strings(&parameter["related"]);
        if name == "jobid" {
            related = vec!["listAsyncJobs".to_owned()];
        }
        Parameter { name, kind: text(&parameter["type"]), required: parameter["required"] == true, related }
    };
    let apis = listed["api"].as_array().into_iter().flatten();
    apis.map(|api| Api {
        name: text(&api["name"]),
        parameters: api["params"].as_array().into_iter().flatten().map(parameter).collect(),
    })
    .collect()
}

async fn pools(caller: &Caller) -> Pools {
    let mut pools = Pools::new();
    for (list, object, parameters) in POOLS {
        let found = caller.call(list, parameters).await;
        let ids = found[object].as_array().into_iter().flatten().filter_map(|thing| thing["id"].as_str());
        pools.insert(list.to_owned(), ids.map(str::to_owned).collect());
    }
    pools
}

/// A network that is up, with machines, rules of every kind, tags, and what goes with an account.
async fn have_everything(caller: &Caller, name: &str) {
    let named = |suffix: &str| format!("{name}-{suffix}");
    caller.call("registerSSHKeyPair", &[("name", &named("key")), ("publickey", PUBLIC_KEY)]).await;
    caller.run("createAffinityGroup", &[("name", &named("group")), ("type", "host anti-affinity")]).await;
    let network = caller.network(&named("network")).await;
    caller.network(&named("asleep")).await;
    let more = [
        ("keypair", named("key")),
        ("affinitygroupnames", named("group")),
        ("userdata", "cXVva2th".to_owned()),
    ];
    let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let machine = caller.deploy(&network, &named("one"), &more).await;
    let stopped = caller.deploy(&network, &named("two"), &[]).await;
    caller.run("stopVirtualMachine", &[("id", &stopped)]).await;
    let (address, nat) = (caller.address(&network).await, caller.address(&network).await);
    caller.call("enableStaticNat", &[("ipaddressid", &nat), ("virtualmachineid", &machine)]).await;
    let opened = [("ipaddressid", nat.as_str()), ("protocol", "tcp"), ("startport", "80")];
    caller.run("createIpForwardingRule", &opened).await;
    let ports = [("protocol", "tcp"), ("startport", "22"), ("endport", "22")];
    let on = |id: &'static str, value: &str| (id, value.to_owned());
    for (command, what, rest) in [
        ("createFirewallRule", on("ipaddressid", &address), ports.to_vec()),
        ("createEgressFirewallRule", on("networkid", &network), ports.to_vec()),
        (
            "createPortForwardingRule",
            on("ipaddressid", &address),
            vec![
                ("protocol", "tcp"),
                ("publicport", "22"),
                ("privateport", "22"),
                ("openfirewall", "false"),
                ("virtualmachineid", machine.as_str()),
            ],
        ),
        (
            "createLoadBalancerRule",
            on("publicipid", &address),
            vec![("algorithm", "roundrobin"), ("publicport", "80"), ("privateport", "80"), ("name", name)],
        ),
    ] {
        let mut parameters = rest;
        parameters.push((what.0, what.1.as_str()));
        let (made, _) = caller.run(command, &parameters).await;
        if command == "createLoadBalancerRule" {
            let members =
                [("id", made["id"].as_str().expect("an id")), ("virtualmachineids", stopped.as_str())];
            caller.run("assignToLoadBalancerRule", &members).await;
        }
    }
    let tags = [
        ("resourceids", machine.as_str()),
        ("resourcetype", "UserVm"),
        ("tags[0].key", name),
        ("tags[0].value", name),
    ];
    caller.run("createTags", &tags).await;
    let volume = text(&caller.only("listVolumes", "volume", &[("virtualmachineid", &stopped)]).await["id"]);
    let os_type = text(&caller.call("listOsTypes", &[]).await["ostype"][0]["id"]);
    let template = [
        ("name", name),
        ("displaytext", name),
        ("volumeid", volume.as_str()),
        ("ostypeid", os_type.as_str()),
    ];
    caller.run("createTemplate", &template).await;
    caller.run("createSnapshot", &[("volumeid", &volume), ("name", name)]).await;
    caller.call("createInstanceGroup", &[("name", name)]).await;
    caller.call("registerUserData", &[("name", name), ("userdata", "cXVva2th")]).await;
    let disk = text(&caller.call("listDiskOfferings", &[]).await["diskoffering"][0]["id"]);
    let zone = caller.zone_id().await;
    let disk = [("name", name), ("zoneid", zone.as_str()), ("diskofferingid", disk.as_str())];
    caller.run("createVolume", &disk).await;
    caller.run("createProject", &[("name", name), ("displaytext", name)]).await;
}
