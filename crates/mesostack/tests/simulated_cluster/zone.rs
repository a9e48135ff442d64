//! A simulated zone in this process, and all that a run on it needs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cloudstack::{
    Client, ClientBuilder, Credentials, Id, ListCommand, Transport,
    resource::{GetVirtualMachineUserData, ListNetworks, ListVirtualMachines},
};
use devcloud::{
    MemoryRecords, Records, Zone, ZoneConfig,
    simulator::{Capacity, Latencies, Simulator},
};
use jiff::SignedDuration;
use mesostack::{
    cluster::{
        Applied, Changes, Context, Desired, Limits, Observed, OperatorKey, Plan, Unfinished, apply,
        host_key_tag,
        lease::{self, Holder, Lease, LeaseError, Terms},
        plan, plan_destruction,
    },
    events::Silent,
    spec::Document,
};
use remote::Identity;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::{
    nodes::Remembering,
    wire::{Fault, Weather, Wire},
};

/// One operator in all tests, so that what two zones have can be compared.
static OPERATOR: OnceLock<OperatorKey> = OnceLock::new();

/// A zone with its simulator, and everything a run needs.
pub(crate) struct Bench {
    pub(crate) zone: Arc<Zone>,
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) nodes: Arc<Remembering>,
    pub(crate) key: OperatorKey,
    records: MemoryRecords,
    /// How many leases were asked for: each run has a number of its own.
    turns: AtomicU64,
}

/// A file's text: so many masters and agents, from the zone's own base template.
pub(crate) fn file(masters: u16, agents: u16) -> String {
    format!(
        "[cloud]\nzone = \"devcloud\"\n[access]\nallow = [\"198.18.0.1\", \"10.0.0.0/8\"]\n[image]\nname = \"Debian 12\"\n\
         [cluster]\nmasters = {masters}\nagents = {agents}\n"
    )
}

/// The same, with agents that are reached through the masters.
pub(crate) fn file_behind(masters: u16, agents: u16) -> String {
    file(masters, agents).replace("[image]", "agents = \"bastion\"\n[image]")
}

/// What a command is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) file: String,
    changes: Changes,
}

impl Asked {
    /// With agents that are to go.
    pub(crate) fn without(file: String, remove: &[&str]) -> Self {
        let remove = remove.iter().map(|name| name.parse().expect("a node's name")).collect();
        Self { file, changes: Changes { remove, ..Changes::default() } }
    }

    /// With a node that is to be made anew.
    pub(crate) fn replacing(file: String, node: &str) -> Self {
        let replace = Some(node.parse().expect("a node's name"));
        Self { file, changes: Changes { replace, ..Changes::default() } }
    }

    /// Without anything nobody asked for.
    pub(crate) fn pruned(file: String) -> Self {
        Self { file, changes: Changes { prune: true, ..Changes::default() } }
    }
}

impl From<&str> for Asked {
    fn from(file: &str) -> Self {
        file.to_owned().into()
    }
}

impl From<&String> for Asked {
    fn from(file: &String) -> Self {
        Self { file: file.clone(), changes: Changes::default() }
    }
}

impl From<String> for Asked {
    fn from(file: String) -> Self {
        Self { file, changes: Changes::default() }
    }
}

impl From<&Asked> for Asked {
    fn from(asked: &Asked) -> Self {
        asked.clone()
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(ZoneConfig::simulated_time()).await
    }

    pub(crate) async fn with(config: ZoneConfig) -> Self {
        Self::built(config, Latencies::default(), Capacity::default()).await
    }

    pub(crate) async fn built(config: ZoneConfig, latencies: Latencies, capacity: Capacity) -> Self {
        let simulator = Arc::new(Simulator::new(latencies, capacity));
        let records = MemoryRecords::default();
        let zone = Zone::open(config, simulator.clone(), Records::memory(records.clone())).await;
        let key = OPERATOR.get_or_init(|| OperatorKey::of(&Identity::generate())).clone();
        Self {
            zone: zone.expect("a zone"),
            simulator,
            nodes: Arc::default(),
            key,
            records,
            turns: AtomicU64::new(1),
        }
    }

    /// Another zone that is as this one is now, with its machines and what its nodes were told.
    pub(crate) async fn fork(&self) -> Self {
        self.fork_with(self.zone.config()).await
    }

