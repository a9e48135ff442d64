//! How many calls the work takes, in a zone whose jobs take about as long as real machines' on a small host.

use std::time::Duration;

use devcloud::ZoneConfig;
use devcloud::simulator::Pace;

use crate::{
    Outcome,
    rehearsal::{Model, Rehearsal, Taken, file},
    table::{head, row},
};

/// What an image is built from: everything is a default.
const IMAGE: &str = "[cloud]\nzone = 'devcloud'\n[access]\nallow = ['198.18.0.1']\n";
const BASTION: &str = "agents = 'bastion'";
const WIDE: &str = "range = '10.0.0.0/16'";
/// A call and its reply, where round trips are counted.
const TRIP: Duration = Duration::from_millis(100);

/// Prints the table.
pub(crate) async fn run() -> Outcome {
    head("Calls, and calls and time while nothing changes");
    image().await?;
    for (agents, peers) in [(3, Some("180")), (50, Some("1,261"))] {
        cluster(3, agents, peers).await?;
    }
    bastion(3, 3).await?;
    bastion(3, 200).await?;
    for (agents, peers) in [(3, 39), (50, 274), (600, 3_024)] {
        nothing(3, agents, peers).await?;
    }
    Ok(())
}

async fn image() -> Outcome {
    let rehearsal = Rehearsal::open(&Model::default(), IMAGE).await?;
    let taken = rehearsal.take_watched(rehearsal.build_image()).await?;
    let allowed = 25 + taken.waiting();
    row(
        "image build, calls with polls",
        "47",
        format!("25 + {} s of waiting = {allowed}", taken.waiting()),
        told(&taken),
        taken.total() <= allowed,
    );
    let (idle, longest) = taken.idle;
    row(
        "image build, time in which nothing is under way",
        "53 s, of them 30 s a sleep",
        "no whole second at a stretch",
        format!(
            "{:.1} s of {:.1} s, at most {:.2} s at a stretch",
            idle.as_secs_f64(),
            taken.time.as_secs_f64(),
            longest.as_secs_f64()
        ),
        longest < Duration::from_secs(1),
    );
    Ok(())
}

async fn cluster(masters: u16, agents: u16, with_polls: Option<&str>) -> Outcome {
    let nodes = u64::from(masters + agents);
    let rehearsal =
        Rehearsal::open(&Model::default(), &file(masters, agents, "", "range = '10.0.0.0/22'")).await?;
    let (taken, _) = rehearsal.take(rehearsal.apply()).await?;
    let allowed = 3 * nodes + 25;
    row(
        format!("first apply, {masters} + {agents}, calls before polls"),
        26 + 15 * nodes,
        format!("3V + 25 = {allowed}"),
        taken.without_polls(),
        taken.without_polls() <= allowed,
    );
    let allowed = 5 * nodes + 40 + taken.waiting();
    row(
        format!("first apply, {masters} + {agents}, calls with polls"),
        with_polls.unwrap_or("-"),
        format!("5V + 40 + {} s of waiting = {allowed}", taken.waiting()),
        told(&taken),
        taken.total() <= allowed,
    );
    let (taken, ()) = rehearsal.take(rehearsal.destroy()).await?;
    row(
        format!("destroy, {masters} + {agents}, calls before polls"),
        18 + 8 * nodes,
        format!("V + 15 = {}", nodes + 15),
        format!("{} ({} with polls)", taken.without_polls(), taken.total()),
        taken.without_polls() <= nodes + 15,
    );
    Ok(())
}

async fn bastion(masters: u16, agents: u16) -> Outcome {
    let nodes = u64::from(masters + agents);
    let rehearsal =
        Rehearsal::open(&Model::default(), &file(masters, agents, BASTION, "range = '10.0.0.0/22'")).await?;
    let (taken, _) = rehearsal.take(rehearsal.apply()).await?;
    let allowed = 2 * nodes + 25;
    row(
        format!("first apply, {masters} + {agents} behind the masters, calls before polls"),
        26 + 15 * nodes,
        format!("2V + 25 = {allowed}"),
        taken.without_polls(),
        taken.without_polls() <= allowed,
    );
    Ok(())
}

/// A second look at a cluster that stands.
async fn nothing(masters: u16, agents: u16, peers: u64) -> Outcome {
    let nodes = usize::from(masters + agents);
    let config = ZoneConfig {
        shortest_guest_prefix: 16,
        pace: Pace { call: TRIP.into(), ..Pace::NONE },
        ..ZoneConfig::simulated_time()
    };
    let model = Model { config, ..Model::default() };
    let rehearsal = Rehearsal::open(&model, &file(masters, agents, "", WIDE)).await?;
    rehearsal.apply().await?;
    let (taken, ()) = rehearsal.take(rehearsal.plan_nothing()).await?;
    // Machines and forwards, one of each a node.
    let further = 2 * nodes.div_ceil(500).saturating_sub(1) as u64;
    let trips = taken.time.as_secs_f64() / TRIP.as_secs_f64();
    row(
        format!("no-change plan, {masters} + {agents}"),
        peers,
        format!("12 + {further} calls, 2 round trips"),
        format!("{} calls, {trips:.0} round trips", taken.total()),
        taken.total() <= 12 + further && trips < 2.5,
    );
    Ok(())
}

fn told(taken: &Taken) -> String {
    format!("{} ({} of them polls, {} jobs)", taken.total(), taken.polls(), taken.calls.jobs)
}
