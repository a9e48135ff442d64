//! What hangs on machines and rules: interfaces, groups, user-data under a name, details, stickiness, IP forwarding.

use std::time::Duration;

use devcloud::driver::Stickiness;
use devcloud::simulator::{Capacity, Latencies};
use devcloud::{Throttle, ZoneConfig};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::kit::{self, text};

#[tokio::test(start_paused = true)]
async fn a_machine_gets_further_interfaces_and_addresses() {
    let world = kit::world().await;
    let user = world.user();
    let (first, second) = (user.network("one").await, user.network("two").await);
    let machine = user.deploy(&first, "m", &[("startvm", "false")]).await;
    let both = [("virtualmachineid", machine.as_str()), ("networkid", second.as_str())];
    let wider = user.run("addNicToVirtualMachine", &both).await.1["virtualmachine"].clone();
    assert_eq!(wider["nic"].as_array().map(Vec::len), Some(2));
    assert_eq!(user.fails("addNicToVirtualMachine", &both).await.0, 530, "it is there already");
    let nic = text(&wider["nic"][1]["id"]);
    let added = user.run("addIpToNic", &[("nicid", &nic), ("ipaddress", "172.16.0.77")]).await.1;
    let address = text(&added["nicsecondaryip"]["id"]);
    assert_eq!(added["nicsecondaryip"]["ipaddress"], json!("172.16.0.77"));
    let seen = user.only("listNics", "nic", &[both[0], ("nicid", &nic)]).await;
    assert_eq!(seen["secondaryip"][0]["ipaddress"], json!("172.16.0.77"));
    user.run("removeIpFromNic", &[("id", &address)]).await;
    let of = [both[0], ("nicid", nic.as_str())];
    let turned = user.run("updateDefaultNicForVirtualMachine", &of).await.1["virtualmachine"].clone();
    assert_eq!(turned["nic"][0]["id"], json!(nic));
    assert_eq!(user.fails("removeNicFromVirtualMachine", &of).await.0, 431, "it is the default");
    let old = text(&turned["nic"][1]["id"]);
    let left = user.run("removeNicFromVirtualMachine", &[both[0], ("nicid", &old)]).await.1;
    assert_eq!(left["virtualmachine"]["nic"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(start_paused = true)]
async fn registered_user_data_reaches_the_machine_with_its_variables_filled_in() {
    let world = kit::world().await;
    let user = world.user();
    // name={{name}}
    user.call("registerUserData", &[("name", "u"), ("userdata", "bmFtZT17e25hbWV9fQ=="), ("params", "name")])
        .await;
    let id = text(&user.only("listUserData", "userdata", &[("name", "u")]).await["id"]);
    let network = user.network("n").await;
    let told = [("userdataid", id.as_str()), ("userdatadetails[0].name", "web"), ("group", "fronts")];
    let machine = user.deploy(&network, "m", &told).await;
    let got = user.call("getVirtualMachineUserData", &[("virtualmachineid", &machine)]).await;
    assert_eq!(got["virtualmachineuserdata"]["userdata"], json!("bmFtZT13ZWI="));
    let group = text(&user.only("listInstanceGroups", "instancegroup", &[("name", "fronts")]).await["id"]);
    let found = user.only("listVirtualMachines", "virtualmachine", &[("groupid", &group)]).await;
    assert_eq!(found["userdataname"], json!("u"));
    user.call("updateInstanceGroup", &[("id", &group), ("name", "webs")]).await;
    assert_eq!(user.only("listVirtualMachines", "virtualmachine", &[]).await["group"], json!("webs"));
    user.call("deleteUserData", &[("id", &id)]).await;
}

#[tokio::test(start_paused = true)]
async fn details_are_put_on_things_and_taken_away() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let admin = world.admin();
    let of = [("resourcetype", "Network"), ("resourceid", network.as_str())];
    let pair = [of[0], of[1], ("details[0].key", "rack"), ("details[0].value", "7")];
    admin.run("addResourceDetail", &pair).await;
    let seen = user.only("listResourceDetails", "resourcedetail", &of).await;
    assert_eq!((&seen["key"], &seen["value"]), (&json!("rack"), &json!("7")));
    admin.run("removeResourceDetail", &[of[0], of[1], ("key", "rack")]).await;
    assert_eq!(user.call("listResourceDetails", &of).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_balancer_keeps_clients_as_its_policy_says_and_has_no_health_checks_of_its_own() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let address = user.address(&network).await;
    let rule = [
        ("algorithm", "roundrobin"),
        ("name", "web"),
        ("privateport", "80"),
        ("publicport", "80"),
        ("publicipid", address.as_str()),
    ];
    let rule = text(&user.run("createLoadBalancerRule", &rule).await.0["id"]);
    user.run("assignToLoadBalancerRule", &[("id", &rule), ("virtualmachineids", &machine)]).await;
    let of = ("lbruleid", rule.as_str());
    assert_eq!(
        user.refused("createLBStickinessPolicy", &[of, ("methodname", "Nonsense"), ("name", "s")]).await.0,
        431
    );
    let wanted = [
        of,
        ("methodname", "LbCookie"),
        ("name", "s"),
        ("param[0].name", "cookie-name"),
        ("param[0].value", "sid"),
    ];
    let reply = user.send("createLBStickinessPolicy", &wanted).await;
    let whole = kit::json_of(&reply);
    assert!(whole.get("createLBStickinessPolicy").is_some(), "the real one's envelope: {whole}");
    let job = text(&whole["createLBStickinessPolicy"]["jobid"]);
    let ended = user.wait(&job).await;
    let policy = &ended["jobresult"]["stickinesspolicies"]["stickinesspolicy"][0];
    assert_eq!(
        (&policy["methodname"], &policy["params"]["cookie-name"]),
        (&json!("LbCookie"), &json!("sid"))
    );
    let told = world.driver.router(network.parse().expect("an id")).expect("a router");
    assert_eq!(
        told.balancers[0].stickiness,
        Some(Stickiness::BalancerCookie("sid".parse().expect("a cookie's name")))
    );
    let (code, cs_code, why) = user.refused("createLBHealthCheckPolicy", &[of]).await;
    assert_eq!((code, cs_code), (430, Some(9999)), "{why}");
    let none = user.only("listLBHealthCheckPolicies", "healthcheckpolicies", &[of]).await;
    assert_eq!(none["healthcheckpolicy"], json!([]));
    for command in ["updateLBHealthCheckPolicy", "deleteLBHealthCheckPolicy"] {
        let (code, cs_code, why) = user.refused(command, &[("id", &rule)]).await;
        assert_eq!((code, cs_code), (431, Some(9999)), "no id is one of a health check: {why}");
    }
    user.run("deleteLBStickinessPolicy", &[("id", policy["id"].as_str().expect("an id"))]).await;
    let told = world.driver.router(network.parse().expect("an id")).expect("a router");
    assert_eq!(told.balancers[0].stickiness, None);
}

#[tokio::test(start_paused = true)]
async fn ip_forwarding_needs_static_nat_and_opens_the_firewall() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let address = user.address(&network).await;
    let wanted =
        [("ipaddressid", address.as_str()), ("protocol", "tcp"), ("startport", "80"), ("endport", "81")];
    assert_eq!(user.refused("createIpForwardingRule", &wanted).await.0, 537);
    user.call("enableStaticNat", &[wanted[0], ("virtualmachineid", &machine)]).await;
    let (begun, made) = user.run("createIpForwardingRule", &wanted).await;
    assert_eq!(made["ipforwardingrule"]["publicendport"], json!("81"));
    assert_eq!(user.only("listFirewallRules", "firewallrule", &[]).await["endport"], json!(81));
    user.run("deleteIpForwardingRule", &[("id", begun["id"].as_str().expect("an id"))]).await;
    assert_eq!(user.call("listFirewallRules", &[]).await, json!({}));
}

/// An address with static NAT to a machine and a rule for port 80: the machine, the address, the rule.
async fn forwarded(user: &kit::Caller) -> (String, String, String) {
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    // Keeps the network's router up when the other is gone.
    user.deploy(&network, "stays", &[]).await;
    let address = user.address(&network).await;
    user.call("enableStaticNat", &[("ipaddressid", &address), ("virtualmachineid", &machine)]).await;
    let rule = user.run("createIpForwardingRule", &port_80(&address)).await.0;
    (machine, address, text(&rule["id"]))
}

fn port_80(address: &str) -> [(&'static str, &str); 3] {
    [("ipaddressid", address), ("protocol", "tcp"), ("startport", "80")]
}

#[tokio::test(start_paused = true)]
async fn an_ip_forwarding_rule_that_goes_while_it_waits_is_never_there_and_frees_its_ports_at_once() {
    let world = kit::world().await;
    let user = world.user();
    let (_, address, first) = forwarded(&user).await;
    let going = text(&user.call("deleteIpForwardingRule", &[("id", &first)]).await["jobid"]);
    let waiting = user.call("createIpForwardingRule", &port_80(&address)).await;
    let second = text(&waiting["id"]);
    let gone = text(&user.call("deleteIpForwardingRule", &[("id", &second)]).await["jobid"]);
    assert_eq!(user.wait(&going).await["jobstatus"], json!(1));
    let made = user.wait(&text(&waiting["jobid"])).await;
    assert_eq!((&made["jobstatus"], &made["jobresultcode"]), (&json!(2), &json!(530)), "{made}");
    assert_eq!(user.wait(&gone).await["jobstatus"], json!(1));
    assert_eq!(user.call("listIpForwardingRules", &[]).await, json!({}));
    assert_eq!(user.call("listFirewallRules", &[]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn static_nat_takes_its_rules_along_when_it_ends() {
    let world = kit::world().await;
    let user = world.user();
    let (_, address, _) = forwarded(&user).await;
    let more = [("ipaddressid", address.as_str()), ("protocol", "tcp"), ("startport", "22")];
    user.run("createFirewallRule", &more).await;
    user.run("disableStaticNat", &[("ipaddressid", &address)]).await;
    assert_eq!(user.call("listIpForwardingRules", &[]).await, json!({}));
    assert_eq!(user.call("listFirewallRules", &[]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn an_expunged_machine_leaves_no_firewall_rule_that_was_opened_for_it() {
    let world = kit::world().await;
    let user = world.user();
    let (machine, address, _) = forwarded(&user).await;
    let network = text(&user.only("listNetworks", "network", &[]).await["id"]);
    let other = user.address(&network).await;
    let forward = [
        ("ipaddressid", other.as_str()),
        ("protocol", "tcp"),
        ("publicport", "8080"),
        ("privateport", "80"),
        ("virtualmachineid", machine.as_str()),
    ];
    user.run("createPortForwardingRule", &forward).await;
    let kept = [("ipaddressid", other.as_str()), ("protocol", "tcp"), ("startport", "22")];
    user.run("createFirewallRule", &kept).await;
    user.run("destroyVirtualMachine", &[("id", &machine), ("expunge", "true")]).await;
    assert_eq!(user.call("listIpForwardingRules", &[]).await, json!({}));
    assert_eq!(user.only("listFirewallRules", "firewallrule", &[]).await["startport"], json!(22));
    let address = user.only("listPublicIpAddresses", "publicipaddress", &[("id", &address)]).await;
    assert_eq!(address["isstaticnat"], json!(false));
}

#[tokio::test(start_paused = true)]
async fn a_forward_can_be_led_elsewhere() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let (one, two) = (user.deploy(&network, "one", &[]).await, user.deploy(&network, "two", &[]).await);
    let address = user.address(&network).await;
    let wanted = [
        ("ipaddressid", address.as_str()),
        ("protocol", "TCP"),
        ("publicport", "8080"),
        ("privateport", "80"),
        ("virtualmachineid", one.as_str()),
    ];
    let rule = text(&user.run("createPortForwardingRule", &wanted).await.0["id"]);
    let changed = [("id", rule.as_str()), ("privateport", "81"), ("virtualmachineid", two.as_str())];
    let changed = user.run("updatePortForwardingRule", &changed).await.1["portforwardingrule"].clone();
    assert_eq!((&changed["privateendport"], &changed["virtualmachinename"]), (&json!("81"), &json!("two")));
    let told = world.driver.router(network.parse().expect("an id")).expect("a router");
    assert_eq!((told.forwards[0].private.first, told.forwards[0].public.first), (81, 8080));
}

#[tokio::test(start_paused = true)]
async fn an_account_asks_how_many_calls_it_has_left_and_an_admin_has_them_counted_anew() {
    let throttle = Throttle { calls: 5, window: Duration::from_secs(60) };
    let config = ZoneConfig { throttle: Some(throttle), ..ZoneConfig::simulated_time() };
    let world = kit::world_with(config, Latencies::default(), Capacity::default()).await;
    let (user, admin) = (world.user(), world.admin());
    user.call("listZones", &[]).await;
    let limit = user.call("getApiLimit", &[]).await["apilimit"].clone();
    assert_eq!((&limit["apiIssued"], &limit["apiAllowed"]), (&json!(2), &json!(3)));
    assert_eq!(limit["account"], json!("mesostack"));
    assert!(limit["expireAfter"].as_u64().is_some_and(|left| left <= 60_000), "{limit}");
    let account = [("account", limit["accountid"].as_str().expect("an id"))];
    assert_eq!(user.refused("resetApiLimit", &account).await.0, 432);
    admin.call("resetApiLimit", &account).await;
    assert_eq!(user.call("getApiLimit", &[]).await["apilimit"]["apiIssued"], json!(1));
}

/// A user's signature of the identifier, by which somebody else can tell that user.
#[tokio::test(start_paused = true)]
async fn the_cloud_s_identifier_is_signed_with_the_user_s_key() {
    let world = kit::two_accounts().await;
    let user = world.user();
    let own = text(&user.only("listUsers", "user", &[]).await["id"]);
    let told = user.call("getCloudIdentifier", &[("userid", &own)]).await["cloudidentifier"].clone();
    let identifier = told["cloudidentifier"].as_str().expect("a text");
    let signature = cloudstack::signature::signed_text(identifier, user.keys.secret_key.expose_secret());
    assert_eq!(told["signature"], json!(signature));
    let other = world.caller("other");
    assert_eq!(other.refused("getCloudIdentifier", &[("userid", &own)]).await.0, 531);
    // No call is counted here, so nobody has a limit.
    assert_eq!(user.refused("getApiLimit", &[]).await.0, 432);
}
