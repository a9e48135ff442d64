//! A simulated zone in this process, a wire to it that can fail, and nodes that only remember.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cloudstack::{
    Client, Credentials, Id, ListCommand, Method, RawReply, SignedRequest, Transport, TransportError,
    TransportFailure,
    resource::{GetVirtualMachineUserData, ListNetworks, ListVirtualMachines},
};
use devcloud::{
    MemoryRecords, Records, Request, Zone, ZoneConfig,
    simulator::{Capacity, Latencies, Simulator},
};
use mesostack::{
    cluster::{
        Applied, Context, Desired, Limits, Observed, OperatorKey, Plan, Unfinished, apply, host_key_tag,
        plan, plan_destruction,
    },
    events::Silent,
    node::{self, Configuration, Nodes, SetUp, Tell, Whereabouts},
    spec::Document,
};
use remote::Identity;
use secrecy::ExposeSecret;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not arrive, and the caller does not know that.
    Lost,
    /// It arrives, and its reply is lost.
    ReplyLost,
    /// The caller is killed before it is sent.
    KilledBefore,
    /// The caller is killed after it has arrived.
    KilledAfter,
}

/// The way to the zone: no socket, and a fault at one call if there is to be one.
#[derive(Debug)]
pub(crate) struct Wire {
    zone: Arc<Zone>,
    sent: AtomicUsize,
    fault: Option<(usize, Fault)>,
    struck: AtomicBool,
    /// Told when the caller is to be killed.
    pub(crate) killed: Notify,
}

impl Wire {
    async fn deliver(&self, request: SignedRequest) -> RawReply {
        let request = match request.method {
            Method::Get => Request::get(request.form.as_str()),
            Method::Post => Request::post(request.form.as_str()),
        };
        let reply = self.zone.handle(request).await;
        RawReply { status: reply.status, content_type: Some(reply.content_type.to_owned()), body: reply.body }
    }

    /// Whether the fault has happened: a test without it proves nothing.
    pub(crate) fn struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    async fn kill(&self) -> ! {
        self.killed.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError> {
        let at = self.sent.fetch_add(1, Ordering::Relaxed);
        // A call takes a moment, as on any network.
        sleep(Duration::from_millis(2)).await;
        let broken = || TransportError::bare(TransportFailure::Broken);
        let fault = self.fault.filter(|(call, _)| *call == at);
        self.struck.fetch_or(fault.is_some(), Ordering::Relaxed);
        match fault {
            None => Ok(self.deliver(request).await),
            Some((_, Fault::Lost)) => Err(broken()),
            Some((_, Fault::ReplyLost)) => {
                self.deliver(request).await;
                Err(broken())
            }
            Some((_, Fault::KilledBefore)) => self.kill().await,
            Some((_, Fault::KilledAfter)) => {
                self.deliver(request).await;
                self.kill().await
            }
        }
    }
}

/// Nodes that remember what they were told.
#[derive(Debug, Default)]
pub(crate) struct Remembering {
    /// The digest each node has, and how often it was told something.
    pub(crate) told: Mutex<BTreeMap<String, (String, usize)>>,
}

impl Remembering {
    /// How often each node was told something new.
    pub(crate) fn changes(&self) -> BTreeMap<String, usize> {
        self.told.lock().expect("no panic").iter().map(|(name, (_, times))| (name.clone(), *times)).collect()
    }
}

#[async_trait]
impl Nodes for Remembering {
    async fn set_up(
        &self,
        at: &Whereabouts,
        configuration: &Configuration,
        _: Instant,
    ) -> Result<SetUp, node::Error> {
        sleep(Duration::from_secs(3)).await;
        let mut told = self.told.lock().expect("no panic");
        let entry = told.entry(at.node.name()).or_default();
        if entry.0 == configuration.digest {
            return Ok(SetUp::Unchanged);
        }
        *entry = (configuration.digest.clone(), entry.1 + 1);
        Ok(SetUp::Changed { restarted: Vec::new() })
    }

    async fn wait_until_healthy(&self, _: &Whereabouts, _: Instant, _: &Tell<'_>) -> Result<(), node::Error> {
        sleep(Duration::from_secs(2)).await;
        Ok(())
    }
}

/// A zone with its simulator, and everything a run needs.
pub(crate) struct Bench {
    pub(crate) zone: Arc<Zone>,
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) nodes: Arc<Remembering>,
    pub(crate) key: OperatorKey,
}

