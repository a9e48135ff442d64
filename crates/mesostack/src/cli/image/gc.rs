//! `mesostack image gc`: what killed builds left behind.

use std::fmt::Write;

use jiff::Timestamp;
use mesostack::{
    events::{Event, Work},
    image::{
        build::BuildId,
        leftover::{self, Leftovers},
    },
};
use serde_json::json;
use tokio::time::Instant;

use super::{REMOVAL, key_directory};
use crate::cli::{
    arguments::Consent,
    cloud::connect,
    exit::Exit,
    report::{Interrupted, While},
    run::Run,
};

const PHASE: &str = "gc";

pub(super) async fn gc(run: &Run, build: Option<BuildId>, consent: Consent) -> miette::Result<Exit> {
    let cloud = run.read_file()?.spec.cloud;
    let deadline = run.deadline(REMOVAL);
    let client = connect(&cloud).await?;
    let now = Timestamp::now();
    let found = leftover::find(&client).await.tried("could not look for leftovers")?;
    let (dead, alive): (Vec<_>, Vec<_>) = match &build {
        Some(wanted) => (found.into_iter().filter(|left| left.build == *wanted).collect(), Vec::new()),
        None => found.into_iter().partition(|left| left.is_dead(now)),
    };
    for left in &alive {
        run.remark(&format!("left alone: {}", why_alone(left)));
    }
    if dead.is_empty() {
        run.conclude(&json!({ "removed": [], "later": [] }), || "nothing to remove".to_owned())?;
        return Ok(Exit::Done);
    }
    run.remark(&describe(&dead));
    if !consent.ask(run, "Remove all of it?").await? {
        run.remark("nothing was removed");
        return Ok(Exit::Failed);
    }
    let listener = run.progress.listener();
    listener.hear(Event::PhaseStarted { phase: PHASE.to_owned(), steps: dead.len() });
    let mut later = Vec::new();
    for left in &dead {
        let work = Work::new(format!("remove {}", title(left)));
        let began = Instant::now();
        listener.hear(Event::Started { phase: PHASE.to_owned(), work: work.clone() });
        let waits = |thing: &leftover::Thing| {
            listener.hear(Event::Waiting {
                work: work.clone(),
                node: None,
                waits_for: format!("{thing} to go"),
            });
        };
        // Removing is found out anew at every look, so that it may be broken off anywhere.
        let removed = tokio::select! {
            () = run.stop.cancelled() => return Err(Interrupted::default().into()),
            removed = leftover::remove(&client, &left.build, deadline, waits) => {
                removed.tried("could not remove everything")?
            }
        };
        if let Err(error) = left.build.forget_key(&key_directory(&run.options)) {
            run.remark(&format!("the key of build {} could not be removed: {error}", left.build));
        }
        let detail = removed.remark();
        later.extend(detail.clone());
        listener.hear(Event::Done { work, detail, took: began.elapsed() });
    }
    let removed: Vec<_> = dead.iter().map(|left| &left.build).collect();
    run.conclude(&json!({ "removed": removed, "later": later }), || {
        let rest = if later.is_empty() { "" } else { ", but for what has to wait" };
        let builds = if dead.len() == 1 { "one build" } else { "the builds" };
        format!("removed what {builds} had left{rest}")
    })?;
    Ok(Exit::Done)
}

fn why_alone(left: &Leftovers) -> String {
    let until = match left.dead_by() {
        Some(dead_by) => format!("until {}", dead_by.strftime("%Y-%m-%d %H:%M UTC")),
        None => "the cloud does not say how old it is".to_owned(),
    };
    let title = title(left);
    let build = &left.build;
    format!(
        "{title}, which may still be running ({until}). If it is dead, `mesostack image gc --build {build}` removes it"
    )
}

fn title(left: &Leftovers) -> String {
    let holder = left.holder.as_deref().map(|holder| format!(" of {holder}")).unwrap_or_default();
    format!("build {}{holder}", left.build)
}

fn describe(dead: &[Leftovers]) -> String {
    let mut text = String::new();
    for left in dead {
        let _ = writeln!(text, "{} left behind", title(left));
        for thing in &left.things {
            let _ = writeln!(text, "  - {thing}");
        }
    }
    text.trim_end().to_owned()
}
