//! Clients of a zone that may be killed at any moment: they write down what they are answered, until the line is dead.

mod disks;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devcloud::host::Credentials;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::Bounds;
use super::ledger::{Attached, Held, Ledger, Thing, Told};
use crate::kit;
use crate::line::Line;
use crate::whole::{LISTS, Seen};

/// The ways into a served zone.
pub(crate) struct Keys {
    pub(crate) user: Credentials,
    pub(crate) admin: Credentials,
}

/// The zone is not there any more.
#[derive(Debug)]
pub(crate) struct Dead;

/// A client's connection.
pub(crate) struct Phone {
    line: Line,
    keys: devcloud::Keys,
}

impl Phone {
    pub(crate) async fn open(port: u16, keys: &Credentials) -> Result<Self, Dead> {
        let line = Line::connect(port).await.map_err(|_| Dead)?;
        let keys = devcloud::Keys {
            account: keys.account.clone(),
            api_key: keys.api_key.expose_secret().to_owned(),
            secret_key: keys.secret_key.clone(),
            password: String::new().into(),
        };
        Ok(Self { line, keys })
    }

    /// The inside of the answer.
    pub(crate) async fn call(&mut self, command: &str, parameters: &[(&str, &str)]) -> Result<Value, Dead> {
        let mut all = vec![("command", command)];
        all.extend_from_slice(parameters);
        let (status, body) = self.line.post(&kit::signed(&self.keys, &all)).await.map_err(|_| Dead)?;
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        let inside = answer.as_object().and_then(|whole| whole.values().next()).cloned();
        let inside = inside.unwrap_or_default();
        assert_eq!(status, 200, "{command} {parameters:?}: {inside}");
        Ok(inside)
    }

    /// Everything there is; for a root admin.
    pub(super) async fn look(&mut self) -> Seen {
        let mut seen = Seen::default();
        for (command, object, parameters) in LISTS {
            let mut all = vec![("listall", "true"), ("pagesize", "-1")];
            all.extend_from_slice(parameters);
            seen.add(command, object, &self.call(command, &all).await.expect("it answers"));
        }
        seen
    }

