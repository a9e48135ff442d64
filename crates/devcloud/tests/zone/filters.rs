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
        ("listFirewallRules", ("fordisplay", "true"), ("fordisplay", "false")),
        ("listPortForwardingRules", ("fordisplay", "true"), ("fordisplay", "false")),
    ] {
        let found = admin.call(command, &[everyone, passes]).await;
        assert!(found["count"].as_u64() > Some(0), "{command} {passes:?}: {found}");
        assert_eq!(admin.call(command, &[everyone, fails]).await, json!({}), "{command} {fails:?}");
    }
    let types = admin.call("listOsTypes", &[]).await["ostype"].clone();
    let two = [text(&types[0]["id"]), text(&types[1]["id"])].join(",");
    assert_eq!(admin.call("listOsTypes", &[("ids", &two)]).await["count"], json!(2));
}
