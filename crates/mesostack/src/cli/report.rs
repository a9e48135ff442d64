//! Errors, shown to their reader: the chain of causes, the underlined line of the file, what to do next.

use std::{
    error::Error,
    fmt,
    io::{IsTerminal, Write},
};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, JSONReportHandler, LabeledSpan, Report, Severity,
    SourceCode,
};

/// The user asked to stop.
#[derive(Debug, Default, thiserror::Error, Diagnostic)]
#[error("interrupted")]
#[diagnostic(help("run the same command again to go on where this one stopped"))]
pub(crate) struct Interrupted {
    /// What the interrupted command says of it.
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Interrupted {
    /// Whatever an interrupted command complains of, the interruption is why.
    pub(crate) fn because(complaint: Report) -> Self {
        match complaint.downcast::<Self>() {
            Ok(interrupted) => interrupted,
            Err(complaint) => Self { source: Some(complaint.into()) },
        }
    }
}

/// The run's deadline passed while a question was open.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("gave up: the deadline has passed")]
#[diagnostic(help(
    "is the cloud reachable from here? --deadline 10m waits longer, --verbose shows what was going on"
))]
pub(crate) struct DeadlinePassed;

/// An error of the command line itself, with a way on.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub(crate) struct Refused {
    message: String,
    #[help]
    help: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Refused {
    /// What is refused and what to do instead.
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()), source: None }
    }
}

/// Says what was tried when an error happened.
pub(crate) trait While<T> {
    /// `tried` reads as a failure: "could not read …".
    fn tried(self, tried: impl Into<String>) -> miette::Result<T>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> While<T> for Result<T, E> {
    fn tried(self, tried: impl Into<String>) -> miette::Result<T> {
        self.map_err(|error| Refused { message: tried.into(), help: None, source: Some(error.into()) }.into())
    }
}

/// Shows an error on standard error.
pub(crate) fn show(error: &Report, json: bool) {
    let mut text = String::new();
    let told = Told::of(error.as_ref());
    let shown = if json {
        JSONReportHandler::new().render_report(&mut text, &told)
    } else {
        handler().render_report(&mut text, &told)
    };
    if shown.is_err() {
        text = format!("error: {error}");
    }
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

/// An error with each of its causes told once: many messages end with their cause's own.
#[derive(Debug)]
struct Told<'a> {
    error: &'a dyn Diagnostic,
    cause: Option<Box<Cause>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl<'a> Told<'a> {
    fn of(error: &'a dyn Diagnostic) -> Self {
        let mut told = error.to_string();
        let mut new = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !told.contains(&text) {
                told.clone_from(&text);
                new.push(text);
            }
            next = cause.source();
        }
        let cause = new.into_iter().rev().fold(None, |source, text| Some(Box::new(Cause { text, source })));
        Self { error, cause }
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.error, f)
    }
}

impl Error for Told<'_> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

impl Diagnostic for Told<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.code()
    }

    fn severity(&self) -> Option<Severity> {
        self.error.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.help()
    }

    fn url<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.url()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.error.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.error.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.error.related()
    }
}

fn handler() -> GraphicalReportHandler {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error("cannot look: {source}")]
    struct Outer {
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the list was refused")]
    struct Inner {
        source: std::io::Error,
    }

    #[test]
    fn a_cause_is_told_once_and_a_hidden_one_too() {
        let outer = Outer { source: Inner { source: std::io::Error::other("broken pipe") } };
        let mut text = String::new();
        handler().render_report(&mut text, &Told::of(&outer)).unwrap();
        assert_eq!(text.matches("the list was refused").count(), 1, "{text}");
        assert_eq!(text.matches("broken pipe").count(), 1, "{text}");
    }
}
