//! Many tenants in one zone, each with a bit of everything: made once, and opened anew over a copy of what is on the disk.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use devcloud::driver::Driver as _;
use devcloud::simulator::{Capacity, Latencies, Simulator};
use devcloud::{MemoryRecords, Records, Zone, ZoneConfig};
use serde_json::Value;

use super::{STEP, TENANTS};
use crate::fuzz::seen;
use crate::kit::{self, Caller, World, text};
use crate::whole::Seen;

/// A command and its parameters.
pub(super) type Call = (&'static str, &'static [(&'static str, &'static str)]);

/// Whose a tenant's things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its account's.
    Account,
    /// Its project's.
    Project,
}

/// One tenant: the ids of its things, by what they are called here.
#[derive(Clone, Debug)]
pub(super) struct Tenant {
    pub(super) name: String,
    kind: Kind,
    things: BTreeMap<&'static str, String>,
}

impl Tenant {
    pub(super) fn id(&self, thing: &str) -> &str {
        &self.things[thing]
    }

    /// Parameters with ids for the names of things; `owner` says whose it is to be.
    pub(super) fn aim(&self, parameters: &[(&str, &str)]) -> Vec<(String, String)> {
        let one = |(name, value): &(&str, &str)| {
            let value = self.things.get(value).map_or(*value, String::as_str);
            vec![((*name).to_owned(), value.to_owned())]
        };
        let owner = || match self.kind {
            Kind::Account => vec![
                ("account".to_owned(), self.name.clone()),
                ("domainid".to_owned(), self.id("domain").to_owned()),
            ],
            Kind::Project => vec![("projectid".to_owned(), self.id("project").to_owned())],
        };
        parameters.iter().flat_map(|pair| if pair.0 == "owner" { owner() } else { one(pair) }).collect()
    }

    async fn make(admin: &Caller, kind: Kind, name: String) -> Self {
        let mut this = Self { name: name.clone(), kind, things: BTreeMap::new() };
        let domain = admin.call("createDomain", &[("name", &name)]).await;
        this.things.insert("domain", text(&domain["domain"]["id"]));
        let caller = admin.account(&name, &[("domainid", this.id("domain"))]).await;
        let account = admin.call("listAccounts", &[("name", &name), ("listall", "true")]).await;
        this.things.insert("account", text(&account["account"][0]["id"]));
        if kind == Kind::Project {
            let project = caller.run("createProject", &[("name", &name), ("displaytext", &name)]).await;
            this.things.insert("project", text(&project.0["id"]));
        }
        let zone = caller.zone_id().await;
        let os = text(&caller.call("listOsTypes", &[]).await["ostype"][0]["id"]);
        let offering = [("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")];
        let offering = text(&caller.only("listNetworkOfferings", "networkoffering", &offering).await["id"]);
        this.things.extend([
            ("zone", zone),
            ("os", os),
            ("network offering", offering),
            ("small", caller.offering_id("t1.small").await),
            ("medium", caller.offering_id("t1.medium").await),
            ("template", caller.template_id().await),
        ]);
        for network in ["network", "asleep"] {
            let wanted = [
                ("name", network),
                ("zoneid", "zone"),
                ("networkofferingid", "network offering"),
                ("gateway", "172.16.0.1"),
                ("netmask", "255.255.255.0"),
                ("owner", ""),
            ];
            // Its name is one of a thing.
            let mut wanted = this.aim(&wanted);
            wanted[0].1 = format!("{name}-{network}");
            let made = caller.call("createNetwork", &kit::borrowed(&wanted, &[])).await;
            this.things.insert(network, text(&made["network"]["id"]));
        }
        this.have_machines(&caller).await;
        this.have_rules(&caller).await;
        this
    }

    async fn make_one(&mut self, caller: &Caller, thing: &'static str, call: Call) {
        let wanted = self.aim(call.1);
        let (made, _) = caller.run(call.0, &kit::borrowed(&wanted, &[])).await;
        self.things.insert(thing, text(&made["id"]));
    }

