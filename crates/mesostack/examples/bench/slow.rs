//! An apply of 3 + 50 in a slow zone, against the least it can take.

use std::{collections::BTreeMap, time::Duration};

use devcloud::{
    ZoneConfig,
    simulator::{Capacity, Latencies, Latency, Pace},
};

use crate::{
    Outcome,
    bound::{Times, least},
    rehearsal::{Model, Rehearsal, file},
    table::{head, row},
};

const RECORD: Duration = Duration::from_millis(100);

/// What the slow zone takes.
const TIMES: Times = Times {
    trip: Duration::from_millis(100),
    record: RECORD,
    router: Duration::from_secs(60),
    machine: Duration::from_secs(30),
    node: Duration::from_secs(20),
    asking: Duration::from_millis(100),
    workers: usize::MAX,
};

/// The slow zone, with so many workers.
pub(crate) fn zone(times: &Times) -> Model {
    Model {
        config: ZoneConfig {
            shortest_guest_prefix: 16,
            heartbeat: Duration::from_secs(2),
            pace: Pace {
                call: times.trip.into(),
                job: times.record.into(),
                // What these take is the machine's, or the router's, time.
                jobs: BTreeMap::from([("startVirtualMachine".to_owned(), Latency::NONE)]),
                ..Pace::NONE
            },
            ..ZoneConfig::simulated_time()
        },
        latencies: Latencies {
            raise: times.router.into(),
            // With the record, 2 s for a rule on a router that runs.
            program: (Duration::from_secs(2) - times.record).into(),
            start: times.machine.into(),
            ..Latencies::default()
        },
        capacity: Capacity {
            workers: (times.workers < usize::MAX).then_some(times.workers),
            ..Capacity::default()
        },
        node: times.node,
        asking: times.asking,
    }
}

/// Prints the table.
pub(crate) async fn run() -> Outcome {
    head(
        "A slow zone: machine 30 s, router 60 s, rule 2 s on a running router and 0.1 s asleep, heartbeat 2 s, round trip 0.1 s, node 20 s",
    );
    let rehearsal = Rehearsal::open(&zone(&TIMES), &file(3, 50, "", "")).await?;
    let (taken, plan) = rehearsal.take(rehearsal.apply()).await?;
    let least = least(&plan, &TIMES);
    let over = taken.time.as_secs_f64() / least.as_secs_f64() - 1.0;
    row(
        "apply 3 + 50",
        "921 s",
        format!("within 5 % of the critical path of {:.1} s", least.as_secs_f64()),
        format!("{:.1} s, {:.1} % more", taken.time.as_secs_f64(), over * 100.0),
        over <= 0.05,
    );
    let allowed = 5 * 53 + 40 + taken.waiting();
    row(
        "apply 3 + 50, calls with polls",
        "1,261",
        format!("5V + 40 + {} s of waiting = {allowed}", taken.waiting()),
        format!("{} ({} of them polls)", taken.total(), taken.polls()),
        taken.total() <= allowed,
    );
    Ok(())
}
