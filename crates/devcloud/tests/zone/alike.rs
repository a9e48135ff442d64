//! What an audit against a real CloudStack's source found different in rules, addresses and projects, each behaviour by its
//! sentence; and lists of what there is none of.

use std::net::Ipv4Addr;

use serde_json::json;

use crate::kit::{self, Caller, borrowed, text};

fn forward<'a>(address: &'a str, machine: &'a str, sources: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut wanted = kit::ssh_forward(address, machine).to_vec();
    wanted.push(("cidrlist", sources));
    wanted
}

#[tokio::test(start_paused = true)]
async fn two_forwards_of_one_port_are_apart_by_their_sources_and_the_router_keeps_them_apart() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let address = user.address(&network).await;
    let one = user.deploy(&network, "one", &[]).await;
    let two = user.deploy(&network, "two", &[]).await;
    user.run("createPortForwardingRule", &kit::ssh_forward(&address, &one)).await;
    user.run("createPortForwardingRule", &forward(&address, &one, "10.0.0.0/8")).await;
    user.run("createPortForwardingRule", &forward(&address, &two, "192.168.0.0/16,192.0.2.0/24")).await;
    for taken in ["10.0.0.0/8", "192.0.2.0/24,198.51.100.0/24"] {
        let refused = user.refused("createPortForwardingRule", &forward(&address, &two, taken)).await;
        assert_eq!((refused.0, refused.1), (537, Some(4360)), "{taken}");
    }
    assert_eq!(user.refused("createPortForwardingRule", &kit::ssh_forward(&address, &two)).await.0, 537);
    let router = world.driver.router(network.parse().expect("an id")).expect("it stands");
    let sources: Vec<usize> = router.forwards.iter().map(|forward| forward.sources.len()).collect();
    assert_eq!(sources, [1, 2, 0], "those for everybody come last");
    assert_ne!(router.forwards[0].guest, router.forwards[1].guest);
}

#[tokio::test(start_paused = true)]
async fn an_egress_rule_to_somewhere_may_stand_beside_one_to_anywhere() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let anywhere = [("networkid", network.as_str()), ("protocol", "tcp"), ("startport", "443")];
    let mut somewhere = anywhere.to_vec();
    somewhere.push(("destcidrlist", "192.0.2.0/24"));
    user.run("createEgressFirewallRule", &anywhere).await;
    user.run("createEgressFirewallRule", &somewhere).await;
    for again in [&anywhere[..], &somewhere] {
        assert_eq!(user.refused("createEgressFirewallRule", again).await.0, 537);
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_s_address_has_one_public_address_and_its_further_one_another() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    user.address(&network).await;
    let (first, second) = (user.address(&network).await, user.address(&network).await);
    let machine = user.deploy(&network, "m", &[]).await;
    let other = user.deploy(&network, "other", &[]).await;
    let on = |address: &str, machine: &str| {
        vec![
            ("ipaddressid".to_owned(), address.to_owned()),
            ("virtualmachineid".to_owned(), machine.to_owned()),
        ]
    };
    let to_machine = on(&first, &machine);
    user.call("enableStaticNat", &borrowed(&to_machine, &[])).await;
    let (status, finer, why) = user.refused("enableStaticNat", &borrowed(&on(&second, &machine), &[])).await;
    assert_eq!((status, finer), (431, Some(4350)));
    assert!(why.contains("is already associated with another public ip"), "{why}");
    let (status, finer, why) = user.refused("enableStaticNat", &borrowed(&on(&first, &other), &[])).await;
    assert_eq!((status, finer), (537, Some(4360)), "{why}");
    let guest = ("vmguestip", "172.16.0.77");
    let (status, _, why) = user.refused("enableStaticNat", &borrowed(&on(&second, &machine), &[guest])).await;
    assert_eq!((status, why.as_str()), (431, "VM ip 172.16.0.77 address not belongs to the vm"));
    let nic = user.only("listNics", "nic", &[("virtualmachineid", &machine)]).await;
    user.run("addIpToNic", &[("nicid", &text(&nic["id"])), ("ipaddress", guest.1)]).await;
    user.call("enableStaticNat", &borrowed(&on(&second, &machine), &[guest])).await;
    let listed = user.only("listPublicIpAddresses", "publicipaddress", &[("id", &second)]).await;
    assert_eq!(listed["vmipaddress"], json!(guest.1));
    let router = world.driver.router(network.parse().expect("an id")).expect("it stands");
    assert!(router.static_nats.iter().any(|(_, guest)| *guest == Ipv4Addr::new(172, 16, 0, 77)));
}

