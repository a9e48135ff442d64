//! `mesostack plan`: what would apply do?

use std::time::Duration;

use super::{
    arguments::{Graph, Plan},
    cluster::Cluster,
    exit::Exit,
    run::Run,
    saved,
};

/// How long the cloud's answers may take.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn plan(run: &Run, arguments: Plan) -> miette::Result<Exit> {
    let (cluster, observed, plan) = run
        .ask(run.deadline(PATIENCE), async {
            let cluster = Cluster::open(run).await?.asking(&arguments.changes)?;
            let (observed, plan) = cluster.plan().await?;
            Ok((cluster, observed, plan))
        })
        .await?;
    // The document has the obstacles too; a reader is shown them at the file's lines.
    if run.options.json {
        run.answer(&cluster.estimated(&plan), String::new)?;
    }
    cluster.admit(&plan)?;
    match arguments.graph {
        Some(Graph::Dot) => run.answer(&(), || plan.dot())?,
        Some(Graph::Svg) => run.answer(&(), || plan.svg())?,
        None if run.options.json => {}
        None => {
            let estimated = cluster.estimated(&plan);
            run.answer(&estimated, || estimated.to_string())?;
        }
    }
    if let Some(file) = arguments.out {
        saved::write(&file, &cluster.saved(&plan, &observed)?)?;
        let options = arguments.changes.options();
        run.remark(&format!("saved: `mesostack apply {}{options}` carries it out", file.display()));
    }
    // What an apply leaves out is to be done all the same.
    Ok(if plan.is_empty() && plan.remains().next().is_none() { Exit::Done } else { Exit::Changes })
}
