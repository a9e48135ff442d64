//! What is done to masters never takes the quorum away.

use std::{collections::BTreeMap, time::Duration};

use cloudstack::{
    Expect, TagList,
    resource::{CreateTags, DeleteTags},
};
use mesostack::cluster::host_key_tag;
use tokio::time::{Instant, sleep};

use crate::zone::{Asked, Bench, file};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// As if another program, or another file, had configured the masters.
async fn configured_of_old(bench: &Bench, masters: usize) {
    let network = bench.network().await.expect("a network");
    let marks = network.tags.iter().filter(|tag| tag.key.contains("node.mesos-master-"));
    let marks = marks.map(|tag| {
        let machine = tag.value.split(' ').next().expect("a machine");
        (tag.key.clone(), format!("{machine} old {masters}"))
    });
    let marks = marks.collect::<BTreeMap<_, _>>();
    assert_eq!(marks.len(), masters);
    let keys = TagList::keys(marks.keys().cloned());
    let (client, ids) = (bench.client(), vec![network.id]);
    client
        .run(&DeleteTags::new(ids.clone(), "Network").tags(keys), Expect::Brief, soon())
        .await
        .expect("tags");
    client
        .run(&CreateTags::new(ids, "Network", marks.into_iter().collect::<TagList>()), Expect::Brief, soon())
        .await
        .expect("tags");
    for (name, (digest, _)) in bench.nodes.told.lock().expect("no panic").iter_mut() {
        if name.starts_with("master") {
            *digest = "old".to_owned();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_of_a_new_master_that_does_not_answer() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    let told = bench.nodes.changes();
    bench.nodes.deaf.lock().expect("no panic").insert("master-4".to_owned());
    let unfinished = bench.apply_over(bench.client(), &file(4, 1)).await.expect_err("a master is deaf");
    let failures = unfinished.failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(failures.contains("master-4 is not taken in"), "{failures}");
    assert!(failures.contains("the cluster has 3 masters as before"), "{failures}");
    let masters = |told: &BTreeMap<String, usize>| {
        told.iter()
            .filter(|(name, _)| name.starts_with("master"))
            .map(|(_, times)| *times)
            .collect::<Vec<_>>()
    };
    assert_eq!(masters(&bench.nodes.changes()), masters(&told));
    bench.nodes.deaf.lock().expect("no panic").clear();
    bench.apply(&file(4, 1)).await;
    bench.assert_whole(&file(4, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_down_for_want_of_what_it_is_to_be_told_is_told_first() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 0)).await;
    bench.nodes.silent.lock().expect("no panic").insert("master-3".to_owned());
    bench.nodes.order.lock().expect("no panic").clear();
    configured_of_old(&bench, 3).await;
    let wanted = file(3, 0);
    let mended = async {
        while bench.nodes.order.lock().expect("no panic").is_empty() {
            sleep(Duration::from_secs(1)).await;
        }
        bench.nodes.silent.lock().expect("no panic").clear();
    };
    tokio::join!(bench.apply(&wanted), mended);
    bench.assert_whole(&wanted).await;
    assert_eq!(*bench.nodes.order.lock().expect("no panic"), ["master-3", "master-1", "master-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_cannot_be_asked_for_want_of_its_key_is_replaced() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    let network = bench.network().await.expect("a network").id;
    let drop =
        DeleteTags::new(vec![network], "Network").tags(TagList::keys(vec![host_key_tag("mesos-master-1")]));
    bench.client().run(&drop, Expect::Brief, Instant::now() + Duration::from_secs(60)).await.expect("tags");
    bench.apply(Asked::replacing(file(3, 1), "master-1")).await;
    bench.assert_whole(&file(3, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_master_that_answers_and_has_not_caught_up_cannot_stand_in_for_another() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    bench.apply(Asked::replacing(file(3, 1), "master-1")).await;
    bench.nodes.voters.lock().expect("no panic").lags("master-1", Duration::from_secs(600));
    let refused = bench.apply_over(bench.client(), Asked::replacing(file(3, 1), "master-2")).await;
    let refused = refused.expect_err("master-1 has no vote").failures[0].to_string();
    assert!(refused.contains("1 of 3 Mesos masters would be left"), "{refused}");
    sleep(Duration::from_secs(610)).await;
    bench.apply(Asked::replacing(file(3, 1), "master-2")).await;
    bench.assert_whole(&file(3, 1)).await;
}
