//! What a run found, for people and for programs.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::behaviour;
use crate::finding::Finding;

/// All that a run found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Who was asked.
    pub server: Server,
    /// What was checked, in order.
    pub checked: Vec<Checked>,
    /// What could not be taken away: a later run with `--clean` can.
    pub left: Vec<String>,
}

/// Who was asked, and as whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// Its version, as it says itself.
    pub version: String,
    /// The zone that was worked in.
    pub zone: String,
    /// The account that worked.
    pub account: String,
    /// Whether that is a root admin's.
    pub root_admin: bool,
    /// How many commands it offers to that account.
    pub commands: usize,
}

/// One behaviour's result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// The behaviour's name.
    pub behaviour: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum Outcome {
    /// The server behaves so.
    Passed,
    /// It does something else.
    Differs {
        /// What it should have done.
        expected: String,
        /// What it did.
        came: String,
    },
    /// It could not be asked.
    Skipped {
        /// Why.
        reason: String,
    },
}

impl From<Finding> for Outcome {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Differs { expected, came } => Self::Differs { expected, came },
            Finding::Skipped(reason) => Self::Skipped { reason },
        }
    }
}

impl Outcome {
    /// One word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Differs { .. } => "differs",
            Self::Skipped { .. } => "skipped",
        }
    }
}

impl Report {
    /// How many passed, differ and were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let of = |word| self.checked.iter().filter(|checked| checked.outcome.word() == word).count();
        (of("passed"), of("differs"), of("skipped"))
    }

    /// Whether nothing differs and nothing was left behind.
    pub fn is_fine(&self) -> bool {
        self.counts().1 == 0 && self.left.is_empty()
    }

    fn of(&self, behaviour: &str) -> Option<&Outcome> {
        let checked = self.checked.iter().find(|checked| checked.behaviour == behaviour);
        checked.map(|checked| &checked.outcome)
    }
}

/// All behaviours as a page, with a column of results for each report.
pub fn markdown(reports: &[(String, Report)]) -> String {
    let mut page = String::from(
        "# What a CloudStack does\n\n\
         The behaviours that the conformance suite checks, each with where it is known from, and what came of it. \
         Written by `conformance --markdown`; see [devcloud.md](devcloud.md) for how to run it.\n",
    );
    if !reports.is_empty() {
        page.push('\n');
    }
    for (label, report) in reports {
        let (passed, differs, skipped) = report.counts();
        let _ = writeln!(page, "- {label}: {passed} passed, {differs} differ, {skipped} skipped");
    }
    let mut subject = "";
    for behaviour in behaviour::all() {
        if behaviour.subject() != subject {
            subject = behaviour.subject();
            let heading = subject.replace('-', " ");
            let columns: String = reports.iter().map(|(label, _)| format!(" {label} |")).collect();
            let rules = " --- |".repeat(reports.len());
            let _ =
                write!(page, "\n## {heading}\n\n| behaviour | known from |{columns}\n| --- | --- |{rules}\n");
        }
        let results: String = reports
            .iter()
            .map(|(_, report)| match report.of(behaviour.name) {
                Some(Outcome::Skipped { reason }) => format!(" skipped: {} |", cell(reason)),
                Some(outcome) => format!(" {} |", outcome.word()),
                None => " not run |".to_owned(),
            })
            .collect();
        let _ =
            writeln!(page, "| {} | {} |{results}", cell(behaviour.says), cell(&behaviour.source.to_string()));
    }
    page
}

/// A cell's text.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
