//! What this room's tests share: a simulated zone in this process, machines that only record, and a door that can be
//! made to fail at any call.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cloudstack::{
    Client, Credentials, RawReply, SignedRequest, Transport, TransportError, TransportFailure,
    resource::{
        ListFirewallRules, ListNetworks, ListPortForwardingRules, ListPublicIpAddresses, ListVirtualMachines,
    },
};
use devcloud::{
    InProcess, MemoryRecords, Records, Zone, ZoneConfig,
    simulator::{Capacity, Latencies, Simulator},
};
use remote::{Identity, Target};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    build::{Access, Builder, Failure, Hear, OnError, Options, Ran, Shell},
    recipe::{File, Material, Recipe},
};
use crate::{
    events::{Event, Listener},
    spec::{
        Access as AccessSpec, AgentAccess, Bootstrap, BuildAccess, Cloud as CloudSpec, Cluster,
        Credentials as CredentialsSpec, Deadlines, Image, Network, PackageSource, Packages, Parallel, Spec,
    },
};

/// How long the server keeps destroyed machines where users may not remove them.
pub(super) const EXPUNGE_DELAY: Duration = Duration::from_secs(3600);

/// A simulated zone and one account's client of it.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) client: Client,
    pub(crate) door: Arc<Door>,
    pub(crate) simulator: Arc<Simulator>,
}

impl Cloud {
    pub(crate) async fn open() -> Self {
        Self::with(ZoneConfig::simulated_time()).await
    }

    /// As CloudStack comes: users may not remove machines for good, the server does it a while later.
    pub(super) async fn where_users_may_not_expunge() -> Self {
        let expunge_delay = EXPUNGE_DELAY;
        Self::with(ZoneConfig { users_may_expunge: false, expunge_delay, ..ZoneConfig::simulated_time() })
            .await
    }

    async fn with(config: ZoneConfig) -> Self {
        let simulator = Arc::new(Simulator::new(Latencies::default(), Capacity::default()));
        let records = Records::memory(MemoryRecords::default());
        let zone = Zone::open(config, simulator.clone(), records).await.unwrap();
        let keys = zone.credentials("mesostack").unwrap();
        let door = Arc::new(Door {
            zone: InProcess::new(zone.clone()),
            calls: Mutex::default(),
            trouble: Mutex::default(),
        });
        let credentials = Credentials { api_key: keys.api_key.into(), secret_key: keys.secret_key };
        let client = Client::builder("http://zone.invalid/client/api".parse().unwrap(), credentials)
            .transport(door.clone())
            .clock(move || zone.now())
            .jitter_seed(1)
            .build()
            .unwrap();
        Self { client, door, simulator }
    }

    /// Names of all that a build could have left.
    pub(super) async fn contents(&self) -> Vec<String> {
        let machines = self.client.list(&ListVirtualMachines::new()).await.unwrap();
        let networks = self.client.list(&ListNetworks::new()).await.unwrap();
        let addresses = self.client.list(&ListPublicIpAddresses::new()).await.unwrap();
        let rules = self.client.list(&ListFirewallRules::new()).await.unwrap();
        let forwards = self.client.list(&ListPortForwardingRules::new()).await.unwrap();
        let pairs = crate::key_pair::list(&self.client).await.unwrap();
        let left = super::leftover::find(&self.client).await.unwrap();
        machines
            .into_iter()
            .map(|it| format!("machine {}", it.name))
            .chain(networks.into_iter().map(|it| format!("network {}", it.name)))
            .chain(addresses.into_iter().map(|it| format!("address {:?}", it.ip_address)))
            .chain(rules.into_iter().map(|it| format!("rule {}", it.id)))
            .chain(forwards.into_iter().map(|it| format!("forward {}", it.public_port)))
            .chain(pairs.into_iter().map(|it| format!("key pair {}", it.name)))
            .chain(left.into_iter().flat_map(|left| left.things).map(|thing| thing.to_string()))
            .collect()
    }

    pub(super) fn builder(&self, machines: &Machines) -> Builder {
        Builder {
            client: self.client.clone(),
            access: Arc::new(machines.clone()),
            listener: Arc::new(Heard::default()),
            stop: CancellationToken::new(),
        }
    }
}

/// What happens to a call.
#[derive(Clone, Debug, Default)]
pub(crate) enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// The call of this number is refused, unseen by the zone.
    Refused(usize),
    /// The call of this number is done, and its reply gets lost.
    Lost(usize),
    /// At the call of this number somebody is told, before it is sent.
    Tell(usize, Arc<Notify>),
    /// At the call of this number the token is cancelled, before it is sent.
    Cancel(usize, CancellationToken),
}

/// The way to the zone. It writes down every call but looks at jobs.
#[derive(Debug)]
pub(crate) struct Door {
    zone: InProcess,
    calls: Mutex<Vec<String>>,
    trouble: Mutex<Trouble>,
}

impl Door {
    /// The calls so far, in their order; looks at jobs are left out.
    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn make(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }
}

