//! The live tree's lines: phases with their counts, what runs in each, what it waits for and for how long. Where it
//! does not fit, steps of a kind share a line.

use std::{collections::BTreeMap, time::Duration};

use mesostack::timeline::Rough;

use super::{
    board::{Board, Phase, Running},
    readable,
    width::{cut, fit},
};

impl Board {
    /// The tree at `now`, no line wider than `width` and no more than `height` lines.
    pub(super) fn picture(&mut self, now: Duration, width: usize, height: usize) -> Vec<String> {
        if self.phases.is_empty() || height == 0 {
            return Vec::new();
        }
        let mut lines: Vec<String> = self.head(now).into_iter().map(|line| cut(&line, width)).collect();
        let first = lines.len();
        for phase in &self.phases {
            lines.push(phase.line(now, width));
            lines.extend(branches(self.of(phase).map(|one| one.line(now)).collect(), width));
        }
        if lines.len() > height {
            lines.truncate(first);
            for phase in &self.phases {
                lines.push(phase.line(now, width));
                lines.extend(branches(groups(self.of(phase), now), width));
            }
        }
        if lines.len() > height {
            let hidden = lines.len() + 1 - height;
            lines.truncate(height - 1);
            lines.push(cut(&format!("   … and {hidden} more"), width));
        }
        lines
    }

    /// The whole in a line: how far it is, and how long it will still take.
    fn head(&mut self, now: Duration) -> Option<String> {
        let (done, all) = self.counts()?;
        let elapsed = readable(self.elapsed(now));
        let left = match self.left(now) {
            _ if self.stopping => ", stopping; Ctrl-C again stops at once".to_owned(),
            Some(left) => format!(", about {} left", Rough(left)),
            None => String::new(),
        };
        let command = if self.command.is_empty() { String::new() } else { format!("{}: ", self.command) };
        Some(format!("{command}{done} of {all} steps, {elapsed}{left}"))
    }

    /// The same and what has run longest, for those who have no tree.
    pub(super) fn sentence(&mut self, now: Duration) -> Option<String> {
        let longest = self.running.iter().min_by_key(|one| one.since)?;
        let (name, says, time) = longest.line(now);
        let says = if says.is_empty() { String::new() } else { format!(", {says}") };
        let more = match self.running.len() {
            1 => String::new(),
            many => format!("; {} more run", many - 1),
        };
        let text = format!("{name} runs for {time}{says}{more}");
        Some(self.head(now).map_or_else(|| text.clone(), |head| format!("{head}: {text}")))
    }

    fn of<'a>(&'a self, phase: &'a Phase) -> impl Iterator<Item = &'a Running> {
        self.running.iter().filter(|running| running.phase == phase.name)
    }
}

impl Phase {
    fn line(&self, now: Duration, width: usize) -> String {
        let mut counts =
            if self.steps > 0 { format!("{} of {}", self.done, self.steps) } else { String::new() };
        if self.failed > 0 {
            counts.push_str(&format!(", {} failed", self.failed));
        }
        fit(&self.name, &counts, &readable(now.saturating_sub(self.since)), width)
    }
}

/// A step's name, what there is to say of it, and how long it has run.
type Line = (String, String, String);

impl Running {
    fn line(&self, now: Duration) -> Line {
        let elapsed = readable(now.saturating_sub(self.since));
        (self.work.0.to_string(), self.waits().unwrap_or_default(), elapsed)
    }
}

fn branches(lines: Vec<Line>, width: usize) -> Vec<String> {
    let last = lines.len().saturating_sub(1);
    let branch = |(at, (name, says, time)): (usize, Line)| {
        let branch = if at == last { "└─" } else { "├─" };
        fit(&format!("{branch} {name}"), &says, &time, width)
    };
    lines.into_iter().enumerate().map(branch).collect()
}

/// A line a kind: how many run, and what the one waits for that has run longest.
fn groups<'a>(running: impl Iterator<Item = &'a Running>, now: Duration) -> Vec<Line> {
    let mut kinds: BTreeMap<&str, Vec<&Running>> = BTreeMap::new();
    for one in running {
        kinds.entry(&one.kind).or_default().push(one);
    }
    let groups = kinds.into_iter().flat_map(|(kind, mut all)| {
        all.sort_by_key(|one| one.since);
        match all.as_slice() {
            // Without a graph no kind is known.
            [_] => all.iter().map(|one| one.line(now)).collect(),
            _ if kind.is_empty() => all.iter().map(|one| one.line(now)).collect(),
            [first, ..] => {
                let (name, says, time) = first.line(now);
                vec![(format!("{} × {}", all.len(), kind.replace('_', " ")), format!("{name} {says}"), time)]
            }
            [] => Vec::new(),
        }
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use mesostack::events::{Event, Work};

    use super::*;
    use crate::progress::{
        board::tests::{SECOND, board, ended, started},
        width::columns,
    };

    #[test]
    fn the_tree_shows_what_runs_what_it_waits_for_for_how_long_and_what_is_left() {
        let mut board = board(3);
        board.hear(started("start agent-1"), SECOND);
        board.hear(started("start agent-2"), SECOND);
        let (work, waits_for) = (Work::new("start agent-2"), "the router".into());
        board.hear(Event::Waiting { work, node: None, waits_for }, SECOND * 2);
        board.hear(started("start agent-3"), SECOND);
        board.hear(ended("start agent-3", SECOND * 2), SECOND * 3);
        assert_eq!(
            board.picture(SECOND * 4, 80, 20),
            [
                "1 of 3 steps, 4.0 s, about 25 s left",
                "infrastructure  1 of 3  4.0 s",
                "├─ start agent-1  3.0 s",
                "└─ start agent-2  waits for the router  3.0 s",
            ]
        );
        assert_eq!(
            board.sentence(SECOND * 4).unwrap(),
            "1 of 3 steps, 4.0 s, about 25 s left: start agent-1 runs for 3.0 s; 1 more run"
        );
        board.stopping = true;
        assert!(board.picture(SECOND * 4, 80, 20)[0].contains("stopping"));
    }

    #[test]
    fn where_hundreds_run_they_share_a_line() {
        let mut board = board(500);
        for at in 1..=300 {
            board.hear(started(&format!("start agent-{at}")), SECOND + Duration::from_millis(at));
        }
        assert_eq!(
            board.picture(SECOND * 4, 80, 12),
            [
                "0 of 500 steps, 4.0 s, about 30 s left",
                "infrastructure  0 of 500  4.0 s",
                "└─ 300 × start  start agent-1   3.0 s",
            ]
        );
    }

    #[test]
    fn the_tree_fits_any_terminal_in_both_directions() {
        let mut board = board(90);
        for at in 1..=20 {
            board.hear(started(&format!("start agent-{at}")), SECOND);
            board.hear(started(&format!("unforeseen-{at}")), SECOND);
        }
        for width in 0..60 {
            for height in 0..30 {
                let picture = board.picture(SECOND * 2, width, height);
                assert!(picture.len() <= height, "{width} {height}");
                assert!(picture.iter().all(|line| columns(line) <= width), "{width} {height}");
            }
        }
    }
}
