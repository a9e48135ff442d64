//! Networks, addresses and rules.

use serde_json::json;

use super::super::{Is, NOTHING, reads, reads_tags};
use super::ground;
use crate::kit::text;

#[tokio::test(start_paused = true)]
async fn terraform_keeps_networks_with_their_rules_outwards() {
    let ground = ground().await;
    let (client, id) = (&ground.client, ground.network.as_str());
    let tags = [("tags[0].key", "role"), ("tags[0].value", "x")];
    let network = [("resourceids", id), ("resourcetype", "network")];
    client.does("createTags", &[&network[..], &tags].concat()).await;
    let read = async |more: &'static [(&'static str, &'static str)]| {
        client.by_id("listNetworks", "network", id, more).await
    };
    let found = read(&[]).await.expect("it is there");
    let texts = ["id", "name", "displaytext", "cidr", "gateway", "networkdomain"];
    let names = ["networkofferingname", "networkofferingid", "zonename", "zoneid"];
    for text in texts.iter().chain(&names) {
        reads(&found, &[(text, Is::Text)], &[]);
    }
    reads(&found, &[("tags", Is::List)], &[("vpcid", Is::Text), ("aclid", Is::Text), ("project", Is::Text)]);
    reads_tags(&found, &[("role", "x")]);
    assert!(read(&[("projectid", "-1")]).await.is_none(), "it is in no project");
    let changed = [("displaytext", "other"), ("id", id), ("name", "renamed")];
    reads(&client.job("updateNetwork", &changed).await, &[("id", Is::Text), ("name", Is::Text)], &[]);
    let found = read(&[]).await.expect("it is there");
    assert_eq!((&found["name"], &found["displaytext"]), (&json!("renamed"), &json!("other")));
    client.does("deleteTags", &[&network[..], &tags].concat()).await;
    reads_tags(&read(&[]).await.expect("it is there"), &[]);

    let of = [("networkid", id), ("cidrlist", "172.16.0.0/24")];
    for rule in [
        &[("protocol", "tcp"), ("startport", "80"), ("endport", "80")][..],
        &[("protocol", "udp"), ("startport", "1"), ("endport", "65535")],
        &[("protocol", "icmp"), ("icmptype", "-1"), ("icmpcode", "-1")],
        &[("protocol", "all")],
    ] {
        let made = client.job("createEgressFirewallRule", &[&of[..], rule].concat()).await;
        reads(&made, &[("id", Is::Text)], &[]);
    }
    let rules = client
        .list("listEgressFirewallRules", "firewallrule", &[("listall", "true"), ("networkid", id)])
        .await;
    assert_eq!(rules.len(), 4);
    for rule in rules {
        reads(
            &rule,
            &[("id", Is::Text), ("protocol", Is::Text), ("cidrlist", Is::Text), ("destcidrlist", Is::Text)],
            &[
                ("startport", Is::Number),
                ("endport", Is::Number),
                ("icmptype", Is::Number),
                ("icmpcode", Is::Number),
            ],
        );
        let has = |names: &[&str]| names.iter().all(|name| rule.get(*name).is_some());
        match rule["protocol"].as_str() {
            Some("tcp" | "udp") => assert!(has(&["startport", "endport"]), "{rule}"),
            Some("icmp") => assert!(has(&["icmptype", "icmpcode"]), "{rule}"),
            _ => assert_eq!(rule["protocol"], "all"),
        }
        client.does("deleteEgressFirewallRule", &[("id", &text(&rule["id"]))]).await;
    }
    client.does("deleteNetwork", &[("id", id)]).await;
    assert!(read(&[]).await.is_none());
    let unknown = client.by_id("listNetworks", "network", NOTHING, &[("projectid", "-1")]).await;
    assert_eq!(unknown, None);
}

