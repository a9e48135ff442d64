//! What runs at this moment, what it waits for and for how long, and how much is left: the state behind the live tree.
//!
//! Pure: time comes in as the duration since the run began; lines that stay come out, and the picture is drawn of it
//! (`picture`).

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use mesostack::{
    events::{Event, GraphStep, Work},
    timeline::{Figures, Left, remaining},
};

use super::{readable, width::printable};

/// A phase of more steps than this has a line a kind of step when all of that kind are done, not one a step.
const MANY: usize = 60;
/// How long a remaining time holds in a large run: working it out takes a moment there.
const HOLDS: Duration = Duration::from_secs(1);

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) command: String,
    /// The operator wants it to end.
    pub(super) stopping: bool,
    pub(super) phases: Vec<Phase>,
    pub(super) running: Vec<Running>,
    figures: Figures,
    graph: Graph,
    began: Duration,
    left: Option<(Duration, Duration)>,
}

/// A phase that has begun and not ended.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) steps: usize,
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) since: Duration,
    kinds: BTreeMap<String, Tally>,
}

/// What is over of a kind of steps.
#[derive(Debug, Default)]
struct Tally {
    over: usize,
    failed: usize,
    longest: Duration,
}

/// A step that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) phase: String,
    pub(super) work: Work,
    pub(super) kind: String,
    /// What it waits for, or the last line its machine wrote.
    pub(super) state: Option<String>,
    /// Nodes that it waits for, and for what of them.
    nodes: BTreeMap<String, String>,
    ready: usize,
    pub(super) since: Duration,
}

/// All steps, where they are known beforehand.
#[derive(Debug, Default)]
struct Graph {
    steps: Vec<GraphStep>,
    lanes: BTreeMap<String, usize>,
    places: HashMap<Work, usize>,
    /// How many steps of each kind.
    kinds: BTreeMap<String, usize>,
    over: Vec<bool>,
    done: usize,
    failed: bool,
}

impl Running {
    /// What it waits for, in words.
    pub(super) fn waits(&self) -> Option<String> {
        let Some((node, lacks)) = self.nodes.iter().next() else { return self.state.clone() };
        let all = self.nodes.len() + self.ready;
        let ready = if all > 1 { format!("{} of {all} ready, ", self.ready) } else { String::new() };
        Some(format!("{ready}waits for {node}: {lacks}"))
    }
}

impl Board {
    /// What steps are expected to take.
    pub(super) fn expect(&mut self, figures: Figures) {
        self.figures = figures;
    }

    /// Takes an event at `now`, and gives the lines that stay for good.
    pub(super) fn hear(&mut self, event: Event, now: Duration) -> Vec<String> {
        self.take(event, now).into_iter().map(|line| printable(&line).collect()).collect()
    }

    fn take(&mut self, event: Event, now: Duration) -> Vec<String> {
        match event {
            Event::RunStarted { run } => {
                // A command may be several runs, one after another.
                (self.command, self.graph, self.began, self.left) =
                    (run.command, Graph::default(), now, None);
                self.phases.clear();
                self.running.clear();
            }
            Event::Graph { lanes, steps } => self.graph = Graph::of(lanes, steps),
            Event::PhaseStarted { phase, steps } => {
                self.phases.retain(|known| known.name != phase);
                let kinds = BTreeMap::new();
                self.phases.push(Phase { name: phase, steps, done: 0, failed: 0, since: now, kinds });
            }
            Event::PhaseDone { phase, took } => {
                self.phases.retain(|known| known.name != phase);
                self.running.retain(|running| running.phase != phase);
                return vec![format!("✓ {phase} ({})", readable(took))];
            }
            Event::Started { phase, work } => {
                self.running.retain(|running| running.work != work);
                let kind = self.graph.kind(&work);
                let (nodes, ready) = (BTreeMap::new(), 0);
                self.running.push(Running { phase, work, kind, state: None, nodes, ready, since: now });
            }
            Event::Waiting { work, node: None, waits_for } => {
                self.tell(&work, Some(format!("waits for {waits_for}")));
            }
            Event::Waiting { work, node: Some(node), waits_for } => {
                self.change(&work, |running| drop(running.nodes.insert(node, waits_for)));
            }
            Event::NodeReady { work, node } => self.change(&work, |running| {
                running.nodes.remove(&node);
                running.ready += 1;
            }),
            Event::JobStarted { work, command, .. } => self.tell(&work, Some(format!("waits for {command}"))),
            Event::JobDone { work, .. } => self.tell(&work, None),
            Event::Output { work, line } => self.tell(&work, Some(format!("| {}", line.trim_end()))),
            Event::Done { work, detail, took } => return self.end(&work, took, Ok(detail)),
            Event::Failed { work, error } => return self.end(&work, Duration::ZERO, Err(error)),
            Event::Warning { message } => return vec![format!("! {message}")],
            _ => {}
        }
        Vec::new()
    }

