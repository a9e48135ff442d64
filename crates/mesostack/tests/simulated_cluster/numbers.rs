//! What a run may cost: the rows of bench/README.md that are quick, so that no change makes them worse unseen.

use crate::zone::{Asked, Bench, file};

#[tokio::test(start_paused = true)]
async fn a_plan_takes_no_call_more_because_an_agent_was_removed_by_name() {
    let bench = Bench::new().await;
    bench.apply(&file(1, 3)).await;
    bench.apply(Asked::without(file(1, 2), &["agent-1"])).await;
    let client = bench.client();
    let (plan, ..) = bench.plan(&client, &file(1, 2)).await;
    assert!(plan.is_empty(), "{plan}");
    assert!(client.counts().total() <= 12, "{:?}", client.counts().by_command);
}

/// Seconds of waiting: on simulated time nothing else takes any.
fn waiting(seconds: f64) -> u64 {
    seconds.ceil() as u64
}

#[tokio::test(start_paused = true)]
async fn a_first_apply_takes_three_calls_a_node_and_25_more() {
    for agents in [3, 20] {
        let (nodes, file) = (u64::from(3 + agents), file(3, agents));
        let bench = Bench::new().await;
        let client = bench.client();
        let applied = bench.apply_over(client.clone(), &file).await.expect("an apply");
        // The lease and the look before the plan are among them.
        let calls = client.counts();
        let (all, polls) = (calls.total(), calls.polls());
        assert!(all - polls <= 3 * nodes + 25, "{:?}", calls.by_command);
        assert!(all <= 5 * nodes + 40 + waiting(applied.seconds), "{all}: {:?}", calls.by_command);

        let client = bench.client();
        bench.plan(&client, &file).await;
        assert!(client.counts().total() <= 12, "{:?}", client.counts().by_command);

        let client = bench.client();
        bench.destroy_over(client.clone(), &file).await.expect("a destroy");
        let calls = client.counts();
        assert!(calls.total() - calls.polls() <= nodes + 15, "{:?}", calls.by_command);
    }
}
