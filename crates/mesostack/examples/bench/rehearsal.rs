//! A zone in this process and on simulated time, and machines that only say that they did what they were told: calls to the
//! cloud and waits for it are what is measured, not work on machines.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cloudstack::{CallCounts, Client, Credentials, resource::ListAsyncJobs};
use devcloud::{
    InProcess, MemoryRecords, Records, Zone, ZoneConfig,
    simulator::{Capacity, Latencies, Simulator},
};
use mesostack::{
    cluster::{
        Context, Desired, Limits, Observed, OperatorKey, Plan, apply,
        lease::{self, Holder, Lease, Terms},
        plan, plan_destruction,
    },
    events::Silent,
    image::{
        Builder,
        build::{Access, Failure, Hear, Options, Ran, Shell},
        recipe::{File, Recipe},
    },
    node::{self, Configuration, Drained, Health, Nodes, SetUp, Status, Tell, Whereabouts},
    spec::{Document, Node},
};
use remote::{Identity, Target};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::Outcome;

/// How often it is looked whether anything is under way.
const SAMPLE: Duration = Duration::from_millis(10);

/// Machines that do what they are told, in their time.
#[derive(Clone, Debug)]
struct Obedient {
    /// How long a step of an image's recipe, or a node's set-up, takes.
    takes: Duration,
    /// How long it takes to ask a node how it does.
    asking: Duration,
    /// How many of them are at work.
    busy: Arc<AtomicUsize>,
}

impl Obedient {
    async fn work(&self, takes: Duration) {
        self.busy.fetch_add(1, Ordering::SeqCst);
        sleep(takes).await;
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Access for Obedient {
    async fn reach(&self, _: &Target, _: &Identity, _: Instant) -> Result<Box<dyn Shell>, Failure> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Shell for Obedient {
    async fn deliver(&self, _: &[File], _: Instant) -> Result<(), Failure> {
        Ok(())
    }

    async fn run(&self, script: &str, _: Instant, _: &mut Hear<'_>) -> Result<Ran, Failure> {
        self.work(self.takes).await;
        Ok(Ran {
            success: true,
            status: "exit status 0".into(),
            stdout: manifest(script),
            last_words: String::new(),
        })
    }
}

/// What the recipe's manifest step prints: the head it was given, and what the machine adds.
fn manifest(script: &str) -> String {
    let head = script.lines().find_map(|line| line.strip_prefix("MANIFEST_HEAD="));
    let Some(head) = head else { return String::new() };
    format!("{},\"system\":\"debian-12\",\"programs\":{{}},\"packages\":{{}}}}\n", head.trim_matches('\''))
}

#[async_trait]
impl Nodes for Obedient {
    async fn answers(&self, _: &Whereabouts, _: Instant) -> Result<(), node::Error> {
        Ok(())
    }

    async fn set_up(&self, _: &Whereabouts, _: &Configuration, _: Instant) -> Result<SetUp, node::Error> {
        self.work(self.takes).await;
        Ok(SetUp::Changed { restarted: Vec::new() })
    }

    async fn check(&self, _: &Whereabouts, _: Instant) -> Result<Health, node::Error> {
        self.work(self.asking).await;
        Ok(Health::Well)
    }

    async fn status(&self, _: &[Whereabouts], _: &[Node], _: Instant) -> Status {
        unreachable!("nothing that is measured asks for it")
    }

    async fn drain(&self, _: &[Whereabouts], _: &Node, _: Duration, _: &Tell<'_>) -> Drained {
        unreachable!("nothing that is measured asks for it")
    }
}

/// What a zone is like, and how long its machines' nodes take.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) config: ZoneConfig,
    pub(crate) latencies: Latencies,
    pub(crate) capacity: Capacity,
    pub(crate) node: Duration,
    pub(crate) asking: Duration,
}

impl Default for Model {
    /// About what real machines on a small host take, by a server beside us.
    fn default() -> Self {
        Self {
            config: ZoneConfig::simulated_time(),
            latencies: Latencies::default(),
            capacity: Capacity::default(),
            node: Duration::from_secs(1),
            asking: Duration::ZERO,
        }
    }
}

/// A zone, and what a file asks of it.
pub(crate) struct Rehearsal {
    zone: Arc<Zone>,
    client: Client,
    document: Document,
    pub(crate) desired: Desired,
    nodes: Obedient,
}

/// What something took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) calls: CallCounts,
    /// Simulated time.
    pub(crate) time: Duration,
    /// How much of it nothing was under way, here or in the cloud; and the longest stretch of that.
    pub(crate) idle: (Duration, Duration),
}

impl Taken {
    pub(crate) fn total(&self) -> u64 {
        self.calls.total()
    }

    pub(crate) fn polls(&self) -> u64 {
        self.calls.polls()
    }

    /// Calls that did not only look at jobs.
    pub(crate) fn without_polls(&self) -> u64 {
        self.total() - self.polls()
    }

