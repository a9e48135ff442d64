//! What a zone is like and what goes wrong in it: read from a file, set while the zone is served.

use std::{path::Path, time::Duration};

use devcloud::{
    faults::{FaultsFile, FileProblem},
    host,
};
use miette::{Diagnostic, NamedSource, SourceSpan};

use serde_json::json;

use super::places;
use crate::cli::{arguments::ZoneFaults, exit::Exit, report::While, run::Run};

/// How long the zone may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// `mesostack zone faults`
pub(super) async fn faults(run: &Run, faults: &ZoneFaults) -> miette::Result<Exit> {
    let (places, name) = (places()?, &faults.zone.name);
    let deadline = run.deadline(PATIENCE);
    if faults.what.show {
        let text = run
            .ask(deadline, async { host::faults(&places, name).await.tried("the faults cannot be shown") })
            .await?;
        let answer = json!({ "zone": name.as_str(), "faults": text });
        run.answer(&answer, || {
            if text.is_empty() {
                format!("nothing goes wrong in zone {name} on purpose")
            } else {
                text.clone()
            }
        })?;
        return Ok(Exit::Done);
    }
    let file = faults.what.set.as_deref().map(read).transpose()?;
    let set = run.carry_out(host::set_faults(&places, name, file.as_ref())).await?;
    set.tried(format!("the faults of zone {name} are as they were"))?;
    run.answer(&json!({ "zone": name.as_str(), "faults": file.is_some() }), || match &faults.what.set {
        Some(path) => format!("zone {name} is now as {} says, until its process ends", path.display()),
        None => format!("nothing goes wrong in zone {name} on purpose any more"),
    })?;
    Ok(Exit::Done)
}

/// A file of faults with everything that is wrong in it.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{name} cannot be used as a file of faults")]
#[diagnostic(help("docs/devcloud.md describes it"))]
struct Unusable {
    name: String,
    #[source_code]
    text: NamedSource<String>,
    #[related]
    problems: Vec<Underlined>,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
struct Underlined {
    message: String,
    #[label("here")]
    span: SourceSpan,
    #[help]
    help: Option<String>,
}

impl From<FileProblem> for Underlined {
    fn from(FileProblem { message, span, help }: FileProblem) -> Self {
        Self { message, span: span.into(), help }
    }
}

/// Reads the file.
pub(super) fn read(path: &Path) -> miette::Result<FaultsFile> {
    let text = std::fs::read_to_string(path).tried(format!("could not read {}", path.display()))?;
    FaultsFile::parse(&text).map_err(|problems| {
        let name = path.display().to_string();
        let text = NamedSource::new(&name, text).with_language("toml");
        Unusable { name, text, problems: problems.into_iter().map(Into::into).collect() }.into()
    })
}
