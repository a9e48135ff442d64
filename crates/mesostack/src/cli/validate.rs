//! `mesostack validate`: is the file right, and does all it names exist?

use serde::Serialize;

use super::{arguments, exit::Exit, run::Run};

#[derive(Debug, Serialize)]
struct Valid {
    file: String,
    /// Whether the cloud was asked too.
    against_the_cloud: bool,
    masters: u16,
    agents: u16,
    warnings: Vec<String>,
}

pub(super) async fn validate(run: &Run, arguments: arguments::Validate) -> miette::Result<Exit> {
    let document = run.read_file()?;
    let spec = &document.spec;
    let valid = Valid {
        file: document.source.name().to_owned(),
        against_the_cloud: !arguments.offline,
        masters: spec.cluster.masters,
        agents: spec.cluster.agents,
        warnings: document.warnings.iter().map(ToString::to_string).collect(),
    };
    run.answer(&valid, || {
        let cloud = if valid.against_the_cloud {
            ", and the cloud has all it names"
        } else {
            "; the cloud was not asked"
        };
        format!("{} is right{cloud}: {} masters, {} agents", valid.file, valid.masters, valid.agents)
    })?;
    Ok(Exit::Done)
}
