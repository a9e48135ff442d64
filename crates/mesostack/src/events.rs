//! What happens while mesostack works, told as it happens.
//!
//! The engine and the image builder report by events only; the command line alone turns them into a live tree, plain
//! lines or JSON, and a journal keeps them for `mesostack timeline`. So a run can be watched, recorded and tested without
//! a terminal.
//!
//! The JSON form of an event is a promise to others (docs/events.md): what is added keeps [`SCHEMA`], what is changed
//! or taken away raises it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

/// The version of the events' JSON form.
pub const SCHEMA: u32 = 1;

/// Names one piece of work within a run, such as `start master-1`. Unique within the run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Work(#[serde(deserialize_with = "name")] pub Arc<str>);

impl Work {
    /// Names a piece of work.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(Arc::from(name.as_ref()))
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A run began.
    RunStarted {
        #[serde(flatten)]
        run: Run,
    },
    /// All that the run is going to do, and in which order; not every run knows it beforehand.
    Graph {
        /// What steps share, and how many of them may go on side by side. A lane that is not named holds any number.
        lanes: BTreeMap<String, usize>,
        steps: Vec<GraphStep>,
    },
    /// How long the run is expected to take.
    Estimated {
        #[serde(with = "seconds")]
        takes: Duration,
        /// How many earlier runs this is known from; none: only from built-in figures.
        runs: usize,
    },
    /// A phase of the run began, such as `image`, `infrastructure`, `nodes`; `steps` pieces of work are expected.
    PhaseStarted { phase: String, steps: usize },
    /// A phase ended well.
    PhaseDone {
        phase: String,
        #[serde(with = "seconds")]
        took: Duration,
    },
    /// A piece of work began.
    Started { phase: String, work: Work },
    /// It waits, and for what: a job, a port, a quorum; `node`, where one of many nodes is waited for.
    Waiting {
        work: Work,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        waits_for: String,
    },
    /// One of the nodes that it waits for is ready.
    NodeReady { work: Work, node: String },
    /// It started a job in the cloud.
    JobStarted { work: Work, command: String, job: String },
    /// A job ended; `error` says why not well.
    JobDone {
        work: Work,
        job: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// It ended well; `detail` is what a reader wants to know of it (an address, a version), if anything.
    Done {
        work: Work,
        detail: Option<String>,
        #[serde(with = "seconds")]
        took: Duration,
    },
    /// It failed.
    Failed { work: Work, error: String },
    /// Output of a command on a machine, a line at a time.
    Output { work: Work, line: String },
    /// Something a reader should know that is no failure.
    Warning { message: String },
    /// The run is being stopped: nothing is begun any more, and what runs has `grace` to end.
    Stopping {
        #[serde(default)]
        why: Stop,
        running: Vec<Work>,
        #[serde(with = "seconds")]
        grace: Duration,
    },
    /// The run ended.
    RunEnded {
        outcome: Outcome,
        #[serde(with = "seconds")]
        took: Duration,
        /// Calls that the cloud got, looks at jobs included.
        calls: u64,
    },
}

/// What a run is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What was asked for: `apply`, `destroy`, `image build`.
    pub command: String,
    /// The cluster; for an image, the cluster of its file.
    pub cluster: String,
    /// The zone.
    pub zone: String,
    /// The API's host and port.
    pub cloud: String,
    /// The version of mesostack.
    pub mesostack: String,
}

/// One step of a run that knows its steps beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphStep {
    /// Its name, as every other event has it.
    pub work: Work,
    /// What kind of step it is: `deploy`, `start`, `set_up`. Steps of a kind take about as long as each other.
    pub kind: String,
    /// The phase it belongs to.
    pub phase: String,
    /// What it shares with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// The node it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Which earlier steps it waits for, by their places in the list, from 0.
    pub after: Vec<usize>,
}

/// Why a run is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// From outside: somebody asked for it, or the lease was lost.
    #[default]
    Interrupted,
    /// Its deadline has passed.
    DeadlinePassed,
    /// Something failed that no other step would survive.
    Failed,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Done,
    /// Something failed.
    Failed,
    /// It was stopped.
    Interrupted,
    /// Its deadline passed.
    DeadlinePassed,
}

/// Durations as seconds, to the millisecond.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((took.as_secs_f64() * 1000.0).round() / 1000.0)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let whole = Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)?;
        // Back to what was written: a millisecond is not a binary fraction.
        Ok(Duration::from_micros(((whole.as_nanos() + 500) / 1000) as u64))
    }
}

fn name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    String::deserialize(deserializer).map(Arc::from)
}

/// Takes events as they happen. Must not block.
pub trait Listener: Send + Sync + std::fmt::Debug {
    /// One event.
    fn hear(&self, event: Event);
}

/// Hears nothing; for tests and one-call commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Listener for Silent {
    fn hear(&self, _: Event) {}
}

/// Two who hear the same.
#[derive(Clone, Debug)]
pub struct Both(pub Arc<dyn Listener>, pub Arc<dyn Listener>);

impl Listener for Both {
    fn hear(&self, event: Event) {
        self.0.hear(event.clone());
        self.1.hear(event);
    }
}

/// Does `work`, and tells of every job it starts in the cloud.
pub(crate) async fn with_jobs_of<F: Future>(listener: Arc<dyn Listener>, work: &Work, doing: F) -> F::Output {
    let work = work.clone();
    let hear = move |happened: cloudstack::JobNews<'_>| {
        listener.hear(match happened {
            cloudstack::JobNews::Started { command, job } => {
                Event::JobStarted { work: work.clone(), command: command.to_owned(), job: job.to_string() }
            }
            cloudstack::JobNews::Ended { job, error } => Event::JobDone {
                work: work.clone(),
                job: job.to_string(),
                error: error.map(ToString::to_string),
            },
        });
    };
    cloudstack::hearing_of_jobs(hear, doing).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let events = [
            Event::RunStarted { run: Run { command: "apply".into(), ..Run::default() } },
            Event::Graph {
                lanes: BTreeMap::from([("machines".into(), 20)]),
                steps: vec![GraphStep {
                    work: Work::new("start master-1"),
                    kind: "start".into(),
                    phase: "infrastructure".into(),
                    lane: Some("machines".into()),
                    node: None,
                    after: vec![],
                }],
            },
            Event::Waiting { work: Work::new("x"), node: Some("master-1".into()), waits_for: "a job".into() },
            Event::Done { work: Work::new("x"), detail: None, took: Duration::from_millis(1_001) },
            Event::RunEnded { outcome: Outcome::Interrupted, took: Duration::from_millis(70_007), calls: 3 },
        ];
        for event in events {
            let line = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event, "{line}");
        }
    }
}
