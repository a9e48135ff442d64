//! Agents come and go by name, and those that stay are left alone.

use std::time::Duration;

use cloudstack::{
    Expect, Id,
    resource::{
        AssociateIpAddress, CreateFirewallRule, CreateNetwork, CreatePortForwardingRule, DeleteFirewallRule,
        DeployVirtualMachine, ListFirewallRules, ListVirtualMachines, ListZones, Protocol,
        StopVirtualMachine,
    },
};
use devcloud::ZoneConfig;
use mesostack::cluster::{Observed, apply, host_key_tag, output};
use tokio::time::{Instant, sleep};

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
    let mut drained = bench.nodes.drained.lock().expect("no panic").clone();
    drained.sort();
    assert_eq!(drained, ["agent-4", "agent-5"]);
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

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_run_is_not_drained() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 2)).await;
    let stop = StopVirtualMachine::new(&bench.machine("mesos-agent-2").await);
    bench.client().run(&stop, Expect::Long, Instant::now() + Duration::from_secs(60)).await.unwrap();
    bench.apply(&file(3, 1)).await;
    bench.assert_whole(&file(3, 1)).await;
    assert!(bench.nodes.drained.lock().expect("no panic").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_replaced_agent_is_another_machine_with_another_key_in_the_same_place() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 3)).await;
    let key = |observed: &Observed| observed.tag(&host_key_tag("mesos-agent-2")).expect("a key").to_owned();
    let (.., before) = bench.plan(&bench.client(), &file(3, 3)).await;
    bench.apply(Asked::replacing(file(3, 3), "agent-2")).await;
    bench.assert_whole(&file(3, 3)).await;
    let (.., after) = bench.plan(&bench.client(), &file(3, 3)).await;
    let (old, new) = (before.machine("mesos-agent-2").unwrap(), after.machine("mesos-agent-2").unwrap());
    assert!(old.named.id != new.named.id && old.address == new.address && key(&before) != key(&after));
    for name in ["mesos-agent-1", "mesos-agent-3", "mesos-master-1"] {
        assert_eq!(before.machine(name), after.machine(name));
    }
    assert_eq!(*bench.nodes.drained.lock().expect("no panic"), ["agent-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_master_is_replaced_only_if_the_quorum_outlives_it() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    let before = bench.machine("mesos-master-1").await;
    bench.nodes.silent.lock().expect("no panic").insert("master-3".to_owned());
    let refused = bench.apply_over(bench.client(), Asked::replacing(file(3, 1), "master-1")).await;
    let refused = refused.expect_err("it is needed");
    assert_eq!(refused.failures.len(), 1);
    assert_eq!(
        refused.failures[0].to_string(),
        "check the quorum without mesos-master-1: master-1 is left as it is: without master-1, 1 of 3 ZooKeeper servers \
         would be left, and it takes 2 (master-3 cannot stand in); see `mesostack status`"
    );
    bench.assert_whole(&file(3, 1)).await;
    assert_eq!(bench.machine("mesos-master-1").await, before, "nothing was done to it");

    bench.nodes.silent.lock().expect("no panic").clear();
    bench.apply(Asked::replacing(file(3, 1), "master-1")).await;
    bench.assert_whole(&file(3, 1)).await;
    assert_ne!(bench.machine("mesos-master-1").await, before);
}

#[tokio::test(start_paused = true)]
async fn where_names_are_not_freed_nothing_is_replaced() {
    let config = ZoneConfig { users_may_expunge: false, ..ZoneConfig::simulated_time() };
    let bench = Bench::with(config).await;
    bench.apply(&file(3, 1)).await;
    for node in ["agent-1", "master-1"] {
        let refused = bench.apply_over(bench.client(), Asked::replacing(file(3, 1), node)).await;
        assert!(
            refused.expect_err("it would be missing").failures[0].to_string().contains("is left as it is")
        );
        bench.assert_whole(&file(3, 1)).await;
    }
    assert!(bench.nodes.drained.lock().expect("no panic").is_empty());
}

#[tokio::test(start_paused = true)]
async fn three_masters_become_five_one_at_a_time_and_the_leader_is_told_last() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    bench.nodes.order.lock().expect("no panic").clear();
    bench.apply(&file(5, 1)).await;
    bench.assert_whole(&file(5, 1)).await;
    let order = bench.nodes.order.lock().expect("no panic").clone();
    // The larger quorum, the fourth master, the others; the fifth, the others. The leader is the second.
    let told = [
        "master-1", "master-3", "master-2", "master-4", "master-1", "master-3", "master-2", "master-5",
        "master-1", "master-3", "master-4", "master-2", "agent-1",
    ];
    assert_eq!(order, told);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_cannot_be_missed_is_not_told_until_it_can() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 0)).await;
    bench.nodes.silent.lock().expect("no panic").insert("master-3".to_owned());
    bench.nodes.order.lock().expect("no panic").clear();
    let mended = async {
        sleep(Duration::from_secs(100)).await;
        assert!(!bench.nodes.order.lock().expect("no panic").iter().any(|name| name != "master-3"));
        bench.nodes.silent.lock().expect("no panic").clear();
    };
    let grown = file(4, 0);
    tokio::join!(bench.apply(&grown), mended);
    bench.assert_whole(&grown).await;
}

