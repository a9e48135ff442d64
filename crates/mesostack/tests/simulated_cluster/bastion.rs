//! Agents that are reached through the masters: made so, taken there, and taken back.

use std::time::Duration;

use cloudstack::{Expect, TagList, resource::DeleteTags};
use mesostack::cluster::{Sign, output};
use tokio::time::Instant;

use crate::zone::{Bench, file, file_behind};

#[tokio::test(start_paused = true)]
async fn behind_the_masters_an_agent_costs_one_call_and_no_rule() {
    let bench = Bench::new().await;
    let applied = bench.apply(&file_behind(3, 3)).await;
    bench.assert_whole(&file_behind(3, 3)).await;
    let look_and_lease = 8 + 2;
    println!(
        "first apply of 3 + 3 behind the masters: {} calls",
        look_and_lease + applied.calls - applied.polls
    );
    assert!(
        look_and_lease + applied.calls - applied.polls <= 3 * 3 + 3 + 24,
        "{:?}",
        applied.calls_by_command
    );
    let network = bench.network().await.expect("a network");
    let router = bench.simulator.router(network.id.as_str().parse().unwrap()).expect("a router");
    assert_eq!((router.forwards.len(), router.ingress.len()), (3, 3));
    let (_, desired, observed) = bench.plan(&bench.client(), &file_behind(3, 3)).await;
    let output = output(&desired, &observed).expect("an address");
    assert!(output.agents.iter().all(|agent| agent.ssh_port.is_none()));
    assert!(output.masters.iter().all(|master| master.ssh_port.is_some()));
    bench.destroy(&file_behind(3, 3)).await;
    bench.assert_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_agents_behind_the_masters_take_one_call_each() {
    let bench = Bench::new().await;
    let applied = bench.apply(&file_behind(3, 100)).await;
    bench.assert_whole(&file_behind(3, 100)).await;
    // The lease is renewed once in this time.
    assert!(9 + 2 + applied.calls - applied.polls <= 3 * 3 + 100 + 26, "{:?}", applied.calls_by_command);
    println!(
        "first apply of 3 + 100 behind the masters: {} calls without {} polls, {:.1} s simulated",
        applied.calls - applied.polls,
        applied.polls,
        applied.seconds
    );
}

#[tokio::test(start_paused = true)]
async fn agents_go_behind_the_masters_and_back_without_a_node_being_touched() {
    let bench = Bench::new().await;
    bench.apply(&file(2, 2)).await;
    let (plan, ..) = bench.plan(&bench.client(), &file_behind(2, 2)).await;
    assert_eq!(plan.lines().iter().filter(|(sign, _)| *sign == Sign::Remove).count(), 3, "{plan}");
    assert_eq!(plan.totals().remove, plan.steps.len(), "{plan}");
    bench.apply(&file_behind(2, 2)).await;
    bench.assert_whole(&file_behind(2, 2)).await;
    bench.apply(&file(2, 2)).await;
    bench.assert_whole(&file(2, 2)).await;
    assert!(bench.nodes.changes().values().all(|times| *times == 1), "{:?}", bench.nodes.changes());
}

#[tokio::test(start_paused = true)]
async fn an_agent_behind_masters_that_have_to_be_made_anew_is_told_when_there_is_a_way() {
    let bench = Bench::new().await;
    let file = file_behind(1, 1);
    bench.apply(&file).await;
    let (client, soon) = (bench.client(), Instant::now() + Duration::from_secs(300));
    bench.lose("mesos-master-1").await;
    let network = bench.network().await.expect("a network").id;
    let mark = TagList::keys(vec!["mesostack.node.mesos-agent-1".to_owned()]);
    client.run(&DeleteTags::new(vec![network], "Network").tags(mark), Expect::Brief, soon).await.unwrap();
    bench.apply(&file).await;
    bench.assert_whole(&file).await;
}