#[tokio::test(start_paused = true)]
async fn rules_are_listed_only_of_an_address_that_is_taken_and_the_caller_s() {
    let world = kit::two_accounts().await;
    let (user, other) = (world.user(), world.caller("other"));
    let network = user.network("n").await;
    user.address(&network).await;
    let address = user.address(&network).await;
    let of = [("ipaddressid", address.as_str())];
    for command in ["listFirewallRules", "listPortForwardingRules"] {
        assert_eq!(user.call(command, &of).await, json!({}));
        assert_eq!(other.refused(command, &of).await.0, 531, "{command}");
    }
    user.run("disassociateIpAddress", &[("id", &address)]).await;
    for (command, rules) in
        [("listFirewallRules", "firewall"), ("listPortForwardingRules", "port forwarding")]
    {
        let (status, finer, why) = user.refused(command, &of).await;
        assert_eq!((status, finer), (431, Some(4350)));
        assert!(why.starts_with("Ip address id="), "{why}");
        assert!(why.ends_with(&format!(" not ready for {rules} rules yet")), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_s_protocol_and_sources_can_be_changed_and_reach_the_router() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let address = user.address(&network).await;
    let machine = user.deploy(&network, "m", &[]).await;
    let mut wanted = vec![
        ("publicipid", address.as_str()),
        ("algorithm", "roundrobin"),
        ("name", "lb"),
        ("publicport", "80"),
        ("privateport", "8080"),
    ];
    let rule = text(&user.run("createLoadBalancerRule", &wanted).await.0["id"]);
    let members = [("id", rule.as_str()), ("virtualmachineids", machine.as_str())];
    user.run("assignToLoadBalancerRule", &members).await;
    let balancer = || {
        let router = world.driver.router(network.parse().expect("an id")).expect("it stands");
        router.balancers[0].clone()
    };
    assert!(!balancer().proxy_protocol && balancer().sources.is_empty());
    let change = [members[0], ("protocol", "TCP-Proxy"), ("cidrlist", "10.0.0.0/8,192.0.2.7")];
    let changed = user.run("updateLoadBalancerRule", &change).await.1["loadbalancer"].clone();
    assert_eq!(changed["protocol"], json!("tcp-proxy"));
    assert_eq!(changed["cidrlist"], json!("10.0.0.0/8 192.0.2.7"));
    assert!(balancer().proxy_protocol);
    let sources: Vec<String> = balancer().sources.iter().map(ToString::to_string).collect();
    assert_eq!(sources, ["10.0.0.0/8", "192.0.2.7/32"]);
    user.run("updateLoadBalancerRule", &[members[0], ("name", "other")]).await;
    assert!(balancer().proxy_protocol, "what is not said stays");
    wanted[3].1 = "81";
    for protocol in ["udp", "ssl"] {
        let of = ("protocol", protocol);
        let (status, _, why) = user.refused("updateLoadBalancerRule", &[members[0], of]).await;
        assert_eq!(status, 431);
        assert!(why.ends_with("use tcp or tcp-proxy"), "{why}");
        let mut wanted = wanted.clone();
        wanted.push(of);
        assert_eq!(user.refused("createLoadBalancerRule", &wanted).await.0, 431);
    }
}

/// A project of `leader` that `member` is in, with a network.
async fn project(leader: &Caller, member: &str) -> (String, String) {
    let made = leader.run("createProject", &[("name", "p"), ("displaytext", "P")]).await.0;
    let project = text(&made["id"]);
    leader.run("addAccountToProject", &[("projectid", &project), ("account", member)]).await;
    let offering = [("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")];
    let offering = text(&leader.only("listNetworkOfferings", "networkoffering", &offering).await["id"]);
    let network = [
        ("name", "n"),
        ("zoneid", &leader.zone_id().await),
        ("networkofferingid", &offering),
        ("projectid", &project),
    ];
    let network = text(&leader.call("createNetwork", &network).await["network"]["id"]);
    (project, network)
}

#[tokio::test(start_paused = true)]
async fn a_project_s_members_see_interfaces_and_balanced_machines_and_put_machines_into_its_groups() {
    let world = kit::two_accounts().await;
    let (leader, member) = (world.user(), world.caller("other"));
    let (project, network) = project(&leader, "other").await;
    let of = ("projectid", project.as_str());
    let machine = leader.deploy(&network, "m", &[of, ("startvm", "false")]).await;
    member.only("listNics", "nic", &[("virtualmachineid", &machine)]).await;
    let address = text(&leader.run("associateIpAddress", &[("networkid", &network)]).await.0["id"]);
    let balancer = [
        ("publicipid", address.as_str()),
        ("algorithm", "roundrobin"),
        ("name", "lb"),
        ("publicport", "80"),
        ("privateport", "8080"),
    ];
    let rule = text(&leader.run("createLoadBalancerRule", &balancer).await.0["id"]);
    let members = [("id", rule.as_str()), ("virtualmachineids", machine.as_str())];
    leader.run("assignToLoadBalancerRule", &members).await;
    let instances = member.call("listLoadBalancerRuleInstances", &members[..1]).await;
    assert_eq!(instances["count"], json!(1));
    let group = [("name", "apart"), ("type", "host anti-affinity"), of];
    leader.run("createAffinityGroup", &group).await;
    let into = [("id", machine.as_str()), ("affinitygroupnames", "apart")];
    member.run("updateVMAffinityGroup", &into).await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_project_takes_nothing_new_until_it_is_activated() {
    let world = kit::two_accounts().await;
    let leader = world.user();
    let (project, network) = project(&leader, "other").await;
    let of = ("projectid", project.as_str());
    leader.run("suspendProject", &[("id", &project)]).await;
    let wanted = leader.machine(&network, "m").await;
    let group = [("name", "apart"), ("type", "host anti-affinity"), of];
    for (command, parameters) in
        [("deployVirtualMachine", borrowed(&wanted, &[of])), ("createAffinityGroup", group.to_vec())]
    {
        let (status, finer, why) = leader.refused(command, &parameters).await;
        assert_eq!((status, finer), (531, Some(4365)), "{command}");
        assert_eq!(
            why,
            "Can't add resources to the project with specified projectId in state=Suspended as it's no longer active"
        );
    }
    leader.only("listNetworks", "network", &[of]).await;
    leader.run("activateProject", &[("id", &project)]).await;
    leader.run("createAffinityGroup", &group).await;
}

#[tokio::test(start_paused = true)]
async fn who_looks_for_what_there_is_none_of_finds_none_and_no_refusal() {
    let world = kit::world().await;
    for caller in [world.user(), world.admin()] {
        for command in [
            "listSecurityGroups",
            "listNetworkACLs",
            "listNetworkACLLists",
            "listVPCOfferings",
            "listSnapshotPolicies",
            "listSslCerts",
            "listVpnGateways",
            "listVpnConnections",
        ] {
            assert_eq!(caller.call(command, &[]).await, json!({}), "{command}");
        }
        assert_eq!(caller.only("listRegions", "region", &[]).await["name"], json!("Local"));
        assert_eq!(caller.call("listRegions", &[("id", "2")]).await, json!({}));
    }
}
