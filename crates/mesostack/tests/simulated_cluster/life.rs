//! A cluster's ordinary life: first apply, second apply, growth, loss of a machine, destruction.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use cloudstack::{
    Expect,
    resource::{
        CreateAffinityGroup, CreateNetwork, ListNetworkOfferings, ListVirtualMachines, ListZones,
        RegisterSshKeyPair,
    },
};
use mesostack::{
    cluster::{Context, Observed, apply, output, validate},
    events::{Event, Listener},
};
use tokio::time::Instant;

use crate::zone::{Bench, file};

#[tokio::test(start_paused = true)]
async fn a_first_apply_makes_the_cluster_and_a_second_finds_nothing_to_do() {
    let bench = Bench::new().await;
    let applied = bench.apply(&file(3, 3)).await;
    bench.assert_whole(&file(3, 3)).await;
    assert!(bench.nodes.changes().values().all(|times| *times == 1), "{:?}", bench.nodes.changes());
    assert_eq!(bench.nodes.changes().len(), 6);

    let client = bench.client();
    let (plan, desired, observed) = bench.plan(&client, &file(3, 3)).await;
    assert!(plan.is_empty());
    assert!(client.counts().total() <= 12, "{:?}", client.counts());
    let output = output(&desired, &observed).expect("an address");
    assert_eq!(
        output.masters.iter().map(|master| master.ssh_port).collect::<Vec<_>>(),
        [1222, 1223, 1224].map(Some)
    );
    assert_eq!(output.mesos_url, format!("http://{}:5050/", output.public_ip));

    // 3 calls a machine and 26 around them, before polls, look and lease included.
    let (look, lease) = (9, 2);
    assert!(lease + look + applied.calls - applied.polls <= 3 * 6 + 26, "{:?}", applied.calls_by_command);
    println!(
        "first apply of 3 + 3: {lease} calls for the lease, {look} to look, {} more without {} polls, {} jobs, {:.1} s simulated",
        applied.calls - applied.polls,
        applied.polls,
        applied.jobs,
        applied.seconds
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_at_an_empty_zone_takes_eight_calls_and_changes_nothing() {
    let bench = Bench::new().await;
    let client = bench.client();
    let (plan, ..) = bench.plan(&client, &file(3, 3)).await;
    assert!(!plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
    assert_eq!(client.counts().total(), 8);
    assert_eq!(client.counts().jobs, 0);
    bench.assert_empty().await;
}

#[tokio::test(start_paused = true)]
async fn growing_from_three_agents_to_five_touches_nothing_else() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 3)).await;
    let before = bench.client().list(&ListVirtualMachines::new()).await.unwrap();
    let applied = bench.apply(&file(3, 5)).await;
    bench.assert_whole(&file(3, 5)).await;
    let changes = bench.nodes.changes();
    assert_eq!(changes.len(), 8);
    assert!(changes.values().all(|times| *times == 1), "{changes:?}");
    let after = bench.client().list(&ListVirtualMachines::new()).await.unwrap();
    assert!(before.iter().all(|machine| after.contains(machine)), "a machine that was there has changed");
    println!("growing by 2: {} calls without {} polls", applied.calls - applied.polls, applied.polls);
}

#[tokio::test(start_paused = true)]
async fn destroying_leaves_nothing_behind() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 3)).await;
    let applied = bench.destroy(&file(3, 3)).await;
    bench.assert_empty().await;
    assert!(bench.destroy(&file(3, 3)).await.steps == 0, "and again there is nothing to do");
    // 5 to look, 3 for the lease and what others have left of theirs.
    assert!(5 + 3 + applied.calls - applied.polls <= 6 + 15, "{:?}", applied.calls_by_command);
    println!(
        "destroy of 3 + 3: {} calls without {} polls, {} jobs, {:.1} s simulated",
        applied.calls - applied.polls,
        applied.polls,
        applied.jobs,
        applied.seconds
    );
}

