//! `mesostack output`: where is the cluster?

use std::{fmt::Write, time::Duration};

use mesostack::cluster::{self, Output};

use super::{cluster::Cluster, exit::Exit, report::Refused, run::Run};

/// How long the cloud's answers may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn output(run: &Run) -> miette::Result<Exit> {
    let output = run.ask(run.deadline(PATIENCE), find(run)).await?;
    run.answer(&output, || text(&output))?;
    Ok(Exit::Done)
}

/// What the cloud says of the file's cluster.
pub(super) async fn find(run: &Run) -> miette::Result<Output> {
    let cluster = Cluster::open(run).await?;
    let observed = cluster.existing().await?;
    cluster::output(&cluster.desired, &observed).ok_or_else(|| {
        let message = format!("cluster {} has no public address", cluster.spec().cluster.name);
        Refused::new(message, "`mesostack apply` makes the cluster").into()
    })
}

fn text(output: &Output) -> String {
    let mut text = format!(
        "public_ip  {}\nMesos      {}\nMarathon   {}\n",
        output.public_ip, output.mesos_url, output.marathon_url
    );
    let jump = output.masters.iter().find_map(|master| master.ssh_port);
    for node in output.masters.iter().chain(&output.agents) {
        let (user, public) = (&node.user, output.public_ip);
        let ssh = match (node.ssh_port, jump) {
            (Some(port), _) => format!("ssh -p {port} {user}@{public}"),
            (None, Some(jump)) => format!("ssh -J {user}@{public}:{jump} {user}@{}", node.address),
            (None, None) => "no master to reach it through".to_owned(),
        };
        let _ = writeln!(text, "{:9}  {:15}  {ssh}", node.name, node.address);
    }
    text
}
