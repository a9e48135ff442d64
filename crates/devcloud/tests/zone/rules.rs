//! Firewall, egress, forwarding and load balancer rules, and static NAT.

use std::time::Duration;

use devcloud::simulator::Operation;
use serde_json::json;

use crate::kit::{self, Caller, text};

struct Place {
    world: kit::World,
    user: Caller,
    network: String,
    address: String,
    machine: String,
}

async fn place() -> Place {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let address = user.address(&network).await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    Place { world, user, network, address, machine }
}

impl Place {
    fn forward<'a>(&'a self, public: &'a str, private: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("ipaddressid", &self.address),
            ("protocol", "TCP"),
            ("publicport", public),
            ("privateport", private),
            ("virtualmachineid", &self.machine),
            ("openfirewall", "false"),
        ]
    }

    fn firewall<'a>(&'a self, first: &'a str, last: &'a str, from: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("ipaddressid", &self.address),
            ("protocol", "tcp"),
            ("startport", first),
            ("endport", last),
            ("cidrlist", from),
        ]
    }

    fn balancer<'a>(&'a self, public: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("publicipid", &self.address),
            ("algorithm", "roundrobin"),
            ("name", "lb"),
            ("publicport", public),
            ("privateport", "8080"),
            ("openfirewall", "false"),
        ]
    }
}

#[tokio::test(start_paused = true)]
async fn two_rules_cannot_have_one_port() {
    let place = place().await;
    let user = &place.user;
    let (_, made) = user.run("createPortForwardingRule", &place.forward("22", "22")).await;
    assert_eq!(made["portforwardingrule"]["protocol"], json!("tcp"), "in lower case, however it was given");
    assert_eq!(
        made["portforwardingrule"]["vmguestip"].as_str().map(|ip| ip.starts_with("172.16.0.")),
        Some(true)
    );
    let (status, finer, why) = user.refused("createPortForwardingRule", &place.forward("22", "2222")).await;
    assert_eq!((status, finer), (537, Some(4360)));
    assert!(why.starts_with("The range specified, 22-22, conflicts with rule FirewallRule {"), "{why}");
    assert!(why.ends_with("which has 22-22"), "{why}");
    user.run("createLoadBalancerRule", &place.balancer("80")).await;
    let (status, _, why) = user.refused("createPortForwardingRule", &place.forward("80", "80")).await;
    assert_eq!(status, 537);
    assert!(why.contains("\"purpose\":\"LoadBalancing\",\"state\":\"Add\""), "{why}");
    assert_eq!(user.refused("createLoadBalancerRule", &place.balancer("22")).await.0, 537);
    let mut range = place.forward("9000", "9000");
    range.extend([("publicendport", "9010"), ("privateendport", "9010")]);
    user.run("createPortForwardingRule", &range).await;
    assert_eq!(user.refused("createPortForwardingRule", &place.forward("9010", "22")).await.0, 537);
    let mut udp = place.forward("22", "22");
    udp[1].1 = "udp";
    user.run("createPortForwardingRule", &udp).await;
}

