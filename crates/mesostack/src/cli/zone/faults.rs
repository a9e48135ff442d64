//! The file that tells a simulated zone what it is like and what goes wrong in it.

use std::path::Path;

use devcloud::faults::{FaultsFile, FileProblem};
use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::cli::report::While;

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
