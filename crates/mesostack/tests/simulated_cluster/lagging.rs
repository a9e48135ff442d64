//! Clouds that show and take less than they should: lists that show what was there some seconds ago, with replies that are
//! lost, and a throttle. Nothing is made twice, nothing is given up.

use std::{sync::Arc, time::Duration};

use cloudstack::resource::RegisterSshKeyPair;
use devcloud::{
    Throttle, ZoneConfig,
    faults::{CallFault, Faults, Moment, When, Wire},
};
use mesostack::cluster::{OperatorKey, apply};
use remote::Identity;

use crate::zone::{Bench, file, file_behind};

/// How far back lists look.
const LAG: Duration = Duration::from_secs(3);

/// What makes something in the cloud.
const MAKES: [&str; 9] = [
    "createNetwork",
    "createTags",
    "registerSSHKeyPair",
    "createAffinityGroup",
    "associateIpAddress",
    "createFirewallRule",
    "createEgressFirewallRule",
    "createLoadBalancerRule",
    "createPortForwardingRule",
];

/// The reply to the nth call of a command is lost, after it had its effect.
fn lost(command: &str, nth: u64) -> Faults {
    Faults::seeded(1).call(command, When::nth(nth), CallFault::Reset(Moment::After))
}

#[tokio::test(start_paused = true)]
async fn what_was_made_and_is_not_shown_yet_is_found_and_nothing_is_made_twice() {
    for command in MAKES {
        for (nth, file) in [(1, file(2, 2)), (2, file_behind(2, 2))] {
            let bench = Bench::new().await;
            let faults = lost(command, nth).call("list*", When::Always, CallFault::Lag(LAG));
            let wire = Arc::new(Wire::with(&bench.zone, &faults));
            let applied = bench.apply_over(bench.client_over(wire), &file).await;
            applied.unwrap_or_else(|error| panic!("{command} {nth}: {error}: {:?}", error.failures));
            assert_eq!(bench.inventory().await["networks"], 1, "{command} {nth}");
            bench.assert_whole(&file).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_whose_reply_was_lost_twice_is_neither_missed_nor_left_behind() {
    for lags in [true, false] {
        let bench = Bench::new().await;
        let twice = When::At([1, 2].into());
        let mut faults = Faults::seeded(1).call("associateIpAddress", twice, CallFault::Reset(Moment::After));
        if lags {
            // Longer than anybody waits before asking for another one.
            let lag = CallFault::Lag(Duration::from_secs(12));
            faults = faults.call("listPublicIpAddresses", When::Always, lag);
        }
        let wire = Arc::new(Wire::with(&bench.zone, &faults));
        bench.apply_over(bench.client_over(wire), &file(1, 1)).await.expect("a cluster");
        bench.assert_whole(&file(1, 1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_takes_few_calls_a_second_gets_a_whole_cluster_all_the_same() {
    for (calls, file) in [(25, file(3, 50)), (25, file_behind(3, 100)), (12, file(3, 20))] {
        let throttle = Some(Throttle { calls, window: Duration::from_secs(1) });
        let bench = Bench::with(ZoneConfig { throttle, ..ZoneConfig::simulated_time() }).await;
        bench.apply(&file).await;
        bench.assert_whole(&file).await;
        bench.destroy(&file).await;
        bench.assert_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_runs_and_is_not_shown_so_yet_is_not_given_up() {
    for (file, nth) in [(file(1, 2), 1), (file(1, 2), 3), (file_behind(1, 2), 1)] {
        let bench = Bench::new().await;
        let faults = lost("startVirtualMachine", nth).call("list*", When::Always, CallFault::Lag(LAG));
        let wire = Arc::new(Wire::with(&bench.zone, &faults));
        bench
            .apply_over(bench.client_over(wire), &file)
            .await
            .unwrap_or_else(|error| panic!("{error}: {:?}", error.failures));
        bench.assert_whole(&file).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_there_and_is_not_what_was_wanted_is_told_as_that() {
    let bench = Bench::new().await;
    let client = bench.client();
    let (plan, desired, observed) = bench.plan(&client, &file(1, 1)).await;
    let another = OperatorKey::of(&Identity::generate());
    client.call(&RegisterSshKeyPair::new("mesostack", &another.public)).await.expect("a key pair");
    let unfinished =
        apply(&plan, &bench.context(client, desired, observed)).await.expect_err("it is another's");
    let texts = unfinished.failures.iter().map(ToString::to_string).collect::<Vec<_>>();
    let clash = |text: &String| text.contains("is not what was wanted: its fingerprint is");
    assert!(texts.iter().any(clash), "{texts:?}");
}