#[tokio::test(start_paused = true)]
async fn terraform_keeps_addresses_with_their_firewall() {
    let ground = ground().await;
    let client = &ground.client;
    let gateway = ground.address().await;
    let id = ground.address().await;
    let tags = [("tags[0].key", "role"), ("tags[0].value", "x")];
    let of = [("resourceids", id.as_str()), ("resourcetype", "PublicIpAddress")];
    client.does("createTags", &[&of[..], &tags].concat()).await;
    let read = async |id: &str| client.by_id("listPublicIpAddresses", "publicipaddress", id, &[]).await;
    for (address, is_gateway) in [(&gateway, true), (&id, false)] {
        let found = read(address).await.expect("it is there");
        reads(
            &found,
            &[
                ("id", Is::Text),
                ("ipaddress", Is::Text),
                ("isportable", Is::Flag),
                ("issourcenat", Is::Flag),
                ("associatednetworkid", Is::Text),
                ("zonename", Is::Text),
                ("tags", Is::List),
            ],
            &[("vpcid", Is::Text), ("project", Is::Text), ("projectid", Is::Text)],
        );
        assert_eq!(found["issourcenat"], json!(is_gateway));
    }
    reads_tags(&read(&id).await.expect("it is there"), &[("role", "x")]);
    let of = [("ipaddressid", id.as_str()), ("cidrlist", "10.0.0.0/8,192.0.2.0/24")];
    for rule in [
        &[("protocol", "tcp"), ("startport", "5050"), ("endport", "5050")][..],
        &[("protocol", "icmp"), ("icmptype", "8"), ("icmpcode", "0")],
    ] {
        client.job("createFirewallRule", &[&of[..], rule].concat()).await;
    }
    let listed =
        client.list("listFirewallRules", "firewallrule", &[("ipaddressid", &id), ("listall", "true")]).await;
    assert_eq!(listed.len(), 2);
    for rule in listed {
        let ports = [("startport", Is::Number), ("endport", Is::Number)];
        let kinds = [("icmptype", Is::Number), ("icmpcode", Is::Number)];
        let of_its_own = if rule["protocol"] == "icmp" { kinds } else { ports };
        reads(&rule, &[("id", Is::Text), ("protocol", Is::Text), ("cidrlist", Is::Text)], &[]);
        reads(&rule, &of_its_own, &[]);
        let mut sources: Vec<String> = text(&rule["cidrlist"]).split(',').map(str::to_owned).collect();
        sources.sort();
        assert_eq!(sources, ["10.0.0.0/8", "192.0.2.0/24"]);
        client.does("deleteFirewallRule", &[("id", &text(&rule["id"]))]).await;
    }
    client.does("disassociateIpAddress", &[("id", &id)]).await;
    // Free now, so it is no longer listed, or no longer ours.
    assert!(read(&id).await.is_none());
    assert!(read(NOTHING).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn terraform_keeps_forwards_and_static_nat() {
    let ground = ground().await;
    let client = &ground.client;
    let gateway = ground.address().await;
    let machine = text(&ground.machine("m", &[]).await["id"]);
    let address = client.by_id("listPublicIpAddresses", "publicipaddress", &gateway, &[]).await;
    let address = address.expect("it is there");
    let found = ground.machine_by_id(&machine).await.expect("it is there");
    let nic = &found["nic"][0];
    reads(nic, &[("networkid", Is::Text), ("ipaddress", Is::Text), ("secondaryip", Is::List)], &[]);
    reads(nic, &[("id", Is::Text), ("isdefault", Is::Flag), ("deviceid", Is::Digits)], &[]);
    assert_eq!(nic["networkid"], address["associatednetworkid"]);
    let extra = client.job("addIpToNic", &[("nicid", &text(&nic["id"]))]).await;
    let further = text(&extra["ipaddress"]);
    let common = [
        ("ipaddressid", gateway.as_str()),
        ("networkid", ground.network.as_str()),
        ("openfirewall", "false"),
        ("protocol", "tcp"),
        ("virtualmachineid", machine.as_str()),
    ];
    let to_further = [("vmguestip", further.as_str()), ("privateport", "22"), ("publicport", "2200")];
    client.job("createPortForwardingRule", &[&common[..], &to_further].concat()).await;
    let range = [
        ("privateport", "8000"),
        ("privateendport", "8010"),
        ("publicport", "8000"),
        ("publicendport", "8010"),
    ];
    client.job("createPortForwardingRule", &[&common[..], &range].concat()).await;
    let of = [("ipaddressid", gateway.as_str()), ("listall", "true")];
    let rules = client.list("listPortForwardingRules", "portforwardingrule", &of).await;
    assert_eq!(rules.len(), 2);
    for rule in &rules {
        reads(rule, &[("id", Is::Text), ("protocol", Is::Text), ("virtualmachineid", Is::Text)], &[]);
        reads(rule, &[("publicport", Is::Digits), ("publicendport", Is::Digits)], &[]);
        reads(rule, &[("privateport", Is::Digits), ("privateendport", Is::Digits)], &[]);
        reads(rule, &[("vmguestip", Is::Text)], &[]);
    }
    let led: Vec<_> = rules.iter().filter(|rule| rule["vmguestip"] == json!(further)).collect();
    assert_eq!((led.len(), &led[0]["publicport"]), (1, &json!("2200")));
    assert!(client.call("listFirewallRules", &of).await.get("count").is_none(), "nothing was opened");
    for rule in &rules {
        client.does("deletePortForwardingRule", &[("id", &text(&rule["id"]))]).await;
    }

    let id = ground.address().await;
    let read = async || client.by_id("listPublicIpAddresses", "publicipaddress", &id, &[]).await;
    assert_eq!(read().await.expect("it is there")["isstaticnat"], json!(false));
    let to = [("ipaddressid", id.as_str()), ("virtualmachineid", machine.as_str())];
    client.done("enableStaticNat", &to).await;
    let address = read().await.expect("it is there");
    reads(
        &address,
        &[
            ("isstaticnat", Is::Flag),
            ("virtualmachineid", Is::Text),
            ("associatednetworkid", Is::Text),
            ("vmipaddress", Is::Text),
        ],
        &[],
    );
    assert_eq!((&address["isstaticnat"], &address["virtualmachineid"]), (&json!(true), &json!(machine)));
    client.does("disableStaticNat", &to[..1]).await;
    assert_eq!(read().await.expect("it is there")["isstaticnat"], json!(false));
    ground.destroy(&machine).await;
}

#[tokio::test(start_paused = true)]
async fn terraform_keeps_balancers() {
    let ground = ground().await;
    let client = &ground.client;
    let machines =
        [text(&ground.machine("one", &[]).await["id"]), text(&ground.machine("two", &[]).await["id"])];
    let address = ground.address().await;
    let wanted = [
        ("algorithm", "roundrobin"),
        ("cidrlist", "10.0.0.0/8"),
        ("description", "fronts"),
        ("name", "web"),
        ("networkid", ground.network.as_str()),
        ("openfirewall", "false"),
        ("privateport", "8080"),
        ("protocol", "tcp"),
        ("publicipid", address.as_str()),
        ("publicport", "80"),
    ];
    let id = text(&client.job("createLoadBalancerRule", &wanted).await["id"]);
    let of = ("id", id.as_str());
    client.does("assignToLoadBalancerRule", &[of, ("virtualmachineids", &machines.join(","))]).await;
    let policy = [("lbruleid", id.as_str()), ("methodname", "SourceBased"), ("name", "sticky")];
    let policies = client.job("createLBStickinessPolicy", &policy).await;
    reads(&policies, &[("lbruleid", Is::Text), ("stickinesspolicy", Is::List)], &[]);
    let read = async || client.by_id("listLoadBalancerRules", "loadbalancerrule", &id, &[]).await;
    let found = read().await.expect("it is there");
    for name in [
        "id",
        "name",
        "description",
        "algorithm",
        "publicipid",
        "networkid",
        "protocol",
        "cidrlist",
        "zonename",
    ] {
        reads(&found, &[(name, Is::Text)], &[]);
    }
    reads(&found, &[("publicport", Is::Digits), ("privateport", Is::Digits)], &[("project", Is::Text)]);
    assert_eq!(found["state"], json!("Active"));
    let members =
        async || client.list("listLoadBalancerRuleInstances", "loadbalancerruleinstance", &[of]).await;
    let mut ids: Vec<String> = members().await.iter().map(|machine| text(&machine["id"])).collect();
    ids.sort();
    let mut wanted = machines.to_vec();
    wanted.sort();
    assert_eq!(ids, wanted);
    let scaled = client.list("listAutoScaleVmGroups", "autoscalevmgroup", &[("lbruleid", &id)]).await;
    assert!(scaled.is_empty());
    let change = [of, ("algorithm", "leastconn"), ("description", "others"), ("name", "web-2")];
    client.job("updateLoadBalancerRule", &change).await;
    client.does("removeFromLoadBalancerRule", &[of, ("virtualmachineids", &machines[1])]).await;
    assert_eq!(members().await.len(), 1);
    let found = read().await.expect("it is there");
    assert_eq!(
        (&found["name"], &found["algorithm"], &found["description"]),
        (&json!("web-2"), &json!("leastconn"), &json!("others"))
    );
    client.does("deleteLoadBalancerRule", &[of]).await;
    assert!(read().await.is_none());
}
