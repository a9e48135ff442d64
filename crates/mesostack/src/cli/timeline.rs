//! `mesostack timeline`: what the last runs took, and what it was spent on.

use std::{fmt::Write, path::Path, time::Duration};

use console::Term;
use mesostack::{
    events::Outcome,
    timeline::{Journals, Summary, Why, html, svg},
};
use serde_json::json;

use super::{
    arguments::Timeline,
    exit::Exit,
    report::{Refused, While},
    run::Run,
};
use crate::progress::readable;

/// The widest that lines get.
const WIDEST: usize = 120;
/// How wide bars are drawn at most.
const BARS: usize = 48;

pub(super) fn timeline(run: &Run, arguments: &Timeline) -> miette::Result<Exit> {
    let cluster = run.read_file()?.spec.cluster.name;
    let none = || {
        let message = format!("no run of cluster {cluster} was recorded on this machine");
        Refused::new(message, "apply, destroy and image build are; the last 20 are kept")
    };
    let journals = Journals::of(&cluster).ok_or_else(none)?;
    if arguments.list {
        let runs = journals.all();
        let rows = runs.iter().map(|(number, record)| (*number, Summary::of(record))).collect::<Vec<_>>();
        let answer = rows.iter().map(|(number, summary)| json!({ "number": number, "summary": summary }));
        run.answer(&answer.collect::<Vec<_>>(), || list(&rows))?;
        return Ok(Exit::Done);
    }
    let numbers = journals.numbers().tried("the journals could not be listed")?;
    let number = arguments.run.or(numbers.last().copied()).ok_or_else(none)?;
    if !numbers.contains(&number) {
        let message = format!("run {number} of cluster {cluster} is not kept");
        return Err(Refused::new(message, "`mesostack timeline --list` shows those that are").into());
    }
    let record = journals.read(number).tried("the journal could not be read")?;
    let record = record.ok_or_else(|| {
        Refused::new(format!("nothing of run {number} can be read"), "another version may have written it")
    })?;
    if let Some(path) = &arguments.svg {
        write(path, &svg(&record))?;
        run.remark(&format!("wrote {}", path.display()));
    }
    if let Some(path) = &arguments.html {
        write(path, &html(&record))?;
        run.remark(&format!("wrote {}", path.display()));
    }
    if arguments.svg.is_none() && arguments.html.is_none() || run.options.json {
        let summary = Summary::of(&record);
        let width = Term::stdout().size_checked().map_or(100, |(_, width)| usize::from(width));
        run.answer(&summary, || text(number, &summary, width.min(WIDEST)))?;
    }
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> miette::Result<()> {
    std::fs::write(path, text).tried(format!("could not write {}", path.display()))
}

fn list(rows: &[(u64, Summary)]) -> String {
    if rows.is_empty() {
        return "no run was recorded".to_owned();
    }
    let mut text = String::new();
    for (number, summary) in rows {
        let _ = writeln!(
            text,
            "{number:4}  {}  {:12}  {:12}  {:>10}  {} of {} steps, in zone {}",
            began(summary),
            summary.run.command,
            ended(summary),
            readable(summary.took),
            summary.done,
            summary.steps,
            summary.run.zone,
        );
    }
    text
}

fn began(summary: &Summary) -> String {
    let began = summary.began.map(|began| began.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    began.unwrap_or_else(|| "-".to_owned())
}

fn ended(summary: &Summary) -> &'static str {
    match summary.ended.map(|ended| ended.outcome) {
        Some(Outcome::Done) => "done",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Interrupted) => "interrupted",
        Some(Outcome::DeadlinePassed) => "deadline passed",
        None => "broken off",
    }
}

