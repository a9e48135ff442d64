//! Every call of a run, repeated by something between: at once, so that the caller gets the second answer, and late,
//! behind its back. Nothing is there twice.

use std::{sync::Arc, time::Duration};

use devcloud::faults::{Answered, CallFault, Faults, When, Wire};

use crate::zone::{Bench, file, file_behind};

/// Calls that change something, in any run of ours.
const WRITES: [&str; 17] = [
    "createNetwork",
    "createTags",
    "deleteTags",
    "registerSSHKeyPair",
    "createAffinityGroup",
    "associateIpAddress",
    "createFirewallRule",
    "deleteFirewallRule",
    "createEgressFirewallRule",
    "createLoadBalancerRule",
    "assignToLoadBalancerRule",
    "deployVirtualMachine",
    "createPortForwardingRule",
    "deletePortForwardingRule",
    "startVirtualMachine",
    "destroyVirtualMachine",
    "deleteNetwork",
];

fn repeated(bench: &Bench, command: &str, apart: u64, answered: Answered) -> Arc<Wire> {
    let fault = CallFault::Twice { apart: Duration::from_millis(apart), answered };
    // Whose lease is repeated each time has none, and is told so.
    let when = match command {
        "createAffinityGroup" => When::At((1..100).step_by(2).collect()),
        _ => When::Always,
    };
    Arc::new(Wire::with(&bench.zone, &Faults::seeded(1).call(command, when, fault)))
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_repeated_at_once_makes_nothing_twice() {
    let mut struck = std::collections::BTreeSet::new();
    for command in WRITES {
        let bench = Bench::new().await;
        // Made, grown by a master and an agent, taken behind the masters, and taken down.
        for file in [file(2, 1), file(3, 2), file_behind(3, 2)] {
            let wire = repeated(&bench, command, 5, Answered::Second);
            let applied = bench.apply_over(bench.client_over(wire.clone()), &file).await;
            applied.unwrap_or_else(|error| panic!("{command}: {error}: {:#?}", error.failures));
            if command == "createNetwork" {
                // Names of networks may repeat: the next plan shows the twin, and removes it.
                bench.apply(&file).await;
            }
            bench.assert_whole(&file).await;
            struck.extend(wire.struck().into_iter().map(|struck| struck.command));
        }
        let wire = repeated(&bench, command, 5, Answered::Second);
        let destroyed = bench.destroy_over(bench.client_over(wire.clone()), &file_behind(3, 2)).await;
        destroyed.unwrap_or_else(|error| panic!("{command}: {error}: {:#?}", error.failures));
        struck.extend(wire.struck().into_iter().map(|struck| struck.command));
        bench.assert_empty().await;
    }
    assert_eq!(struck.len(), WRITES.len(), "each was repeated: {struck:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_again_late_makes_nothing_twice() {
    for command in WRITES {
        for apart in [30, 900, 4_000] {
            let bench = Bench::new().await;
            let wire = repeated(&bench, command, apart, Answered::First);
            let applied = bench.apply_over(bench.client_over(wire.clone()), &file(2, 1)).await;
            applied.unwrap_or_else(|error| panic!("{command}: {error}: {:#?}", error.failures));
            tokio::time::sleep(Duration::from_secs(30)).await;
            // What came when the run was over is put right by the next one.
            bench.apply(&file(2, 1)).await;
            match command {
                // Nothing tells whether it is the operator's own: it is shown.
                "associateIpAddress" => {
                    let (plan, ..) = bench.plan(&bench.client(), &file(2, 1)).await;
                    assert!(
                        plan.is_empty()
                            && plan.drift.iter().all(|drift| drift.what.starts_with("public address")),
                        "{plan}"
                    );
                }
                _ => bench.assert_whole(&file(2, 1)).await,
            }
            bench.destroy(&file(2, 1)).await;
            bench.assert_empty().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_tags_away_again_late_leaves_those_that_have_their_names_by_then() {
    for apart in [30, 900, 4_000] {
        let bench = Bench::new().await;
        bench.apply(&file(3, 1)).await;
        // The one that takes its place gets another host key, under the same tag.
        bench.lose("mesos-agent-1").await;
        let wire = repeated(&bench, "deleteTags", apart, Answered::First);
        let applied = bench.apply_over(bench.client_over(wire.clone()), &file(3, 1)).await;
        applied.unwrap_or_else(|error| panic!("{apart}: {error}: {:#?}", error.failures));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(!wire.struck().is_empty());
        bench.apply(&file(3, 1)).await;
        bench.assert_whole(&file(3, 1)).await;
    }
}