    /// The same, with other settings.
    pub(crate) async fn fork_with(&self, config: ZoneConfig) -> Self {
        let (simulator, records) = (Arc::new(self.simulator.fork()), self.records.snapshot());
        let zone = Zone::open(config, simulator.clone(), Records::memory(records.clone())).await;
        let nodes = Arc::new(self.nodes.fork());
        let turns = AtomicU64::new(self.turns.load(Ordering::Relaxed));
        Self { zone: zone.expect("a zone"), simulator, nodes, key: self.key.clone(), records, turns }
    }

    pub(crate) fn wire(&self, fault: Option<(usize, Fault)>) -> Arc<Wire> {
        Arc::new(Wire::new(Arc::clone(&self.zone), fault, Weather::default()))
    }

    /// A wire in that weather.
    pub(crate) fn wire_in(&self, weather: Weather) -> Arc<Wire> {
        Arc::new(Wire::new(Arc::clone(&self.zone), None, weather))
    }

    /// A client with a way of its own to the zone.
    pub(crate) fn client_over(&self, wire: Arc<dyn Transport>) -> Client {
        self.client_as("mesostack", wire)
    }

    /// A client with the keys of another account.
    pub(crate) fn client_of(&self, account: &str) -> Client {
        self.client_as(account, self.wire(None))
    }

    fn client_as(&self, account: &str, wire: Arc<dyn Transport>) -> Client {
        self.client_with_clock(account, wire, SignedDuration::ZERO)
    }

    /// A client whose clock is ahead of the zone's by so much.
    pub(crate) fn client_with_clock(
        &self,
        account: &str,
        wire: Arc<dyn Transport>,
        ahead: SignedDuration,
    ) -> Client {
        self.builder(account, wire, ahead).build().expect("a client")
    }

    /// A client that begins no more calls in a second.
    pub(crate) fn client_at(&self, calls_per_second: f64) -> Client {
        let builder = self.builder("mesostack", self.wire(None), SignedDuration::ZERO);
        builder.calls_per_second(calls_per_second).build().expect("a client")
    }

    fn builder(&self, account: &str, wire: Arc<dyn Transport>, ahead: SignedDuration) -> ClientBuilder {
        let keys = self.zone.credentials(account).expect("an account");
        let credentials = Credentials { api_key: keys.api_key.into(), secret_key: keys.secret_key };
        let endpoint = "http://zone.invalid/client/api".parse().expect("an address");
        let zone = Arc::clone(&self.zone);
        Client::builder(endpoint, credentials)
            .transport(wire)
            .clock(move || zone.now() + ahead)
            .jitter_seed(7)
    }

    pub(crate) fn client(&self) -> Client {
        self.client_over(self.wire(None))
    }

    pub(crate) fn desired(&self, asked: impl Into<Asked>) -> Desired {
        let Asked { file, changes } = asked.into();
        let document =
            Document::parse(&file, "mesostack.toml", std::path::Path::new("/")).expect("a specification");
        Desired::of(&document.spec, Some(self.key.clone())).asking(changes)
    }

    pub(crate) fn context(&self, client: Client, desired: Desired, observed: Observed) -> Context {
        Context {
            client,
            limits: Limits::from(&desired.spec),
            desired,
            observed,
            nodes: Some(self.nodes.clone()),
            listener: Arc::new(Silent),
            stop: CancellationToken::new(),
            deadline: None,
        }
    }

    pub(crate) async fn plan(&self, client: &Client, asked: impl Into<Asked>) -> (Plan, Desired, Observed) {
        let desired = self.desired(asked);
        let observed = Observed::read(client, &desired).await.expect("a look");
        (plan(&desired, &observed), desired, observed)
    }

    /// How a run asks for its turn: with all the patience there is.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            cluster: "mesos".to_owned(),
            holder: Holder::new("tester@bench", 1),
            length: Duration::from_secs(60),
            patience: Duration::from_secs(7_200),
            seed: self.turns.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Does work as the only run on the cluster, as every command does that changes one.
    pub(crate) async fn alone<T>(
        &self,
        client: &Client,
        terms: &Terms,
        work: impl AsyncFnOnce(&Lease) -> T,
    ) -> Result<T, LeaseError> {
        let lease = lease::take(client, terms, &CancellationToken::new(), &|_| {}).await?;
        let done = lease.keep(work(&lease)).await;
        lease.check()?;
        lease.release().await;
        Ok(done)
    }