#[tokio::test(start_paused = true)]
async fn masters_that_could_not_be_told_of_another_serve_on_and_keep_no_agent_from_joining() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    bench.nodes.deaf.lock().expect("no panic").insert("master-1".to_owned());
    let unfinished = bench.apply_over(bench.client(), &file(4, 2)).await.expect_err("a master is deaf");
    let failures = unfinished.failures.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(failures.len() == 1 && failures[0].starts_with("set up masters one at a time: "), "{failures:?}");
    let (.., observed) = bench.plan(&bench.client(), &file(4, 2)).await;
    assert!(observed.tag("mesostack.node.mesos-agent-2").is_some(), "it was waited for and marked");

    bench.nodes.deaf.lock().expect("no panic").clear();
    bench.apply(&file(4, 2)).await;
    bench.assert_whole(&file(4, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_goes_when_that_is_asked_for_and_nothing_else() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    let before = bench.inventory().await;
    let (client, soon) = (bench.client(), Instant::now() + Duration::from_secs(600));
    let network = bench.network().await.expect("a network").id;
    let address = AssociateIpAddress::new().network_id(&network);
    let address = client.run(&address, Expect::Brief, soon).await.unwrap();
    let agent = bench.machine("mesos-agent-1").await;
    let forward = CreatePortForwardingRule::new(&address.id, Protocol::Tcp, 80_u16, &agent, 80_u16)
        .open_firewall(true)
        .network_id(&network);
    client.run(&forward, Expect::Brief, soon).await.unwrap();
    let (.., observed) = bench.plan(&client, &file(3, 1)).await;
    let machine = &observed.machines[0];
    let zone = client.list(&ListZones::new()).await.unwrap().remove(0).id;
    let deploy = DeployVirtualMachine::new(&zone, &machine.offering.id)
        .template_id(&machine.template.id)
        .name("jumphost")
        .network_ids([&network]);
    client.run(&deploy, Expect::Long, soon).await.unwrap();

    let (plan, ..) = bench.plan(&client, &file(3, 1)).await;
    assert!(plan.is_empty() && plan.drift.len() == 4, "{plan}");
    bench.apply(Asked::pruned(file(3, 1))).await;
    bench.assert_whole(&file(3, 1)).await;
    assert_eq!(bench.inventory().await, before);
}

#[tokio::test(start_paused = true)]
async fn neither_an_image_build_nor_a_machine_of_another_network_too_is_pruned() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    let (client, soon) = (bench.client(), Instant::now() + Duration::from_secs(600));
    let network = bench.network().await.expect("a network");
    let other = CreateNetwork::new("theirs", &network.network_offering_id, &network.zone_id);
    let other = client.call(&other).await.expect("a network").id;
    let (.., observed) = bench.plan(&client, &file(3, 1)).await;
    let like = observed.machines[0].clone();
    let deploy = async |name: &str, networks: &[&Id]| {
        let deploy = DeployVirtualMachine::new(&network.zone_id, &like.offering.id)
            .template_id(&like.template.id)
            .name(name)
            .network_ids(networks.iter().copied());
        client.run(&deploy, Expect::Long, soon).await.expect("a machine").id
    };
    deploy("gateway", &[&other, &network.id]).await;
    let build = deploy("mesostack-build-0123456789ab", &[&network.id]).await;
    let address = &observed.public_address().expect("an address").id;
    let forward = CreatePortForwardingRule::new(address, Protocol::Tcp, 50_000_u16, &build, 22_u16)
        .open_firewall(false)
        .network_id(&network.id);
    client.run(&forward, Expect::Brief, soon).await.expect("a rule");
    let open = CreateFirewallRule::new(address, Protocol::Tcp)
        .start_port(50_000_u16)
        .end_port(50_001_u16)
        .cidr_list(["192.0.2.0/24"]);
    client.run(&open, Expect::Brief, soon).await.expect("a rule");

    let before = bench.inventory().await;
    let (plan, ..) = bench.plan(&client, Asked::pruned(file(3, 1))).await;
    assert!(plan.is_empty() && plan.drift.len() == 4, "{plan}");
    bench.apply(Asked::pruned(file(3, 1))).await;
    assert_eq!(bench.inventory().await, before);
}