    async fn have_machines(&mut self, caller: &Caller) {
        for machine in ["one", "two", "three"] {
            let wanted = [
                ("zoneid", "zone"),
                ("serviceofferingid", "small"),
                ("templateid", "template"),
                ("networkids", "network"),
                ("owner", ""),
            ];
            let wanted = self.aim(&wanted);
            let name = format!("{}-{machine}", self.name);
            let (made, _) =
                caller.run("deployVirtualMachine", &kit::borrowed(&wanted, &[("name", &name)])).await;
            self.things.insert(machine, text(&made["id"]));
        }
        caller.run("stopVirtualMachine", &[("id", self.id("two"))]).await;
        caller.run("destroyVirtualMachine", &[("id", self.id("three"))]).await;
        for (root, machine) in [("root", "two"), ("running root", "one")] {
            let mut filter = vec![("virtualmachineid", self.id(machine))];
            let project = self.things.get("project").cloned().unwrap_or_default();
            if self.kind == Kind::Project {
                filter.push(("projectid", &project));
            }
            let root_id = text(&caller.only("listVolumes", "volume", &filter).await["id"]);
            self.things.insert(root, root_id);
        }
        let disk = text(&caller.call("listDiskOfferings", &[]).await["diskoffering"][0]["id"]);
        self.things.insert("disk offering", disk);
        const DISK: [(&str, &str); 4] =
            [("name", "a disk"), ("zoneid", "zone"), ("diskofferingid", "disk offering"), ("owner", "")];
        for disk in ["disk", "loose"] {
            self.make_one(caller, disk, ("createVolume", &DISK)).await;
            let attached = [("id", self.id(disk)), ("virtualmachineid", self.id("two"))];
            caller.run("attachVolume", &attached).await;
        }
        caller.run("detachVolume", &[("id", self.id("loose"))]).await;
        self.make_one(caller, "snapshot", ("createSnapshot", &[("volumeid", "root")])).await;
        const TEMPLATE: [(&str, &str); 5] = [
            ("name", "a template"),
            ("displaytext", "a template"),
            ("volumeid", "root"),
            ("ostypeid", "os"),
            ("owner", ""),
        ];
        self.make_one(caller, "own template", ("createTemplate", &TEMPLATE)).await;
    }

    async fn have_rules(&mut self, caller: &Caller) {
        for address in ["address", "free address"] {
            self.make_one(caller, address, ("associateIpAddress", &[("networkid", "network")])).await;
        }
        const FORWARD: [(&str, &str); 5] = [
            ("ipaddressid", "address"),
            ("protocol", "tcp"),
            ("publicport", "22"),
            ("privateport", "22"),
            ("virtualmachineid", "one"),
        ];
        self.make_one(caller, "forward", ("createPortForwardingRule", &FORWARD)).await;
        const BALANCER: [(&str, &str); 5] = [
            ("publicipid", "address"),
            ("algorithm", "roundrobin"),
            ("publicport", "80"),
            ("privateport", "80"),
            ("name", "a balancer"),
        ];
        self.make_one(caller, "balancer", ("createLoadBalancerRule", &BALANCER)).await;
        let member = [("id", self.id("balancer")), ("virtualmachineids", self.id("one"))];
        caller.run("assignToLoadBalancerRule", &member).await;
    }
}

struct Furnished {
    driver: Arc<Simulator>,
    disk: MemoryRecords,
    tenants: Vec<Tenant>,
}

fn config() -> ZoneConfig {
    // Nobody looks after it: what is left stays.
    ZoneConfig { watch: None, ..ZoneConfig::simulated_time() }
}

impl Furnished {
    async fn make(kind: Kind) -> Self {
        let whole = STEP * 2;
        let latencies = Latencies {
            raise: whole.into(),
            program: STEP.into(),
            lower: whole.into(),
            start: whole.into(),
            stop: whole.into(),
            capture: whole.into(),
            volume: STEP.into(),
        };
        let world = kit::world_with(config(), latencies, Capacity::default()).await;
        let admin = world.admin();
        let mut tenants = Vec::new();
        for nth in 0..TENANTS {
            tenants.push(Tenant::make(&admin, kind, format!("tenant{nth:02}")).await);
        }
        Self { driver: world.driver, disk: world.disk, tenants }
    }

