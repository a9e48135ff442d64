//! A zone in this process, and clients of it that sign what they send.

use std::sync::Arc;

use cloudstack::signature::{Encoding, form, signature};
use devcloud::simulator::{Capacity, Latencies, Simulator};
use devcloud::{Keys, MemoryRecords, Records, Reply, Request, Zone, ZoneConfig};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::shape;

/// A public key as `registerSSHKeyPair` takes it.
pub(crate) const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUCUX6EDeQgpbEWkCb+BbtVQ1e3VjmDEzZSKSlSCiIk someone";

/// A zone with its driver, and what it would leave behind.
pub(crate) struct World {
    pub(crate) zone: Arc<Zone>,
    pub(crate) driver: Arc<Simulator>,
    pub(crate) disk: MemoryRecords,
}

/// A zone on the runtime's clock, with the simulator's usual latencies.
pub(crate) async fn world() -> World {
    world_with(ZoneConfig::simulated_time(), Latencies::default(), Capacity::default()).await
}

/// A zone with a second account, `other`.
pub(crate) async fn two_accounts() -> World {
    let config = ZoneConfig { accounts: vec!["other".to_owned()], ..ZoneConfig::simulated_time() };
    world_with(config, Latencies::default(), Capacity::default()).await
}

pub(crate) async fn world_with(config: ZoneConfig, latencies: Latencies, capacity: Capacity) -> World {
    let driver = Arc::new(Simulator::new(latencies, capacity));
    let disk = MemoryRecords::default();
    let zone = Zone::open(config, driver.clone(), Records::memory(disk.clone())).await.expect("a zone opens");
    World { zone, driver, disk }
}

/// One account's calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) zone: Arc<Zone>,
    pub(crate) keys: Keys,
}

/// An error answer: HTTP status, cserrorcode, text.
pub(crate) type Refusal = (u16, Option<u64>, String);

impl World {
    pub(crate) fn caller(&self, account: &str) -> Caller {
        Caller { zone: self.zone.clone(), keys: self.zone.credentials(account).expect("the account exists") }
    }

    pub(crate) fn user(&self) -> Caller {
        self.caller("mesostack")
    }

    pub(crate) fn admin(&self) -> Caller {
        self.caller("admin")
    }
}

/// Parameters, signed as the real server wants them.
pub(crate) fn signed(keys: &Keys, parameters: &[(&str, &str)]) -> String {
    let mut pairs: Vec<(String, String)> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pairs.push(("response".to_owned(), "json".to_owned()));
    pairs.push(("apiKey".to_owned(), keys.api_key.clone()));
    let signed = signature(&pairs, keys.secret_key.expose_secret(), Encoding::Java);
    pairs.push(("signature".to_owned(), signed));
    form(&pairs)
}

pub(crate) fn json_of(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&reply.body)))
}

/// The inside of an answer's one key.
pub(crate) fn inside(reply: &Reply) -> Value {
    let Value::Object(whole) = json_of(reply) else { panic!("no envelope: {:?}", json_of(reply)) };
    assert_eq!(whole.len(), 1, "exactly one key: {whole:?}");
    whole.into_iter().next().expect("one").1
}

impl Caller {
    /// Makes an account, with keys.
    pub(crate) async fn account(&self, name: &str, more: &[(&str, &str)]) -> Self {
        let mut wanted = vec![
            ("username", name),
            ("password", "secret"),
            ("email", "x@example.org"),
            ("firstname", "A"),
            ("lastname", "B"),
        ];
        wanted.extend_from_slice(more);
        let made = self.call("createAccount", &wanted).await;
        let user = text(&made["account"]["user"][0]["id"]);
        let keys = self.call("registerUserKeys", &[("id", &user)]).await["userkeys"].clone();
        let keys = Keys {
            account: name.to_owned(),
            api_key: text(&keys["apikey"]),
            secret_key: text(&keys["secretkey"]).into(),
            password: "secret".to_owned().into(),
        };
        Self { zone: self.zone.clone(), keys }
    }

    /// Sends a command; the reply as it came.
    pub(crate) async fn ask(&self, command: &str, parameters: &[(&str, &str)]) -> Reply {
        let mut all = vec![("command", command)];
        all.extend_from_slice(parameters);
        self.zone.handle(Request::post(signed(&self.keys, &all))).await
    }

    /// Sends a command; the reply, whose fields have to be those that `listApis` shows.
    pub(crate) async fn send(&self, command: &str, parameters: &[(&str, &str)]) -> Reply {
        let reply = self.ask(command, parameters).await;
        if reply.status == 200 {
            shape::check(command, &inside(&reply));
        }
        reply
    }

    /// Sends a command that has to succeed at once.
    pub(crate) async fn call(&self, command: &str, parameters: &[(&str, &str)]) -> Value {
        let reply = self.send(command, parameters).await;
        assert_eq!(reply.status, 200, "{command}: {}", json_of(&reply));
        inside(&reply)
    }

