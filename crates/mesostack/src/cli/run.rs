//! What every command of one run shares: the options, the way to stop, the way to show and the way to answer.

use std::{
    io::Write,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use mesostack::{
    events::{Outcome, SCHEMA},
    spec::Document,
};
use miette::IntoDiagnostic;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    arguments::Global,
    report::{DeadlinePassed, Interrupted},
};
use crate::progress::Progress;

/// One run of the command line.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) options: Global,
    /// Cancelled by the first Ctrl-C.
    pub(crate) stop: CancellationToken,
    pub(crate) progress: Progress,
    /// The file once it has been read, for what turns out wrong with it later.
    pub(crate) document: Arc<OnceLock<Document>>,
}

/// How much time there is: the user's deadline for the whole of it, else each part's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(Option<Instant>);

impl Patience {
    /// When the whole is stopped; none: it goes on as long as its steps do.
    pub(crate) fn whole(self) -> Option<Instant> {
        self.0
    }

    /// When a part that begins now is given up.
    pub(crate) fn within(self, usual: Duration) -> Instant {
        self.0.unwrap_or_else(|| Instant::now() + usual)
    }
}

impl Run {
    pub(crate) fn new(options: Global, stop: CancellationToken, progress: Progress) -> Self {
        Self { options, stop, progress, document: Arc::default() }
    }

    /// The same run with another file.
    pub(crate) fn with_file(&self, file: PathBuf) -> Self {
        Self { options: Global { file, ..self.options.clone() }, ..self.clone() }
    }

    /// When the run gives up: the user's deadline, else the command's own.
    pub(crate) fn deadline(&self, usual: Duration) -> Instant {
        Instant::now() + self.options.deadline.unwrap_or(usual)
    }

    /// How much time a command that changes a cluster has, from now on.
    pub(crate) fn patience(&self) -> Patience {
        Patience(self.options.deadline.map(|deadline| Instant::now() + deadline))
    }

    /// How work ended, unless it says so itself.
    pub(crate) fn outcome<T, E>(&self, ended: &Result<T, E>) -> Outcome {
        match ended {
            Ok(_) => Outcome::Done,
            Err(_) if self.stop.is_cancelled() => Outcome::Interrupted,
            Err(_) => Outcome::Failed,
        }
    }

    /// Awaits work that changes nothing: Ctrl-C and the deadline may simply drop it.
    pub(crate) async fn ask<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = miette::Result<T>>,
    ) -> miette::Result<T> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Interrupted::default().into()),
            () = tokio::time::sleep_until(deadline) => Err(DeadlinePassed.into()),
            done = work => done,
        }
    }

    /// Awaits work of a call or two that changes something. After Ctrl-C it is not begun. Once begun it is heard to its end,
    /// which each call's own time limit brings about: what the cloud has made and nobody heard of would be lost.
    pub(crate) async fn carry_out<T>(&self, work: impl Future<Output = T>) -> miette::Result<T> {
        if self.stop.is_cancelled() {
            return Err(Interrupted::default().into());
        }
        Ok(work.await)
    }

    /// Prints a question's answer: one JSON document, or text.
    pub(crate) fn answer(
        &self,
        answer: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> miette::Result<()> {
        self.progress.finish();
        if self.options.json {
            print(&serde_json::to_string_pretty(answer).into_diagnostic()?)
        } else {
            print(text().trim_end())
        }
    }

    /// Prints how work ended: the last of the JSON lines, or text.
    pub(crate) fn conclude(
        &self,
        result: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> miette::Result<()> {
        self.progress.finish();
        if !self.options.json {
            let text = text();
            return if text.is_empty() { Ok(()) } else { print(text.trim_end()) };
        }
        print(&line("result", result)?)
    }

    /// Tells something before the end: a JSON line of that name, or text beside the results.
    pub(crate) fn tell(
        &self,
        event: &str,
        what: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> miette::Result<()> {
        self.progress.finish();
        if self.options.json {
            return print(&line(event, what)?);
        }
        self.remark(text().trim_end());
        Ok(())
    }

    /// A remark to the reader, not part of the answer.
    pub(crate) fn remark(&self, text: &str) {
        if !self.options.quiet && !self.options.json {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// A JSON line: an event's name and its fields.
fn line(event: &str, fields: &impl Serialize) -> miette::Result<String> {
    let mut line = serde_json::Map::from_iter([
        ("v".to_owned(), Value::from(SCHEMA)),
        ("event".to_owned(), Value::from(event)),
    ]);
    match serde_json::to_value(fields).into_diagnostic()? {
        Value::Object(fields) => line.extend(fields),
        other => {
            line.insert(event.to_owned(), other);
        }
    }
    Ok(Value::Object(line).to_string())
}

/// Prints to standard output. That a reader has gone (`| head`) is no error.
pub(crate) fn print(text: &str) -> miette::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).into_diagnostic(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{cli::arguments::Cli, progress::Look};

    fn run() -> Run {
        let options = Cli::try_parse_from(["mesostack", "keypair", "list"]).unwrap().global;
        Run::new(options, CancellationToken::new(), Progress::start(Look::None))
    }

    #[tokio::test]
    async fn what_changes_something_is_heard_to_its_end_and_a_question_is_dropped() {
        let run = run();
        let interrupted_on_the_way = async {
            run.stop.cancel();
            tokio::task::yield_now().await;
            Ok::<_, miette::Report>("the only copy")
        };
        assert_eq!(run.carry_out(interrupted_on_the_way).await.unwrap().unwrap(), "the only copy");
        let question = std::future::pending::<miette::Result<()>>();
        assert!(
            run.ask(Instant::now() + Duration::from_secs(60), question)
                .await
                .unwrap_err()
                .is::<Interrupted>()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_for_the_whole_run_and_without_one_each_part_has_its_own() {
        let minute = Duration::from_secs(60);
        let given = Run { options: Global { deadline: Some(minute), ..run().options }, ..run() };
        let (whole, parts) = (given.patience(), run().patience());
        tokio::time::advance(minute / 2).await;
        assert_eq!(whole.within(minute), Instant::now() + minute / 2);
        assert_eq!((parts.whole(), parts.within(minute)), (None, Instant::now() + minute));
        let question = std::future::pending::<miette::Result<()>>();
        assert!(given.ask(whole.within(minute), question).await.unwrap_err().is::<DeadlinePassed>());
    }

    #[tokio::test]
    async fn what_changes_something_is_not_begun_after_an_interruption() {
        let run = run();
        run.stop.cancel();
        let error = run.carry_out(async { unreachable!() }).await.unwrap_err();
        assert!(error.is::<Interrupted>());
    }
}
