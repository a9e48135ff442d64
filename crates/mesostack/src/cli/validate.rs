//! `mesostack validate`: is the file right, and does all it names exist?

use std::time::Duration;

use mesostack::cluster::{self, refusal};
use serde::Serialize;

use super::{arguments, cluster::Cluster, exit::Exit, run::Run};

/// How long the cloud's answers may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct Valid {
    file: String,
    /// Whether the cloud was asked too.
    against_the_cloud: bool,
    masters: u16,
    agents: u16,
    warnings: Vec<String>,
    /// What could not be seen of the cloud.
    remarks: Vec<String>,
}

pub(super) async fn validate(run: &Run, arguments: arguments::Validate) -> miette::Result<Exit> {
    let mut remarks = Vec::new();
    let document = if arguments.offline {
        run.read_file()?
    } else {
        run.ask(run.deadline(PATIENCE), async {
            let cluster = Cluster::open(run).await?;
            let found = cluster::validate(&cluster.client, &cluster.desired).await?;
            remarks = found.remarks;
            match refusal(&found.problems, &cluster.document.source) {
                Some(refused) => Err(refused.into()),
                None => Ok(cluster.document),
            }
        })
        .await?
    };
    let spec = &document.spec;
    let valid = Valid {
        file: document.source.name().to_owned(),
        against_the_cloud: !arguments.offline,
        masters: spec.cluster.masters,
        agents: spec.cluster.agents,
        warnings: document.warnings.iter().map(ToString::to_string).collect(),
        remarks,
    };
    valid.remarks.iter().for_each(|remark| run.remark(remark));
    run.answer(&valid, || {
        let cloud = if valid.against_the_cloud {
            ", and the cloud has all it names and nothing in the way"
        } else {
            "; the cloud was not asked"
        };
        format!("{} is right{cloud}: {} masters, {} agents", valid.file, valid.masters, valid.agents)
    })?;
    Ok(Exit::Done)
}
