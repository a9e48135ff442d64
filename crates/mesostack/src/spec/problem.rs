//! What is wrong with a file, told with the line it stands in.

use std::{fmt, io, ops::Range, path::PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};

/// Why a file gives no [`Spec`](super::Spec).
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// The file itself cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    #[diagnostic(
        code(mesostack::spec::unreadable),
        help("name the file with --file, or write one as the README shows")
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was read, and something in it is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(Box<Invalid>),
}

impl Error {
    /// Every single problem of the file; none when the file could not be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Invalid(invalid) => &invalid.problems,
        }
    }
}

/// A file with everything that is wrong in it.
#[derive(Debug, Diagnostic)]
#[diagnostic(code(mesostack::spec::invalid))]
pub struct Invalid {
    pub(super) name: String,
    #[source_code]
    pub(super) source: NamedSource<String>,
    /// In the order of the lines.
    #[related]
    pub(super) problems: Vec<Problem>,
}

impl Invalid {
    /// Every single problem, in the order of the lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => write!(f, "{} cannot be used: {}", self.name, only.message),
            many => write!(f, "{} cannot be used: {} problems", self.name, many.len()),
        }
    }
}

impl std::error::Error for Invalid {}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// The bytes of the file it is about.
    #[label("{label}")]
    pub span: SourceSpan,
    /// What is written below the underlined text.
    pub label: String,
    /// What to do about it.
    #[help]
    pub help: Option<String>,
}

impl Problem {
    /// A problem with the text at `span`.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: span.into(), label: "here".to_owned(), help: None }
    }

    /// What to write below the underlined text instead of "here".
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Something a reader should know of a file that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What to know.
    pub message: String,
    /// The file, and the line within it, from 1.
    pub place: (String, usize),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.0, self.place.1, self.message)
    }
}
