//! What a run looks like while it runs: a live tree on a terminal, plain lines elsewhere, JSON lines for programs.
//!
//! Each look is a pure renderer (`board`, `plain`, `json`) and a thin listener around it that knows the clock and where
//! to write. Progress goes to standard error, so that standard output carries results alone; JSON events are results.

mod board;
mod duration;
mod json;
mod live;
mod picture;
mod plain;
mod screen;
mod width;

use std::{io::IsTerminal, sync::Arc};

use mesostack::{
    events::{Listener, Silent},
    timeline::Figures,
};

pub(crate) use duration::readable;

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Not at all: `--quiet`.
    None,
    /// A tree that is redrawn in place.
    Live,
    /// A line an event, for logs and pipes.
    Lines {
        /// Whether the output of commands on machines is shown too.
        output: bool,
    },
    /// A JSON object an event, on standard output.
    Json,
}

impl Look {
    /// The look for a run: JSON and silence where they were asked for, the tree where there is a terminal to draw it on
    /// and nothing else (`verbose` logs) writes to it.
    pub(crate) fn choose(json: bool, quiet: bool, verbose: bool) -> Self {
        let terminal =
            std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        match (json, quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::None,
            (false, false) if terminal && !verbose => Self::Live,
            (false, false) => Self::Lines { output: verbose },
        }
    }
}

/// Everything that shows a run, to be dropped (or finished) before a result is printed.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    listener: Arc<dyn Listener>,
    live: Option<Arc<live::Live>>,
    lines: Option<Arc<plain::Lines>>,
}

impl Progress {
    /// Starts showing a run.
    pub(crate) fn start(look: Look) -> Self {
        match look {
            Look::None => Self { listener: Arc::new(Silent), live: None, lines: None },
            Look::Live => {
                let live = Arc::new(live::Live::new());
                live.give_way_to_panics();
                Self { listener: live.clone(), live: Some(live), lines: None }
            }
            Look::Lines { output } => {
                let lines = plain::Lines::start(output);
                Self { listener: lines.clone(), live: None, lines: Some(lines) }
            }
            Look::Json => Self { listener: Arc::new(json::Lines), live: None, lines: None },
        }
    }

    /// The one who hears the run's events.
    pub(crate) fn listener(&self) -> Arc<dyn Listener> {
        self.listener.clone()
    }

    /// What the next run's steps are expected to take.
    pub(crate) fn expect(&self, figures: Figures) {
        match (&self.live, &self.lines) {
            (Some(live), _) => live.expect(figures),
            (_, Some(lines)) => lines.expect(figures),
            _ => {}
        }
    }

    /// Shows that the run is being stopped; whether there is a tree to show it in.
    pub(crate) fn stopping(&self) -> bool {
        self.live.iter().for_each(|live| live.stopping());
        self.live.is_some()
    }

    /// Takes the tree off the terminal before something else is written there; lines already written stay.
    pub(crate) fn finish(&self) {
        if let Some(live) = &self.live {
            live.finish();
        }
    }
}
