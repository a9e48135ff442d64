//! An apply of 3 + 10,000 in the slow zone, with the deploy workers that such a cloud has.

use std::time::Duration;

use mesostack::cluster::plan;

use crate::{
    Outcome,
    bound::{Times, least},
    process::{Status, thread_time},
    rehearsal::{Rehearsal, file},
    slow,
    table::{head, row},
};

const AGENTS: u16 = 10_000;

/// The slow zone's times, and as many workers as a stock CloudStack has threads for jobs (half of its 250 connections).
const TIMES: Times = Times {
    trip: Duration::from_millis(100),
    record: Duration::from_millis(100),
    router: Duration::from_secs(60),
    machine: Duration::from_secs(30),
    node: Duration::from_secs(20),
    asking: Duration::from_millis(100),
    workers: 125,
};

/// Prints the table.
pub(crate) async fn run() -> Outcome {
    head(&format!(
        "3 + 10,000 behind the masters, in the same slow zone with {} deploy workers",
        TIMES.workers
    ));
    let file = file(3, AGENTS, "agents = 'bastion'", "range = '10.0.0.0/16'");
    let rehearsal = Rehearsal::open(&slow::zone(&TIMES), &file).await?;
    let before = thread_time()?;
    let (taken, first) = rehearsal.take(rehearsal.apply()).await?;
    let spent = thread_time()?.saturating_sub(before);
    let machines = f64::from(AGENTS + 3);
    let limit =
        TIMES.router.as_secs_f64() + (machines / TIMES.workers as f64).ceil() * TIMES.machine.as_secs_f64();
    let took = taken.time.as_secs_f64();
    row(
        "apply",
        "not possible",
        format!("within 10 % of the cloud's own limit of {limit:.0} s"),
        format!("{took:.0} s, {:.1} % more", (took / limit - 1.0) * 100.0),
        took <= limit * 1.1,
    );
    let least = least(&first, &TIMES).as_secs_f64();
    println!(
        "\nThe critical path of the whole plan, as in the table above, is {least:.0} s: {:.1} % more.",
        (took / least - 1.0) * 100.0
    );
    println!(
        "{} calls, {} of them polls, {} jobs; both sides took {:.0} s of processor time, and at most {} MB of memory.",
        taken.total(),
        taken.polls(),
        taken.calls.jobs,
        spent.as_secs_f64(),
        Status::own()?.most_mb(),
    );
    let (looked, (_, observed)) = rehearsal.take(rehearsal.look()).await?;
    let began = thread_time()?;
    let again = plan(&rehearsal.desired, &observed);
    let took = thread_time()?.saturating_sub(began);
    if !again.is_empty() {
        return Err(format!("there should be nothing to do:\n{again}").into());
    }
    head("Its plan");
    row(
        "no-change plan, calls",
        50_024,
        "12 + 20 calls, 2 round trips",
        format!(
            "{} calls, {:.0} round trips",
            looked.total(),
            looked.time.as_secs_f64() / TIMES.trip.as_secs_f64()
        ),
        looked.total() <= 32 && looked.time <= TIMES.trip * 2 + TIMES.trip / 2,
    );
    row(
        "its own processor time",
        "not possible",
        "under 2 s",
        format!("{:.2} s", took.as_secs_f64()),
        took < Duration::from_secs(2),
    );
    Ok(())
}