#[tokio::test(start_paused = true)]
async fn firewall_rules_meet_only_where_ports_and_sources_do() {
    let place = place().await;
    let user = &place.user;
    let (_, made) = user.run("createFirewallRule", &place.firewall("1222", "1224", "203.0.113.0/24")).await;
    let rule = &made["firewallrule"];
    assert_eq!(
        (&rule["startport"], &rule["endport"], &rule["state"]),
        (&json!(1222), &json!(1224), &json!("Active"))
    );
    assert_eq!((&rule["destcidrlist"], &rule["traffictype"]), (&json!(""), &json!("Ingress")));
    let (status, finer, _) =
        user.refused("createFirewallRule", &place.firewall("1224", "1300", "203.0.113.0/24")).await;
    assert_eq!((status, finer), (537, Some(4360)));
    user.run("createFirewallRule", &place.firewall("1224", "1300", "198.51.100.0/24")).await;
    user.run("createPortForwardingRule", &place.forward("1222", "22")).await;
    for (rule, expected) in [
        (place.firewall("30", "20", "0.0.0.0/0"), "Start port can't be bigger than end port"),
        (place.firewall("70000", "70000", "0.0.0.0/0"), "publicPort is an invalid value: 70000"),
        (place.firewall("20", "20", "10.0.0.0/99"), "Source CIDRs formatting error 10.0.0.0/99"),
    ] {
        let (status, _, why) = user.refused("createFirewallRule", &rule).await;
        assert_eq!((status, why.as_str()), (431, expected));
    }
    let any = [("ipaddressid", place.address.as_str()), ("protocol", "tcp")];
    let (_, made) = user.run("createFirewallRule", &any).await;
    assert!(made["firewallrule"].get("startport").is_none());
    assert_eq!(made["firewallrule"]["cidrlist"], json!("0.0.0.0/0"));
    let (status, _, why) = user.refused("createFirewallRule", &any).await;
    assert_eq!(
        (status, why.as_str()),
        (537, "There is already a firewall rule specified with protocol = tcp and no ports")
    );
    let icmp = [("ipaddressid", place.address.as_str()), ("protocol", "icmp"), ("icmptype", "8")];
    let (_, made) = user.run("createFirewallRule", &icmp).await;
    assert_eq!(
        (&made["firewallrule"]["icmptype"], &made["firewallrule"]["icmpcode"]),
        (&json!(8), &json!(-1))
    );
    assert_eq!(user.refused("createFirewallRule", &icmp).await.0, 431);
}

#[tokio::test(start_paused = true)]
async fn egress_rules_are_about_the_guest_range() {
    let place = place().await;
    let user = &place.user;
    let network = ("networkid", place.network.as_str());
    let (_, made) = user
        .run("createEgressFirewallRule", &[network, ("protocol", "all"), ("cidrlist", "0.0.0.0/0")])
        .await;
    assert_eq!(made["firewallrule"]["cidrlist"], json!("172.16.0.0/24"), "anyone is kept as the guest range");
    assert!(made["firewallrule"].get("ipaddress").is_none());
    let outside = [network, ("protocol", "tcp"), ("startport", "22"), ("cidrlist", "192.168.99.0/24")];
    assert_eq!(
        user.refused("createEgressFirewallRule", &outside).await,
        (431, Some(9999), "[192.168.99.0/24] is not within the guest CIDR [172.16.0.0/24]. ".to_owned())
    );
    let https = [network, ("protocol", "tcp"), ("startport", "443")];
    user.run("createEgressFirewallRule", &https).await;
    let (status, finer, _) = user.refused("createEgressFirewallRule", &https).await;
    assert_eq!((status, finer), (537, Some(9999)));
    assert_eq!(user.call("listEgressFirewallRules", &[network]).await["count"], json!(2));
    assert_eq!(user.call("listFirewallRules", &[network]).await, json!({}));
    let rule = text(&made["firewallrule"]["id"]);
    user.run("deleteEgressFirewallRule", &[("id", &rule)]).await;
    assert_eq!(user.refused("deleteEgressFirewallRule", &[("id", &rule)]).await.0, 431);
}

