//! The zone's clock is moved ahead: what falls due by it is done, and what was said of it stays.

use std::sync::Arc;
use std::time::Duration;

use devcloud::faults::{Faults, MachineFault, When};
use devcloud::simulator::{Capacity, Latencies};
use devcloud::{Records, Request, Throttle, Zone, ZoneConfig};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use crate::kit::{self, World, text};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

async fn world(config: ZoneConfig) -> World {
    kit::world_with(config, Latencies::NONE, Capacity::default()).await
}

#[tokio::test(start_paused = true)]
async fn what_would_be_done_after_a_while_is_done_when_the_clock_was_moved_that_far() {
    let config = ZoneConfig { network_gc: Some(10 * MINUTE), ..ZoneConfig::simulated_time() };
    let world = world(config).await;
    let user = world.user();
    let (idle, used) = (user.network("idle").await, user.network("used").await);
    let (gone, kept) = (user.deploy(&idle, "gone", &[]).await, user.deploy(&used, "kept", &[]).await);
    user.run("stopVirtualMachine", &[("id", &gone)]).await;
    let before = world.zone.now();
    let began = Instant::now();

    world.zone.forward(9 * MINUTE, false).await.expect("moved");
    assert_eq!(user.network_state(&idle).await, "Implemented", "not yet");
    let shown = world.zone.forward(MINUTE, false).await.expect("moved");
    assert_eq!(user.network_state(&idle).await, "Allocated", "ten minutes after its last machine stopped");
    assert_eq!(user.network_state(&used).await, "Implemented");
    assert_eq!(shown.ahead_seconds, 600);

    let (begun, _) = user.run("destroyVirtualMachine", &[("id", &gone)]).await;
    let job = [("jobid", begun["jobid"].as_str().expect("a job"))];
    world.zone.forward(DAY - MINUTE, false).await.expect("moved");
    assert_eq!(world.admin().machine_state(&gone).await, "Destroyed", "it can be recovered");
    assert_eq!(user.call("queryAsyncJobResult", &job).await["jobstatus"], json!(1));
    world.zone.forward(MINUTE, false).await.expect("moved");
    assert_eq!(world.admin().call("listVirtualMachines", &[("id", &gone)]).await, json!({}), "expunged");
    assert_eq!(user.refused("queryAsyncJobResult", &job).await.0, 431, "a job's result is kept for a day");
    assert_eq!(user.machine_state(&kept).await, "Running");
    assert!(began.elapsed() < MINUTE, "nobody has waited");

    // What is made from now on is dated by it.
    let made: Timestamp = {
        let network = user.network("new").await;
        let found = user.only("listNetworks", "network", &[("id", &network)]).await;
        text(&found["created"]).parse().expect("a time")
    };
    assert!(made.duration_since(before).as_hours() >= 24, "{made}");
    let refused = world.zone.forward(Duration::from_secs(200 * 366 * 86_400), false).await;
    assert!(refused.expect_err("too far").to_string().contains("a hundred years"));
}

#[tokio::test(start_paused = true)]
async fn windows_sessions_and_deaths_are_measured_by_it_and_signatures_only_when_that_is_wanted() {
    let config = ZoneConfig {
        throttle: Some(Throttle { calls: 2, window: 60 * MINUTE }),
        faults: Faults::seeded(1).machine("dies", When::nth(1), MachineFault::Dies((60 * MINUTE).into())),
        ..ZoneConfig::simulated_time()
    };
    let world = world(config).await;
    let (user, admin) = (world.user(), world.admin());
    for status in [200, 200, 429] {
        assert_eq!(user.ask("listZones", &[]).await.status, status);
    }
    world.zone.forward(61 * MINUTE, false).await.expect("moved");
    assert_eq!(user.ask("listZones", &[]).await.status, 200, "another window");

    let network = admin.network("n").await;
    let machine = admin.deploy(&network, "dies", &[]).await;
    world.zone.forward(30 * MINUTE, false).await.expect("moved");
    assert_eq!(admin.machine_state(&machine).await, "Running");
    world.zone.forward(31 * MINUTE, false).await.expect("moved");
    // Its death is another task's.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(admin.machine_state(&machine).await, "Stopped");

    // A signature made now and good for a quarter of an hour, as most clients' are.
    let ahead = Duration::from_secs(world.zone.clock().ahead_seconds);
    let host_now = world.zone.now().checked_sub(ahead).expect("a time");
    let soon =
        host_now.checked_add(15 * MINUTE).expect("a time").strftime("%Y-%m-%dT%H:%M:%S+0000").to_string();
    let parameters = [("command", "listZones"), ("signatureVersion", "3"), ("expires", soon.as_str())];
    let signed = || Request::get(kit::signed(&admin.keys, &parameters));
    world.zone.forward(DAY, false).await.expect("moved");
    assert_eq!(world.zone.handle(signed()).await.status, 200, "clients know their own clock alone");
    world.zone.forward(16 * MINUTE, true).await.expect("moved");
    assert_eq!(world.zone.handle(signed()).await.status, 401);
    assert_eq!(world.zone.clock().signatures_ahead_seconds, 960);
    world.zone.forward(Duration::ZERO, false).await.expect("moved");
    assert_eq!(world.zone.handle(signed()).await.status, 200, "as before");
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_opened_again_goes_on_from_where_its_clock_was() {
    let world = world(ZoneConfig::simulated_time()).await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    world.zone.forward(10 * DAY, false).await.expect("moved");
    user.run("destroyVirtualMachine", &[("id", &machine)]).await;
    let (config, disk) = (world.zone.config(), world.disk.snapshot());
    let World { zone, driver, .. } = world;
    let now = zone.now();
    drop((user, zone));
    let zone = Zone::open(config, driver.clone(), Records::memory(disk.clone())).await.expect("opened");
    assert_eq!(zone.clock().ahead_seconds, 10 * 86_400);
    assert!(zone.now() >= now.checked_sub(MINUTE).expect("a time"), "{} {now}", zone.now());
    let world = World { zone: Arc::clone(&zone), driver, disk };
    zone.forward(DAY + MINUTE, false).await.expect("moved");
    assert_eq!(world.admin().call("listVirtualMachines", &[("listall", "true")]).await, json!({}));
}
