//! A zone that ends without a word, and the next one over the same records.

use std::sync::Arc;
use std::time::Duration;

use devcloud::driver::{Driver, LayerId};
use devcloud::simulator::{Capacity, Latencies, Operation, Simulator};
use devcloud::{Records, Zone, ZoneConfig};
use serde_json::json;

use crate::kit::{self, World, text};

/// The zone is dropped as it is; another one is opened over what is on its disk at that instant, with the same machines.
async fn crash(world: World) -> World {
    let World { zone, driver, disk } = world;
    let config = zone.config();
    let disk = disk.snapshot();
    drop(zone);
    let zone =
        Zone::open(config, driver.clone(), Records::memory(disk.clone())).await.expect("it opens again");
    World { zone, driver, disk }
}

#[tokio::test(start_paused = true)]
async fn everything_answered_for_is_there_again_with_the_same_keys() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let address = user.address(&network).await;
    let machine = user.deploy(&network, "m", &[]).await;
    let forward = kit::ssh_forward(&address, &machine);
    let (made, _) = user.run("createPortForwardingRule", &forward).await;
    let lists = [
        ("listZones", vec![]),
        ("listServiceOfferings", vec![]),
        ("listNetworkOfferings", vec![]),
        ("listNetworks", vec![]),
        ("listPublicIpAddresses", vec![]),
        ("listVirtualMachines", vec![]),
        ("listVolumes", vec![]),
        ("listPortForwardingRules", vec![]),
        ("listFirewallRules", vec![]),
        ("listTemplates", vec![("templatefilter", "executable")]),
        ("queryAsyncJobResult", vec![("jobid", made["jobid"].as_str().expect("an id"))]),
    ];
    let mut before = Vec::new();
    for (list, parameters) in &lists {
        before.push(user.call(list, parameters).await);
    }
    drop(user.zone.clone());
    let keys = user.keys.clone();
    drop(user);
    let world = crash(world).await;
    let user = kit::Caller { zone: world.zone.clone(), keys };
    for ((list, parameters), before) in lists.iter().zip(before) {
        assert_eq!(user.call(list, parameters).await, before, "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_and_no_record_names_is_gone_when_the_zone_is_back() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let disk = user.only("listVolumes", "volume", &[("virtualmachineid", &machine)]).await;
    user.run("createSnapshot", &[("volumeid", &text(&disk["id"]))]).await;
    let kept = world.driver.layers();
    assert_eq!(kept.len(), 1);
    // As when the process dies after a snapshot's record is gone and before its layer is.
    world.driver.copy_volume(uuid::Uuid::nil(), &LayerId("snapshot-1".into())).await.expect("a layer");
    drop(user);
    let world = crash(world).await;
    assert_eq!(world.driver.layers(), kept);
}

#[tokio::test(start_paused = true)]
async fn a_disk_whose_revert_was_cut_off_is_emptied_when_the_zone_is_back() {
    let emptying = Duration::from_secs(3);
    let latencies = Latencies { volume: emptying.into(), ..Latencies::NONE };
    let world = kit::world_with(ZoneConfig::default(), latencies, Capacity::default()).await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let disk = user.only("listVolumes", "volume", &[("virtualmachineid", &machine)]).await;
    let snapshot = user.run("createSnapshot", &[("volumeid", &text(&disk["id"]))]).await.0;
    user.run("stopVirtualMachine", &[("id", &machine)]).await;
    user.call("revertSnapshot", &[("id", &text(&snapshot["id"]))]).await;
    // It rests on the snapshot's layers by now, and what it wrote above the old ones is being thrown away.
    tokio::time::sleep(emptying / 2).await;
    drop(user);
    let before = tokio::time::Instant::now();
    let world = crash(world).await;
    assert_eq!(before.elapsed(), emptying, "it is thrown away before anything can be started above it");
    let before = tokio::time::Instant::now();
    let world = crash(world).await;
    assert_eq!(before.elapsed(), Duration::ZERO, "and once");
    world.user().run("startVirtualMachine", &[("id", &machine)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_template_of_the_driver_s_that_was_deleted_stays_away() {
    let world = kit::world().await;
    let template = world.user().template_id().await;
    let renamed = [("id", template.as_str()), ("name", "Debian")];
    world.admin().call("updateTemplate", &renamed).await;
    let world = crash(world).await;
    let all = [("templatefilter", "all"), ("name", "Debian 12")];
    assert_eq!(world.admin().call("listTemplates", &all).await, json!({}), "nor does its old name");
    world.admin().run("deleteTemplate", &[("id", &template)]).await;
    let world = crash(world).await;
    assert_eq!(world.admin().call("listTemplates", &all[..1]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_was_deleted_stays_away() {
    let world = kit::world().await;
    let account = world.admin().only("listAccounts", "account", &[("name", "mesostack")]).await;
    world.admin().run("deleteAccount", &[("id", account["id"].as_str().expect("an id"))]).await;
    let world = crash(world).await;
    assert!(world.zone.credentials("mesostack").is_none());
}

#[tokio::test(start_paused = true)]
async fn jobs_that_were_cut_off_have_failed_and_their_machines_can_be_started() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    // In every stretch of a start: while the router is raised, while the machine starts.
    let mut world = world;
    let mut user = user;
    for instant in [Duration::ZERO, Duration::from_millis(500), Duration::from_millis(2500)] {
        let job = text(&user.call("startVirtualMachine", &[("id", &machine)]).await["jobid"]);
        tokio::time::sleep(instant).await;
        drop(user);
        world = crash(world).await;
        user = world.user();
        let ended = user.call("queryAsyncJobResult", &[("jobid", &job)]).await;
        assert_eq!((&ended["jobstatus"], &ended["jobresultcode"]), (&json!(2), &json!(530)), "{instant:?}");
        assert_eq!(user.machine_state(&machine).await, "Stopped", "{instant:?}");
        assert_eq!(user.call("listAsyncJobs", &[]).await, json!({}));
        assert!(["Allocated", "Implemented"].contains(&user.network_state(&network).await.as_str()));
    }
    user.run("startVirtualMachine", &[("id", &machine)]).await;
    drop(user);
    let world = crash(world).await;
    let user = world.user();
    assert_eq!(user.machine_state(&machine).await, "Running", "what runs goes on running");
    world.driver.power_off(machine.parse().expect("an id"));
    drop(user);
    let world = crash(world).await;
    assert_eq!(world.user().machine_state(&machine).await, "Stopped", "what does not, does not");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_was_being_made_is_not_there_and_can_be_made() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let address = user.address(&network).await;
    user.deploy(&network, "m", &[]).await;
    let rule = [("ipaddressid", address.as_str()), ("protocol", "tcp"), ("startport", "22")];
    user.call("createFirewallRule", &rule).await;
    drop(user);
    let world = crash(world).await;
    let user = world.user();
    assert_eq!(user.call("listFirewallRules", &[]).await, json!({}));
    let router = world.driver.router(network.parse().expect("an id")).expect("it stands");
    assert!(router.ingress.is_empty());
    user.run("createFirewallRule", &rule).await;
}

#[tokio::test(start_paused = true)]
async fn a_capture_that_was_cut_off_is_finished() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    user.run("stopVirtualMachine", &[("id", &machine)]).await;
    let volume = text(&user.only("listVolumes", "volume", &[]).await["id"]);
    let os = text(&user.call("listOsTypes", &[]).await["ostype"][0]["id"]);
    user.call("createTemplate", &[("name", "t"), ("ostypeid", &os), ("volumeid", &volume)]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(user);
    let world = crash(world).await;
    let user = world.user();
    let template = user.only("listTemplates", "template", &[("templatefilter", "self")]).await;
    assert_eq!(template["isready"], json!(true));
    user.run("startVirtualMachine", &[("id", &machine)]).await;
    let started = world.driver.machine(machine.parse().expect("an id")).expect("it runs");
    assert_eq!(started.layers.len(), 2, "the machine stands on the frozen layer, not beside it");
}

#[tokio::test(start_paused = true)]
async fn an_expunging_that_was_cut_off_is_finished() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    user.call("destroyVirtualMachine", &[("id", &machine), ("expunge", "true")]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(user);
    let world = crash(world).await;
    assert_eq!(world.admin().call("listVirtualMachines", &[("listall", "true")]).await, json!({}));
    assert!(world.driver.machine(machine.parse().expect("an id")).is_none());
    world.user().run("deleteNetwork", &[("id", &network)]).await;
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_deletion_was_cut_off_goes_when_the_zone_is_back_and_nobody_acts_for_it_meanwhile() {
    let world = kit::world().await;
    let admin = world.admin();
    let clerk = admin.account("clerk", &[]).await;
    let network = clerk.network("n").await;
    let machine = clerk.deploy(&network, "m", &[]).await;
    let account = clerk.only("listAccounts", "account", &[]).await;
    let (id, domain) = (text(&account["id"]), text(&account["domainid"]));
    // Its machine takes a while to stop, and the deletion waits for that.
    clerk.call("stopVirtualMachine", &[("id", &machine)]).await;
    admin.call("deleteAccount", &[("id", &id)]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(clerk.ask("listZones", &[]).await.status, 401);
    let group = [("name", "g"), ("type", "host anti-affinity"), ("account", "clerk"), ("domainid", &domain)];
    let refusal = admin.refused("createAffinityGroup", &group).await;
    assert_eq!(refusal.0, 431, "{refusal:?}");
    assert_eq!(admin.machine_state(&machine).await, "Stopping");
    drop((admin, clerk));
    let world = crash(world).await;
    let admin = world.admin();
    for list in ["listVirtualMachines", "listNetworks", "listVolumes"] {
        assert_eq!(admin.call(list, &[("listall", "true")]).await, json!({}), "{list}");
    }
    assert_eq!(admin.call("listAccounts", &[("name", "clerk"), ("listall", "true")]).await, json!({}));
    assert!(world.driver.running().await.expect("it is told").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_template_of_a_snapshot_that_was_cut_off_is_not_there() {
    let mut config = ZoneConfig::simulated_time();
    config.pace.jobs.insert("createTemplate".to_owned(), Duration::from_secs(5).into());
    let world = kit::world_with(config, Latencies::default(), Capacity::default()).await;
    let user = world.user();
    let network = user.network("n").await;
    user.deploy(&network, "m", &[]).await;
    let volume = text(&user.only("listVolumes", "volume", &[]).await["id"]);
    let snapshot = text(&user.run("createSnapshot", &[("volumeid", &volume)]).await.0["id"]);
    let os = text(&user.call("listOsTypes", &[]).await["ostype"][0]["id"]);
    user.call("createTemplate", &[("name", "t"), ("ostypeid", &os), ("snapshotid", &snapshot)]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(user);
    let world = crash(world).await;
    let templates = world.user().call("listTemplates", &[("templatefilter", "self")]).await;
    assert_eq!(templates, json!({}), "nobody could ever use it or delete it");
}

/// On a real file: the zone is dropped in the middle of its work, several times over.
#[tokio::test]
async fn a_file_of_records_survives_its_zone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("zone").join("records.sqlite");
    let latencies = Latencies { start: Duration::from_millis(200).into(), ..Latencies::NONE };
    let driver = Arc::new(Simulator::new(latencies, Capacity::default()));
    let open = || Zone::open(ZoneConfig::default(), driver.clone(), Records::file(&path).expect("a file"));
    let zone = open().await.expect("it opens");
    let keys = zone.credentials("mesostack").expect("keys");
    let user = kit::Caller { zone, keys };
    let network = user.network("n").await;
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600, "it holds secret keys");
    let mut user = user;
    for round in 0..3 {
        let parameters = user.machine(&network, &format!("m{round}")).await;
        let begun = user.call("deployVirtualMachine", &kit::borrowed(&parameters, &[])).await;
        let kit::Caller { zone, keys } = user;
        drop(zone);
        let zone = open().await.expect("it opens again");
        assert_eq!(zone.credentials("mesostack").expect("keys").api_key, keys.api_key);
        user = kit::Caller { zone, keys };
        let ended = user.call("queryAsyncJobResult", &[("jobid", &text(&begun["jobid"]))]).await;
        assert_eq!(ended["jobstatus"], json!(2));
        assert_eq!(user.call("listVirtualMachines", &[]).await["count"], json!(round + 1));
        assert_eq!(user.machine_state(&text(&begun["id"])).await, "Stopped");
    }
    user.zone.shut_down(tokio::time::Instant::now() + Duration::from_secs(5)).await;
    assert_eq!(user.send("listZones", &[]).await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_failed_half_way_before_the_crash_is_taken_down() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    world.driver.fail(Operation::Raise, 1);
    user.fails("startVirtualMachine", &[("id", &machine)]).await;
    drop(user);
    let world = crash(world).await;
    assert_eq!(world.user().network_state(&network).await, "Allocated");
    world.user().run("startVirtualMachine", &[("id", &machine)]).await;
}

/// What the simulator remembers is gone with the process that had it; real machines would have gone on.
#[tokio::test(start_paused = true)]
async fn machines_of_a_simulated_zone_outlive_the_process_that_serves_it() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let runs = user.deploy(&network, "runs", &[]).await;
    let stopped = user.deploy(&network, "stopped", &[("startvm", "false")]).await;
    let disk = world.disk.snapshot();
    let driver = Arc::new(Simulator::default());
    let zone = Zone::open(world.zone.config().clone(), driver.clone(), Records::memory(disk.clone()));
    let again = World { zone: zone.await.expect("it opens again"), driver, disk };
    let user = again.user();
    assert_eq!(user.machine_state(&runs).await, "Running");
    assert_eq!(user.machine_state(&stopped).await, "Stopped");
    assert!(again.driver.machine(runs.parse().expect("an id")).is_some());
    again.driver.power_off(runs.parse().expect("an id"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(user.machine_state(&runs).await, "Stopped", "and end by themselves as before");
}
