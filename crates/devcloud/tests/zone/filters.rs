//! What a list is asked for is what it answers: a filter that leaves nothing answers nothing.

use serde_json::json;

use crate::kit::{self, text};

#[tokio::test(start_paused = true)]
async fn a_filter_that_nothing_passes_leaves_nothing() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let network = user.network("n").await;
    let address = user.address(&network).await;
    let machine = user.deploy(&network, "m", &[]).await;
    user.run("createPortForwardingRule", &kit::ssh_forward(&address, &machine)).await;
    let everyone = ("listall", "true");
    let on = admin.only("listVirtualMachines", "virtualmachine", &[everyone]).await;
    let host = text(&on["hostid"]);
    let others = admin.call("listHosts", &[("virtualmachineid", &machine)]).await["host"].clone();
    let others = others.as_array().expect("hosts");
    let other = text(&others[0]["id"]);
    assert!(others.iter().all(|host| host["id"] != on["hostid"]));
    let pod = text(&admin.only("listPods", "pod", &[]).await["id"]);
    let stranger = text(&admin.only("listUsers", "user", &[]).await["id"]);
    let router = text(&admin.only("listRouters", "router", &[everyone]).await["name"]);
    let vlan = admin.only("listNetworks", "network", &[everyone]).await["vlan"].clone();
    let vlan = vlan.as_str().map_or_else(|| vlan.to_string(), str::to_owned);
    let balancer = [
        ("publicipid", address.as_str()),
        ("name", "web"),
        ("algorithm", "roundrobin"),
        ("publicport", "80"),
        ("privateport", "80"),
    ];
    let rule = text(&user.run("createLoadBalancerRule", &balancer).await.0["id"]);
    let pool = text(&admin.only("listStoragePools", "storagepool", &[]).await["id"]);
    let version = text(&admin.only("listRouters", "router", &[everyone]).await["version"]);
    let physical = text(&admin.only("listNetworks", "network", &[everyone]).await["physicalnetworkid"]);
    for (command, passes, fails) in [
        ("listVirtualMachines", ("hostid", host.as_str()), ("hostid", other.as_str())),
        ("listVirtualMachines", ("podid", &pod), ("podid", &host)),
        ("listVirtualMachines", ("haenable", "false"), ("haenable", "true")),
        ("listVirtualMachines", ("displayvm", "true"), ("displayvm", "false")),
        ("listVirtualMachines", ("userid", on["userid"].as_str().expect("an id")), ("userid", &stranger)),
        ("listVolumes", ("hostid", &host), ("hostid", &other)),
        ("listHosts", ("podid", &pod), ("podid", &host)),
        ("listHosts", ("resourcestate", "Enabled"), ("resourcestate", "Disabled")),
        ("listHosts", ("hypervisor", on["hypervisor"].as_str().expect("a name")), ("hypervisor", "Hyperv")),
        ("listRouters", ("name", &router), ("name", "r-0-VM")),
        ("listRouters", ("keyword", &router), ("keyword", "nothing")),
        ("listNetworks", ("acltype", "Account"), ("acltype", "Domain")),
        ("listNetworks", ("vlan", &vlan), ("vlan", "4094")),
        ("listNetworks", ("specifyipranges", "false"), ("specifyipranges", "true")),
        ("listNetworkOfferings", ("specifyvlan", "false"), ("specifyvlan", "true")),
        ("listServiceOfferings", ("storagetype", "shared"), ("storagetype", "local")),
        ("listVirtualMachines", ("arch", "x86_64"), ("arch", "aarch64")),
        ("listVirtualMachines", ("leased", "false"), ("leased", "true")),
        ("listVolumes", ("storageid", &pool), ("storageid", &host)),
        ("listVolumes", ("isencrypted", "false"), ("isencrypted", "true")),
        ("listRouters", ("version", &version), ("version", "4.0.0")),
        ("listRouters", ("podid", &pod), ("hostid", &host)),
        ("listNetworks", ("physicalnetworkid", &physical), ("physicalnetworkid", &pod)),
        ("listNetworks", ("networkfilter", "account"), ("networkfilter", "shared")),
        ("listPublicIpAddresses", ("physicalnetworkid", &physical), ("forsystemvms", "true")),
        ("listNetworkOfferings", ("istagged", "false"), ("tags", "blue")),
        ("listNetworkOfferings", ("networkid", &network), ("routingmode", "Static")),
        ("listFirewallRules", ("fordisplay", "true"), ("fordisplay", "false")),
        ("listPortForwardingRules", ("fordisplay", "true"), ("fordisplay", "false")),
    ] {
        let found = admin.call(command, &[everyone, passes]).await;
        assert!(found["count"].as_u64() > Some(0), "{command} {passes:?}: {found}");
        assert_eq!(admin.call(command, &[everyone, fails]).await, json!({}), "{command} {fails:?}");
    }
    for (shown, count) in [("true", json!(1)), ("false", json!(null))] {
        let found = [("lbruleid", rule.as_str()), ("fordisplay", shown)];
        assert_eq!(user.call("listLBStickinessPolicies", &found).await["count"], count);
    }
    let types = admin.call("listOsTypes", &[]).await["ostype"].clone();
    let two = [text(&types[0]["id"]), text(&types[1]["id"])].join(",");
    assert_eq!(admin.call("listOsTypes", &[("ids", &two)]).await["count"], json!(2));
}

/// Clients that only want to know how many there are get no array.
#[tokio::test(start_paused = true)]
async fn a_count_alone_is_answered_where_it_is_asked_for() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    user.deploy(&network, "m", &[("startvm", "false")]).await;
    let alone = [("retrieveonlyresourcecount", "true")];
    for command in ["listNetworks", "listVirtualMachines", "listVolumes"] {
        assert_eq!(user.call(command, &alone).await, json!({ "count": 1 }), "{command}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_is_given_back_by_itself_too_and_another_account_s_is_not_found() {
    let world = kit::two_accounts().await;
    let (user, other) = (world.user(), world.caller("other"));
    let network = user.network("n").await;
    let id = user.address(&network).await;
    let listed = user.only("listPublicIpAddresses", "publicipaddress", &[("id", &id)]).await;
    let itself = [("ipaddress", listed["ipaddress"].as_str().expect("an address"))];
    assert_eq!(other.refused("disassociateIpAddress", &itself).await.0, 431);
    user.run("disassociateIpAddress", &itself).await;
    assert_eq!(user.call("listPublicIpAddresses", &[("id", &id)]).await, json!({}));
}

/// What would make another network than this zone has is refused, instead of being forgotten.
#[tokio::test(start_paused = true)]
async fn what_a_network_cannot_have_is_refused() {
    let world = kit::world().await;
    let user = world.user();
    let zone = user.zone_id().await;
    let offering = user.call("listNetworkOfferings", &[]).await["networkoffering"][0]["id"].clone();
    let wanted = [("name", "n"), ("zoneid", zone.as_str()), ("networkofferingid", &text(&offering))]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    for (name, value) in [("dns1", "9.9.9.9"), ("ip6cidr", "fd00::/64"), ("acltype", "Domain")] {
        let refusal = user.refused("createNetwork", &kit::borrowed(&wanted, &[(name, value)])).await;
        assert_eq!(refusal.0, 431, "{name}: {refusal:?}");
    }
    user.call("createNetwork", &kit::borrowed(&wanted, &[("acltype", "account"), ("dns1", "")])).await;
}