#[tokio::test(start_paused = true)]
async fn what_goes_with_a_rule_of_somebody_else_is_open_again_in_the_same_apply() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    let (client, soon) = (bench.client(), Instant::now() + Duration::from_secs(600));
    let before = bench.inventory().await;
    for rule in client.list(&ListFirewallRules::new()).await.expect("a list") {
        client.run(&DeleteFirewallRule::new(&rule.id), Expect::Brief, soon).await.expect("removed");
    }
    let (.., observed) = bench.plan(&client, &file(3, 1)).await;
    let everything =
        CreateFirewallRule::new(&observed.public_address().expect("an address").id, Protocol::Tcp)
            .start_port(1_u16)
            .end_port(65_535_u16)
            .cidr_list(["0.0.0.0/0"]);
    client.run(&everything, Expect::Brief, soon).await.expect("a rule");
    bench.apply(Asked::pruned(file(3, 1))).await;
    bench.assert_whole(&file(3, 1)).await;
    assert_eq!(bench.inventory().await, before);
}

/// A cut plan has other steps, and each still knows which ones it waits for.
#[tokio::test(start_paused = true)]
async fn pruning_the_infrastructure_only_works_while_nodes_are_to_be_set_up() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    let (client, soon) = (bench.client(), Instant::now() + Duration::from_secs(600));
    let before = bench.inventory().await;
    let network = bench.network().await.expect("a network").id;
    let address = AssociateIpAddress::new().network_id(&network);
    client.run(&address, Expect::Brief, soon).await.expect("an address");
    let (plan, desired, observed) = bench.plan(&client, Asked::pruned(file(3, 2))).await;
    let cut = apply(&plan.only_infrastructure(), &bench.context(client, desired, observed)).await;
    cut.unwrap_or_else(|error| panic!("{error}: {:#?}", error.failures));
    bench.apply(&file(3, 2)).await;
    bench.assert_whole(&file(3, 2)).await;
    bench.apply(&file(3, 1)).await;
    assert_eq!(bench.inventory().await, before);
}

#[tokio::test(start_paused = true)]
async fn who_is_no_master_is_taken_out_of_our_rules_when_that_is_asked_for() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    let client = bench.client();
    bench.balance("mesos-agent-1").await;
    let (plan, ..) = bench.plan(&client, &file(3, 1)).await;
    assert!(plan.is_empty() && plan.drift.len() == 2, "{plan}");
    bench.apply(Asked::pruned(file(3, 1))).await;
    bench.assert_whole(&file(3, 1)).await;
}
