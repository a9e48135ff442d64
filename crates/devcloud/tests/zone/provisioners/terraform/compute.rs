//! Key pairs, affinity groups and machines.

use serde_json::json;

use super::super::{Client, Is, NOTHING, Way, reads, reads_tags};
use super::ground;
use crate::kit::{self, PUBLIC_KEY, text};

#[tokio::test(start_paused = true)]
async fn terraform_keeps_key_pairs() {
    let world = kit::world().await;
    let client = Client::of(&world, Way::Go);
    let made = client.call("createSSHKeyPair", &[("name", "made")]).await["keypair"].clone();
    reads(&made, &[("privatekey", Is::Text), ("name", Is::Text), ("fingerprint", Is::Text)], &[]);
    let given = [("name", "given"), ("publickey", PUBLIC_KEY)];
    client.call("registerSSHKeyPair", &given).await;
    for name in ["made", "given"] {
        let listed = client.list("listSSHKeyPairs", "sshkeypair", &[("name", name)]).await;
        assert_eq!(listed.len(), 1);
        reads(&listed[0], &[("name", Is::Text), ("fingerprint", Is::Text)], &[]);
        client.done("deleteSSHKeyPair", &[("name", name)]).await;
        assert!(client.list("listSSHKeyPairs", "sshkeypair", &[("name", name)]).await.is_empty());
    }
    let refused = client.ask("deleteSSHKeyPair", &[("name", "made")]).await.expect_err("it is gone");
    assert!(refused.contains("A key pair with name 'made' does not exist for account"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn terraform_keeps_machines() {
    let ground = ground().await;
    let client = &ground.client;
    for name in ["key", "other"] {
        client.call("createSSHKeyPair", &[("name", name)]).await;
    }
    let group = async |name: &'static str| {
        let wanted = [("name", name), ("type", "host anti-affinity"), ("description", "apart")];
        let made = client.job("createAffinityGroup", &wanted).await;
        reads(&made, &[("id", Is::Text), ("name", Is::Text), ("type", Is::Text)], &[]);
        text(&made["id"])
    };
    let (first, second) = (group("first").await, group("second").await);
    let read_group = async |id: &str| client.by_id("listAffinityGroups", "affinitygroup", id, &[]).await;
    reads(
        &read_group(&first).await.expect("it is there"),
        &[("id", Is::Text), ("name", Is::Text), ("type", Is::Text), ("description", Is::Text)],
        &[("project", Is::Text), ("projectid", Is::Text)],
    );
    // More than a GET may carry.
    let data = "YWJj".repeat(2000);
    let made = ground
        .machine(
            "web",
            &[
                ("affinitygroupids", first.as_str()),
                ("details[0].memoryOvercommitRatio", "1.0"),
                ("group", "fronts"),
                ("ipaddress", "172.16.0.77"),
                ("keypair", "key"),
                ("rootdisksize", "6"),
                ("userdata", data.as_str()),
            ],
        )
        .await;
    reads(&made, &[("id", Is::Text), ("nic", Is::List)], &[("password", Is::Text)]);
    let id = text(&made["id"]);
    let tags = [("tags[0].key", "role"), ("tags[0].value", "x")];
    let of = [("resourceids", id.as_str()), ("resourcetype", "userVm")];
    client.does("createTags", &[&of[..], &tags].concat()).await;
    let found = ground.machine_by_id(&id).await.expect("it is there");
    for name in [
        "id",
        "name",
        "displayname",
        "group",
        "state",
        "serviceofferingid",
        "serviceofferingname",
        "templateid",
        "templatename",
        "zoneid",
        "zonename",
        "keypairs",
        "account",
        "domain",
        "hypervisor",
        "created",
    ] {
        reads(&found, &[(name, Is::Text)], &[]);
    }
    reads(
        &found,
        &[
            ("deleteprotection", Is::Flag),
            ("passwordenabled", Is::Flag),
            ("haenable", Is::Flag),
            ("isdynamicallyscalable", Is::Flag),
            ("cpunumber", Is::Number),
            ("cpuspeed", Is::Number),
            ("memory", Is::Number),
            ("rootdeviceid", Is::Number),
            ("affinitygroup", Is::List),
            ("securitygroup", Is::List),
            ("details", Is::Texts),
            ("tags", Is::List),
        ],
        &[
            ("boottype", Is::Text),
            ("diskofferingid", Is::Text),
            ("diskofferingname", Is::Text),
            ("project", Is::Text),
            ("userdataid", Is::Text),
            ("userdataname", Is::Text),
        ],
    );
    reads_tags(&found, &[("role", "x")]);
    assert_eq!(found["nic"][0]["ipaddress"], json!("172.16.0.77"));
    reads(&found["affinitygroup"][0], &[("id", Is::Text), ("name", Is::Text)], &[]);
    let root = [("type", "ROOT"), ("virtualmachineid", id.as_str())];
    let root = client.list("listVolumes", "volume", &root).await;
    assert_eq!(root[0]["size"].as_i64().map(|bytes| bytes >> 30), Some(6), "{root:?}");

    // Changed while it runs: what it is called, and its tags.
    for change in [("displayname", "Web"), ("group", "backs"), ("deleteprotection", "true")] {
        let changed = client.call("updateVirtualMachine", &[("id", &id), change]).await;
        reads(&changed["virtualmachine"], &[("id", Is::Text)], &[]);
    }
    client.does("deleteTags", &[&of[..], &tags].concat()).await;
    let refused = client.ask("destroyVirtualMachine", &[("id", &id)]).await;
    assert!(refused.is_err(), "it is protected");
    client.call("updateVirtualMachine", &[("deleteprotection", "false"), ("id", &id)]).await;
    // Changed while it is stopped: name, size, groups, key, user-data.
    assert_eq!(client.job("stopVirtualMachine", &[("id", &id)]).await["state"], json!("Stopped"));
    client.call("updateVirtualMachine", &[("id", &id), ("name", "web-2")]).await;
    let larger = client.id_of("listServiceOfferings", "serviceoffering", "t1.medium", &[]).await;
    client.call("changeServiceForVirtualMachine", &[("id", &id), ("serviceofferingid", &larger)]).await;
    client.job("updateVMAffinityGroup", &[("affinitygroupids", &second), ("id", &id)]).await;
    client.job("resetSSHKeyForVirtualMachine", &[("id", &id), ("keypair", "other")]).await;
    client.call("updateVirtualMachine", &[("id", &id), ("userdata", "bmV3")]).await;
    assert_eq!(client.job("startVirtualMachine", &[("id", &id)]).await["state"], json!("Running"));
    let found = ground.machine_by_id(&id).await.expect("it is there");
    reads_tags(&found, &[]);
    assert_eq!(
        (&found["name"], &found["displayname"], &found["group"], &found["keypairs"]),
        (&json!("web-2"), &json!("Web"), &json!("backs"), &json!("other"))
    );
    assert_eq!(
        (&found["serviceofferingname"], &found["affinitygroup"][0]["id"]),
        (&json!("t1.medium"), &json!(second))
    );
    let told = client.call("getVirtualMachineUserData", &[("virtualmachineid", &id)]).await;
    assert_eq!(told["virtualmachineuserdata"]["userdata"], json!("bmV3"));
    ground.destroy(&id).await;
    assert!(ground.machine_by_id(&id).await.is_none());
    assert!(ground.machine_by_id(NOTHING).await.is_none());
    for group in [&first, &second] {
        client.does("deleteAffinityGroup", &[("id", group)]).await;
        assert!(read_group(group).await.is_none());
    }
    client.does("deleteNetwork", &[("id", &ground.network)]).await;
}
