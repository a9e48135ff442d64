//! Whatever can be told to go wrong does so exactly where it was told to, and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use cloudstack::{Client, Credentials, Expect, resource};
use devcloud::faults::{Answered, CallFault, Faults, JobFault, MachineFault, Moment, When, Wire};
use devcloud::simulator::{Capacity, Latencies, Latency, Pace};
use devcloud::{Throttle, ZoneConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::kit::{self, World, text};

const DAY: Duration = Duration::from_secs(86_400);

fn client(world: &World, wire: &Wire) -> Client {
    let keys = world.zone.credentials("mesostack").expect("an account");
    let credentials = Credentials { api_key: keys.api_key.into(), secret_key: keys.secret_key };
    let zone = world.zone.clone();
    Client::builder("http://zone.invalid/client/api".parse().expect("an address"), credentials)
        .transport(Arc::new(wire.clone()))
        .clock(move || zone.now())
        .jitter_seed(1)
        .build()
        .expect("a client")
}

async fn networks(world: &World) -> u64 {
    world.user().call("listNetworks", &[]).await["count"].as_u64().unwrap_or_default()
}

async fn create(client: &Client, name: &str) -> Result<(), cloudstack::Error> {
    let zone = client.list(&resource::ListZones::new()).await?.remove(0);
    let offering = client.list(&resource::ListNetworkOfferings::new()).await?.remove(0);
    client.call(&resource::CreateNetwork::new(name, &offering.id, &zone.id)).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_on_its_way_has_its_effect_or_not_as_told() {
    let late = Moment::Late(Duration::from_secs(300));
    for (moment, now, later) in [(Moment::Before, 0, 0), (Moment::After, 1, 1), (late, 0, 1)] {
        for fault in [
            CallFault::Reset(moment),
            CallFault::Status(503, moment),
            CallFault::Silence(moment),
            CallFault::Kill(moment),
        ] {
            let world = kit::world().await;
            let wire = Wire::with(&world.zone, &Faults::seeded(1).call("createNetwork", When::nth(1), fault));
            let client = client(&world, &wire);
            let killed = tokio::select! {
                created = create(&client, "n") => {
                    created.expect_err("no reply came");
                    false
                }
                () = wire.killed() => true,
            };
            assert_eq!(killed, matches!(fault, CallFault::Kill(_)), "{fault:?}");
            assert_eq!(wire.struck().len(), 1, "{fault:?}");
            assert_eq!((wire.struck()[0].call, wire.struck()[0].fault), (3, fault));
            // Silence lasts as long as the client's patience.
            let waited = matches!(fault, CallFault::Silence(_)) && later > now;
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(waited || networks(&world).await == now, "{fault:?}");
            tokio::time::sleep(Duration::from_secs(600)).await;
            assert_eq!(networks(&world).await, later, "{fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_killed_caller_comes_through_any_more() {
    let world = kit::world().await;
    let wire = Wire::to(&world.zone).round_trip(Duration::from_secs(1));
    let client = client(&world, &wire);
    let creating = create(&client, "n");
    tokio::pin!(creating);
    // Killed while the third call, the one that makes the network, is on its way there.
    tokio::select! {
        _ = &mut creating => panic!("not that quick"),
        () = tokio::time::sleep(Duration::from_millis(2_400)) => wire.kill(),
    }
    assert_eq!(wire.sent(), 3);
    assert!(tokio::time::timeout(DAY, wire.killed()).await.is_ok());
    assert!(tokio::time::timeout(Duration::from_secs(60), creating).await.is_err());
    assert_eq!(networks(&world).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_delivered_twice() {
    for answered in [Answered::First, Answered::Second] {
        let world = kit::world().await;
        let fault = CallFault::Twice { apart: Duration::from_millis(500), answered };
        let wire = Wire::with(&world.zone, &Faults::seeded(1).call("createNetwork", When::Always, fault));
        let began = Instant::now();
        create(&client(&world, &wire), "n").await.expect("answered");
        assert_eq!(began.elapsed() > Duration::from_millis(400), answered == Answered::Second);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(networks(&world).await, 2, "{answered:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_can_lag_and_the_next_one_does_not() {
    let world = kit::world().await;
    let lag = CallFault::Lag(Duration::from_secs(2));
    let wire = Wire::with(&world.zone, &Faults::seeded(1).call("listNetworks", When::nth(1), lag));
    let client = client(&world, &wire);
    tokio::time::sleep(Duration::from_secs(5)).await;
    create(&client, "n").await.expect("made");
    assert_eq!(client.list(&resource::ListNetworks::new()).await.expect("a list").len(), 0);
    assert_eq!(client.list(&resource::ListNetworks::new()).await.expect("a list").len(), 1);
    assert_eq!(networks(&world).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_refused_is_known_not_to_have_been_used() {
    let world = kit::world().await;
    let refused = Faults::seeded(1).call("createNetwork", When::nth(1), CallFault::Refused);
    let wire = Wire::with(&world.zone, &refused);
    // The client knows that it may try again.
    create(&client(&world, &wire), "n").await.expect("made at the second try");
    assert_eq!((networks(&world).await, wire.sent()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_told_to_fail_leaves_what_a_failure_leaves() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let address = user.address(&network).await;
    let rule = [("ipaddressid", address.as_str()), ("protocol", "tcp"), ("startport", "80")];
    let fail = || JobFault::fail(533, "no room today");
    world.zone.set_faults(
        &Faults::seeded(1)
            .job("createFirewallRule", When::nth(2), fail())
            .job("deleteFirewallRule", When::nth(1), fail())
            .job("deployVirtualMachine", When::At([1, 3].into()), fail())
            .job("createTags", When::nth(1), fail())
            .job("stopVirtualMachine", When::nth(1), fail()),
    );
    let told = (533, "no room today".to_owned());
    let first = text(&user.run("createFirewallRule", &rule).await.0["id"]);
    assert_eq!(user.fails("createFirewallRule", &[&rule[..2], &[("startport", "81")]].concat()).await, told);
    assert_eq!(user.fails("deleteFirewallRule", &[("id", &first)]).await, told);
    let left = user.only("listFirewallRules", "firewallrule", &[]).await;
    assert_eq!((&left["id"], &left["state"]), (&json!(first), &json!("Active")));

    let machine = user.machine(&network, "a").await;
    assert_eq!(user.fails("deployVirtualMachine", &kit::borrowed(&machine, &[])).await, told);
    let spoiled = user.only("listVirtualMachines", "virtualmachine", &[("name", "a")]).await;
    assert_eq!(spoiled["state"], json!("Error"));
    assert_eq!(user.network_state(&network).await, "Allocated", "it came to nothing at all");
    let good = user.deploy(&network, "b", &[]).await;
    assert_eq!(user.machine_state(&good).await, "Running");
    let machine = user.machine(&network, "c").await;
    let asleep = kit::borrowed(&machine, &[("startvm", "false")]);
    assert_eq!(user.fails("deployVirtualMachine", &asleep).await, told);
    let spoiled = user.only("listVirtualMachines", "virtualmachine", &[("name", "c")]).await;
    assert_eq!(spoiled["state"], json!("Error"));
    assert_eq!(user.fails("stopVirtualMachine", &[("id", &good)]).await, told);
    assert_eq!(user.machine_state(&good).await, "Running");

    let tag = [
        ("resourceids", network.as_str()),
        ("resourcetype", "network"),
        ("tags[0].key", "k"),
        ("tags[0].value", "v"),
    ];
    assert_eq!(user.fails("createTags", &tag).await, told);
    assert_eq!(user.call("listTags", &[]).await, json!({}));
    user.run("createTags", &tag).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_can_say_that_it_failed_and_have_done_its_work() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let fault = JobFault::Fail { code: 530, text: "timed out".to_owned(), done: true };
    world.zone.set_faults(&Faults::seeded(1).job("deployVirtualMachine", When::nth(1), fault));
    let machine = user.machine(&network, "a").await;
    user.fails("deployVirtualMachine", &kit::borrowed(&machine, &[])).await;
    let there = user.only("listVirtualMachines", "virtualmachine", &[]).await;
    assert_eq!(there["state"], json!("Running"));
}

#[tokio::test(start_paused = true)]
async fn a_job_can_hang_and_holds_up_those_behind_it() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    world.zone.set_faults(&Faults::seeded(1).job("associate*", When::nth(1), JobFault::Hang { done: true }));
    let hung = text(&user.call("associateIpAddress", &[("networkid", &network)]).await["jobid"]);
    let behind = text(&user.call("associateIpAddress", &[("networkid", &network)]).await["jobid"]);
    tokio::time::sleep(DAY / 2).await;
    for job in [hung, behind] {
        assert_eq!(user.call("queryAsyncJobResult", &[("jobid", &job)]).await["jobstatus"], json!(0));
    }
    let done = user.call("listPublicIpAddresses", &[("state", "Allocated")]).await;
    assert_eq!(done["count"], json!(1));
}

#[tokio::test(start_paused = true)]
async fn a_machine_can_end_in_error_at_its_first_start_or_die_later() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let dies = MachineFault::Dies(Duration::from_secs(90).into());
    world.zone.set_faults(&Faults::seeded(1).machine("bad*", When::nth(1), MachineFault::Error).machine(
        "mortal",
        When::nth(1),
        dies,
    ));
    let bad = user.deploy(&network, "bad-1", &[("startvm", "false")]).await;
    assert_eq!(user.fails("startVirtualMachine", &[("id", &bad)]).await.0, 530);
    assert_eq!(user.machine_state(&bad).await, "Error");
    let good = user.deploy(&network, "bad-2", &[]).await;
    let mortal = user.deploy(&network, "mortal", &[]).await;
    tokio::time::sleep(Duration::from_secs(80)).await;
    assert_eq!(user.machine_state(&mortal).await, "Running");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(user.machine_state(&mortal).await, "Stopped");
    assert_eq!(user.machine_state(&good).await, "Running");
    user.run("startVirtualMachine", &[("id", &mortal)]).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(user.machine_state(&mortal).await, "Running", "once was told");
}

#[tokio::test(start_paused = true)]
async fn calls_and_jobs_take_the_time_they_are_given() {
    let second = Duration::from_secs(1);
    let pace = Pace {
        call: Duration::from_millis(100).into(),
        calls: [("listZones".to_owned(), (second * 3).into())].into(),
        job: second.into(),
        jobs: [("createTags".to_owned(), Latency::Uniform { from: second * 5, to: second * 6 })].into(),
    };
    let config = ZoneConfig { pace, ..ZoneConfig::simulated_time() };
    let world = kit::world_with(config, Latencies::NONE, Capacity::default()).await;
    let user = world.user();
    let took = |began: Instant| began.elapsed().as_millis();
    let began = Instant::now();
    user.call("listNetworks", &[]).await;
    assert_eq!(took(began), 100);
    user.call("listZones", &[]).await;
    assert_eq!(took(began), 3_100);
    let network = user.network("n").await;
    let began = Instant::now();
    user.run("associateIpAddress", &[("networkid", &network)]).await;
    assert!((1_000..1_500).contains(&took(began)), "{}", took(began));
    let tag = [("resourceids", network.as_str()), ("resourcetype", "network"), ("tags[0].key", "k")];
    let began = Instant::now();
    user.run("createTags", &tag).await;
    assert!((5_000..6_500).contains(&took(began)), "{}", took(began));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_machines_start_at_once() {
    let latencies = Latencies { start: Duration::from_secs(10).into(), ..Latencies::NONE };
    let capacity = Capacity { workers: Some(3), ..Capacity::default() };
    let world = kit::world_with(ZoneConfig::simulated_time(), latencies, capacity).await;
    let user = world.user();
    let network = user.network("n").await;
    let began = Instant::now();
    let starts = (0..7).map(|number| {
        let (user, network) = (user.clone(), network.clone());
        async move { user.deploy(&network, &format!("m{number}"), &[]).await }
    });
    futures::future::join_all(starts).await;
    assert!((30..32).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_account_may_call_so_often_in_a_window_and_a_root_admin_as_often_as_it_likes() {
    let throttle = Some(Throttle { calls: 5, window: Duration::from_secs(1) });
    let world = kit::world_with(
        ZoneConfig { throttle, accounts: vec!["other".to_owned()], ..ZoneConfig::simulated_time() },
        Latencies::NONE,
        Capacity::default(),
    )
    .await;
    let (user, other, admin) = (world.user(), world.caller("other"), world.admin());
    for _ in 0..5 {
        user.call("listZones", &[]).await;
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    for _ in 0..3 {
        let (status, code, text) = user.refused("listZones", &[]).await;
        assert_eq!((status, code), (429, Some(9999)));
        assert_eq!(text, "The given user has reached his/her account api limit, please retry after 600 ms.");
        other.call("listZones", &[]).await;
    }
    for _ in 0..50 {
        admin.call("listZones", &[]).await;
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    let capability = user.call("listCapabilities", &[]).await["capability"].clone();
    assert_eq!((&capability["apilimitmax"], &capability["apilimitinterval"]), (&json!(5), &json!(1)));
}

/// Everything a client of a zone with chances for everything sees, as text.
async fn told(seed: u64) -> String {
    let spread = Latency::LongTail { from: Duration::from_millis(50), to: Duration::from_secs(5) };
    let latencies = Latencies { start: spread, raise: spread, ..Latencies::default() };
    let faults = Faults::seeded(seed)
        .call("*", When::chance(0.1), CallFault::Status(502, Moment::After))
        .call("*", When::chance(0.1), CallFault::Reset(Moment::Before))
        .job("*", When::chance(0.2), JobFault::fail(530, "no"));
    let pace = Pace { job: spread, ..Pace::NONE };
    let config = ZoneConfig { pace, faults: faults.clone(), ..ZoneConfig::simulated_time() };
    let world = kit::world_with(config, latencies, Capacity::default()).await;
    let network = world.user().network("n").await;
    let wire = Wire::with(&world.zone, &faults).round_trip(spread);
    let client = client(&world, &wire);
    let mut told = String::new();
    let began = Instant::now();
    for _ in 0..30 {
        let command = resource::AssociateIpAddress::new().network_id(network.as_str());
        let result = client.run(&command, Expect::Brief, Instant::now() + Duration::from_secs(60)).await;
        told += &format!(
            "{:?}: {}\n",
            began.elapsed(),
            result.map_or_else(|error| error.to_string(), |_| "made".into())
        );
    }
    told + &format!("{:?}", wire.struck())
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let first = told(11).await;
    assert_eq!(first, told(11).await);
    assert_ne!(first, told(12).await);
}

#[tokio::test]
async fn over_a_socket_calls_fail_as_told_too() {
    let faults = Faults::seeded(1)
        .call("listZones", When::nth(1), CallFault::Reset(Moment::Before))
        .call("listZones", When::nth(2), CallFault::Status(502, Moment::Before))
        .call("listZones", When::nth(3), CallFault::Silence(Moment::Before));
    let config = ZoneConfig { faults, ..ZoneConfig::default() };
    let world = kit::world_with(config, Latencies::NONE, Capacity::default()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = tokio_util::sync::CancellationToken::new();
    let served = tokio::spawn(devcloud::serve(world.zone.clone(), listener, shutdown.clone()));
    let user = world.user();
    // The first line of what is answered before the connection ends.
    let get = || {
        let query = kit::signed(&user.keys, &[("command", "listZones")]);
        let request = format!("GET /client/api?{query} HTTP/1.1\r\nHost: zone\r\nConnection: close\r\n\r\n");
        async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
        }
    };
    assert_eq!(get().await, "", "it breaks before its first byte");
    assert_eq!(get().await, "HTTP/1.1 502 Bad Gateway");
    let silent = tokio::spawn(get());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!silent.is_finished());
    assert_eq!(get().await, "HTTP/1.1 200 OK");
    shutdown.cancel();
    assert_eq!(silent.await.expect("no panic"), "", "a zone that closes leaves nobody waiting");
    served.await.expect("no panic").expect("served to the end");
}
