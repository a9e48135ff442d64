//! What runs at this moment, what it waits for and for how long: the state behind the live tree, and its picture.
//!
//! Pure: time comes in as the duration since the run began, lines come out.

use std::time::Duration;

use mesostack::events::{Event, Work};

use super::readable;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Board {
    phases: Vec<Phase>,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Phase {
    name: String,
    steps: usize,
    done: usize,
    since: Duration,
}

#[derive(Debug)]
struct Running {
    phase: String,
    work: Work,
    // What it waits for, or the last line its machine wrote.
    state: Option<String>,
    since: Duration,
}

impl Board {
    /// Takes an event at `now`, and gives the lines that stay on the terminal for good.
    pub(super) fn hear(&mut self, event: Event, now: Duration) -> Vec<String> {
        self.take(event, now).into_iter().map(|line| printable(&line).collect()).collect()
    }

    fn take(&mut self, event: Event, now: Duration) -> Vec<String> {
        match event {
            Event::PhaseStarted { phase, steps } => {
                self.phases.retain(|known| known.name != phase);
                self.phases.push(Phase { name: phase, steps, done: 0, since: now });
                Vec::new()
            }
            Event::PhaseDone { phase, took } => {
                self.phases.retain(|known| known.name != phase);
                self.running.retain(|running| running.phase != phase);
                vec![format!("✓ {phase} ({})", readable(took))]
            }
            Event::Started { phase, work } => {
                self.running.retain(|running| running.work != work);
                self.running.push(Running { phase, work, state: None, since: now });
                Vec::new()
            }
            Event::Waiting { work, node, waits_for } => {
                let node = node.map(|node| format!("{node}: ")).unwrap_or_default();
                self.tell(&work, format!("waits for {node}{waits_for}"));
                Vec::new()
            }
            Event::Output { work, line } => {
                self.tell(&work, format!("| {}", line.trim_end()));
                Vec::new()
            }
            Event::Done { work, detail, took } => {
                if let Some(phase) = self.end(&work) {
                    phase.done += 1;
                }
                let detail = detail.map(|detail| format!("  {detail}")).unwrap_or_default();
                vec![format!("  ✓ {}{detail} ({})", work.0, readable(took))]
            }
            Event::Failed { work, error } => {
                self.end(&work);
                vec![format!("  ✗ {}: {error}", work.0)]
            }
            Event::Warning { message } => vec![format!("! {message}")],
            _ => Vec::new(),
        }
    }

    fn tell(&mut self, work: &Work, state: String) {
        if let Some(running) = self.running.iter_mut().find(|running| running.work == *work) {
            running.state = Some(state);
        }
    }

    fn end(&mut self, work: &Work) -> Option<&mut Phase> {
        let at = self.running.iter().position(|running| running.work == *work)?;
        let ended = self.running.remove(at);
        self.phases.iter_mut().find(|phase| phase.name == ended.phase)
    }

    /// The tree at `now`, no line wider than `width` and no more than `height` lines.
    pub(super) fn picture(&self, now: Duration, width: usize, height: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for phase in &self.phases {
            let steps =
                if phase.steps > 0 { format!("  {} of {}", phase.done, phase.steps) } else { String::new() };
            lines.push(format!("{}{steps}  {}", phase.name, readable(now.saturating_sub(phase.since))));
            let running: Vec<_> = self.running.iter().filter(|running| running.phase == phase.name).collect();
            for (at, one) in running.iter().enumerate() {
                let branch = if at + 1 == running.len() { "└─" } else { "├─" };
                let state = one.state.as_deref().map(|state| format!("  {state}")).unwrap_or_default();
                let elapsed = readable(now.saturating_sub(one.since));
                lines.push(format!("{branch} {}{state}  {elapsed}", one.work.0));
            }
        }
        if lines.len() > height {
            let hidden = lines.len() + 1 - height;
            lines.truncate(height.saturating_sub(1));
            lines.push(format!("   … and {hidden} more"));
        }
        lines.into_iter().map(|line| shortened(&line, width)).collect()
    }
}

/// A line without the control characters a machine may have sent; line breaks become spaces.
fn printable(line: &str) -> impl Iterator<Item = char> {
    line.chars()
        .map(|character| if matches!(character, '\n' | '\t') { ' ' } else { character })
        .filter(|character| !character.is_control())
}

/// Cuts a line to a width in characters.
fn shortened(line: &str, width: usize) -> String {
    let clean: Vec<char> = printable(line).collect();
    if clean.len() <= width {
        return clean.into_iter().collect();
    }
    clean.into_iter().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn started(phase: &str, work: &str) -> Event {
        Event::Started { phase: phase.into(), work: Work::new(work) }
    }

    fn board() -> Board {
        let mut board = Board::default();
        board.hear(Event::PhaseStarted { phase: "infrastructure".into(), steps: 3 }, Duration::ZERO);
        board.hear(started("infrastructure", "start master-1"), SECOND);
        board.hear(started("infrastructure", "start master-2"), SECOND);
        board
    }

    #[test]
    fn the_tree_shows_what_runs_what_it_waits_for_and_for_how_long() {
        let mut board = board();
        board.hear(
            Event::Waiting { work: Work::new("start master-2"), node: None, waits_for: "its job".into() },
            SECOND * 2,
        );
        assert_eq!(
            board.picture(SECOND * 4, 80, 20),
            [
                "infrastructure  0 of 3  4.0 s",
                "├─ start master-1  3.0 s",
                "└─ start master-2  waits for its job  3.0 s",
            ]
        );
    }

    #[test]
    fn finished_work_leaves_the_tree_and_stays_as_a_line() {
        let mut board = board();
        let done = Event::Done {
            work: Work::new("start master-1"),
            detail: Some("172.16.0.20".into()),
            took: SECOND * 2,
        };
        assert_eq!(board.hear(done, SECOND * 3), ["  ✓ start master-1  172.16.0.20 (2.0 s)"]);
        let failed = Event::Failed { work: Work::new("start master-2"), error: "no capacity".into() };
        assert_eq!(board.hear(failed, SECOND * 3), ["  ✗ start master-2: no capacity"]);
        assert_eq!(board.picture(SECOND * 3, 80, 20), ["infrastructure  1 of 3  3.0 s"]);
        let done = Event::PhaseDone { phase: "infrastructure".into(), took: SECOND * 5 };
        assert_eq!(board.hear(done, SECOND * 5), ["✓ infrastructure (5.0 s)"]);
        assert!(board.picture(SECOND * 5, 80, 20).is_empty());
    }

    #[test]
    fn the_tree_fits_the_terminal_in_both_directions() {
        let mut board = board();
        for at in 0..50 {
            board.hear(
                started("infrastructure", &format!("start agent-{at} with a rather long name")),
                SECOND,
            );
        }
        let picture = board.picture(SECOND * 2, 20, 10);
        assert_eq!(picture.len(), 10);
        assert!(picture.iter().all(|line| line.chars().count() <= 20));
        assert_eq!(picture[9], "   … and 44 more");
    }

    #[test]
    fn a_machine_cannot_send_escape_sequences_to_the_terminal() {
        let mut board = board();
        board.hear(Event::Output { work: Work::new("start master-1"), line: "\u{1b}[2Jgone".into() }, SECOND);
        assert!(board.picture(SECOND, 80, 20).iter().all(|line| !line.contains('\u{1b}')));
        let failed = Event::Failed { work: Work::new("start master-1"), error: "one\n\u{1b}[31mtwo".into() };
        assert_eq!(board.hear(failed, SECOND), ["  ✗ start master-1: one [31mtwo"]);
    }
}