#[tokio::test(start_paused = true)]
async fn an_even_number_of_masters_works() {
    let bench = Bench::new().await;
    bench.apply(&file(4, 1)).await;
    bench.assert_whole(&file(4, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn configuration_can_travel_with_user_data() {
    let bench = Bench::new().await;
    let file = file(3, 1).replace("[image]", "bootstrap = \"user-data\"\n[image]");
    bench.apply(&file).await;
    bench.assert_whole(&file).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_master_is_made_again() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 1)).await;
    let lost = bench.machine("mesos-master-2").await;
    bench.lose("mesos-master-2").await;
    bench.apply(&file(3, 1)).await;
    bench.assert_whole(&file(3, 1)).await;
    assert_ne!(bench.machine("mesos-master-2").await, lost);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_stopped_by_itself_is_started() {
    let bench = Bench::new().await;
    bench.apply(&file(1, 2)).await;
    let id = bench.machine("mesos-agent-1").await;
    bench.simulator.power_off(id.as_str().parse().unwrap());
    // The zone looks at its machines every few seconds.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (plan, ..) = bench.plan(&bench.client(), &file(1, 2)).await;
    let lines = plan.lines().into_iter().map(|(_, line)| line).collect::<Vec<_>>();
    assert_eq!(
        lines,
        [
            "virtual machine mesos-agent-1: start, since it is stopped",
            "node mesos-agent-1: set up, since its machine did not run",
        ]
    );
    bench.apply(&file(1, 2)).await;
    bench.assert_whole(&file(1, 2)).await;
}

#[tokio::test(start_paused = true)]
async fn what_others_have_in_the_account_is_left_alone() {
    let bench = Bench::new().await;
    let client = bench.client();
    let zone = client.list(&ListZones::new()).await.unwrap().remove(0);
    let offerings = client.list(&ListNetworkOfferings::new()).await.unwrap();
    let offering = offerings
        .iter()
        .find(|offering| offering.name.starts_with("DefaultIsolatedNetworkOfferingWithSource"));
    client.call(&CreateNetwork::new("theirs", &offering.unwrap().id, &zone.id)).await.unwrap();
    client.call(&RegisterSshKeyPair::new("mesostack", &bench.key.public)).await.unwrap();
    let group = CreateAffinityGroup::new("theirs", "host anti-affinity");
    client.run(&group, Expect::Brief, Instant::now() + Duration::from_secs(60)).await.unwrap();
    let before = bench.inventory().await;

    bench.apply(&file(3, 1)).await;
    bench.assert_whole(&file(3, 1)).await;
    bench.destroy(&file(3, 1)).await;
    assert_eq!(bench.inventory().await, before, "the key pair was theirs, too");
}

#[tokio::test(start_paused = true)]
async fn a_network_of_the_same_name_that_is_not_ours_is_refused() {
    let bench = Bench::new().await;
    let client = bench.client();
    let zone = client.list(&ListZones::new()).await.unwrap().remove(0);
    let offerings = client.list(&ListNetworkOfferings::new()).await.unwrap();
    let offering = offerings
        .iter()
        .find(|offering| offering.name.starts_with("DefaultIsolatedNetworkOfferingWithSource"));
    client.call(&CreateNetwork::new("subnet01", &offering.unwrap().id, &zone.id)).await.unwrap();
    let (plan, desired, _) = bench.plan(&client, &file(1, 1)).await;
    assert!(plan.steps.is_empty());
    assert!(plan.obstacles.iter().any(|obstacle| obstacle.message.contains("not this cluster's")));
    let observed = Observed::read_existing(&client, &desired).await.unwrap();
    assert!(mesostack::cluster::plan_destruction(&desired, &observed).is_empty());
}

#[tokio::test(start_paused = true)]
async fn validating_lists_everything_the_cloud_does_not_have_at_once() {
    let bench = Bench::new().await;
    let text = file(1, 1)
        .replace("\"devcloud\"", "\"devclod\"")
        .replace("[cluster]\n", "base = \"Debian 13\"\n[network]\noffering = \"DefaultIsolated\"\n[cluster]\nmaster_offering = \"t1.medum\"\n")
        .replace("name = \"Debian 12\"", "name = \"mesos\"");
    let client = bench.client();
    let problems = validate(&client, &bench.desired(&text)).await.unwrap().problems;
    let paths = problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>();
    assert_eq!(
        paths,
        ["cloud.zone", "network.offering", "cluster.master_offering", "image.name", "image.base"]
    );
    assert!(problems[0].help.as_ref().unwrap().starts_with("did you mean devcloud?"), "{:?}", problems[0]);
    assert!(problems[2].help.as_ref().unwrap().starts_with("did you mean t1.medium?"));
    assert!(client.counts().total() <= 14, "{:?}", client.counts());
    let right = validate(&client, &bench.desired(file(1, 1))).await.unwrap();
    assert!(right.problems.is_empty() && right.remarks.is_empty(), "{right:?}");
    bench.assert_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_agents_take_three_calls_each() {
    let bench = Bench::new().await;
    let applied = bench.apply(&file(3, 100)).await;
    bench.assert_whole(&file(3, 100)).await;
    // Host keys and marks go a hundred to a call.
    assert!(8 + 2 + applied.calls - applied.polls <= 3 * 103 + 26, "{:?}", applied.calls_by_command);
    println!(
        "first apply of 3 + 100: {} calls without {} polls, {:.1} s simulated",
        applied.calls - applied.polls,
        applied.polls,
        applied.seconds
    );
}

#[tokio::test(start_paused = true)]
async fn rules_reach_the_router_as_written() {
    let bench = Bench::new().await;
    bench.apply(&file(3, 2)).await;
    let network = bench.network().await.expect("a network");
    let router = bench.simulator.router(network.id.as_str().parse().unwrap()).expect("a router");
    assert_eq!(router.forwards.len(), 5);
    assert_eq!(router.balancers.len(), 2);
    assert!(router.balancers.iter().all(|rule| rule.members.len() == 3));
    assert_eq!(router.ingress.len(), 4, "ranges, not one rule a port");
    assert!(router.ingress.iter().all(|rule| rule.sources.len() == 2));
    assert_eq!(router.egress.len(), 1);
    assert_eq!(router.addresses.len(), 1, "the source NAT address is the only one");
}

/// Remembers what it is told.
#[derive(Debug, Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<Event>>);

impl Listener for Heard {
    fn hear(&self, event: Event) {
        self.0.lock().expect("nobody panics in between").push(event);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_tells_its_graph_every_step_and_every_job() {
    let bench = Bench::new().await;
    let client = bench.client();
    let (plan, desired, observed) = bench.plan(&client, &file(3, 3)).await;
    let heard = Arc::new(Heard::default());
    let context = Context { listener: heard.clone(), ..bench.context(client, desired, observed) };
    let applied = apply(&plan, &context).await.expect("a cluster");
    let events = heard.0.lock().expect("over").clone();

    let Some(Event::Graph { steps, lanes }) = events.first() else { panic!("{:?}", events.first()) };
    assert_eq!((steps.len(), lanes["network"]), (plan.steps.len(), 1));
    let work = |event: &Event| match event {
        Event::Started { work, .. } => Some(work.clone()),
        _ => None,
    };
    let mut begun: Vec<_> = events.iter().filter_map(work).collect();
    let mut promised: Vec<_> = steps.iter().map(|step| step.work.clone()).collect();
    begun.sort();
    promised.sort();
    assert_eq!(begun, promised);
    promised.dedup();
    assert_eq!(promised.len(), steps.len(), "names are unique");

    let mut jobs = BTreeMap::new();
    for event in &events {
        match event {
            Event::JobStarted { work, job, .. } => assert!(jobs.insert(job.clone(), work.clone()).is_none()),
            Event::JobDone { work, job, error } => {
                assert_eq!((jobs.get(job), error), (Some(work), &None));
            }
            _ => {}
        }
    }
    assert_eq!(jobs.len() as u64, applied.jobs);
    let ready = events.iter().filter(|event| matches!(event, Event::NodeReady { .. })).count();
    assert_eq!(ready, 6);
}