#[tokio::test(start_paused = true)]
async fn rules_sent_while_the_router_is_raised_fail_and_are_gone() {
    let place = place().await;
    let user = &place.user;
    let start = text(&user.call("startVirtualMachine", &[("id", &place.machine)]).await["jobid"]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(user.network_state(&place.network).await, "Implementing");
    let (code, why) = user.fails("createFirewallRule", &place.firewall("22", "22", "0.0.0.0/0")).await;
    assert_eq!((code, why.as_str()), (530, "Failed to create firewall rule"));
    assert_eq!(user.fails("createPortForwardingRule", &place.forward("22", "22")).await.0, 530);
    user.wait(&start).await;
    assert_eq!(user.call("listFirewallRules", &[]).await, json!({}));
    assert_eq!(user.call("listPortForwardingRules", &[]).await, json!({}));
    let router = place.world.driver.router(place.network.parse().expect("an id")).expect("it stands");
    assert!(router.ingress.is_empty() && router.forwards.is_empty());
    user.run("createFirewallRule", &place.firewall("22", "22", "0.0.0.0/0")).await;
    let router = place.world.driver.router(place.network.parse().expect("an id")).expect("it stands");
    assert_eq!(router.ingress.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rule_the_router_refuses_is_gone_and_one_it_will_not_let_go_stays() {
    let place = place().await;
    let user = &place.user;
    user.run("startVirtualMachine", &[("id", &place.machine)]).await;
    place.world.driver.fail(Operation::Program, 1);
    assert_eq!(user.fails("createFirewallRule", &place.firewall("22", "22", "0.0.0.0/0")).await.0, 530);
    assert_eq!(user.call("listFirewallRules", &[]).await, json!({}));
    let (made, _) = user.run("createFirewallRule", &place.firewall("22", "22", "0.0.0.0/0")).await;
    place.world.driver.fail(Operation::Program, 1);
    assert_eq!(user.fails("deleteFirewallRule", &[("id", &text(&made["id"]))]).await.0, 530);
    assert_eq!(user.only("listFirewallRules", "firewallrule", &[]).await["state"], json!("Active"));
    user.run("deleteFirewallRule", &[("id", &text(&made["id"]))]).await;
    let router = place.world.driver.router(place.network.parse().expect("an id")).expect("it stands");
    assert!(router.ingress.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_forward_opens_the_firewall_unless_told_not_to_and_closes_it_with_itself() {
    let place = place().await;
    let user = &place.user;
    let mut open = place.forward("2222", "22");
    open.pop();
    let (made, _) = user.run("createPortForwardingRule", &open).await;
    let opened = user.only("listFirewallRules", "firewallrule", &[]).await;
    assert_eq!((&opened["startport"], &opened["cidrlist"]), (&json!(2222), &json!("0.0.0.0/0")));
    user.run("deletePortForwardingRule", &[("id", &text(&made["id"]))]).await;
    assert_eq!(user.call("listFirewallRules", &[]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn forwards_are_checked() {
    let place = place().await;
    let user = &place.user;
    let mut uneven = place.forward("9000", "9000");
    uneven.extend([("publicendport", "9010"), ("privateendport", "9005")]);
    let mut shifted = place.forward("9000", "8000");
    shifted.extend([("publicendport", "9010"), ("privateendport", "8010")]);
    for (rule, expected) in [
        (uneven, "Source port and destination port ranges should be of equal sizes."),
        (shifted, "Private port start should be equal to public port start"),
        (place.forward("70000", "22"), "publicPort is an invalid value: 70000"),
    ] {
        let (status, _, why) = user.refused("createPortForwardingRule", &rule).await;
        assert_eq!((status, why.as_str()), (431, expected));
    }
    let (_, _, why) = user.refused("createPortForwardingRule", &place.forward("abc", "22")).await;
    assert_eq!(
        why,
        "Unable to execute API command createportforwardingrule due to invalid value abc for parameter publicport"
    );
    let other = user.network("elsewhere").await;
    let stranger = user.deploy(&other, "s", &[("startvm", "false")]).await;
    let mut rule = place.forward("22", "22");
    rule[4].1 = &stranger;
    let (_, _, why) = user.refused("createPortForwardingRule", &rule).await;
    assert_eq!(why, "Vm doesn't belong to network associated with ipAddress");
}

#[tokio::test(start_paused = true)]
async fn a_balancer_is_active_once_a_machine_is_behind_it() {
    let place = place().await;
    let user = &place.user;
    let (made, _) = user.run("createLoadBalancerRule", &place.balancer("80")).await;
    let rule = text(&made["id"]);
    let state = || async {
        user.only("listLoadBalancerRules", "loadbalancerrule", &[("id", &rule)]).await["state"].clone()
    };
    assert_eq!(state().await, json!("Add"));
    assert_eq!(user.call("listLoadBalancerRuleInstances", &[("id", &rule)]).await, json!({}));
    let members = [("id", rule.as_str()), ("virtualmachineids", place.machine.as_str())];
    user.run("assignToLoadBalancerRule", &members).await;
    assert_eq!(state().await, json!("Active"));
    let (code, why) = user.fails("assignToLoadBalancerRule", &members).await;
    assert_eq!(code, 530);
    assert!(
        why.starts_with("Failed to assign load balancer rule due to: VM ")
            && why.ends_with("is already mapped to load balancer."),
        "{why}"
    );
    let found =
        user.only("listLoadBalancerRuleInstances", "loadbalancerruleinstance", &[("id", &rule)]).await;
    assert_eq!(found["id"], json!(place.machine));
    let found = user
        .only("listLoadBalancerRuleInstances", "lbrulevmidip", &[("id", &rule), ("lbvmips", "true")])
        .await;
    assert_eq!(found["lbvmipaddresses"].as_array().map(Vec::len), Some(1));
    let (_, _, why) = user
        .refused("createLoadBalancerRule", &{
            let mut bad = place.balancer("81");
            bad[1].1 = "random";
            bad
        })
        .await;
    assert_eq!(why, "Invalid algorithm: random");
    user.run("updateLoadBalancerRule", &[("id", &rule), ("algorithm", "source")]).await;
    user.run("removeFromLoadBalancerRule", &members).await;
    assert_eq!(user.call("listLoadBalancerRuleInstances", &[("id", &rule)]).await, json!({}));
    user.run("deleteLoadBalancerRule", &[("id", &rule)]).await;
    assert_eq!(user.call("listLoadBalancerRules", &[]).await, json!({}));
    assert_eq!(user.call("listAutoScaleVmGroups", &[]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn an_expunged_machine_s_rules_are_gone_and_a_stopped_one_s_stay() {
    let place = place().await;
    let user = &place.user;
    user.run("createPortForwardingRule", &place.forward("22", "22")).await;
    let (made, _) = user.run("createLoadBalancerRule", &place.balancer("80")).await;
    let rule = text(&made["id"]);
    user.run("assignToLoadBalancerRule", &[("id", &rule), ("virtualmachineids", &place.machine)]).await;
    user.run("startVirtualMachine", &[("id", &place.machine)]).await;
    user.run("stopVirtualMachine", &[("id", &place.machine)]).await;
    user.run("destroyVirtualMachine", &[("id", &place.machine)]).await;
    assert_eq!(user.call("listPortForwardingRules", &[]).await["count"], json!(1));
    user.run("expungeVirtualMachine", &[("id", &place.machine)]).await;
    assert_eq!(user.call("listPortForwardingRules", &[]).await, json!({}));
    assert_eq!(user.call("listLoadBalancerRuleInstances", &[("id", &rule)]).await, json!({}));
    let router = place.world.driver.router(place.network.parse().expect("an id")).expect("it stands");
    assert!(router.guests.is_empty() && router.forwards.is_empty() && router.balancers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn static_nat_takes_a_whole_address() {
    let place = place().await;
    let user = &place.user;
    let nat =
        |address: &str| [("ipaddressid", address.to_owned()), ("virtualmachineid", place.machine.clone())];
    let source = nat(&place.address);
    let source: Vec<(&str, &str)> = source.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(user.refused("enableStaticNat", &source).await.0, 431, "not the source NAT address");
    let second = user.address(&place.network).await;
    let nat = nat(&second);
    let nat: Vec<(&str, &str)> = nat.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(user.call("enableStaticNat", &nat).await, json!({ "success": true }));
    let listed = user.only("listPublicIpAddresses", "publicipaddress", &[("isstaticnat", "true")]).await;
    assert_eq!(listed["virtualmachineid"], json!(place.machine));
    let mut forward = place.forward("22", "22");
    forward[0].1 = &second;
    assert_eq!(user.refused("createPortForwardingRule", &forward).await.0, 431);
    user.run("disableStaticNat", &[("ipaddressid", &second)]).await;
    user.run("createPortForwardingRule", &forward).await;
    assert_eq!(user.refused("enableStaticNat", &nat).await.0, 537);
}
