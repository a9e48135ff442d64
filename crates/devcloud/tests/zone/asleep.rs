//! The order mesostack works in: everything is written down while the network sleeps, then all machines are started.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::kit::{self, text};

#[tokio::test(start_paused = true)]
async fn everything_written_down_while_the_network_sleeps_is_in_force_once_it_wakes() {
    let world = kit::world().await;
    let user = world.user();
    let (group, _) =
        user.run("createAffinityGroup", &[("name", "masters"), ("type", "host anti-affinity")]).await;
    let group = text(&group["id"]);
    let network = user.network("asleep").await;
    user.run(
        "createTags",
        &[
            ("resourceids", &network),
            ("resourcetype", "Network"),
            ("tags[0].key", "mesostack.cluster"),
            ("tags[0].value", "demo"),
        ],
    )
    .await;
    let address = user.address(&network).await;
    let listed =
        user.only("listPublicIpAddresses", "publicipaddress", &[("associatednetworkid", &network)]).await;
    assert_eq!((&listed["issourcenat"], &listed["state"]), (&json!(true), &json!("Allocated")));
    let began = Instant::now();
    user.run(
        "createFirewallRule",
        &[
            ("ipaddressid", &address),
            ("protocol", "tcp"),
            ("startport", "1222"),
            ("endport", "1224"),
            ("cidrlist", "203.0.113.0/24"),
        ],
    )
    .await;
    user.run("createEgressFirewallRule", &[("networkid", &network), ("protocol", "all")]).await;
    let mut machines = Vec::new();
    for number in 0..3 {
        let (name, ip) = (format!("master-{}", number + 1), format!("172.16.0.{}", 20 + number));
        let more = [("startvm", "false"), ("ipaddress", ip.as_str()), ("affinitygroupids", group.as_str())];
        let id = user.deploy(&network, &name, &more).await;
        assert_eq!(user.machine_state(&id).await, "Stopped");
        machines.push(id);
    }
    let (rule, made) = user
        .run(
            "createLoadBalancerRule",
            &[
                ("publicipid", &address),
                ("algorithm", "roundrobin"),
                ("name", "mesos"),
                ("publicport", "5050"),
                ("privateport", "15050"),
                ("openfirewall", "false"),
            ],
        )
        .await;
    assert_eq!(made["loadbalancer"]["state"], json!("Add"));
    let rule = text(&rule["id"]);
    user.run("assignToLoadBalancerRule", &[("id", &rule), ("virtualmachineids", &machines.join(","))]).await;
    for (number, machine) in machines.iter().enumerate() {
        let port = (1222 + number).to_string();
        let (_, made) = user
            .run(
                "createPortForwardingRule",
                &[
                    ("ipaddressid", &address),
                    ("protocol", "tcp"),
                    ("publicport", &port),
                    ("privateport", "22"),
                    ("virtualmachineid", machine),
                    ("openfirewall", "false"),
                ],
            )
            .await;
        assert_eq!(made["portforwardingrule"]["publicendport"], json!(port));
    }
    // Records only: nothing waited for a driver. Each poll is 50 ms.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(user.network_state(&network).await, "Allocated");
    assert!(world.driver.router(network.parse().expect("an id")).is_none());

    let mut jobs = Vec::new();
    for machine in &machines {
        jobs.push(text(&user.call("startVirtualMachine", &[("id", machine)]).await["jobid"]));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(user.network_state(&network).await, "Implementing");
    assert_eq!(user.machine_state(&machines[0]).await, "Starting");
    assert_eq!(user.call("listAsyncJobs", &[]).await["count"], json!(3));
    for job in &jobs {
        let ended = user.wait(job).await;
        assert_eq!(ended["jobresult"]["virtualmachine"]["state"], json!("Running"), "{ended}");
    }
    assert_eq!(user.network_state(&network).await, "Implemented");
    assert_eq!(user.call("listAsyncJobs", &[]).await, json!({}));

    let router = world.driver.router(network.parse().expect("an id")).expect("the router stands");
    assert_eq!(router.forwards.len(), 3);
    assert_eq!(router.balancers.len(), 1);
    assert_eq!(router.balancers[0].members.len(), 3);
    assert_eq!((router.ingress.len(), router.egress.len(), router.guests.len()), (1, 1, 3));
    let hosts: std::collections::BTreeSet<String> = {
        let admin = world.admin();
        let found = admin.call("listVirtualMachines", &[("listall", "true")]).await;
        found["virtualmachine"]
            .as_array()
            .expect("machines")
            .iter()
            .map(|one| text(&one["hostname"]))
            .collect()
    };
    assert_eq!(hosts.len(), 3, "anti-affinity is kept");

    // And down again.
    for machine in &machines {
        let (_, ended) = user.run("destroyVirtualMachine", &[("id", machine), ("expunge", "true")]).await;
        assert!(ended["virtualmachine"].get("id").is_none());
    }
    user.run("deleteNetwork", &[("id", &network)]).await;
    for list in [
        "listNetworks",
        "listPublicIpAddresses",
        "listVirtualMachines",
        "listPortForwardingRules",
        "listVolumes",
    ] {
        assert_eq!(user.call(list, &[]).await, json!({}), "{list}");
    }
    assert!(world.driver.router(network.parse().expect("an id")).is_none());
    user.run("deleteAffinityGroup", &[("id", &group)]).await;
}