    fn change(&mut self, work: &Work, change: impl FnOnce(&mut Running)) {
        if let Some(running) = self.running.iter_mut().find(|running| running.work == *work) {
            change(running);
        }
    }

    fn tell(&mut self, work: &Work, state: Option<String>) {
        self.change(work, |running| running.state = state);
    }

    fn end(&mut self, work: &Work, took: Duration, ended: Result<Option<String>, String>) -> Vec<String> {
        self.graph.end(work, ended.is_ok());
        self.left = self.left.filter(|_| self.graph.steps.len() > 1000);
        let kind = self.graph.kind(work);
        let of_kind = self.graph.kinds.get(&kind).copied();
        let at = self.running.iter().position(|running| running.work == *work);
        let phase = at.map(|at| self.running.remove(at).phase);
        let phase = self.phases.iter_mut().find(|known| Some(&known.name) == phase.as_ref());
        let mut lines = Vec::new();
        if let Err(error) = &ended {
            lines.push(format!("  ✗ {}: {error}", work.0));
        }
        let Some(phase) = phase else {
            lines.extend(ended.ok().map(|detail| done(work, detail, took)));
            return lines;
        };
        phase.done += usize::from(ended.is_ok());
        phase.failed += usize::from(ended.is_err());
        let many = phase.steps > MANY && of_kind.is_some_and(|all| all > 1);
        let tally = phase.kinds.entry(kind.clone()).or_default();
        tally.over += 1;
        tally.failed += usize::from(ended.is_err());
        tally.longest = tally.longest.max(took);
        match ended {
            Ok(detail) if !many => lines.push(done(work, detail, took)),
            _ if many && of_kind == Some(tally.over) => {
                let failed =
                    if tally.failed > 0 { format!(", {} failed", tally.failed) } else { String::new() };
                let (done, longest) = (tally.over - tally.failed, readable(tally.longest));
                let kind = kind.replace('_', " ");
                lines.push(format!("  ✓ {kind}: {done} done{failed} (the longest {longest})"));
            }
            _ => {}
        }
        lines
    }

    /// How many steps are done, and of how many, where that is known.
    pub(super) fn counts(&self) -> Option<(usize, usize)> {
        (!self.graph.steps.is_empty()).then_some((self.graph.done, self.graph.steps.len()))
    }

    /// How long the run goes on already.
    pub(super) fn elapsed(&self, now: Duration) -> Duration {
        now.saturating_sub(self.began)
    }

    /// How long it will still take. Nobody knows that once something has failed.
    pub(super) fn left(&mut self, now: Duration) -> Option<Duration> {
        if self.graph.steps.is_empty() || self.graph.failed || self.stopping {
            return None;
        }
        if let Some((at, left)) = self.left
            && self.graph.steps.len() > 1000
            && now < at + HOLDS
        {
            return Some(left);
        }
        let begun: HashMap<&Work, Duration> =
            self.running.iter().map(|running| (&running.work, running.since)).collect();
        let (graph, figures) = (&self.graph, &self.figures);
        let takes: BTreeMap<&str, Duration> =
            graph.kinds.keys().map(|kind| (kind.as_str(), figures.takes(kind))).collect();
        let left = remaining(&graph.steps, &graph.lanes, |at| {
            let step = &graph.steps[at];
            let takes = takes.get(step.kind.as_str()).copied().unwrap_or_default();
            match begun.get(&step.work) {
                _ if graph.over[at] => Left::Nothing,
                None => Left::All(takes),
                // What is late will take as much again as it is long, in the small.
                Some(since) => {
                    let elapsed = now.saturating_sub(*since);
                    Left::Running(takes.saturating_sub(elapsed).max(elapsed / 10))
                }
            }
        });
        self.left = Some((now, left));
        Some(left)
    }
}

fn done(work: &Work, detail: Option<String>, took: Duration) -> String {
    let detail = detail.map(|detail| format!("  {detail}")).unwrap_or_default();
    format!("  ✓ {}{detail} ({})", work.0, readable(took))
}

impl Graph {
    fn of(lanes: BTreeMap<String, usize>, steps: Vec<GraphStep>) -> Self {
        let mut kinds = BTreeMap::new();
        steps.iter().for_each(|step| *kinds.entry(step.kind.clone()).or_default() += 1);
        let places = steps.iter().enumerate().map(|(at, step)| (step.work.clone(), at)).collect();
        Self { places, kinds, over: vec![false; steps.len()], lanes, steps, done: 0, failed: false }
    }

    fn kind(&self, work: &Work) -> String {
        self.places.get(work).map(|at| self.steps[*at].kind.clone()).unwrap_or_default()
    }