    fn context_of(&self, lease: &Lease, desired: Desired, observed: Observed) -> Context {
        if observed.network.is_some() {
            lease.expect_remains();
        }
        Context { stop: lease.stop().clone(), ..self.context(lease.client(), desired, observed) }
    }

    /// One whole run: look, plan, apply.
    pub(crate) async fn apply_over(
        &self,
        client: Client,
        asked: impl Into<Asked>,
    ) -> Result<Applied, Unfinished> {
        let asked = asked.into();
        let run = async |lease: &Lease| {
            let (plan, desired, observed) = self.plan(&lease.client(), &asked).await;
            assert!(plan.obstacles.is_empty(), "{plan}");
            apply(&plan, &self.context_of(lease, desired, observed)).await
        };
        self.alone(&client, &self.terms(), run).await.expect("a turn")
    }

    pub(crate) async fn apply(&self, asked: impl Into<Asked>) -> Applied {
        self.apply_over(self.client(), asked)
            .await
            .unwrap_or_else(|error| panic!("{error}: {:#?}", error.failures))
    }

    /// Nothing to do, nothing foreign, and every machine was born with the key that is written down for it.
    pub(crate) async fn assert_whole(&self, asked: impl Into<Asked>) {
        let client = self.client();
        let (plan, desired, observed) = self.plan(&client, asked).await;
        assert!(plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
        assert!(plan.drift.is_empty(), "{:?}", plan.drift);
        assert_eq!(observed.machines.len(), desired.machines.len());
        let forwarded = desired.machines.iter().filter(|machine| machine.node.ssh_port.is_some());
        assert_eq!(observed.forwards.len(), forwarded.count());
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
        let run = async |lease: &Lease| {
            lease.expect_remains();
            let desired = self.desired(file);
            let observed = Observed::read_existing(&lease.client(), &desired).await.expect("a look");
            let plan = plan_destruction(&desired, &observed);
            assert!(plan.obstacles.is_empty(), "{plan}");
            let ended = apply(&plan, &self.context_of(lease, desired, observed)).await;
            if ended.is_ok() {
                self.nodes.voters.lock().expect("no panic").forget();
            }
            ended
        };
        self.alone(&client, &self.terms(), run).await.expect("a turn")
    }

    pub(crate) async fn destroy(&self, file: &str) -> Applied {
        self.destroy_over(self.client(), file)
            .await
            .unwrap_or_else(|error| panic!("{error}: {:#?}", error.failures))
    }

    /// One whole run to what the file asks for, or to nothing; what went wrong with it, if something did.
    pub(crate) async fn attempt(
        &self,
        client: Client,
        then: Option<&Asked>,
        file: &Asked,
    ) -> Result<(), String> {
        self.attempt_on(&self.terms(), client, then, file).await
    }

    pub(crate) async fn attempt_on(
        &self,
        terms: &Terms,
        client: Client,
        then: Option<&Asked>,
        file: &Asked,
    ) -> Result<(), String> {
        let run = async |lease: &Lease| self.attempt_with(lease, then, file).await;
        let ended = self.alone(&client, terms, run).await;
        ended.map_err(|error| error.to_string())?
    }

    async fn attempt_with(&self, lease: &Lease, then: Option<&Asked>, file: &Asked) -> Result<(), String> {
        let client = lease.client();
        let desired = self.desired(then.unwrap_or(file));
        let (plan, observed) = match then {
            Some(_) => {
                let observed = Observed::read(&client, &desired).await.map_err(|error| error.to_string())?;
                (plan(&desired, &observed), observed)
            }
            None => {
                lease.expect_remains();
                self.nodes.voters.lock().expect("no panic").give_up();
                let observed = Observed::read_existing(&client, &desired).await;
                let observed = observed.map_err(|error| error.to_string())?;
                (plan_destruction(&desired, &observed), observed)
            }
        };
        if !plan.obstacles.is_empty() {
            return Err(plan.to_string());
        }
        let ended = apply(&plan, &self.context_of(lease, desired, observed)).await;
        if then.is_none() && ended.is_ok() {
            self.nodes.voters.lock().expect("no panic").forget();
        }
        ended.map(|_| ()).map_err(|unfinished| format!("{unfinished}: {:?}", unfinished.failures))
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
