//! A run as its journal tells it.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::events::{self, Event, Outcome, SCHEMA, Work, seconds};

/// One run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// What it was about.
    pub run: events::Run,
    /// When it began.
    pub began: Option<Timestamp>,
    /// Its steps: those it knew beforehand in their order, then others.
    pub steps: Vec<Step>,
    /// How many steps of a lane might run side by side.
    pub lanes: BTreeMap<String, usize>,
    /// How it ended. None: it still runs, or it was killed.
    pub ended: Option<Ended>,
    /// From its beginning to the last that was heard of it.
    pub length: Duration,
}

/// A run's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Calls that the cloud got.
    pub calls: u64,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What kind of step it is.
    pub kind: String,
    /// Its phase.
    pub phase: String,
    /// What it shared with others.
    pub lane: Option<String>,
    /// The node it was about.
    pub node: Option<String>,
    /// The earlier steps it waited for.
    pub after: Vec<usize>,
    /// When it began, if it did.
    pub begun: Option<Duration>,
    /// When it ended, if it did.
    pub ended: Option<Duration>,
    /// How it ended.
    pub end: StepEnd,
    /// What it waited for, one after another; side by side where it waited for several nodes.
    pub waits: Vec<Wait>,
    /// Jobs it started in the cloud.
    pub jobs: Vec<Job>,
    /// When each node that it waited for was ready.
    pub ready: Vec<(String, Duration)>,
}

/// How a step ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StepEnd {
    /// It was not begun, or its end was not heard of.
    #[default]
    Unknown,
    /// Well, with what there is to say of it.
    Done(Option<String>),
    /// Not well.
    Failed(String),
}

/// A wait within a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The node that was waited for, if it was one of many.
    pub node: Option<String>,
    /// What was waited for.
    pub waits_for: String,
    /// From when.
    pub from: Duration,
    /// Until when.
    pub to: Duration,
}

/// A job in the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The command it carried out.
    pub command: String,
    /// Its id.
    pub id: String,
    /// From when.
    pub from: Duration,
    /// Until when; the step's end where the job's was not heard of.
    pub to: Duration,
    /// Why it did not end well.
    pub error: Option<String>,
}

/// A journal's line.
#[derive(Deserialize)]
struct Line {
    v: u32,
    #[serde(with = "seconds")]
    t: Duration,
    at: Option<Timestamp>,
    #[serde(flatten)]
    event: Event,
}

impl Record {
    /// Reads a journal. Lines that cannot be read are skipped: the last may be half written, others may be of a later
    /// version. None when nothing could be read.
    pub fn read(journal: &str) -> Option<Self> {
        let lines = journal.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let mut reading = Reading::default();
        for line in lines.filter(|line| line.v == SCHEMA) {
            reading.take(line);
        }
        reading.any.then(|| reading.finish())
    }

    /// How long a step took, where both ends are known.
    pub fn took(&self, step: usize) -> Option<Duration> {
        let step = self.steps.get(step)?;
        step.ended?.checked_sub(step.begun?)
    }

    /// When a begun step ended; the run's end for those whose end was not heard of.
    pub fn end_of(&self, step: &Step) -> Duration {
        step.ended.unwrap_or(self.length)
    }

    /// How many jobs its steps started.
    pub fn jobs(&self) -> usize {
        self.steps.iter().map(|step| step.jobs.len()).sum()
    }
}

#[derive(Default)]
struct Reading {
    any: bool,
    record: Record,
    places: HashMap<Work, usize>,
}

impl Reading {
    fn take(&mut self, Line { t, at, event, .. }: Line) {
        self.any = true;
        // Whatever the file says, time does not go back.
        let t = t.max(self.record.length);
        self.record.length = t;
        if self.record.began.is_none() {
            let since = jiff::SignedDuration::try_from(t).unwrap_or_default();
            self.record.began = at.and_then(|at| at.saturating_sub(since).ok());
        }
        match event {
            Event::RunStarted { run } => self.record.run = run,
            Event::Graph { lanes, steps } => self.promise(lanes, steps),
            Event::Started { phase, work } => {
                let step = self.step(&work);
                step.phase = phase;
                step.begun.get_or_insert(t);
            }
            Event::Waiting { work, node, waits_for } => {
                let step = self.step(&work);
                end_wait(step, &node, t);
                step.waits.push(Wait { node, waits_for, from: t, to: Duration::MAX });
            }
            Event::NodeReady { work, node } => {
                let step = self.step(&work);
                end_wait(step, &Some(node.clone()), t);
                step.ready.push((node, t));
            }
            Event::JobStarted { work, command, job } => {
                self.step(&work).jobs.push(Job { command, id: job, from: t, to: Duration::MAX, error: None });
            }
            Event::JobDone { work, job, error } => {
                let mut jobs = self.step(&work).jobs.iter_mut();
                if let Some(known) = jobs.find(|known| known.id == job) {
                    (known.to, known.error) = (t, error);
                }
            }
            Event::Done { work, detail, .. } => self.end(&work, t, StepEnd::Done(detail)),
            Event::Failed { work, error } => self.end(&work, t, StepEnd::Failed(error)),
            Event::RunEnded { outcome, calls, .. } => self.record.ended = Some(Ended { outcome, calls }),
            _ => {}
        }
    }

