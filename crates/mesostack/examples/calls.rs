//! How many calls and jobs the work takes, on devcloud's simulator: `make bench`.
//!
//! The zone runs in this process and on simulated time, so the numbers are the same in every run. Nodes and build machines
//! only say that they did what they were told: calls to the cloud are what is counted, not work on machines.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use cloudstack::{CallCounts, Client, Credentials};
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
    node::{self, Configuration, Nodes, SetUp, Tell, Whereabouts},
    spec::Spec,
};
use remote::{Identity, Target};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// 3 masters and 3 agents; everything else is a default.
const FILE: &str = "[cloud]\nzone = 'devcloud'\n[access]\nallow = ['198.18.0.1']\n";

/// What others took for the same on a real CloudStack 4.23, polls included: Packer, then Terraform.
const PEERS: [(&str, u64); 4] =
    [("image build", 47), ("first apply", 180), ("no-change plan", 36), ("destroy", 128)];

/// Machines that say they did what they were told.
#[derive(Clone, Copy, Debug)]
struct Obedient;

#[async_trait]
impl Access for Obedient {
    async fn reach(&self, _: &Target, _: &Identity, _: Instant) -> Result<Box<dyn Shell>, Failure> {
        Ok(Box::new(*self))
    }
}

#[async_trait]
impl Shell for Obedient {
    async fn deliver(&self, _: &[File], _: Instant) -> Result<(), Failure> {
        Ok(())
    }

    async fn run(&self, script: &str, _: Instant, _: &mut Hear<'_>) -> Result<Ran, Failure> {
        sleep(Duration::from_secs(1)).await;
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
    async fn set_up(&self, _: &Whereabouts, _: &Configuration, _: Instant) -> Result<SetUp, node::Error> {
        Ok(SetUp::Changed { restarted: Vec::new() })
    }

    async fn wait_until_healthy(&self, _: &Whereabouts, _: Instant, _: &Tell<'_>) -> Result<(), node::Error> {
        Ok(())
    }
}

struct Rehearsal {
    client: Client,
    spec: Spec,
    desired: Desired,
}

impl Rehearsal {
    async fn open() -> Outcome<Self> {
        let simulator = Arc::new(Simulator::new(Latencies::default(), Capacity::default()));
        let records = Records::memory(MemoryRecords::default());
        let zone = Zone::open(ZoneConfig::simulated_time(), simulator, records).await?;
        let keys = zone.credentials("mesostack").ok_or("the zone has no account mesostack")?;
        let credentials = Credentials { api_key: keys.api_key.into(), secret_key: keys.secret_key };
        let client = Client::builder("http://zone.invalid/client/api".parse()?, credentials)
            .transport(Arc::new(InProcess::new(zone.clone())))
            .clock(move || zone.now())
            .jitter_seed(1)
            .build()?;
        let (spec, _) = Spec::parse(FILE, "mesostack.toml", Path::new("/"))?;
        let desired = Desired::of(&spec, Some(OperatorKey::of(&Identity::generate())));
        Ok(Self { client, spec, desired })
    }

    async fn build_image(&self) -> Outcome {
        let recipe = Recipe::load(&self.spec.image, None).await?;
        let builder = Builder {
            client: self.client.clone(),
            access: Arc::new(Obedient),
            listener: Arc::new(Silent),
            stop: CancellationToken::new(),
        };
        builder.build(&self.spec, &recipe, &Options::new("bench@host")).await?;
        Ok(())
    }

    async fn look(&self) -> Outcome<(Plan, Observed)> {
        let observed = Observed::read(&self.client, &self.desired).await?;
        Ok((plan(&self.desired, &observed), observed))
    }

    async fn apply(&self) -> Outcome {
        let lease = self.lease().await?;
        let work = async {
            let (plan, observed) = self.look().await?;
            self.carry_out(&lease, &plan, observed).await
        };
        lease.keep(work).await?;
        lease.release().await;
        Ok(())
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

    async fn plan_nothing(&self) -> Outcome {
        let (plan, _) = self.look().await?;
        if plan.is_empty() { Ok(()) } else { Err(format!("there should be nothing to do:\n{plan}").into()) }
    }

    async fn destroy(&self) -> Outcome {
        let lease = self.lease().await?;
        let work = async {
            let observed = Observed::read_existing(&self.client, &self.desired).await?;
            self.carry_out(&lease, &plan_destruction(&self.desired, &observed), observed).await
        };
        lease.keep(work).await?;
        lease.release_the_last().await;
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
            nodes: Some(Arc::new(Obedient)),
            listener: Arc::new(Silent),
            stop: lease.stop().clone(),
            limits: Limits::from(&self.desired.spec),
        };
        apply(plan, &context).await?;
        Ok(())
    }

    /// The calls that `work` makes.
    async fn count(&self, work: impl Future<Output = Outcome>) -> Outcome<CallCounts> {
        let before = self.client.counts();
        work.await?;
        Ok(self.client.counts().since(&before))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    tokio::time::pause();
    let rehearsal = Rehearsal::open().await?;
    let counts = [
        rehearsal.count(rehearsal.build_image()).await?,
        rehearsal.count(rehearsal.apply()).await?,
        rehearsal.count(rehearsal.plan_nothing()).await?,
        rehearsal.count(rehearsal.destroy()).await?,
    ];
    println!("| 3 masters + 3 agents | calls | of them polls | jobs | peers' calls |");
    println!("| --- | --- | --- | --- | --- |");
    for ((what, peers), calls) in PEERS.iter().zip(&counts) {
        println!("| {what} | {} | {} | {} | {peers} |", calls.total(), calls.polls(), calls.jobs);
    }
    Ok(())
}
