//! `mesostack apply`: make the cloud match the file.

use std::{sync::Arc, time::Duration};

use mesostack::cluster::{
    Applied, Context, Limits, Observed, OperatorKey, Plan, find_or_make_key, lease::Lease, plan_destruction,
};
use mesostack::{
    events::{Event, Outcome},
    node::SshNodes,
    timeline::Estimate,
};
use serde_json::json;

use super::{
    arguments::{Apply, Consent, Destroy, Part, Replace},
    cluster::Cluster,
    exit::Exit,
    journal::Journal,
    lease::alone,
    report::While,
    run::{Patience, Run},
    saved,
};
use crate::progress::readable;

/// How long it may take to look at what is there; what is done about it has the file's deadlines, one for each step.
const LOOKING: Duration = Duration::from_secs(10 * 60);
/// How long an answer to the question whether to go on is waited for; meanwhile nobody else can work on the cluster.
const ANSWERING: Duration = Duration::from_secs(60 * 60);

pub(super) async fn apply(run: &Run, arguments: Apply) -> miette::Result<Exit> {
    let patience = run.patience();
    let agreed_to = arguments.plan.as_deref().map(saved::read).transpose()?;
    let cluster = run.ask(patience.within(LOOKING), Cluster::open(run)).await?.asking(&arguments.changes)?;
    alone(run, cluster, (arguments.turn, patience), async |run, cluster, lease| {
        let (observed, plan) = run.ask(patience.within(LOOKING), cluster.plan()).await?;
        if observed.network.is_some() {
            lease.expect_remains();
        }
        let mut consent = arguments.consent;
        if let Some(agreed_to) = &agreed_to {
            cluster.admit(&plan)?;
            agreed_to.holds(&cluster.saved(&plan, &observed)?)?;
            consent.yes = true;
        }
        let plan = match arguments.only {
            Some(Part::Infrastructure) => plan.only_infrastructure(),
            None => plan,
        };
        let asks = (consent, "Apply this plan?");
        carry_out(run, cluster, (lease, patience), observed, &plan, asks, "apply").await
    })
    .await
}

pub(super) async fn replace(run: &Run, arguments: Replace) -> miette::Result<Exit> {
    let patience = run.patience();
    let cluster = run.ask(patience.within(LOOKING), Cluster::open(run)).await?.replacing(&arguments.node)?;
    let turn = (arguments.turn, patience);
    alone(run, cluster, turn, async |run, cluster, lease| {
        let (observed, plan) = run.ask(patience.within(LOOKING), cluster.plan()).await?;
        lease.expect_remains();
        let asks = (arguments.consent, "Apply this plan?");
        carry_out(run, cluster, (lease, patience), observed, &plan, asks, "replace").await
    })
    .await
}

pub(super) async fn destroy(run: &Run, arguments: Destroy) -> miette::Result<Exit> {
    let patience = run.patience();
    let cluster = run.ask(patience.within(LOOKING), Cluster::open(run)).await?;
    alone(run, cluster, (arguments.turn, patience), async |run, cluster, lease| {
        let observed = run.ask(patience.within(LOOKING), cluster.existing()).await?;
        lease.expect_remains();
        let plan = plan_destruction(&cluster.desired, &observed);
        let asks = (arguments.consent, "Destroy all of this?");
        carry_out(run, cluster, (lease, patience), observed, &plan, asks, "destroy").await
    })
    .await
}

/// Shows the plan, asks, and does it.
async fn carry_out(
    run: &Run,
    cluster: &Cluster,
    (lease, patience): (&Lease, Patience),
    observed: Observed,
    plan: &Plan,
    (consent, question): (Consent, &str),
    command: &str,
) -> miette::Result<Exit> {
    let estimated = cluster.estimated(plan);
    let estimate = estimated.estimate;
    if plan.obstacles.is_empty() || run.options.json {
        run.tell("plan", &estimated, || estimated.to_string())?;
    }
    cluster.admit(plan)?;
    let remains = plan.remains().collect::<Vec<_>>();
    // A replacement is asked for one node; an apply for all that the file says.
    let exit = if command == "apply" && !remains.is_empty() { Exit::Failed } else { Exit::Done };
    if plan.is_empty() {
        let result = json!({ "cluster": plan.cluster, "changed": false, "remains": remains });
        run.conclude(&result, String::new)?;
        return Ok(exit);
    }
    if !run.ask(patience.within(ANSWERING), consent.ask(run, question)).await? {
        run.remark("nothing was changed");
        return Ok(Exit::Failed);
    }
    let applied = execute(run, cluster, (lease, patience), observed, (plan, estimate), command).await?;
    let result = json!({ "cluster": plan.cluster, "changed": true, "applied": applied, "remains": remains });
    run.conclude(&result, || text(&plan.cluster, &applied))?;
    if !remains.is_empty() {
        let lines = remains.iter().map(|drift| format!("\n  {drift}")).collect::<String>();
        run.remark(&format!("not as the file says yet:{lines}"));
    }
    Ok(exit)
}

/// Carries a plan out.
async fn execute(
    run: &Run,
    cluster: &Cluster,
    (lease, patience): (&Lease, Patience),
    observed: Observed,
    (plan, estimate): (&Plan, Option<Estimate>),
    command: &str,
) -> miette::Result<Applied> {
    let mut context = Context {
        client: cluster.client.clone(),
        desired: cluster.desired.clone(),
        observed,
        nodes: None,
        listener: run.progress.listener(),
        stop: run.stop.clone(),
        deadline: patience.whole(),
        limits: Limits::from(cluster.spec()).within(lease.grace()),
    };
    if plan.needs_key() {
        let access = &cluster.spec().access;
        let path = access.private_key.clone();
        let found = tokio::task::spawn_blocking(move || find_or_make_key(&path)).await;
        let identity =
            found.tried("the private key was not looked for")?.tried("the private key cannot be used")?;
        context.desired.key = Some(OperatorKey::of(&identity));
        context.nodes = Some(Arc::new(SshNodes::new(&access.user, identity)));
    }
    let journal = Journal::begin(run, command, cluster.spec(), &cluster.client);
    context.listener = journal.listener();
    if let Some(estimate) = estimate {
        context.listener.hear(Event::Estimated { takes: estimate.takes, runs: estimate.runs });
    }
    let applied = mesostack::cluster::apply(plan, &context).await;
    journal.end(match &applied {
        Err(unfinished) if unfinished.deadline_passed => Outcome::DeadlinePassed,
        ended => run.outcome(ended),
    });
    if let (Err(unfinished), true) = (&applied, run.options.json) {
        run.tell("unfinished", unfinished, String::new)?;
    }
    Ok(applied?)
}

fn text(cluster: &str, applied: &Applied) -> String {
    let took = readable(Duration::from_secs_f64(applied.seconds.max(0.0)));
    format!(
        "cluster {cluster}: {} steps done in {took}, with {} calls and {} jobs",
        applied.steps, applied.calls, applied.jobs
    )
}