    /// The one of this process, made on a clock of its own.
    fn shared(kind: Kind) -> &'static Self {
        static SHARED: [OnceLock<Furnished>; 2] = [OnceLock::new(), OnceLock::new()];
        SHARED[usize::from(kind == Kind::Project)].get_or_init(|| {
            let made = std::thread::spawn(move || crate::fuzz::on_a_paused_clock(Self::make(kind)));
            made.join().expect("a furnished zone")
        })
    }
}

/// A zone with its tenants.
pub(super) struct Tenants {
    pub(super) world: World,
    pub(super) tenants: &'static [Tenant],
}

impl Tenants {
    pub(super) async fn open(kind: Kind) -> Self {
        let furnished = Furnished::shared(kind);
        // Another seed than the one it was furnished with: ids are not given twice.
        let config = ZoneConfig { seed: Some(2), ..config() };
        let (driver, disk) = (Arc::new(furnished.driver.fork()), furnished.disk.snapshot());
        let zone = Zone::open(config, driver.clone(), Records::memory(disk.clone())).await;
        Self {
            world: World { zone: zone.expect("it opens again"), driver, disk },
            tenants: &furnished.tenants,
        }
    }

    /// The place of the tenant that a text is about.
    pub(super) fn whose(&self, text: &str) -> Option<usize> {
        let own = |thing: &&str| {
            !matches!(
                *thing,
                "zone" | "os" | "network offering" | "small" | "medium" | "template" | "disk offering"
            )
        };
        let about = |tenant: &Tenant| {
            text.contains(&tenant.name)
                || tenant.things.iter().any(|(thing, id)| own(thing) && text.contains(id.as_str()))
        };
        self.tenants.iter().position(about)
    }

    pub(super) async fn seen(&self) -> Seen {
        seen(&self.world.admin()).await
    }

    /// Another zone over what is on this one's disk.
    pub(super) async fn reopened(&self) -> Seen {
        let World { zone, driver, disk } = &self.world;
        let (driver, disk) = (Arc::new(driver.fork()), disk.snapshot());
        let zone = Zone::open(zone.config().clone(), driver.clone(), Records::memory(disk.clone())).await;
        World { zone: zone.expect("it opens again"), driver, disk }.seen().await
    }

    /// What runs or stands and is not shown so, or the other way round.
    pub(super) async fn driver_defects(&self, seen: &Seen) -> Vec<String> {
        let running = self.world.driver.running().await.expect("it is told");
        let mut defects = seen.machines_that_differ(&self.world.driver, &running);
        for network in self.tenants.iter().flat_map(|tenant| [tenant.id("network"), tenant.id("asleep")]) {
            let state = seen.get("listNetworks", network).map_or(&Value::Null, |network| &network["state"]);
            let stands = self.world.driver.router(network.parse().expect("an id")).is_some();
            if stands != (state == "Implemented") {
                defects.push(format!("the router of {network} stands: {stands}; its network is {state}"));
            }
        }
        defects
    }

    /// Machines, routers and layers that the driver still has.
    pub(super) async fn left_in_the_driver(&self) -> Vec<String> {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let driver = &self.world.driver;
        let machines = driver.running().await.expect("it is told");
        let machines = machines.iter().map(|id| format!("machine {id}"));
        let layers = driver.layers().into_iter().map(|layer| format!("layer {}", layer.0));
        let networks = self.tenants.iter().flat_map(|tenant| [tenant.id("network"), tenant.id("asleep")]);
        let routers = networks.filter(|network| driver.router(network.parse().expect("an id")).is_some());
        let routers: Vec<String> = routers.map(|network| format!("router of {network}")).collect();
        machines.chain(layers).chain(routers).collect()
    }
}

impl World {
    async fn seen(&self) -> Seen {
        seen(&self.admin()).await
    }
}
