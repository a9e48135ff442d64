//! What an operator looks at: what stands below the zone, how much of it is taken, and its settings.

use devcloud::simulator::{Capacity, Latencies};
use devcloud::{Records, Zone, ZoneConfig};
use serde_json::json;

use crate::kit::{self, Caller, World, text};

const COMMANDS: [&str; 7] = [
    "listPods",
    "listClusters",
    "listStoragePools",
    "listSystemVms",
    "listCapacity",
    "listConfigurations",
    "updateConfiguration",
];

#[tokio::test(start_paused = true)]
async fn users_have_none_of_the_operator_s_commands() {
    let world = kit::world().await;
    let user = world.user();
    for command in COMMANDS {
        let (code, finer, why) = user.refused(command, &[("name", "default.page.size")]).await;
        assert_eq!((code, finer), (432, Some(9999)), "{command}: {why}");
    }
}

#[tokio::test(start_paused = true)]
async fn pod_cluster_and_storage_pool_are_those_that_other_lists_name() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    let network = user.network("n").await;
    user.deploy(&network, "m", &[]).await;
    let volume = admin.only("listVolumes", "volume", &[("listall", "true")]).await;
    let router = admin.only("listRouters", "router", &[("listall", "true")]).await;
    let pod = admin.only("listPods", "pod", &[]).await;
    assert_eq!((&pod["id"], &pod["name"]), (&volume["podid"], &volume["podname"]));
    assert_eq!((&pod["id"], &pod["name"]), (&router["podid"], &router["podname"]));
    assert_eq!(pod["allocationstate"], json!("Enabled"));
    let cluster = admin.only("listClusters", "cluster", &[("podid", &text(&pod["id"]))]).await;
    assert_eq!((&cluster["id"], &cluster["name"]), (&volume["clusterid"], &volume["clustername"]));
    let pool = admin.only("listStoragePools", "storagepool", &[]).await;
    assert_eq!((&pool["id"], &pool["name"]), (&volume["storageid"], &volume["storage"]));
    assert_eq!(pool["disksizeallocated"], volume["size"], "the only volume there is");
    assert_eq!(pool["state"], json!("Up"));
    for (command, id) in [("listPods", &pod), ("listClusters", &cluster), ("listStoragePools", &pool)] {
        let id = text(&id["id"]);
        assert_eq!(admin.call(command, &[("id", &id)]).await["count"], json!(1), "{command}");
        assert_eq!(admin.call(command, &[("name", "another")]).await, json!({}), "{command}");
    }
    assert_eq!(admin.call("listPods", &[("id", &text(&cluster["id"]))]).await, json!({}));
    assert_eq!(admin.call("listSystemVms", &[]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn capacity_tells_how_many_addresses_and_vlans_are_taken() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    let of = |kind: &'static str| {
        let admin = admin.clone();
        async move { admin.only("listCapacity", "capacity", &[("type", kind)]).await }
    };
    let before = of("4").await;
    assert_eq!((&before["capacityused"], &before["percentused"]), (&json!(0), &json!("0")));
    assert_eq!(of("7").await["capacityused"], json!(0));
    let network = user.network("n").await;
    user.address(&network).await;
    user.deploy(&network, "m", &[]).await;
    let after = of("4").await;
    assert_eq!((&after["capacityused"], &after["name"]), (&json!(1), &json!("VIRTUAL_NETWORK_PUBLIC_IP")));
    let every = admin.call("listPublicIpAddresses", &[("listall", "true"), ("allocatedonly", "false")]).await;
    assert_eq!(after["capacitytotal"], every["count"]);
    assert_eq!(of("7").await["capacityused"], json!(1), "its network stands");
    let all = admin.call("listCapacity", &[("sortby", "usage")]).await;
    assert_eq!(all["count"], json!(2));
    assert_eq!(all["capacity"][0]["type"], json!(4), "the fullest first");
    let pod = text(&admin.only("listPods", "pod", &[]).await["id"]);
    assert_eq!(admin.call("listCapacity", &[("podid", &pod)]).await, json!({}), "none is a pod's");
}

#[tokio::test(start_paused = true)]
async fn settings_are_those_in_force_and_a_switch_changes_what_users_may_and_is_kept() {
    let World { zone, driver, disk } =
        kit::world_with(ZoneConfig::simulated_time(), Latencies::default(), Capacity::default()).await;
    let world = World { zone, driver: driver.clone(), disk: disk.clone() };
    let (admin, user) = (world.admin(), world.user());
    let page = [("name", "default.page.size")];
    let page = admin.only("listConfigurations", "configuration", &page).await;
    assert_eq!((&page["value"], &page["isdynamic"]), (&json!("500"), &json!(false)));
    let (code, _, why) =
        admin.refused("updateConfiguration", &[("name", "default.page.size"), ("value", "5")]).await;
    assert_eq!(code, 431, "{why}");
    let (_, _, why) = admin.refused("updateConfiguration", &[("name", "no.such"), ("value", "5")]).await;
    assert_eq!(why, "Config parameter with name no.such doesn't exist");

    let name = ("name", "allow.user.expunge.recover.vm");
    assert_eq!(admin.refused("updateConfiguration", &[name, ("value", "perhaps")]).await.0, 431);
    let network = user.network("n").await;
    let (one, two) = (user.deploy(&network, "one", &[]).await, user.deploy(&network, "two", &[]).await);
    user.run("destroyVirtualMachine", &[("id", &one), ("expunge", "true")]).await;
    let changed =
        admin.call("updateConfiguration", &[name, ("value", "false")]).await["configuration"].clone();
    assert_eq!((&changed["value"], &changed["isdynamic"]), (&json!("false"), &json!(true)));
    let (code, why) = user.fails("destroyVirtualMachine", &[("id", &two), ("expunge", "true")]).await;
    assert_eq!((code, why.as_str()), (530, "Account does not have permission for expunging."));
    let can = user.call("listCapabilities", &[]).await["capability"].clone();
    assert_eq!(
        (&can["allowuserexpungerecovervm"], &can["allowuserexpungerecovervolume"]),
        (&json!(false), &json!(true)),
        "each its own switch"
    );

    let zone =
        Zone::open(ZoneConfig::simulated_time(), driver, Records::memory(disk)).await.expect("a zone opens");
    let keys = zone.credentials("admin").expect("the account exists");
    let again = Caller { zone, keys };
    assert_eq!(again.only("listConfigurations", "configuration", &[name]).await["value"], json!("false"));
    again.call("updateConfiguration", &[name, ("value", "TRUE")]).await;
    assert_eq!(again.only("listConfigurations", "configuration", &[name]).await["value"], json!("true"));
}
