//! Network offerings that a root admin makes, and what they mean for networks and rules.

use devcloud::driver::EgressDefault;
use devcloud::simulator::{Capacity, Latencies};
use devcloud::{Records, Zone, ZoneConfig};
use serde_json::{Value, json};

use crate::kit::{self, Caller, World, text};

const ALL: &str = "Dhcp,Dns,UserData,SourceNat,Firewall,Lb,PortForwarding,StaticNat";

/// The parameters of an offering of isolated networks.
fn isolated<'a>(name: &'a str, services: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("name", name),
        ("guestiptype", "Isolated"),
        ("traffictype", "Guest"),
        ("supportedservices", services),
        ("serviceproviderlist[0].service", "Dhcp"),
        ("serviceproviderlist[0].provider", "VirtualRouter"),
    ]
}

async fn made(admin: &Caller, services: &str, more: &[(&str, &str)]) -> Value {
    let parameters = [isolated("own", services).as_slice(), more].concat();
    admin.call("createNetworkOffering", &parameters).await["networkoffering"].clone()
}

async fn network_of(user: &Caller, offering: &str) -> String {
    let zone = user.zone_id().await;
    let wanted = [("name", "n"), ("zoneid", zone.as_str()), ("networkofferingid", offering)];
    text(&user.call("createNetwork", &wanted).await["network"]["id"])
}

#[tokio::test(start_paused = true)]
async fn an_offering_is_disabled_until_it_is_enabled_and_networks_are_made_of_enabled_ones_only() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    let offering = made(&admin, ALL, &[]).await;
    assert_eq!(
        (&offering["state"], &offering["availability"], &offering["isdefault"]),
        (&json!("Disabled"), &json!("Optional"), &json!(false))
    );
    assert_eq!(
        (&offering["conservemode"], &offering["egressdefaultpolicy"], &offering["displaytext"]),
        (&json!(true), &json!(true), &json!("own")),
        "what it is without being told"
    );
    let id = text(&offering["id"]);
    // Users see it, too: a list has disabled ones unless it asks for others.
    let seen = user.only("listNetworkOfferings", "networkoffering", &[("name", "own")]).await;
    assert_eq!(seen["id"], offering["id"]);
    assert_eq!(user.call("listNetworkOfferings", &[("id", &id), ("state", "Enabled")]).await, json!({}));
    let zone = user.zone_id().await;
    let wanted = [("name", "n"), ("zoneid", zone.as_str()), ("networkofferingid", id.as_str())];
    let (code, finer, why) = user.refused("createNetwork", &wanted).await;
    assert_eq!((code, finer), (431, Some(4350)), "{why}");
    admin.call("updateNetworkOffering", &[("id", &id), ("state", "Enabled"), ("displaytext", "ours")]).await;
    let network = user.call("createNetwork", &wanted).await["network"].clone();
    assert_eq!(network["networkofferingdisplaytext"], json!("ours"));
    let (code, _, why) = admin.refused("updateNetworkOffering", &[("id", &id), ("state", "Nonsense")]).await;
    assert_eq!((code, why.as_str()), (431, "Incorrect state value: nonsense"));
}