    /// The end of a job.
    pub(crate) async fn end(&mut self, job: &str) -> Result<Value, Dead> {
        loop {
            let answer = self.call("queryAsyncJobResult", &[("jobid", job)]).await?;
            if answer["jobstatus"] != json!(0) {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

/// Looks at a zone that has just come back, and compares.
pub(super) async fn look_after_restart(
    port: u16,
    keys: &Keys,
    ledger: &Mutex<Ledger>,
    look: impl Fn(&Seen) -> Vec<String>,
) -> Told {
    let mut admin = Phone::open(port, &keys.admin).await.expect("it answers");
    let seen = admin.look().await;
    let pending = admin.call("listAsyncJobs", &[("listall", "true")]).await.expect("it answers");
    assert_eq!(pending, json!({}), "no job goes on that nobody runs");
    let asked: Vec<String> = ledger.lock().expect("the ledger").jobs.keys().cloned().collect();
    let mut ends = BTreeMap::new();
    for job in asked {
        let end = admin.call("queryAsyncJobResult", &[("jobid", &job)]).await.expect("it answers");
        ends.insert(job, end);
    }
    let mut ledger = ledger.lock().expect("the ledger");
    let (told, mut wrong) = ledger.compare(&seen, &ends);
    wrong.extend(seen.defects());
    wrong.extend(look(&seen));
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Every job is asked for after one kill; a few are after all later ones too.
    while ledger.jobs.len() > 100 {
        ledger.jobs.pop_first();
    }
    told
}

/// A client at work.
pub(super) struct Hand {
    port: u16,
    keys: Credentials,
    ledger: Arc<Mutex<Ledger>>,
    hand: u64,
    random: StdRng,
    names: u64,
    /// The last port that was used on any address; none is used twice in a zone's life.
    ports: u64,
    bounds: Bounds,
}

impl Hand {
    pub(super) fn new(
        port: u16,
        keys: Credentials,
        ledger: Arc<Mutex<Ledger>>,
        hand: u64,
        round: u64,
        bounds: Bounds,
    ) -> Self {
        let random = StdRng::from_rng(&mut rand::rng());
        Self {
            port,
            keys,
            ledger,
            hand,
            random,
            names: round << 20,
            ports: 1024 + round % 25 * 2_400,
            bounds,
        }
    }

    /// Works until the zone is dead.
    pub(super) async fn work(mut self) {
        let Ok(mut phone) = Phone::open(self.port, &self.keys).await else { return };
        let Dead = match self.go_on(&mut phone).await {
            Err(dead) => dead,
            Ok(never) => match never {},
        };
    }

    async fn go_on(&mut self, phone: &mut Phone) -> Result<std::convert::Infallible, Dead> {
        let mut ids = [String::new(), String::new(), String::new(), String::new()];
        for (id, (list, object, filter)) in ids.iter_mut().zip([
            ("listZones", "zone", ("listall", "true")),
            ("listServiceOfferings", "serviceoffering", ("name", "t1.small")),
            ("listTemplates", "template", ("templatefilter", "featured")),
            (
                "listNetworkOfferings",
                "networkoffering",
                ("name", "DefaultIsolatedNetworkOfferingWithSourceNatService"),
            ),
        ]) {
            let found = phone.call(list, &[filter]).await?;
            *id = found[object][0]["id"].as_str().expect("an id").to_owned();
        }
        let [zone, offering, base, network_offering] = ids;
        let os_types = phone.call("listOsTypes", &[("keyword", "Debian GNU/Linux 12")]).await?;
        let os_type = os_types["ostype"][0]["id"].as_str().expect("an id").to_owned();
        loop {
            let network = self.any("listNetworks");
            let machine = self.any("listVirtualMachines");
            let address = self.any("listPublicIpAddresses");
            let name = self.name();
            let step = match self.random.random_range(0..16) {
                0 if self.count("listNetworks") >= self.bounds.networks => 7,
                1..=3 if self.count("listVirtualMachines") >= self.bounds.machines => 6,
                step => step,
            };
            match (step, network, machine, address) {
                (0, ..) | (_, None, ..) => {
                    let parameters = [
                        ("name", name.as_str()),
                        ("zoneid", &zone),
                        ("networkofferingid", &network_offering),
                    ];
                    let made = phone.call("createNetwork", &parameters).await?;
                    let id = made["network"]["id"].as_str().expect("an id").to_owned();
                    self.note(&id, "listNetworks", Held::There(None), &[]);
                }
                (1..=3, Some(network), ..) => {
                    let start = self.random.random_bool(0.7);
                    let own = self.any("listTemplates").filter(|_| self.random.random_bool(0.5));
                    let template = own.clone().unwrap_or_else(|| base.clone());
                    let of: Vec<&str> =
                        [Some(network.as_str()), own.as_deref()].into_iter().flatten().collect();
                    let parameters = [
                        ("name", name.as_str()),
                        ("zoneid", &zone),
                        ("serviceofferingid", &offering),
                        ("templateid", &template),
                        ("networkids", &network),
                        ("startvm", if start { "true" } else { "false" }),
                    ];
                    let (begun, job) = self.begin(phone, "deployVirtualMachine", &parameters).await?;
                    let id = begun["id"].as_str().expect("an id").to_owned();
                    self.note(&id, "listVirtualMachines", Held::There(None), &of);
                    self.end(phone, &job).await?;
                    let state = if start { "Running" } else { "Stopped" };
                    self.note(&id, "listVirtualMachines", Held::There(Some(state)), &of);
                }
                (4 | 5, _, Some(machine), _) => {
                    let was = self.thing(&machine);
                    let (command, state) = match was.held {
                        Held::There(Some("Running")) => ("stopVirtualMachine", "Stopped"),
                        Held::There(Some("Stopped")) => ("startVirtualMachine", "Running"),
                        _ => continue,
                    };
                    self.set(&machine, Held::There(None));
                    let (_, job) = self.begin(phone, command, &[("id", &machine)]).await?;
                    self.end(phone, &job).await?;
                    self.set(&machine, Held::There(Some(state)));
                }
                (6, _, Some(machine), _) => {
                    let rules = self.belonging_to(&machine);
                    rules.iter().chain([&machine]).for_each(|id| self.set(id, Held::Perhaps));
                    let disks = self.disks_of(&machine);
                    disks.iter().for_each(|disk| self.note_attached(disk, Attached::Perhaps));
                    let parameters = [("id", machine.as_str()), ("expunge", "true")];
                    let (_, job) = self.begin(phone, "destroyVirtualMachine", &parameters).await?;
                    self.end(phone, &job).await?;
                    rules.iter().chain([&machine]).for_each(|id| self.set(id, Held::Gone));
                    disks.iter().for_each(|disk| self.note_attached(disk, Attached::To(None)));
                }
                (7, Some(network), ..) => {
                    let (begun, job) =
                        self.begin(phone, "associateIpAddress", &[("networkid", &network)]).await?;
                    let id = begun["id"].as_str().expect("an id").to_owned();
                    self.note(&id, "listPublicIpAddresses", Held::There(None), &[&network]);
                    self.end(phone, &job).await?;
                }
                (8, _, _, Some(address)) => {
                    let port = self.port_number();
                    let parameters = [
                        ("ipaddressid", address.as_str()),
                        ("protocol", "tcp"),
                        ("startport", &port),
                        ("endport", &port),
                    ];
                    self.make(phone, "createFirewallRule", "listFirewallRules", &parameters, &[&address])
                        .await?;
                }
                (9, _, Some(machine), Some(address)) => {
                    // Only what lies in the same network can be led to.
                    if self.thing(&machine).of.first() != self.thing(&address).of.first() {
                        continue;
                    }
                    let port = self.port_number();
                    let parameters = [
                        ("ipaddressid", address.as_str()),
                        ("protocol", "tcp"),
                        ("publicport", &port),
                        ("privateport", "22"),
                        ("virtualmachineid", &machine),
                        ("openfirewall", "false"),
                    ];
                    let of = [address.as_str(), machine.as_str()];
                    self.make(phone, "createPortForwardingRule", "listPortForwardingRules", &parameters, &of)
                        .await?;
                }
                (10, _, _, Some(address)) => {
                    // The one under which a network's guests appear outside stays with the network.
                    let found = phone.call("listPublicIpAddresses", &[("id", &address)]).await?;
                    if found["publicipaddress"][0]["issourcenat"] == true {
                        continue;
                    }
                    let rules = self.belonging_to(&address);
                    rules.iter().chain([&address]).for_each(|id| self.set(id, Held::Perhaps));
                    let (_, job) = self.begin(phone, "disassociateIpAddress", &[("id", &address)]).await?;
                    self.end(phone, &job).await?;
                    rules.iter().chain([&address]).for_each(|id| self.set(id, Held::Gone));
                }
                (11, ..) => {
                    let (begun, job) = self
                        .begin(
                            phone,
                            "createAffinityGroup",
                            &[("name", &name), ("type", "host anti-affinity")],
                        )
                        .await?;
                    self.end(phone, &job).await?;
                    if let Some(id) = begun["id"].as_str() {
                        self.note(id, "listAffinityGroups", Held::There(None), &[]);
                    }
                }
                (12, _, Some(machine), _) => match self.any("listSnapshots") {
                    Some(snapshot) => self.take_away(phone, "deleteSnapshot", &snapshot).await?,
                    None => {
                        let Some(disk) = self.disk_of(phone, &machine).await? else { continue };
                        let parameters = [("volumeid", disk.as_str())];
                        self.make(phone, "createSnapshot", "listSnapshots", &parameters, &[]).await?;
                    }
                },
                (14 | 15, _, machine, _) => self.handle_disk(phone, &name, &zone, machine.as_deref()).await?,
                (13, _, Some(machine), _) => match self.any("listTemplates") {
                    Some(template) if self.belonging_to(&template).is_empty() => {
                        self.take_away(phone, "deleteTemplate", &template).await?;
                    }
                    Some(_) => {}
                    None if self.thing(&machine).held == Held::There(Some("Stopped")) => {
                        let Some(disk) = self.disk_of(phone, &machine).await? else { continue };
                        let parameters = [
                            ("name", name.as_str()),
                            ("displaytext", &name),
                            ("ostypeid", &os_type),
                            ("volumeid", &disk),
                        ];
                        self.make(phone, "createTemplate", "listTemplates", &parameters, &[]).await?;
                    }
                    None => {}
                },
                _ => {}
            }
        }
    }

    /// A machine's root disk, if it has one already.
    async fn disk_of(&self, phone: &mut Phone, machine: &str) -> Result<Option<String>, Dead> {
        let found = phone.call("listVolumes", &[("virtualmachineid", machine), ("type", "ROOT")]).await?;
        let disk = &found["volume"][0];
        Ok(disk["id"].as_str().filter(|_| disk["state"] == "Ready").map(str::to_owned))
    }

    async fn take_away(&mut self, phone: &mut Phone, command: &str, id: &str) -> Result<(), Dead> {
        self.set(id, Held::Perhaps);
        let (_, job) = self.begin(phone, command, &[("id", id)]).await?;
        self.end(phone, &job).await?;
        self.set(id, Held::Gone);
        Ok(())
    }

    /// Something that is only answered for when its job has ended.
    async fn make(
        &mut self,
        phone: &mut Phone,
        command: &str,
        list: &'static str,
        parameters: &[(&str, &str)],
        of: &[&str],
    ) -> Result<(), Dead> {
        let (begun, job) = self.begin(phone, command, parameters).await?;
        let id = begun["id"].as_str().expect("an id").to_owned();
        self.note(&id, list, Held::Perhaps, of);
        self.end(phone, &job).await?;
        self.note(&id, list, Held::There(None), of);
        Ok(())
    }

    async fn begin(
        &mut self,
        phone: &mut Phone,
        command: &str,
        parameters: &[(&str, &str)],
    ) -> Result<(Value, String), Dead> {
        let begun = phone.call(command, parameters).await?;
        let job = begun["jobid"].as_str().expect("a job").to_owned();
        self.ledger.lock().expect("the ledger").jobs.insert(job.clone(), None);
        Ok((begun, job))
    }

    /// Waits for a job, which has to succeed.
    async fn end(&mut self, phone: &mut Phone, job: &str) -> Result<(), Dead> {
        let answer = phone.end(job).await?;
        assert_eq!(answer["jobstatus"], json!(1), "{answer}");
        self.ledger.lock().expect("the ledger").jobs.insert(job.to_owned(), Some(answer));
        Ok(())
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("h{}-{}", self.hand, self.names)
    }

    fn port_number(&mut self) -> String {
        self.ports += 1;
        self.ports.to_string()
    }

    fn count(&self, list: &str) -> usize {
        let ledger = self.ledger.lock().expect("the ledger");
        let mine = ledger.things.values().filter(|thing| thing.list == list && thing.hand == self.hand);
        mine.filter(|thing| thing.held != Held::Gone).count()
    }

    /// Something of this hand's that is there.
    fn any(&mut self, list: &str) -> Option<String> {
        let ledger = self.ledger.lock().expect("the ledger");
        let mine = ledger.things.iter().filter(|(_, thing)| {
            thing.list == list && thing.hand == self.hand && matches!(thing.held, Held::There(_))
        });
        let mine: Vec<&String> = mine.map(|(id, _)| id).collect();
        if mine.is_empty() { None } else { Some(mine[self.random.random_range(0..mine.len())].clone()) }
    }

    fn thing(&self, id: &str) -> Thing {
        self.there(id).unwrap_or_else(|| panic!("{id} was never told of"))
    }

    fn there(&self, id: &str) -> Option<Thing> {
        self.ledger.lock().expect("the ledger").things.get(id).cloned()
    }

    fn belonging_to(&self, id: &str) -> Vec<String> {
        let ledger = self.ledger.lock().expect("the ledger");
        let belonging = ledger
            .things
            .iter()
            .filter(|(_, thing)| thing.held != Held::Gone && thing.of.iter().any(|of| of == id));
        belonging.map(|(id, _)| id.clone()).collect()
    }

    fn note(&self, id: &str, list: &'static str, held: Held, of: &[&str]) {
        let of = of.iter().map(|id| (*id).to_owned()).collect();
        let thing = Thing { list, held, hand: self.hand, of };
        self.ledger.lock().expect("the ledger").things.insert(id.to_owned(), thing);
    }

    fn set(&self, id: &str, held: Held) {
        let mut ledger = self.ledger.lock().expect("the ledger");
        // What this hand gave back may be another's by now.
        if let Some(thing) = ledger.things.get_mut(id).filter(|thing| thing.hand == self.hand) {
            thing.held = held;
        }
    }
}
