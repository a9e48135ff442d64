//! `mesostack plan`: what would apply do?

use std::time::Duration;

use super::{cluster::Cluster, exit::Exit, run::Run};

/// How long the cloud's answers may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn plan(run: &Run) -> miette::Result<Exit> {
    let (_, plan) = run
        .ask(run.deadline(PATIENCE), async {
            let cluster = Cluster::open(run).await?;
            cluster.plan().await
        })
        .await?;
    run.answer(&plan, || plan.to_string())?;
    Ok(if plan.is_empty() { Exit::Done } else { Exit::Changes })
}