    /// Seconds of waiting. On simulated time nothing but waiting takes time: for jobs, for nodes, for replies. So they are
    /// all the seconds that were begun.
    pub(crate) fn waiting(&self) -> u64 {
        self.time.as_secs_f64().ceil() as u64
    }
}

/// The lines of a file: so many masters and agents, and more in its sections `[access]` and `[network]`.
pub(crate) fn file(masters: u16, agents: u16, access: &str, network: &str) -> String {
    format!(
        "[cloud]\nzone = 'devcloud'\n[access]\nallow = ['198.18.0.1']\n{access}\n[network]\n{network}\n[image]\nname = \
         'Debian 12'\n[cluster]\nmasters = {masters}\nagents = {agents}\n"
    )
}

impl Rehearsal {
    pub(crate) async fn open(model: &Model, file: &str) -> Outcome<Self> {
        let simulator = Arc::new(Simulator::new(model.latencies, model.capacity));
        let records = Records::memory(MemoryRecords::default());
        let zone = Zone::open(model.config.clone(), simulator, records).await?;
        let document = Document::parse(file, "mesostack.toml", Path::new("/"))?;
        let desired = Desired::of(&document.spec, Some(OperatorKey::of(&Identity::generate())));
        let nodes = Obedient { takes: model.node, asking: model.asking, busy: Arc::default() };
        Ok(Self { client: client(&zone)?, zone, document, desired, nodes })
    }

    pub(crate) async fn build_image(&self) -> Outcome {
        let recipe = Recipe::load(&self.document.spec.image, None).await?;
        let builder = Builder {
            client: self.client.clone(),
            access: Arc::new(self.nodes.clone()),
            listener: Arc::new(Silent),
            stop: CancellationToken::new(),
        };
        builder.build(&self.document.spec, &recipe, &Options::new("bench@host")).await?;
        Ok(())
    }

    pub(crate) async fn look(&self) -> Outcome<(Plan, Observed)> {
        let observed = Observed::read(&self.client, &self.desired).await?;
        Ok((plan(&self.desired, &observed), observed))
    }

    /// Looks, plans and applies, as the only run on the cluster; gives what was planned.
    pub(crate) async fn apply(&self) -> Outcome<Plan> {
        let lease = self.lease().await?;
        let work = async {
            let (plan, observed) = self.look().await?;
            self.carry_out(&lease, &plan, observed).await?;
            Outcome::Ok(plan)
        };
        let plan = lease.keep(work).await?;
        lease.release().await;
        Ok(plan)
    }

    async fn lease(&self) -> Outcome<Lease> {
        let terms = Terms {
            cluster: self.desired.cluster().to_owned(),
            holder: Holder::new("bench@host", 1),
            length: lease::USUAL,
            patience: Duration::ZERO,
            seed: 1,
        };
        Ok(lease::take(&self.client, &terms, &CancellationToken::new(), &|_| {}).await?)
    }

    pub(crate) async fn plan_nothing(&self) -> Outcome {
        let (plan, _) = self.look().await?;
        if plan.is_empty() { Ok(()) } else { Err(format!("there should be nothing to do:\n{plan}").into()) }
    }

    pub(crate) async fn destroy(&self) -> Outcome {
        let lease = self.lease().await?;
        lease.expect_remains();
        let work = async {
            let observed = Observed::read_existing(&self.client, &self.desired).await?;
            self.carry_out(&lease, &plan_destruction(&self.desired, &observed), observed).await
        };
        lease.keep(work).await?;
        lease.release().await;
        Ok(())
    }

    async fn carry_out(&self, lease: &Lease, plan: &Plan, observed: Observed) -> Outcome {
        if let Some(obstacle) = plan.obstacles.first() {
            return Err(obstacle.message.clone().into());
        }
        let context = Context {
            client: lease.client(),
            desired: self.desired.clone(),
            observed,
            nodes: Some(Arc::new(self.nodes.clone())),
            listener: Arc::new(Silent),
            stop: lease.stop().clone(),
            deadline: None,
            limits: Limits::from(&self.desired.spec),
        };
        apply(plan, &context)
            .await
            .map_err(|unfinished| format!("{unfinished}: {:?}", unfinished.failures))?;
        Ok(())
    }

    /// What `work` takes.
    pub(crate) async fn take<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<(Taken, T)> {
        let (before, began) = (self.client.counts(), Instant::now());
        let done = work.await?;
        let taken =
            Taken { calls: self.client.counts().since(&before), time: began.elapsed(), ..Taken::default() };
        Ok((taken, done))
    }

    /// The same; also when nothing was under way while it went on. For zones that answer at once.
    pub(crate) async fn take_watched<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<Taken> {
        let idle = std::sync::Mutex::new((Duration::ZERO, Duration::ZERO));
        let watch = async {
            let client = client(&self.zone)?;
            let mut stretch = Duration::ZERO;
            loop {
                sleep(SAMPLE).await;
                let pending = client.list(&ListAsyncJobs::new()).await?;
                let busy = !pending.is_empty() || self.nodes.busy.load(Ordering::SeqCst) > 0;
                stretch = if busy { Duration::ZERO } else { stretch + SAMPLE };
                let mut idle = idle.lock().map_err(|_| "poisoned")?;
                idle.0 += if busy { Duration::ZERO } else { SAMPLE };
                idle.1 = idle.1.max(stretch);
            }
        };
        let (taken, _) = tokio::select! {
            biased;
            taken = self.take(work) => taken?,
            broken = watch => return broken,
        };
        let idle = *idle.lock().map_err(|_| "poisoned")?;
        Ok(Taken { idle, ..taken })
    }
}

fn client(zone: &Arc<Zone>) -> Outcome<Client> {
    let keys = zone.credentials("mesostack").ok_or("the zone has no account mesostack")?;
    let credentials = Credentials { api_key: keys.api_key.into(), secret_key: keys.secret_key };
    Ok(Client::builder("http://zone.invalid/client/api".parse()?, credentials)
        .transport(Arc::new(InProcess::new(zone.clone())))
        .clock({
            let zone = zone.clone();
            move || zone.now()
        })
        .jitter_seed(1)
        .build()?)
}
