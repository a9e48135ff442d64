//! Errors, shown to their reader: the chain of causes, the underlined line of the file, what to do next.

use std::{
    error::Error,
    io::{IsTerminal, Write},
};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, JSONReportHandler, Report};

/// The user asked to stop.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("interrupted")]
#[diagnostic(help("run the same command again to go on where this one stopped"))]
pub(crate) struct Interrupted;

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
    let shown = if json {
        JSONReportHandler::new().render_report(&mut text, error.as_ref())
    } else {
        handler().render_report(&mut text, error.as_ref())
    };
    if shown.is_err() {
        text = format!("error: {error}");
    }
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

fn handler() -> GraphicalReportHandler {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false)
}
