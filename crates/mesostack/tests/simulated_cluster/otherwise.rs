//! Machines that are there and not as the file says: shown, and made anew one after the other.

use std::time::Duration;

use cloudstack::{
    Expect, TagList,
    resource::{CreateTags, DeleteSshKeyPair, DeleteTags, ListSshKeyPairs, RegisterSshKeyPair},
};
use mesostack::cluster::{OperatorKey, Plan, host_key_tag};
use remote::Identity;
use tokio::time::Instant;

use crate::zone::{Asked, Bench, file};

impl Bench {
    async fn lose_host_keys(&self, host_names: &[&str]) {
        let network = self.network().await.expect("a network").id;
        let tags = TagList::keys(host_names.iter().map(|name| host_key_tag(name)).collect::<Vec<_>>());
        let lose = DeleteTags::new(vec![network], "Network").tags(tags);
        let soon = Instant::now() + Duration::from_secs(60);
        self.client().run(&lose, Expect::Brief, soon).await.expect("lost");
    }

    async fn key_pairs(&self) -> Vec<String> {
        let pairs = self.client().list(&ListSshKeyPairs::new()).await.expect("a list");
        let mut names = pairs.into_iter().map(|pair| pair.name).collect::<Vec<_>>();
        names.sort_unstable();
        names
    }

    /// The plan for that, which nothing is in the way of.
    async fn planned(&self, asked: impl Into<Asked>) -> Plan {
        let (plan, ..) = self.plan(&self.client(), asked).await;
        assert!(plan.obstacles.is_empty(), "{plan}");
        plan
    }

    /// Makes each of them anew, while those after it are still otherwise than the file says.
    async fn made_anew_one_after_the_other(&self, file: &str, nodes: &[&str]) {
        for (at, node) in nodes.iter().enumerate() {
            let plan = self.planned(file).await;
            assert!(plan.is_empty() && plan.remains().count() == nodes.len() - at, "{plan}");
            self.apply(Asked::replacing(file.to_owned(), node)).await;
        }
        self.assert_whole(file).await;
    }
}

#[tokio::test(start_paused = true)]
async fn agents_that_are_elsewhere_than_the_file_says_are_made_anew_one_after_the_other() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 2)).await;
    let moved = |agents| file(3, agents).replace("[cluster]", "[cluster]\nfirst_agent = 150");
    // Everything else is done, and what is left is said again.
    bench.apply(&moved(3)).await;
    let plan = bench.planned(&moved(3)).await;
    assert!(plan.is_empty() && plan.remains().count() == 2, "{plan}");
    bench.made_anew_one_after_the_other(&moved(3), &["agent-1", "agent-2"]).await;
}

#[tokio::test(start_paused = true)]
async fn agents_whose_host_keys_are_lost_are_made_anew_one_after_the_other() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 2)).await;
    bench.lose_host_keys(&["mesos-agent-1", "mesos-agent-2"]).await;
    bench.made_anew_one_after_the_other(&file(3, 2), &["agent-2", "agent-1"]).await;
}

#[tokio::test(start_paused = true)]
async fn masters_whose_host_keys_are_lost_are_made_anew_as_long_as_the_others_are_a_quorum() {
    let bench = Bench::new().await;
    bench.apply(&file(5, 1)).await;
    bench.lose_host_keys(&["mesos-master-1", "mesos-master-4"]).await;
    bench.made_anew_one_after_the_other(&file(5, 1), &["master-1", "master-4"]).await;

    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    bench.lose_host_keys(&["mesos-master-1", "mesos-master-2"]).await;
    let (plan, ..) = bench.plan(&bench.client(), Asked::replacing(file(3, 1), "master-1")).await;
    assert!(plan.is_empty(), "{plan}");
    let told = "master-2 can be neither asked nor told anything: the quorum may not outlive master-1";
    assert_eq!(plan.obstacles[0].message, told);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_cannot_be_told_keeps_the_others_from_being_told_again_and_again() {
    let bench = Bench::new().await;
    bench.apply(&file(5, 1)).await;
    bench.lose_host_keys(&["mesos-master-5"]).await;
    // A run was broken off that told the masters something else.
    let network = bench.network().await.expect("a network").id;
    let telling = [("mesostack.telling", "told")].into_iter().collect::<TagList>();
    let begin = CreateTags::new(vec![network], "Network", telling);
    bench.client().run(&begin, Expect::Brief, Instant::now() + Duration::from_secs(60)).await.expect("a tag");
    assert!(!bench.planned(&file(5, 1)).await.is_empty());
    bench.apply(&file(5, 1)).await;
    // All others are told again: nothing is left but the one, which is told when it can be.
    let plan = bench.planned(&file(5, 1)).await;
    assert!(plan.is_empty() && plan.remains().count() > 0, "{plan}");
    bench.made_anew_one_after_the_other(&file(5, 1), &["master-5"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_pair_that_is_another_key_by_now_is_not_deleted_with_what_was_ours() {
    let mut bench = Bench::new().await;
    bench.apply(&file(3, 0)).await;
    bench.client().call(&DeleteSshKeyPair::new("mesostack")).await.expect("deleted by hand");
    let theirs = OperatorKey::of(&Identity::generate());
    bench.client().call(&RegisterSshKeyPair::new("mesostack", &theirs.public)).await.expect("registered");
    bench.key = OperatorKey::of(&Identity::generate());
    let renamed = file(3, 0).replace("[access]", "[access]\nkey_pair = \"new\"");
    for node in ["master-1", "master-2", "master-3"] {
        bench.apply(Asked::replacing(renamed.clone(), node)).await;
    }
    assert_eq!(bench.key_pairs().await, ["mesostack", "new"]);
    bench.assert_whole(&renamed).await;
    bench.destroy(&renamed).await;
    assert_eq!(bench.key_pairs().await, ["mesostack"]);
}

#[tokio::test(start_paused = true)]
async fn another_key_pair_takes_the_place_of_the_first_and_none_is_left_behind() {
    let mut bench = Bench::new().await;
    bench.apply(&file(1, 1)).await;
    bench.key = OperatorKey::of(&Identity::generate());
    let renamed = |agents| file(1, agents).replace("[access]", "[access]\nkey_pair = \"new\"");
    bench.apply(&renamed(2)).await;
    assert_eq!(bench.key_pairs().await, ["mesostack", "new"]);
    let plan = bench.planned(&renamed(2)).await;
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(plan.drift.len(), 1, "{plan}");
    assert!(plan.drift[0].what.contains("made with the key pair mesostack instead of new"), "{plan}");
    // A master made with the first one is still there; it goes with the cluster.
    bench.apply(Asked::replacing(renamed(2), "agent-1")).await;
    assert_eq!(bench.key_pairs().await, ["mesostack", "new"]);
    bench.destroy(&renamed(2)).await;
    bench.assert_empty().await;

    bench.apply(&file(3, 0)).await;
    bench.key = OperatorKey::of(&Identity::generate());
    let renamed = file(3, 0).replace("[access]", "[access]\nkey_pair = \"new\"");
    for node in ["master-1", "master-2", "master-3"] {
        bench.apply(Asked::replacing(renamed.clone(), node)).await;
    }
    bench.assert_whole(&renamed).await;
    assert_eq!(bench.key_pairs().await, ["new"], "no machine was made with the first one any more");
}
