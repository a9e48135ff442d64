//! Agents come and go by name, and those that stay are left alone.

use cloudstack::resource::ListVirtualMachines;
use devcloud::ZoneConfig;
use mesostack::cluster::output;

use crate::zone::{Asked, Bench, file, file_behind};

async fn agents(bench: &Bench, file: &String) -> Vec<(String, Option<u16>)> {
    let (_, desired, observed) = bench.plan(&bench.client(), file).await;
    let output = output(&desired, &observed).expect("an address");
    output.agents.into_iter().map(|agent| (agent.name, agent.ssh_port)).collect()
}

#[tokio::test(start_paused = true)]
async fn fewer_agents_in_the_file_let_the_highest_go_and_nothing_is_left_of_them() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 3)).await;
    bench.assert_whole(&file(3, 3)).await;
    let small = bench.inventory().await;
    bench.apply(&file(3, 5)).await;
    bench.apply(&file(3, 3)).await;
    bench.assert_whole(&file(3, 3)).await;
    assert_eq!(bench.inventory().await, small);
    assert!(bench.nodes.changes().values().all(|times| *times == 1), "{:?}", bench.nodes.changes());
    bench.apply(&file(3, 0)).await;
    bench.assert_whole(&file(3, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_named_goes_and_the_others_stay_as_they_are_until_it_is_made_anew() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 3)).await;
    let before = bench.client().list(&ListVirtualMachines::new()).await.unwrap();
    let asked = Asked::without(file(3, 2), &["agent-1"]);
    bench.apply(&asked).await;
    for asked in [asked, file(3, 2).into()] {
        bench.assert_whole(asked).await;
    }
    let after = bench.client().list(&ListVirtualMachines::new()).await.unwrap();
    assert!(after.iter().all(|machine| before.contains(machine)), "a machine that stays has changed");
    let named = |number: u16| (format!("agent-{number}"), Some(2221 + number));
    assert_eq!(agents(&bench, &file(3, 2)).await, [named(2), named(3)]);

    bench.apply(&file(3, 3)).await;
    bench.assert_whole(&file(3, 3)).await;
    assert_eq!(agents(&bench, &file(3, 3)).await, [named(1), named(2), named(3)]);
    bench.destroy(&file(3, 3)).await;
    bench.assert_empty().await;
}

#[tokio::test(start_paused = true)]
async fn agents_behind_the_masters_go_too() {
    let bench = Bench::new().await;
    bench.apply(&file_behind(3, 4)).await;
    bench.apply(Asked::without(file_behind(3, 2), &["agent-1", "agent-3"])).await;
    bench.assert_whole(&file_behind(3, 2)).await;
    let names = agents(&bench, &file_behind(3, 2)).await;
    assert_eq!(names, ["agent-2", "agent-4"].map(|name| (name.to_owned(), None)));
}

#[tokio::test(start_paused = true)]
async fn where_users_may_not_expunge_nothing_leads_to_what_was_removed() {
    let config = ZoneConfig { users_may_expunge: false, ..ZoneConfig::simulated_time() };
    let bench = Bench::with(config).await;
    bench.apply(&file(1, 2)).await;
    bench.apply(&file(1, 1)).await;
    bench.assert_whole(&file(1, 1)).await;
}
