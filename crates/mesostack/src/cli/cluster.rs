//! The cluster a command works on: the file, the operator's key, the cloud, and what is there.

use std::fmt;

use mesostack::{
    cluster::{
        self, Changes, Desired, Limits, Observed, OperatorKey, Plan, SavedPlan, find_key, host_key_tag,
        refusal,
    },
    node::{self, SshNodes, Status, Whereabouts},
    spec::{Document, NoNode, Node, NodeName, Spec},
    timeline::Estimate,
};
use remote::{Identity, Session};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    arguments,
    cloud::connect,
    journal,
    report::{Refused, While},
    run::Run,
};

/// A plan, and how long it will take.
#[derive(Debug, Serialize)]
pub(crate) struct Estimated<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    pub(super) estimate: Option<Estimate>,
}

impl fmt::Display for Estimated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.plan)?;
        self.estimate.iter().try_for_each(|estimate| write!(f, "\ntakes {estimate}"))
    }
}

/// A file's cluster, and the cloud it is in or will be in.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) document: Document,
    pub(crate) client: cloudstack::Client,
    /// The operator's key, where there is one already.
    identity: Option<Identity>,
    pub(crate) desired: Desired,
}

impl Cluster {
    /// Reads the file and the key. Nothing is asked yet.
    pub(crate) async fn open(run: &Run) -> miette::Result<Self> {
        let document = run.read_file()?;
        let spec = &document.spec;
        let identity = find_key(&spec.access.private_key).tried("the private key cannot be used")?;
        let client = connect(&spec.cloud).await?;
        let desired = Desired::of(spec, identity.as_ref().map(OperatorKey::of));
        Ok(Self { client, identity, desired, document })
    }

    /// The same, with what the command line asks for beyond the file.
    pub(crate) fn asking(mut self, changes: &arguments::Changes) -> miette::Result<Self> {
        let remove = changes.remove.iter().map(|name| self.node(name)).collect::<miette::Result<_>>()?;
        self.desired = self.desired.asking(Changes { remove, replace: None, prune: changes.prune });
        Ok(self)
    }

    /// The same, with a node that is to be made anew.
    pub(crate) fn replacing(mut self, node: &str) -> miette::Result<Self> {
        let replace = Some(self.node(node)?);
        self.desired = self.desired.asking(Changes { replace, ..Changes::default() });
        Ok(self)
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.document.spec
    }

    /// What apply would do, or what has to be put right first.
    pub(crate) async fn plan(&self) -> miette::Result<(Observed, Plan)> {
        let observed = Observed::read(&self.client, &self.desired).await?;
        let plan = cluster::plan(&self.desired, &observed);
        Ok((observed, plan))
    }

    /// Refuses, at the file's lines, when something has to be put right first.
    pub(crate) fn admit(&self, plan: &Plan) -> miette::Result<()> {
        refusal(&plan.obstacles, &self.document.source).map_or(Ok(()), |refused| Err(refused.into()))
    }

    /// A plan, and how long it will take.
    pub(crate) fn estimated<'a>(&self, plan: &'a Plan) -> Estimated<'a> {
        let figures = || journal::figures(self.spec(), &self.client);
        let estimate =
            (!plan.is_empty()).then(|| figures().estimate(&plan.graph(), &Limits::from(self.spec()).lanes()));
        Estimated { plan, estimate }
    }

    /// A plan with all it was made from.
    pub(crate) fn saved(&self, plan: &Plan, observed: &Observed) -> miette::Result<SavedPlan> {
        let mut cloud = self.client.endpoint().clone();
        // None of these is taken from a file; one from elsewhere may have them.
        let _ = cloud.set_username("");
        let _ = cloud.set_password(None);
        cloud.set_query(None);
        SavedPlan::of(plan, &self.desired, observed, cloud.as_str()).tried("could not write the plan down")
    }

    /// What of the cluster is there.
    pub(crate) async fn existing(&self) -> miette::Result<Observed> {
        Ok(Observed::read_existing(&self.client, &self.desired).await?)
    }

    /// The way to the nodes.
    pub(crate) fn nodes(&self) -> miette::Result<SshNodes> {
        let path = &self.spec().access.private_key;
        let identity = self.identity.clone().ok_or_else(|| {
            Refused::new(
                format!("there is no private key at {}", path.display()),
                "the nodes let in whoever has the key the cluster was made with; name it in access.private_key",
            )
        })?;
        Ok(SshNodes::new(&self.spec().access.user, identity))
    }

    /// Asks all masters how the cluster does.
    pub(crate) async fn status(&self, deadline: Instant) -> miette::Result<Status> {
        let observed = self.existing().await?;
        let masters: Vec<_> = self
            .spec()
            .masters()
            .into_iter()
            .map(|node| self.whereabouts(&observed, node))
            .collect::<miette::Result<_>>()?;
        let agents = cluster::agents(&self.desired, &observed);
        Ok(node::status(&self.nodes()?, &masters, &agents, deadline).await)
    }

    /// A session with the node of that name.
    pub(crate) async fn reach(&self, name: &str, deadline: Instant) -> miette::Result<Session> {
        let node = self.node(name)?;
        let observed = self.existing().await?;
        let host_name = node::host_name_of(self.spec(), node);
        let wanted = self.spec().node(node.role, node.number);
        let node = wanted.filter(|_| observed.machine(&host_name).is_some()).ok_or_else(|| {
            let ours = observed.machines.iter().filter_map(|machine| {
                machine.named.name.strip_prefix(&format!("{}-", self.spec().cluster.name))
            });
            let there = match ours.collect::<Vec<_>>() {
                none if none.is_empty() => "it has none yet: `mesostack apply` makes them".to_owned(),
                names => format!("it has {}", names.join(", ")),
            };
            Refused::new(format!("the cluster has no node {node}"), there)
        })?;
        let at = self.whereabouts(&observed, node)?;
        self.nodes()?.reach(&at, deadline).await.tried(format!("could not reach {name}"))
    }

    /// What a node's name stands for; its name in the cloud will do too.
    pub(crate) fn node(&self, name: &str) -> miette::Result<NodeName> {
        let prefix = format!("{}-", self.spec().cluster.name);
        let short = name.strip_prefix(&prefix).unwrap_or(name);
        short.parse().map_err(|error: NoNode| {
            Refused::new(error.to_string(), "`mesostack output` lists the nodes there are").into()
        })
    }

    /// Where a node is, and the key it has to show.
    fn whereabouts(&self, observed: &Observed, node: Node) -> miette::Result<Whereabouts> {
        let name = self.spec().cluster.name.as_str();
        let missing = |what: &str| {
            Refused::new(format!("cluster {name} has no {what}"), "`mesostack apply` makes what is missing")
        };
        let public_address = observed.public_address().ok_or_else(|| missing("public address"))?.address;
        let host_name = node::host_name(self.spec(), &node);
        let host_key = observed
            .tag(&host_key_tag(&host_name))
            .ok_or_else(|| missing(&format!("host key for {}", node.name())))?
            .parse()
            .tried(format!("the host key of {host_name} in the network's tags cannot be used"))?;
        let masters = match node.ssh_port {
            Some(_) => Vec::new(),
            // One that is not known is none to go through.
            None => {
                let masters = self.spec().masters().into_iter();
                masters.filter_map(|master| self.whereabouts(observed, master).ok()).collect()
            }
        };
        Ok(Whereabouts { node, public_address, host_key, masters: masters.into() })
    }
}
