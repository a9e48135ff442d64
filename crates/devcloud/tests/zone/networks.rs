//! Networks and public addresses.

use std::time::Duration;

use devcloud::simulator::{Capacity, Latencies, Operation};
use devcloud::{PublicRange, ZoneConfig};
use serde_json::json;

use crate::kit::{self, text};

#[tokio::test(start_paused = true)]
async fn what_a_network_may_not_be_is_refused_before_anything_is_made() {
    let world = kit::world().await;
    let user = world.user();
    let zone = user.zone_id().await;
    let offering = text(
        &user.only("listNetworkOfferings", "networkoffering", &[("availability", "Required")]).await["id"],
    );
    let make = |gateway: &'static str, netmask: &'static str| {
        let (user, zone, offering) = (user.clone(), zone.clone(), offering.clone());
        async move {
            let parameters = [
                ("name", "n"),
                ("zoneid", zone.as_str()),
                ("networkofferingid", offering.as_str()),
                ("gateway", gateway),
                ("netmask", netmask),
            ];
            user.refused("createNetwork", &parameters).await
        }
    };
    let is = |text: &str| (431, Some(4350), text.to_owned());
    assert_eq!(
        make("8.8.8.1", "255.255.255.0").await,
        is("Virtual Guest Cidr 8.8.8.0/24 is not RFC 1918 or 6598 compliant")
    );
    assert_eq!(
        make("172.16.0.0", "255.255.255.0").await,
        is("Invalid gateway IP provided. Either the IP is broadcast or network IP.")
    );
    assert_eq!(make("nonsense", "255.255.255.0").await, is("Invalid gateway"));
    assert_eq!(
        make("172.16.0.1", "255.0.255.0").await,
        is("Invalid gateway IP provided. Either the IP is broadcast or network IP.")
    );
    assert_eq!(make("172.16.0.1", "255.255.0.0").await, is("Cidr size can't be less than 22"));
    assert_eq!(user.call("listNetworks", &[]).await, json!({}));
    let parameters = [("name", "n"), ("zoneid", zone.as_str()), ("networkofferingid", offering.as_str())];
    let made = user.call("createNetwork", &parameters).await["network"].clone();
    assert_eq!((&made["cidr"], &made["gateway"]), (&json!("10.1.1.0/24"), &json!("10.1.1.1")));
    assert_eq!((&made["state"], &made["egressdefaultpolicy"]), (&json!("Allocated"), &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn a_started_machine_gives_its_network_a_source_nat_address_and_a_second_one_is_ordinary() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    user.deploy(&network, "m", &[]).await;
    let first = user.only("listPublicIpAddresses", "publicipaddress", &[]).await;
    assert_eq!((&first["issourcenat"], &first["associatednetworkid"]), (&json!(true), &json!(network)));
    let (_, made) = user.run("associateIpAddress", &[("networkid", &network)]).await;
    assert_eq!(made["ipaddress"]["issourcenat"], json!(false));
    assert_eq!(
        made["ipaddress"]["state"],
        json!("Allocating"),
        "the job's result is a moment older than the list"
    );
    let (code, why) = user.fails("disassociateIpAddress", &[("id", &text(&first["id"]))]).await;
    assert_eq!(
        (code, why.as_str()),
        (530, "IP address is used for source nat purposes and can not be disassociated.")
    );
    let second = text(&made["ipaddress"]["id"]);
    user.run("disassociateIpAddress", &[("id", &second)]).await;
    assert_eq!(user.call("listPublicIpAddresses", &[("id", &second)]).await, json!({}));
    assert_eq!(user.refused("disassociateIpAddress", &[("id", &second)]).await.0, 530);
    let router = world.driver.router(network.parse().expect("an id")).expect("it stands");
    assert_eq!(router.addresses.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_network_goes_only_when_its_last_machine_is_expunged_and_takes_everything_along() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let failed = (530, "Failed to delete network".to_owned());
    assert_eq!(user.fails("deleteNetwork", &[("id", &network)]).await, failed);
    user.run("destroyVirtualMachine", &[("id", &machine)]).await;
    assert_eq!(user.call("listVirtualMachines", &[]).await, json!({}), "users don't see destroyed machines");
    assert_eq!(world.admin().machine_state(&machine).await, "Destroyed");
    assert_eq!(user.fails("deleteNetwork", &[("id", &network)]).await, failed, "destroyed is not expunged");
    user.run("expungeVirtualMachine", &[("id", &machine)]).await;
    let forced = user.fails("deleteNetwork", &[("id", &network), ("forced", "true")]).await;
    assert_eq!(forced.0, 431);
    user.run("deleteNetwork", &[("id", &network)]).await;
    assert_eq!(user.call("listNetworks", &[("id", &network)]).await, json!({}), "its id is still known");
    assert_eq!(user.call("listVirtualMachines", &[("id", &machine)]).await, json!({}));
    assert_eq!(user.refused("deleteNetwork", &[("id", &network)]).await.0, 431, "it is gone");
    assert_eq!(user.call("listPublicIpAddresses", &[]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn no_public_address_left_is_a_lack_of_capacity_that_users_do_not_see_into() {
    let base = ZoneConfig::simulated_time();
    let public = PublicRange { last: base.public.first, ..base.public };
    let world = kit::world_with(ZoneConfig { public, ..base }, Latencies::NONE, Capacity::default()).await;
    let user = world.user();
    let network = user.network("n").await;
    user.address(&network).await;
    let masked = "Internal error executing command, please contact your system administrator";
    assert_eq!(
        user.refused("associateIpAddress", &[("networkid", &network)]).await,
        (533, Some(4320), masked.to_owned())
    );
    let (status, _, why) = world.admin().refused("associateIpAddress", &[("networkid", &network)]).await;
    assert_eq!(status, 533);
    assert!(why.contains("Insufficient address capacity"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_router_that_cannot_be_raised_leaves_the_network_as_it_was_and_its_machine_in_error() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    world.driver.fail(Operation::Raise, 1);
    let parameters = user.machine(&network, "m").await;
    let (code, _) = user.fails("deployVirtualMachine", &kit::borrowed(&parameters, &[])).await;
    assert_eq!(code, 530);
    assert_eq!(user.network_state(&network).await, "Allocated");
    let failed = user.only("listVirtualMachines", "virtualmachine", &[]).await;
    assert_eq!(failed["state"], json!("Error"));
    let (_, _, why) = user.refused("deployVirtualMachine", &kit::borrowed(&parameters, &[])).await;
    assert!(why.starts_with("The vm with hostName m already exists in the network domain: cs"), "{why}");
    user.run("destroyVirtualMachine", &[("id", &text(&failed["id"]))]).await;
    assert_eq!(
        world.admin().call("listVirtualMachines", &[("listall", "true")]).await,
        json!({}),
        "expunged at once"
    );
    user.deploy(&network, "m", &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_router_nobody_needs_is_taken_down_where_that_is_wanted_and_comes_back_with_its_rules() {
    let config = ZoneConfig { network_gc: Some(Duration::from_secs(600)), ..ZoneConfig::simulated_time() };
    let world = kit::world_with(config, Latencies::default(), Capacity::default()).await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    user.run("createEgressFirewallRule", &[("networkid", &network), ("protocol", "all")]).await;
    user.run("stopVirtualMachine", &[("id", &machine)]).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(user.network_state(&network).await, "Implemented");
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(user.network_state(&network).await, "Allocated");
    assert!(world.driver.router(network.parse().expect("an id")).is_none());
    let (code, _) = user.fails("restartNetwork", &[("id", &network)]).await;
    assert_eq!(code, 431);
    user.run("startVirtualMachine", &[("id", &machine)]).await;
    let router = world.driver.router(network.parse().expect("an id")).expect("it stands again");
    assert_eq!(router.egress.len(), 1);
    user.run("restartNetwork", &[("id", &network), ("cleanup", "true")]).await;
}