#[async_trait]
impl Transport for Door {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        let command = request.command.clone();
        if matches!(command.as_str(), "queryAsyncJobResult" | "listAsyncJobs") {
            return self.zone.send(request).await;
        }
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(command.clone());
            calls.len()
        };
        let trouble = self.trouble.lock().unwrap().clone();
        match trouble {
            Trouble::Refused(at) if at == number => {
                let body = format!(
                    "{{\"{}response\":{{\"uuidList\":[],\"errorcode\":431,\"errortext\":\"told to fail\"}}}}",
                    command.to_lowercase()
                );
                let content_type = Some("application/json; charset=UTF-8".to_owned());
                return Ok(RawReply { status: 431, content_type, body: body.into_bytes() });
            }
            Trouble::Lost(at) if at == number => {
                let _ = self.zone.send(request).await;
                return Err(TransportError::bare(TransportFailure::Broken));
            }
            Trouble::Tell(at, whom) if at == number => whom.notify_one(),
            Trouble::Cancel(at, token) if at == number => token.cancel(),
            _ => {}
        }
        self.zone.send(request).await
    }
}

/// Machines that do nothing but remember what they were told.
#[derive(Clone, Debug, Default)]
pub(super) struct Machines {
    pub(super) told: Arc<Mutex<Vec<String>>>,
    /// A script that contains this fails.
    pub(super) fail: Option<&'static str>,
    /// No machine is ever reached.
    pub(super) unreachable: bool,
}

impl Machines {
    pub(super) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    fn tell(&self, what: String) {
        self.told.lock().unwrap().push(what);
    }
}

#[async_trait]
impl Access for Machines {
    async fn reach(
        &self,
        target: &Target,
        _: &Identity,
        deadline: Instant,
    ) -> Result<Box<dyn Shell>, Failure> {
        self.tell(format!("reach {}:{}", target.user, target.port));
        if self.unreachable {
            tokio::time::sleep_until(deadline).await;
            return Err("nobody answers".into());
        }
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Shell for Machines {
    async fn deliver(&self, files: &[File], _: Instant) -> Result<(), Failure> {
        self.tell(format!("deliver {}", files.len()));
        Ok(())
    }

    async fn run(&self, script: &str, _: Instant, on_line: &mut Hear<'_>) -> Result<Ran, Failure> {
        on_line("working");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let what = ["MANIFEST_HEAD=", "BUILD_KEY=", "EXPECTED_HOST=", "apt-get -q install", "policy-rc.d"]
            .into_iter()
            .find(|mark| script.contains(mark))
            .unwrap_or("other");
        self.tell(what.trim_end_matches('=').to_owned());
        let failed = self.fail.is_some_and(|mark| script.contains(mark));
        let stdout = if what == "MANIFEST_HEAD=" { manifest(script) } else { String::new() };
        Ok(Ran {
            success: !failed,
            status: format!("exit status {}", i32::from(failed)),
            stdout,
            last_words: "as told".to_owned(),
        })
    }
}

/// What the manifest step would print, with no package but one.
fn manifest(script: &str) -> String {
    let assignment = script.lines().find(|line| line.starts_with("MANIFEST_HEAD=")).unwrap();
    let text = format!(
        "{assignment}\nprintf '%s,\"system\":\"debian-12\",\"programs\":{{\"mesos\":\"mesos 1.11.0\"}},\"packages\":{{}}}}\\n' \"$MANIFEST_HEAD\""
    );
    let output = std::process::Command::new("bash").args(["-c", &text]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub(super) struct Heard(pub(super) Mutex<Vec<Event>>);

impl Listener for Heard {
    fn hear(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// A specification for the simulated zone.
pub(super) fn spec() -> Spec {
    Spec {
        cloud: CloudSpec {
            api_url: None,
            credentials: CredentialsSpec::Ambient,
            ca_file: None,
            verify_tls: true,
            calls_per_second: None,
            zone: "devcloud".into(),
        },
        access: AccessSpec {
            key_pair: "mesostack".into(),
            private_key: "/nowhere".into(),
            user: "debian".into(),
            allow: vec!["198.18.0.1/32".parse().unwrap()],
            bootstrap: Bootstrap::Ssh,
            agents: AgentAccess::Forward,
            first_master_port: 1222,
            first_agent_port: 2222,
        },
        network: Network {
            name: "subnet01".into(),
            range: "172.16.0.0/24".parse().unwrap(),
            offering: "DefaultIsolatedNetworkOfferingWithSourceNatService".into(),
        },
        image: Image {
            name: "mesos".into(),
            base: "Debian 12".into(),
            offering: "t1.medium".into(),
            access: BuildAccess::Forward,
            network: None,
            user: "debian".into(),
            packages: Packages::clusterd(),
        },
        cluster: Cluster {
            name: "mesos".into(),
            masters: 3,
            agents: 3,
            master_offering: "t1.medium".into(),
            agent_offering: "t1.medium".into(),
            first_master: 20,
            first_agent: 100,
        },
        deadlines: Deadlines::default(),
        parallel: Parallel::default(),
    }
}

/// A small recipe that needs no file of this machine.
pub(super) async fn recipe() -> Recipe {
    let sources =
        vec![PackageSource::Url { url: "http://packages.invalid/mesos.deb".into(), sha256: "0".repeat(64) }];
    let material = Material::load(&Packages::Debs(sources), None).await.unwrap();
    Recipe::new(&material, &[])
}

/// Options that let a test end soon.
pub(super) fn options() -> Options {
    Options {
        lifetime: Duration::from_secs(600),
        on_error: OnError::Cleanup,
        key_directory: PathBuf::from("/nonexistent"),
        ..Options::new("tester@here")
    }
}