#[tokio::test(start_paused = true)]
async fn what_egress_does_is_the_offering_s() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    for (allowed, expected) in [("true", EgressDefault::Allow), ("false", EgressDefault::Deny)] {
        let more = [("enable", "true"), ("egressdefaultpolicy", allowed)];
        let offering = text(&made(&admin, ALL, &more).await["id"]);
        let network = network_of(&user, &offering).await;
        user.deploy(&network, &format!("egress-{allowed}"), &[]).await;
        let told = world.driver.router(network.parse().expect("an id")).expect("a router");
        assert_eq!(told.egress_default, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_has_its_offering_s_services_and_no_others() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    let few = "Dhcp,Dns,UserData,SourceNat,Firewall,PortForwarding";
    let offering = made(&admin, few, &[("enable", "true")]).await;
    let services = |thing: &Value| {
        let services = thing["service"].as_array().expect("services").iter();
        services.map(|service| text(&service["name"])).collect::<Vec<_>>()
    };
    assert_eq!(services(&offering), ["SourceNat", "Dns", "Firewall", "Dhcp", "UserData", "PortForwarding"]);
    let network = network_of(&user, &text(&offering["id"])).await;
    let view = user.only("listNetworks", "network", &[("id", &network)]).await;
    assert_eq!(services(&view), services(&offering));
    // An offering says what it chose, a network what its router can do.
    assert!(offering["service"][1].get("capability").is_none(), "{offering}");
    assert_eq!(view["service"][1]["capability"][0]["name"], json!("AllowDnsSuffixModification"));
    assert_eq!(user.call("listNetworks", &[("supportedservices", "Lb")]).await, json!({}));
    user.only("listNetworks", "network", &[("supportedservices", "Dhcp,PortForwarding")]).await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    let address = user.address(&network).await;
    assert_eq!(user.refused("createLoadBalancerRule", &balancer(&address)).await.0, 530);
    let (_, _, why) = admin.refused("createLoadBalancerRule", &balancer(&address)).await;
    assert!(why.starts_with("Service Lb is not supported in the network id="), "{why}");
    let second = user.address(&network).await;
    let nat = [("ipaddressid", second.as_str()), ("virtualmachineid", machine.as_str())];
    assert_eq!(user.refused("enableStaticNat", &nat).await.0, 530);
    user.run("createPortForwardingRule", &kit::ssh_forward(&address, &machine)).await;
}

fn balancer(address: &str) -> [(&str, &str); 5] {
    [
        ("publicipid", address),
        ("algorithm", "roundrobin"),
        ("name", "lb"),
        ("publicport", "80"),
        ("privateport", "80"),
    ]
}

#[tokio::test(start_paused = true)]
async fn without_conserve_mode_an_address_serves_one_purpose() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    let offering = made(&admin, ALL, &[("enable", "true"), ("conservemode", "false")]).await;
    let network = network_of(&user, &text(&offering["id"])).await;
    let view = user.only("listNetworks", "network", &[("id", &network)]).await;
    assert_eq!(view["networkofferingconservemode"], json!(false));
    let source_nat = user.address(&network).await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    let (code, _, why) =
        user.refused("createPortForwardingRule", &kit::ssh_forward(&source_nat, &machine)).await;
    assert_eq!(code, 431);
    assert!(why.ends_with("is already used as SourceNat rather than PortForwarding"), "{why}");
    let address = user.address(&network).await;
    user.run("createPortForwardingRule", &kit::ssh_forward(&address, &machine)).await;
    let (_, _, why) = user.refused("createLoadBalancerRule", &balancer(&address)).await;
    assert!(why.ends_with("is already used as PortForwarding rather than Lb"), "{why}");
    let opened =
        [("ipaddressid", address.as_str()), ("protocol", "tcp"), ("startport", "80"), ("endport", "80")];
    user.run("createFirewallRule", &opened).await;
}

#[tokio::test(start_paused = true)]
async fn an_offering_goes_when_no_network_is_of_it_and_the_default_one_never() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    let id = text(&made(&admin, ALL, &[("enable", "true")]).await["id"]);
    let network = network_of(&user, &id).await;
    let (code, finer, why) = admin.refused("deleteNetworkOffering", &[("id", &id)]).await;
    assert_eq!((code, finer), (431, Some(4350)));
    assert!(why.contains("as its used by 1 networks. To make the network offering unavailable"), "{why}");
    // Disabled, it stays what the network is of.
    admin.call("updateNetworkOffering", &[("id", &id), ("state", "Disabled")]).await;
    user.deploy(&network, "m", &[("startvm", "false")]).await;
    let machines = user.only("listVirtualMachines", "virtualmachine", &[]).await;
    admin.run("destroyVirtualMachine", &[("id", &text(&machines["id"])), ("expunge", "true")]).await;
    user.run("deleteNetwork", &[("id", &network)]).await;
    assert_eq!(admin.call("deleteNetworkOffering", &[("id", &id)]).await["success"], json!(true));
    assert_eq!(user.call("listNetworkOfferings", &[("id", &id)]).await, json!({}), "removed, not unknown");
    let default = [("isdefault", "true")];
    let default = text(&user.only("listNetworkOfferings", "networkoffering", &default).await["id"]);
    let (code, _, why) = admin.refused("deleteNetworkOffering", &[("id", &default)]).await;
    assert_eq!((code, why.as_str()), (431, "Default network offering can't be deleted"));
}

