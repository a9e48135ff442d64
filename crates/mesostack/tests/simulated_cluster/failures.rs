//! A cluster in bad weather: lost calls, lost replies, a killed run, a stopped run, a cloud without room.

use std::time::Duration;

use cloudstack::{Effect, resource::ListAccounts};
use devcloud::{ZoneConfig, simulator::Operation};
use mesostack::cluster::apply;
use tokio::time::sleep;

use crate::{
    wire::Fault,
    zone::{Bench, file},
};

/// How many calls a run of this takes when nothing goes wrong.
async fn calls(masters: u16, agents: u16) -> usize {
    let bench = Bench::new().await;
    let client = bench.client();
    bench.apply_over(client.clone(), &file(masters, agents)).await.expect("a cluster");
    usize::try_from(client.counts().total()).expect("few")
}

#[tokio::test(start_paused = true)]
async fn a_lost_call_or_reply_is_made_good_within_the_run() {
    let file = file(1, 1);
    for at in 0..calls(1, 1).await {
        for fault in [Fault::Lost, Fault::ReplyLost] {
            let bench = Bench::new().await;
            let wire = bench.wire(Some((at, fault)));
            let applied = bench.apply_over(bench.client_over(wire.clone()), &file).await;
            applied.unwrap_or_else(|error| panic!("{fault:?} at call {at}: {error}: {:?}", error.failures));
            assert!(wire.struck(), "no fault at call {at}");
            bench.assert_whole(&file).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_destruction_that_loses_any_reply_is_taken_up() {
    let file = file(1, 1);
    let total = {
        let bench = Bench::new().await;
        bench.apply(&file).await;
        let client = bench.client();
        bench.destroy_over(client.clone(), &file).await.unwrap();
        usize::try_from(client.counts().total()).unwrap()
    };
    for at in 0..total {
        for fault in [Fault::KilledAfter, Fault::ReplyLost] {
            let bench = Bench::new().await;
            bench.apply(&file).await;
            let wire = bench.wire(Some((at, fault)));
            tokio::select! {
                _ = bench.destroy_over(bench.client_over(wire.clone()), &file) => {}
                () = wire.killed.notified() => {}
            }
            assert!(wire.struck(), "no fault at call {at}");
            bench.destroy(&file).await;
            bench.assert_empty().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_run_ends_soon_and_the_next_one_goes_on() {
    for after in [50, 300, 1_000, 3_000, 6_000] {
        let bench = Bench::new().await;
        let client = bench.client();
        let (plan, desired, observed) = bench.plan(&client, &file(3, 2)).await;
        let context = bench.context(client, desired, observed);
        let stopper = async {
            sleep(Duration::from_millis(after)).await;
            context.stop.cancel();
            tokio::time::Instant::now()
        };
        let (result, stopped) = tokio::join!(apply(&plan, &context), stopper);
        let unfinished = result.expect_err("it was stopped");
        assert!(unfinished.interrupted && unfinished.left > 0, "{unfinished}");
        assert!(stopped.elapsed() <= context.limits.grace);
        bench.apply(&file(3, 2)).await;
        bench.assert_whole(&file(3, 2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_for_a_while_is_tried_again() {
    let bench = Bench::new().await;
    bench.simulator.fail(Operation::Start, 1);
    bench.apply(&file(1, 1)).await;
    bench.assert_whole(&file(1, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_cannot_start_fails_alone_and_is_started_by_the_next_run() {
    let bench = Bench::new().await;
    bench.simulator.fail(Operation::Start, 30);
    let client = bench.client();
    let unfinished = bench.apply_over(client, &file(1, 1)).await.expect_err("nothing could start");
    assert!(
        unfinished.failures.iter().all(|failure| failure.step.starts_with("start ")),
        "{:?}",
        unfinished.failures
    );
    bench.simulator.fail(Operation::Start, 0);
    bench.apply(&file(1, 1)).await;
    bench.assert_whole(&file(1, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn where_users_may_not_expunge_destroying_waits_for_the_cloud_to_do_it() {
    let config = ZoneConfig {
        users_may_expunge: false,
        expunge_delay: Duration::from_secs(60),
        ..ZoneConfig::simulated_time()
    };
    let bench = Bench::with(config).await;
    bench.apply(&file(1, 1)).await;
    bench.destroy(&file(1, 1)).await;
    bench.assert_empty().await;
}

#[tokio::test(start_paused = true)]
async fn an_accounts_limit_halts_the_run_with_the_limit_named() {
    let bench = Bench::new().await;
    let (plan, desired, observed) = bench.plan(&bench.client(), &file(1, 3)).await;
    assert!(plan.obstacles.is_empty(), "{plan}");
    // Only now: a limit that could be seen is told before anything is made.
    let admin = bench.client_of("admin");
    let accounts = admin.list(&ListAccounts::new().name("mesostack")).await.expect("accounts");
    let domain = accounts.first().expect("the account").domain_id.as_str();
    let limit = [("resourcetype", "0"), ("max", "2"), ("account", "mesostack"), ("domainid", domain)];
    admin.raw("updateResourceLimit", Effect::Write, &limit).await.expect("a limit");
    let context = bench.context(bench.client(), desired, observed);
    let unfinished = apply(&plan, &context).await.expect_err("there is a limit");
    assert!(!unfinished.interrupted);
    let texts = unfinished.failures.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(texts.iter().any(|text| text.contains("535")), "{texts:?}");
    bench.destroy(&file(1, 3)).await;
    bench.assert_empty().await;
}
