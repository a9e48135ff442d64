//! `mesostack plan`: what would apply do?

use std::time::Duration;

use super::{cluster::Cluster, exit::Exit, run::Run};

/// How long the cloud's answers may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn plan(run: &Run) -> miette::Result<Exit> {
    let (cluster, plan) = run
        .ask(run.deadline(PATIENCE), async {
            let cluster = Cluster::open(run).await?;
            let (_, plan) = cluster.plan().await?;
            Ok((cluster, plan))
        })
        .await?;
    // The document has the obstacles too; a reader is shown them at the file's lines.
    if plan.obstacles.is_empty() || run.options.json {
        let estimated = cluster.estimated(&plan);
        run.answer(&estimated, || estimated.to_string())?;
    }
    cluster.admit(&plan)?;
    Ok(if plan.is_empty() { Exit::Done } else { Exit::Changes })
}