    /// Sends a command that has to be refused at once.
    pub(crate) async fn refused(&self, command: &str, parameters: &[(&str, &str)]) -> Refusal {
        let reply = self.send(command, parameters).await;
        let inside = inside(&reply);
        assert_ne!(reply.status, 200, "{command} was not refused: {inside}");
        assert_eq!(inside["errorcode"], json!(reply.status));
        let text = inside["errortext"].as_str().unwrap_or_default().to_owned();
        (reply.status, inside["cserrorcode"].as_u64(), text)
    }

    /// Waits for a job's end: its last answer.
    pub(crate) async fn wait(&self, job: &str) -> Value {
        loop {
            let answer = self.call("queryAsyncJobResult", &[("jobid", job)]).await;
            if answer["jobstatus"] != json!(0) {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Sends a command whose job has to succeed: what it answered first, and the job's result.
    pub(crate) async fn run(&self, command: &str, parameters: &[(&str, &str)]) -> (Value, Value) {
        let begun = self.call(command, parameters).await;
        let ended = self.wait(begun["jobid"].as_str().expect("a job")).await;
        assert_eq!(ended["jobstatus"], json!(1), "{command}: {ended}");
        shape::check(command, &ended["jobresult"]);
        (begun, ended["jobresult"].clone())
    }

    /// Sends a command whose job has to fail: its code and text.
    pub(crate) async fn fails(&self, command: &str, parameters: &[(&str, &str)]) -> (u64, String) {
        let begun = self.call(command, parameters).await;
        let ended = self.wait(begun["jobid"].as_str().expect("a job")).await;
        assert_eq!(ended["jobstatus"], json!(2), "{command}: {ended}");
        assert_eq!(ended["jobresultcode"], ended["jobresult"]["errorcode"]);
        let text = ended["jobresult"]["errortext"].as_str().unwrap_or_default().to_owned();
        (ended["jobresultcode"].as_u64().unwrap_or_default(), text)
    }

    /// The only thing a list finds.
    pub(crate) async fn only(&self, command: &str, object: &str, parameters: &[(&str, &str)]) -> Value {
        let found = self.call(command, parameters).await;
        assert_eq!(found["count"], json!(1), "{command}: {found}");
        found[object][0].clone()
    }

    pub(crate) async fn zone_id(&self) -> String {
        text(&self.only("listZones", "zone", &[]).await["id"])
    }

    pub(crate) async fn offering_id(&self, name: &str) -> String {
        text(&self.only("listServiceOfferings", "serviceoffering", &[("name", name)]).await["id"])
    }

    pub(crate) async fn template_id(&self) -> String {
        let parameters = [("templatefilter", "featured"), ("name", "Debian 12")];
        text(&self.only("listTemplates", "template", &parameters).await["id"])
    }

    /// A network 172.16.0.0/24.
    pub(crate) async fn network(&self, name: &str) -> String {
        let offering = [("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")];
        let offering = text(&self.only("listNetworkOfferings", "networkoffering", &offering).await["id"]);
        let zone = self.zone_id().await;
        let made = self
            .call(
                "createNetwork",
                &[
                    ("name", name),
                    ("zoneid", &zone),
                    ("networkofferingid", &offering),
                    ("gateway", "172.16.0.1"),
                    ("netmask", "255.255.255.0"),
                ],
            )
            .await;
        text(&made["network"]["id"])
    }

    /// The parameters of a small machine in this network.
    pub(crate) async fn machine(&self, network: &str, name: &str) -> Vec<(String, String)> {
        [
            ("zoneid", self.zone_id().await),
            ("serviceofferingid", self.offering_id("t1.small").await),
            ("templateid", self.template_id().await),
            ("networkids", network.to_owned()),
            ("name", name.to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Deploys a small machine; its id.
    pub(crate) async fn deploy(&self, network: &str, name: &str, more: &[(&str, &str)]) -> String {
        let machine = self.machine(network, name).await;
        let parameters: Vec<(&str, &str)> = borrowed(&machine, more);
        text(&self.run("deployVirtualMachine", &parameters).await.0["id"])
    }

    /// A public address in this network; its id.
    pub(crate) async fn address(&self, network: &str) -> String {
        text(&self.run("associateIpAddress", &[("networkid", network)]).await.0["id"])
    }

    pub(crate) async fn network_state(&self, network: &str) -> String {
        text(&self.only("listNetworks", "network", &[("id", network)]).await["state"])
    }

    pub(crate) async fn machine_state(&self, machine: &str) -> String {
        text(&self.only("listVirtualMachines", "virtualmachine", &[("id", machine)]).await["state"])
    }
}

/// What forwards an address's SSH port to a machine's.
pub(crate) fn ssh_forward<'a>(address: &'a str, machine: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("ipaddressid", address),
        ("protocol", "tcp"),
        ("publicport", "22"),
        ("privateport", "22"),
        ("virtualmachineid", machine),
    ]
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub(crate) fn borrowed<'a>(
    owned: &'a [(String, String)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let owned = owned.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    owned.chain(more.iter().copied()).collect()
}