/// A file's text: so many masters and agents, from the zone's own base template.
pub(crate) fn file(masters: u16, agents: u16) -> String {
    format!(
        "[cloud]\nzone = \"devcloud\"\n[access]\nallow = [\"198.18.0.1\", \"10.0.0.0/8\"]\n[image]\nname = \"Debian 12\"\n\
         [cluster]\nmasters = {masters}\nagents = {agents}\n"
    )
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(ZoneConfig::simulated_time()).await
    }

    pub(crate) async fn with(config: ZoneConfig) -> Self {
        let simulator = Arc::new(Simulator::new(Latencies::default(), Capacity::default()));
        let records = Records::memory(MemoryRecords::default());
        let zone = Zone::open(config, simulator.clone(), records).await.expect("a zone");
        let key = OperatorKey::of(&Identity::generate());
        Self { zone, simulator, nodes: Arc::default(), key }
    }

    pub(crate) fn wire(&self, fault: Option<(usize, Fault)>) -> Arc<Wire> {
        Arc::new(Wire {
            struck: AtomicBool::new(false),
            zone: Arc::clone(&self.zone),
            sent: AtomicUsize::new(0),
            fault,
            killed: Notify::new(),
        })
    }

    pub(crate) fn client_over(&self, wire: Arc<Wire>) -> Client {
        let keys = self.zone.credentials("mesostack").expect("an account");
        let credentials = Credentials { api_key: keys.api_key.into(), secret_key: keys.secret_key };
        let endpoint = "http://zone.invalid/client/api".parse().expect("an address");
        Client::builder(endpoint, credentials).transport(wire).jitter_seed(7).build().expect("a client")
    }

    pub(crate) fn client(&self) -> Client {
        self.client_over(self.wire(None))
    }

    pub(crate) fn desired(&self, file: &str) -> Desired {
        let document =
            Document::parse(file, "mesostack.toml", std::path::Path::new("/")).expect("a specification");
        Desired::of(&document.spec, Some(self.key.clone()))
    }

    pub(crate) fn context(&self, client: Client, desired: Desired, observed: Observed) -> Context {
        Context {
            client,
            desired,
            observed,
            nodes: Some(self.nodes.clone()),
            listener: Arc::new(Silent),
            stop: CancellationToken::new(),
            limits: Limits::default(),
        }
    }

    pub(crate) async fn plan(&self, client: &Client, file: &str) -> (Plan, Desired, Observed) {
        let desired = self.desired(file);
        let observed = Observed::read(client, &desired).await.expect("a look");
        (plan(&desired, &observed), desired, observed)
    }

    /// One whole run: look, plan, apply.
    pub(crate) async fn apply_over(&self, client: Client, file: &str) -> Result<Applied, Unfinished> {
        let (plan, desired, observed) = self.plan(&client, file).await;
        assert!(plan.obstacles.is_empty(), "{plan}");
        apply(&plan, &self.context(client, desired, observed)).await
    }

    pub(crate) async fn apply(&self, file: &str) -> Applied {
        self.apply_over(self.client(), file)
            .await
            .unwrap_or_else(|error| panic!("{error}: {:#?}", error.failures))
    }

    /// Nothing to do, nothing foreign, and every machine was born with the key that is written down for it.
    pub(crate) async fn assert_whole(&self, file: &str) {
        let client = self.client();
        let (plan, desired, observed) = self.plan(&client, file).await;
        assert!(plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
        assert!(plan.drift.is_empty(), "{:?}", plan.drift);
        assert_eq!(observed.machines.len(), desired.machines.len());
        assert_eq!(observed.forwards.len(), desired.machines.len());
        assert_eq!(observed.addresses.len(), 1);
        for machine in &observed.machines {
            let data =
                client.call(&GetVirtualMachineUserData::new(&machine.named.id)).await.expect("user-data");
            let data = data.user_data.expect("user-data").0;
            let data = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, data.expose_secret())
                .expect("base64");
            let data = String::from_utf8(data).expect("text");
            let key = observed.tag(&host_key_tag(&machine.named.name)).expect("a key");
            assert!(data.contains(key), "{} was born with another key than {key}", machine.named.name);
        }
    }

    pub(crate) async fn destroy_over(&self, client: Client, file: &str) -> Result<Applied, Unfinished> {
        let desired = self.desired(file);
        let observed = Observed::read_existing(&client, &desired).await.expect("a look");
        let plan = plan_destruction(&desired, &observed);
        assert!(plan.obstacles.is_empty(), "{plan}");
        apply(&plan, &self.context(client, desired, observed)).await
    }

    pub(crate) async fn destroy(&self, file: &str) -> Applied {
        self.destroy_over(self.client(), file)
            .await
            .unwrap_or_else(|error| panic!("{error}: {:#?}", error.failures))
    }

    /// How many things of every kind the account has.
    pub(crate) async fn inventory(&self) -> BTreeMap<&'static str, usize> {
        use cloudstack::resource::*;
        let client = self.client();
        BTreeMap::from([
            ("machines", count(&client, ListVirtualMachines::new()).await),
            ("networks", count(&client, ListNetworks::new()).await),
            ("addresses", count(&client, ListPublicIpAddresses::new()).await),
            ("firewall rules", count(&client, ListFirewallRules::new()).await),
            ("forwards", count(&client, ListPortForwardingRules::new()).await),
            ("load balancer rules", count(&client, ListLoadBalancerRules::new()).await),
            ("affinity groups", count(&client, ListAffinityGroups::new()).await),
            ("key pairs", count(&client, ListSshKeyPairs::new()).await),
            ("volumes", count(&client, ListVolumes::new()).await),
            ("tags", count(&client, ListTags::new()).await),
        ])
    }

    pub(crate) async fn assert_empty(&self) {
        let left = self.inventory().await.into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    pub(crate) async fn machine(&self, host_name: &str) -> Id {
        let machines = self.client().list(&ListVirtualMachines::new().name(host_name)).await.expect("a list");
        machines.into_iter().next().expect("a machine").id
    }

    pub(crate) async fn network(&self) -> Option<cloudstack::resource::Network> {
        self.client().list(&ListNetworks::new()).await.expect("a list").into_iter().next()
    }
}

async fn count<C: ListCommand>(client: &Client, command: C) -> usize {
    client.list(&command).await.expect("a list").len()
}
