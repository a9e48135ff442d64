//! Jobs that take too long, and runs that are stopped: nothing is forgotten, and what goes on in the cloud is named.

use std::{sync::Arc, time::Duration};

use devcloud::faults::{CallFault, Faults, JobFault, Moment, When, Wire};
use mesostack::{
    cluster::{Context, apply},
    events::{Event, Stop},
};
use tokio::time::{Instant, sleep};

use crate::{
    life::Heard,
    zone::{Asked, Bench, file},
};

/// A file whose patience is short.
fn impatient(masters: u16, agents: u16) -> String {
    file(masters, agents) + "[deadlines]\nrecord = \"20s\"\nmachine = \"30s\"\nnetwork = \"60s\"\n"
}

#[tokio::test(start_paused = true)]
async fn a_deadline_lets_go_of_a_job_names_it_and_the_next_run_takes_up_what_it_made() {
    for command in [
        "startVirtualMachine",
        "deployVirtualMachine",
        "createFirewallRule",
        "createPortForwardingRule",
        "createLoadBalancerRule",
        "assignToLoadBalancerRule",
        "associateIpAddress",
        "createTags",
        "createAffinityGroup",
    ] {
        for nth in [1, 2] {
            if (command, nth) == ("createAffinityGroup", 1) {
                // That one is the lease's.
                continue;
            }
            let bench = Bench::new().await;
            let slow = JobFault::Slow(Duration::from_secs(90).into());
            bench.zone.set_faults(&Faults::seeded(1).job(command, When::nth(nth), slow));
            let began = Instant::now();
            let Err(unfinished) = bench.apply_over(bench.client(), &impatient(1, 2)).await else {
                assert!(nth == 2, "{command}: there is one only");
                continue;
            };
            let at = format!("{command} {nth}: {unfinished}");
            let detached = unfinished.detached.iter().find(|detached| detached.command == command);
            let detached = detached.unwrap_or_else(|| panic!("{at}"));
            assert!(at.contains("still under way in the cloud") && at.contains(&detached.job), "{at}");
            assert!(began.elapsed() < Duration::from_secs(200), "{at}: {:?}", began.elapsed());
            // As soon as the job has ended the next run goes on; before that it waits as long again.
            sleep(Duration::from_secs(90)).await;
            bench.apply(&impatient(1, 2)).await;
            bench.assert_whole(&impatient(1, 2)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_hangs_for_good_keeps_only_its_own_node_away() {
    let bench = Bench::new().await;
    let hang = JobFault::Hang { done: false };
    bench.zone.set_faults(&Faults::seeded(1).job("startVirtualMachine", When::nth(3), hang));
    let unfinished = bench.apply_over(bench.client(), &impatient(1, 8)).await.expect_err("a job hangs");
    assert_eq!((unfinished.missing.len(), unfinished.detached.len()), (1, 1), "{unfinished}");
    assert_eq!(bench.nodes.changes().len(), 8, "all others are set up");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_hangs_is_waited_for_once_and_not_again_for_each_rule_behind_it() {
    let bench = Bench::new().await;
    let hang = JobFault::Hang { done: false };
    bench.zone.set_faults(&Faults::seeded(1).job("createPortForwardingRule", When::nth(3), hang));
    let began = Instant::now();
    let unfinished = bench.apply_over(bench.client(), &file(3, 20)).await.expect_err("a job hangs");
    assert_eq!(unfinished.detached.len(), 21, "{unfinished}");
    // Three minutes for the first, and not for each of the others.
    assert!(began.elapsed() < Duration::from_secs(20 * 60), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn behind_a_rule_that_hangs_calls_that_start_no_job_do_not_tell_that_the_queue_goes_on() {
    let bench = Bench::new().await;
    let hang = JobFault::Hang { done: false };
    let nowhere = CallFault::Status(404, Moment::Before);
    let every_other = When::At((4..24).step_by(2).collect());
    let faults = Faults::seeded(1).job("createPortForwardingRule", When::nth(3), hang);
    let faults = faults.call("createPortForwardingRule", every_other, nowhere);
    bench.zone.set_faults(&faults);
    let wire = Wire::with(&bench.zone, &faults);
    let began = Instant::now();
    let unfinished = bench.apply_over(bench.client_over(Arc::new(wire)), &file(3, 20)).await;
    let unfinished = unfinished.expect_err("a job hangs");
    assert!(unfinished.failures.len() > 20, "{unfinished}");
    // Three minutes for the first, and not for each that comes after one which was not let through.
    assert!(began.elapsed() < Duration::from_secs(15 * 60), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_not_let_go_is_waited_for_once_and_not_again_for_the_other_rule() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    bench.balance("mesos-agent-1").await;
    let hang = JobFault::Hang { done: false };
    bench.zone.set_faults(&Faults::seeded(1).job("removeFromLoadBalancerRule", When::nth(1), hang));
    let began = Instant::now();
    let unfinished = bench.apply_over(bench.client(), Asked::pruned(file(3, 1))).await;
    let unfinished = unfinished.expect_err("a job hangs");
    assert_eq!(unfinished.detached.len(), 2, "{unfinished}");
    assert!(began.elapsed() < Duration::from_secs(5 * 60), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_hung_after_it_was_done_is_found_done() {
    let bench = Bench::new().await;
    let hang =
        |command: &str, faults: Faults| faults.job(command, When::nth(2), JobFault::Hang { done: true });
    bench.zone.set_faults(&hang("startVirtualMachine", hang("createFirewallRule", Faults::seeded(1))));
    let unfinished = bench.apply_over(bench.client(), &impatient(1, 2)).await.expect_err("jobs hang");
    assert!(!unfinished.detached.is_empty(), "{unfinished}");
    // What is queued behind a hanging job hangs as well, so it has to go without another one.
    bench.zone.set_faults(&Faults::default());
    let (plan, ..) = bench.plan(&bench.client(), &impatient(1, 2)).await;
    let lines = plan.lines().into_iter().map(|(_, line)| line).collect::<Vec<_>>();
    assert!(lines.iter().all(|line| !line.contains("start")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_run_tells_what_is_under_way_and_names_what_it_leaves_to_the_cloud() {
    let bench = Bench::new().await;
    let slow = JobFault::Slow(Duration::from_secs(60).into());
    bench.zone.set_faults(&Faults::seeded(1).job("startVirtualMachine", When::Always, slow));
    let client = bench.client();
    let (plan, desired, observed) = bench.plan(&client, &file(3, 2)).await;
    let heard = Arc::new(Heard::default());
    let context = Context { listener: heard.clone(), ..bench.context(client, desired, observed) };
    let stopper = async {
        sleep(Duration::from_secs(20)).await;
        context.stop.cancel();
        Instant::now()
    };
    let (result, stopped) = tokio::join!(apply(&plan, &context), stopper);
    let unfinished = result.expect_err("it was stopped");
    assert!(stopped.elapsed() <= context.limits.grace);
    assert!(unfinished.interrupted && unfinished.failures.is_empty(), "{unfinished}");
    let events = heard.0.lock().expect("over").clone();
    let at = events.iter().position(|event| matches!(event, Event::Stopping { .. })).expect("it is told");
    let Event::Stopping { running, .. } = &events[at] else { unreachable!() };
    let running = running.iter().map(|work| work.0.to_string()).collect::<Vec<_>>();
    assert_eq!(running.len(), 5, "{running:?}");
    assert!(events[at..].iter().all(|event| !matches!(event, Event::Started { .. })), "nothing is begun");
    let mut left = unfinished.detached.iter().map(|detached| detached.step.clone()).collect::<Vec<_>>();
    left.sort();
    assert_eq!(left, running);
    assert!(unfinished.to_string().contains("startVirtualMachine, job "), "{unfinished}");
    bench.zone.set_faults(&Faults::default());
    bench.apply(&file(3, 2)).await;
    bench.assert_whole(&file(3, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_run_makes_no_further_attempt() {
    let bench = Bench::new().await;
    let busy = JobFault::fail(533, "Insufficient capacity");
    bench.zone.set_faults(&Faults::seeded(1).job("startVirtualMachine", When::Always, busy));
    let client = bench.client();
    let (plan, desired, observed) = bench.plan(&client, &file(1, 1)).await;
    let context = bench.context(client, desired, observed);
    let stopper = async {
        // In the pause after a failed attempt.
        sleep(Duration::from_secs(13)).await;
        context.stop.cancel();
        Instant::now()
    };
    let (result, stopped) = tokio::join!(apply(&plan, &context), stopper);
    assert!(result.expect_err("it was stopped").interrupted);
    assert!(stopped.elapsed() < Duration::from_secs(1), "{:?}: nothing was under way", stopped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_deadline_passed_says_so_and_the_next_one_takes_up_where_it_ended() {
    let bench = Bench::new().await;
    let slow = JobFault::Slow(Duration::from_secs(60).into());
    bench.zone.set_faults(&Faults::seeded(1).job("startVirtualMachine", When::Always, slow));
    let client = bench.client();
    let (plan, desired, observed) = bench.plan(&client, &file(1, 1)).await;
    let heard = Arc::new(Heard::default());
    let deadline = Some(Instant::now() + Duration::from_secs(20));
    let context = Context { deadline, listener: heard.clone(), ..bench.context(client, desired, observed) };
    let unfinished = apply(&plan, &context).await.expect_err("it is too short");
    assert!(unfinished.deadline_passed && !unfinished.interrupted, "{unfinished}");
    assert!(unfinished.to_string().starts_with("the deadline has passed: "), "{unfinished}");
    assert_eq!(unfinished.detached.len(), 2, "{unfinished}");
    let late = |event: &Event| matches!(event, Event::Stopping { why: Stop::DeadlinePassed, .. });
    assert!(heard.0.lock().expect("over").iter().any(late));
    bench.zone.set_faults(&Faults::default());
    bench.apply(&file(1, 1)).await;
    bench.assert_whole(&file(1, 1)).await;
}
