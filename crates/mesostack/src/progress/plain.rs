//! Events as plain lines with the time of day, for logs, pipes and CI.

use std::{
    io::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use jiff::{Zoned, civil::Time};
use mesostack::{
    events::{Event, Listener, Stop, Work},
    timeline::Figures,
};

use super::{board::Board, readable};

/// After so long without a line one says what is under way.
const SILENCE: Duration = Duration::from_secs(30);

/// Writes a line an event to standard error, and one now and then while nothing happens.
#[derive(Debug)]
pub(super) struct Lines {
    output: bool,
    began: Instant,
    // One line at a time, whichever thread it comes from.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    board: Board,
    last: Instant,
}

impl Lines {
    pub(super) fn start(output: bool) -> Arc<Self> {
        let began = Instant::now();
        let state = Mutex::new(State { board: Board::default(), last: began });
        let lines = Arc::new(Self { output, began, state });
        let weak = Arc::downgrade(&lines);
        std::thread::spawn(move || break_silence(&weak));
        lines
    }

    pub(super) fn expect(&self, figures: Figures) {
        self.state().board.expect(figures);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Lines {
    fn hear(&self, event: Event) {
        let mut state = self.state();
        if let Some(line) = line(Zoned::now().time(), &event, self.output) {
            state.last = Instant::now();
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        state.board.hear(event, self.began.elapsed());
    }
}

/// Says what is under way whenever nothing was said for long, as long as somebody listens.
fn break_silence(lines: &Weak<Lines>) {
    loop {
        let Some(lines) = lines.upgrade() else { return };
        let silent_for = {
            let mut state = lines.state();
            let silent_for = state.last.elapsed();
            if silent_for >= SILENCE {
                state.last = Instant::now();
                if let Some(sentence) = state.board.sentence(lines.began.elapsed()) {
                    let at = Zoned::now().time().strftime("%H:%M:%S");
                    let _ = writeln!(std::io::stderr(), "{at} {sentence}");
                }
                Duration::ZERO
            } else {
                silent_for
            }
        };
        drop(lines);
        std::thread::sleep(SILENCE.saturating_sub(silent_for).max(Duration::from_millis(100)));
    }
}

/// The line for an event, if it has one; output of commands on machines is left out unless asked for.
fn line(at: Time, event: &Event, output: bool) -> Option<String> {
    let text = match event {
        Event::PhaseStarted { phase, steps: 0 } => format!("{phase}: begins"),
        Event::PhaseStarted { phase, steps: 1 } => format!("{phase}: begins, 1 step"),
        Event::PhaseStarted { phase, steps } => format!("{phase}: begins, {steps} steps"),
        Event::PhaseDone { phase, took } => format!("{phase}: done in {}", readable(*took)),
        Event::Started { phase, work } => format!("{phase}: {}", work.0),
        Event::Waiting { work, node: None, waits_for } => format!("{}: waits for {waits_for}", work.0),
        Event::Waiting { work, node: Some(node), waits_for } => {
            format!("{}: waits for {node}: {waits_for}", work.0)
        }
        Event::Done { work, detail: Some(detail), took } => {
            format!("{}: done in {}: {detail}", work.0, readable(*took))
        }
        Event::Done { work, detail: None, took } => format!("{}: done in {}", work.0, readable(*took)),
        Event::Failed { work, error } => format!("{}: failed: {error}", work.0),
        Event::Output { work, line } if output => format!("{} | {line}", work.0),
        Event::Warning { message } => format!("warning: {message}"),
        Event::Stopping { why, running, grace } => stopping(*why, running, *grace),
        _ => return None,
    };
    Some(format!("{} {text}", at.strftime("%H:%M:%S")))
}

/// What a run that is being stopped still waits for.
fn stopping(why: Stop, running: &[Work], grace: Duration) -> String {
    const FEW: usize = 8;
    let few = running.iter().take(FEW).map(|work| work.0.as_ref()).collect::<Vec<_>>().join(", ");
    let why = match why {
        Stop::DeadlinePassed => "the deadline has passed, stopping",
        Stop::Interrupted | Stop::Failed => "stopping",
    };
    match (running.len(), running.len().saturating_sub(FEW)) {
        (0, _) => format!("{why}: nothing is under way"),
        (_, 0) => format!("{why}: waits up to {} for {few}", readable(grace)),
        (_, more) => format!("{why}: waits up to {} for {few} and {more} more", readable(grace)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::time;

    use super::*;

    fn shown(event: Event, output: bool) -> Option<String> {
        line(time(9, 5, 7, 0), &event, output)
    }

    #[test]
    fn every_event_reads_as_a_sentence_with_the_time_of_day() {
        let work = || Work::new("start master-1");
        let cases = [
            (
                Event::PhaseStarted { phase: "infrastructure".into(), steps: 31 },
                "09:05:07 infrastructure: begins, 31 steps",
            ),
            (
                Event::PhaseDone { phase: "nodes".into(), took: Duration::from_secs(61) },
                "09:05:07 nodes: done in 1 min 01 s",
            ),
            (
                Event::Started { phase: "infrastructure".into(), work: work() },
                "09:05:07 infrastructure: start master-1",
            ),
            (
                Event::Waiting { work: work(), node: None, waits_for: "job 12".into() },
                "09:05:07 start master-1: waits for job 12",
            ),
            (
                Event::Done {
                    work: work(),
                    detail: Some("172.16.0.20".into()),
                    took: Duration::from_millis(4210),
                },
                "09:05:07 start master-1: done in 4.2 s: 172.16.0.20",
            ),
            (
                Event::Failed { work: work(), error: "no capacity".into() },
                "09:05:07 start master-1: failed: no capacity",
            ),
            (Event::Warning { message: "two masters".into() }, "09:05:07 warning: two masters"),
            (
                Event::Stopping {
                    why: Stop::Interrupted,
                    running: vec![work()],
                    grace: Duration::from_secs(10),
                },
                "09:05:07 stopping: waits up to 10.0 s for start master-1",
            ),
        ];
        for (event, expected) in cases {
            assert_eq!(shown(event, false).as_deref(), Some(expected));
        }
    }

    #[test]
    fn output_of_machines_is_shown_only_when_asked_for() {
        let event = || Event::Output { work: Work::new("install"), line: "Unpacking haproxy".into() };
        assert_eq!(shown(event(), false), None);
        assert_eq!(shown(event(), true).as_deref(), Some("09:05:07 install | Unpacking haproxy"));
    }
}