#[tokio::test(start_paused = true)]
async fn what_this_zone_has_not_is_refused_and_users_make_no_offerings() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    let wanted = isolated("own", ALL);
    for command in ["createNetworkOffering", "updateNetworkOffering", "deleteNetworkOffering"] {
        assert_eq!(user.refused(command, &wanted).await.0, 432, "{command}");
    }
    for (name, value, expected) in [
        ("traffictype", "Nonsense", "Invalid value for traffictype. Supported traffic types: "),
        ("traffictype", "Public", "Only traffic type Guest is supported in the current release"),
        (
            "guestiptype",
            "Nonsense",
            "Invalid \"type\" parameter is given; can have Shared and Isolated values",
        ),
        ("guestiptype", "Shared", "This zone has isolated networks only"),
        ("supportedservices", "Dhcp,Nonsense", "Invalid service Nonsense"),
        ("supportedservices", "Dhcp,Lb", "This zone's routers do Dns, UserData, SourceNat, Firewall for"),
        ("supportedservices", "Dns", "Service Dhcp is not enabled for the network offering, can't add a "),
        ("serviceproviderlist[0].provider", "Nonsense", "Invalid service provider: Nonsense"),
    ] {
        let mut changed = wanted.clone();
        changed.iter_mut().find(|(known, _)| *known == name).expect("known").1 = value;
        let (code, _, why) = admin.refused("createNetworkOffering", &changed).await;
        assert_eq!(code, 431);
        assert!(why.starts_with(expected), "{name}={value}: {why}");
    }
    for (name, value, expected) in [
        ("availability", "Nonsense", "Invalid value for Availability. Supported types: Required, Optional"),
        ("availability", "Required", "System already has network offering id="),
        ("ispersistent", "true", "This zone has no networks with ispersistent"),
        ("specifyipranges", "true", "SpecifyIpRanges can only be true for Shared network offerings"),
    ] {
        let changed = [wanted.as_slice(), &[(name, value)]].concat();
        let (_, _, why) = admin.refused("createNetworkOffering", &changed).await;
        assert!(why.starts_with(expected), "{name}={value}: {why}");
    }
    let all = admin.call("listNetworkOfferings", &[]).await;
    assert_eq!(all["count"], json!(2), "nothing was made");
}

#[tokio::test(start_paused = true)]
async fn offerings_outlive_the_zone_s_process_and_deleted_ones_stay_away() {
    let World { zone, driver, disk } =
        kit::world_with(ZoneConfig::simulated_time(), Latencies::default(), Capacity::default()).await;
    let world = World { zone, driver: driver.clone(), disk: disk.clone() };
    let admin = world.admin();
    let id = text(&made(&admin, ALL, &[]).await["id"]);
    let own = [("name", "IsolatedNetworkOfferingEgressAllowed")];
    let own = text(&admin.only("listNetworkOfferings", "networkoffering", &own).await["id"]);
    admin.call("deleteNetworkOffering", &[("id", &own)]).await;
    let zone =
        Zone::open(ZoneConfig::simulated_time(), driver, Records::memory(disk)).await.expect("a zone opens");
    let keys = zone.credentials("admin").expect("the account exists");
    let found = Caller { zone, keys }.call("listNetworkOfferings", &[]).await;
    let ids: Vec<&str> = found["networkoffering"]
        .as_array()
        .expect("offerings")
        .iter()
        .filter_map(|o| o["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&id.as_str()) && !ids.contains(&own.as_str()));
}