    fn end(&mut self, work: &Work, well: bool) {
        if let Some(at) = self.places.get(work) {
            self.done += usize::from(well && !self.over[*at]);
            self.over[*at] = true;
            self.failed |= !well;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const SECOND: Duration = Duration::from_secs(1);

    pub(crate) fn started(work: &str) -> Event {
        Event::Started { phase: "infrastructure".into(), work: Work::new(work) }
    }

    pub(crate) fn ended(work: &str, took: Duration) -> Event {
        Event::Done { work: Work::new(work), detail: None, took }
    }

    /// A run of `machines` machines that are started side by side, all at once.
    pub(crate) fn graph(machines: usize) -> Event {
        let step = |at| GraphStep {
            work: Work::new(format!("start agent-{at}")),
            kind: "start".into(),
            phase: "infrastructure".into(),
            lane: None,
            node: None,
            after: vec![],
        };
        Event::Graph { lanes: BTreeMap::new(), steps: (1..=machines).map(step).collect() }
    }

    pub(crate) fn board(machines: usize) -> Board {
        let mut board = Board::default();
        board.hear(graph(machines), Duration::ZERO);
        board.hear(Event::PhaseStarted { phase: "infrastructure".into(), steps: machines }, Duration::ZERO);
        board
    }

    #[test]
    fn finished_work_stays_as_a_line() {
        let mut board = board(3);
        board.hear(started("start agent-1"), SECOND);
        board.hear(started("start agent-2"), SECOND);
        let done = Event::Done {
            work: Work::new("start agent-1"),
            detail: Some("172.16.0.20".into()),
            took: SECOND * 2,
        };
        assert_eq!(board.hear(done, SECOND * 3), ["  ✓ start agent-1  172.16.0.20 (2.0 s)"]);
        let failed = Event::Failed { work: Work::new("start agent-2"), error: "no capacity".into() };
        assert_eq!(board.hear(failed, SECOND * 3), ["  ✗ start agent-2: no capacity"]);
        assert!(board.running.is_empty());
        assert_eq!(board.counts(), Some((1, 3)));
        let done = Event::PhaseDone { phase: "infrastructure".into(), took: SECOND * 5 };
        assert_eq!(board.hear(done, SECOND * 5), ["✓ infrastructure (5.0 s)"]);
    }

    #[test]
    fn hundreds_of_steps_of_a_kind_stay_as_one_line_and_failures_as_their_own() {
        let mut board = board(300);
        let mut lines = Vec::new();
        for at in 1..=300 {
            let name = format!("start agent-{at}");
            board.hear(started(&name), SECOND);
            lines.extend(if at == 7 {
                board.hear(Event::Failed { work: Work::new(&name), error: "no room".into() }, SECOND)
            } else {
                board.hear(ended(&name, SECOND * 2), SECOND * 3)
            });
        }
        assert_eq!(
            lines,
            ["  ✗ start agent-7: no room", "  ✓ start: 299 done, 1 failed (the longest 2.0 s)"]
        );
    }

    #[test]
    fn what_is_left_shrinks_as_steps_end_and_is_unknown_after_a_failure() {
        let mut board = board(2);
        assert_eq!(board.left(Duration::ZERO), Some(SECOND * 30), "a built-in figure");
        board.hear(started("start agent-1"), Duration::ZERO);
        board.hear(started("start agent-2"), Duration::ZERO);
        assert_eq!(board.left(SECOND * 10), Some(SECOND * 20));
        assert_eq!(board.left(SECOND * 60), Some(SECOND * 6), "it is late");
        board.hear(ended("start agent-1", SECOND), SECOND);
        board.hear(ended("start agent-2", SECOND), SECOND);
        assert_eq!(board.left(SECOND * 61), Some(Duration::ZERO));
        board.hear(Event::Failed { work: Work::new("start agent-2"), error: "x".into() }, SECOND);
        assert_eq!(board.left(SECOND * 61), None);
    }

    #[test]
    fn a_step_that_waits_for_many_nodes_says_how_many_are_ready() {
        let mut board = board(1);
        let work = Work::new("start agent-1");
        board.hear(started("start agent-1"), SECOND);
        for node in ["master-1", "agent-1", "agent-2"] {
            let (work, waits_for) = (work.clone(), "its leader".into());
            board.hear(Event::Waiting { work, node: Some(node.into()), waits_for }, SECOND);
        }
        board.hear(Event::NodeReady { work, node: "agent-1".into() }, SECOND);
        assert_eq!(board.running[0].waits().unwrap(), "1 of 3 ready, waits for agent-2: its leader");
    }

    #[test]
    fn a_machine_cannot_send_escape_sequences_to_the_terminal() {
        let mut board = board(1);
        board.hear(started("start agent-1"), SECOND);
        let failed = Event::Failed { work: Work::new("start agent-1"), error: "one\n\u{1b}[31mtwo".into() };
        assert_eq!(board.hear(failed, SECOND), ["  ✗ start agent-1: one [31mtwo"]);
    }
}