fn text(number: u64, summary: &Summary, width: usize) -> String {
    let mut text = format!(
        "run {number}: {} of {} in zone {}, {}: {} after {}\n",
        summary.run.command,
        summary.run.cluster,
        summary.run.zone,
        began(summary),
        ended(summary),
        readable(summary.took)
    );
    let calls = summary.ended.map(|ended| format!(", {} calls", ended.calls)).unwrap_or_default();
    let _ = writeln!(text, "{} of {} steps done, {} jobs{calls}", summary.done, summary.steps, summary.jobs);
    let _ = writeln!(
        text,
        "\ncritical path: {} steps, {} of {}",
        summary.path.len(),
        readable(summary.critical),
        readable(summary.took)
    );
    path(&mut text, summary, width);
    text.push_str("\nkinds of steps            count     middle    longest\n");
    for kind in summary.kinds.iter().take(12) {
        let line = format!(
            "  {:22} {:>6} {:>10} {:>10}  {}",
            kind.kind.replace('_', " "),
            kind.count,
            readable(kind.middle),
            readable(kind.longest),
            kind.longest_work
        );
        let _ = writeln!(text, "{}", cut(&line, width));
    }
    for (work, error) in &summary.failed {
        let _ = writeln!(text, "\n✗ {work}: {error}");
    }
    if !summary.unknown.is_empty() {
        let shown = summary.unknown.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let more = summary.unknown.len().saturating_sub(8);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "\nstill running when it was last heard of: {shown}{more}");
    }
    text
}

/// The critical path: a line a step with its place in the run as a bar.
fn path(text: &mut String, summary: &Summary, width: usize) {
    let names = summary.path.iter().map(|one| one.work.chars().count()).max().unwrap_or(0).min(34);
    let bars = width.saturating_sub(names + 46).clamp(8, BARS);
    for one in &summary.path {
        let lane = if one.why == Why::Lane { "↳" } else { " " };
        let name = cut(&one.work, names);
        let spent = one.spent_on.as_ref().map(|on| format!("  {on}")).unwrap_or_default();
        let bar = bar(one.from, one.took, summary.took, bars);
        let line = format!("{lane} {name:names$}  {bar}  {:>9}{spent}", readable(one.took));
        let _ = writeln!(text, "{}", cut(&line, width).trim_end());
    }
}

/// Where in the whole a part lies.
fn bar(from: Duration, took: Duration, whole: Duration, width: usize) -> String {
    let scale = width as f64 / whole.as_secs_f64().max(0.001);
    let begin = ((from.as_secs_f64() * scale) as usize).min(width - 1);
    let long = ((took.as_secs_f64() * scale).round() as usize).clamp(1, width - begin);
    format!("{}{}{}", "·".repeat(begin), "█".repeat(long), "·".repeat(width - begin - long))
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use mesostack::timeline::Record;

    use super::*;

    const JOURNAL: &str = concat!(
        r#"{"v":1,"t":0,"at":"2026-11-25T04:00:00Z","event":"run_started","command":"apply","cluster":"mesos","zone":"z","cloud":"c:1","mesostack":"0.1.0"}"#,
        "\n",
        r#"{"v":1,"t":0,"event":"graph","lanes":{"network":1},"steps":[{"work":"create network","kind":"create_network","phase":"infrastructure","after":[]},{"work":"start a-1","kind":"start","phase":"infrastructure","after":[0]}]}"#,
        "\n",
        r#"{"v":1,"t":0,"event":"started","phase":"infrastructure","work":"create network"}"#,
        "\n",
        r#"{"v":1,"t":2,"event":"done","work":"create network","detail":null,"took":2}"#,
        "\n",
        r#"{"v":1,"t":2,"event":"started","phase":"infrastructure","work":"start a-1"}"#,
        "\n",
        r#"{"v":1,"t":2,"event":"job_started","work":"start a-1","command":"startVirtualMachine","job":"j"}"#,
        "\n",
        r#"{"v":1,"t":8,"event":"warning","message":"slow"}"#,
        "\n",
    );

    #[test]
    fn a_run_that_was_killed_is_shown_as_broken_off_with_its_path_so_far() {
        let summary = Summary::of(&Record::read(JOURNAL).unwrap());
        let shown = text(3, &summary, 80);
        let expected = "\
run 3: apply of mesos in zone z, 2026-11-25 04:00:00 UTC: broken off after 8.0 s
1 of 2 steps done, 1 jobs

critical path: 2 steps, 8.0 s of 8.0 s
  create network  █████···············      2.0 s
  start a-1       ·····███████████████      6.0 s  startVirtualMachine

kinds of steps            count     middle    longest
  create network              1      2.0 s      2.0 s  create network

still running when it was last heard of: start a-1
";
        assert_eq!(shown, expected);
        assert!(list(&[(3, summary)]).contains("broken off"));
    }

    #[test]
    fn lines_are_no_wider_than_the_terminal() {
        let summary = Summary::of(&Record::read(JOURNAL).unwrap());
        for width in [20, 40, 60, 100] {
            let mut text = String::new();
            path(&mut text, &summary, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
        }
    }
}