    fn promise(&mut self, lanes: BTreeMap<String, usize>, steps: Vec<events::GraphStep>) {
        self.record.lanes.extend(lanes);
        let first = self.record.steps.len();
        let count = steps.len();
        for (at, promised) in steps.into_iter().enumerate() {
            let step = self.step(&promised.work);
            step.kind = promised.kind;
            step.phase = promised.phase;
            step.lane = promised.lane;
            step.node = promised.node;
            let earlier = promised.after.into_iter().filter(|before| *before < at.min(count));
            step.after = earlier.map(|before| first + before).collect();
        }
    }

    fn end(&mut self, work: &Work, t: Duration, end: StepEnd) {
        let step = self.step(work);
        step.begun.get_or_insert(t);
        (step.ended, step.end) = (Some(t), end);
    }

    fn step(&mut self, work: &Work) -> &mut Step {
        let steps = &mut self.record.steps;
        let at = *self.places.entry(work.clone()).or_insert_with(|| {
            steps.push(Step {
                name: work.0.to_string(),
                kind: work.0.replace(' ', "_").to_lowercase(),
                phase: String::new(),
                lane: None,
                node: None,
                after: Vec::new(),
                begun: None,
                ended: None,
                end: StepEnd::Unknown,
                waits: Vec::new(),
                jobs: Vec::new(),
                ready: Vec::new(),
            });
            steps.len() - 1
        });
        &mut steps[at]
    }

    fn finish(mut self) -> Record {
        let length = self.record.length;
        for step in &mut self.record.steps {
            let end = step.ended.unwrap_or(length);
            step.waits.iter_mut().for_each(|wait| wait.to = wait.to.min(end).max(wait.from));
            step.jobs.iter_mut().for_each(|job| job.to = job.to.min(end).max(job.from));
        }
        self.record
    }
}

fn end_wait(step: &mut Step, node: &Option<String>, t: Duration) {
    let open = step.waits.iter_mut().filter(|wait| wait.to == Duration::MAX && wait.node == *node);
    open.for_each(|wait| wait.to = t);
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: &str = concat!(
        r#"{"v":1,"t":0.0,"at":"2026-11-25T04:00:00.000Z","event":"run_started","command":"apply","cluster":"mesos","zone":"z","cloud":"c:1","mesostack":"0.1.0"}"#,
        "\n",
        r#"{"v":1,"t":0.0,"event":"graph","lanes":{"machines":2},"steps":[{"work":"a","kind":"deploy","phase":"infrastructure","lane":"machines","after":[]},{"work":"b","kind":"start","phase":"infrastructure","after":[0]}]}"#,
        "\n",
        r#"{"v":1,"t":0.1,"event":"started","phase":"infrastructure","work":"a"}"#,
        "\n",
        r#"{"v":1,"t":0.2,"event":"job_started","work":"a","command":"deployVirtualMachine","job":"j"}"#,
        "\n",
        r#"{"v":1,"t":0.7,"event":"job_done","work":"a","job":"j"}"#,
        "\n",
        r#"{"v":1,"t":0.9,"event":"done","work":"a","detail":"10.0.0.1","took":0.8}"#,
        "\n",
        r#"{"v":1,"t":0.9,"event":"started","phase":"infrastructure","work":"b"}"#,
        "\n",
        r#"{"v":1,"t":1.0,"event":"waiting","work":"b","waits_for":"the router"}"#,
        "\n",
        r#"{"v":1,"t":2.5,"event":"of the future","work":"b"}"#,
        "\n",
        r#"{"v":1,"t":3.0,"event":"waiting","work":"b","waits_for":"the machine"}"#,
        "\n",
        r#"{"v":1,"t":4.0,"event":"don"#,
    );

    #[test]
    fn a_killed_run_s_journal_is_read_to_where_it_broke_off() {
        let record = Record::read(JOURNAL).unwrap();
        assert_eq!(record.ended, None);
        assert_eq!(record.length, Duration::from_secs(3));
        assert_eq!(record.began.unwrap().to_string(), "2026-11-25T04:00:00Z");
        let [a, b] = &record.steps[..] else { panic!("{record:?}") };
        assert_eq!(record.took(0), Some(Duration::from_millis(800)));
        assert_eq!(a.jobs[0].to, Duration::from_millis(700));
        assert_eq!((b.ended, &b.end, &b.after[..]), (None, &StepEnd::Unknown, &[0][..]));
        let waits: Vec<_> = b.waits.iter().map(|wait| (&*wait.waits_for, wait.from, wait.to)).collect();
        let second = Duration::from_secs;
        assert_eq!(waits, [("the router", second(1), second(3)), ("the machine", second(3), second(3))]);
    }

    #[test]
    fn a_journal_of_another_version_or_of_nothing_is_none() {
        assert_eq!(Record::read(""), None);
        assert_eq!(Record::read(&JOURNAL.replace("\"v\":1", "\"v\":2")), None);
    }
}
