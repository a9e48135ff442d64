//! Packer's plugin: a build from its preparation to its template, everything it made for it away again.

use serde_json::json;

use super::{Client, Is, NOTHING, Way, reads};
use crate::kit::{self, text};

#[tokio::test(start_paused = true)]
async fn packer_builds_a_template() {
    let world = kit::world().await;
    let network = world.user().network("builds").await;
    let client = Client::of(&world, Way::OldGo);

    // Preparation: everything that the build's file names.
    let zone = text(&client.list("listZones", "zone", &[]).await[0]["name"]);
    let zone = client.id_of("listZones", "zone", &zone, &[]).await;
    assert!(client.list("listProjects", "project", &[("name", "none")]).await.is_empty());
    let disk = client.id_of("listDiskOfferings", "diskoffering", "Small", &[]).await;
    assert!(client.by_id("listDiskOfferings", "diskoffering", &disk, &[]).await.is_some());
    assert_eq!(client.id_of("listNetworks", "network", "builds", &[]).await, network);
    assert!(client.list("listSecurityGroups", "securitygroup", &[("keyword", "none")]).await.is_empty());
    let offering = client.id_of("listServiceOfferings", "serviceoffering", "t1.small", &[]).await;
    let executable = [("templatefilter", "executable"), ("zoneid", zone.as_str())];
    let template = client.id_of("listTemplates", "template", "Debian 12", &executable).await;
    let isos = [("isofilter", "executable"), ("name", "none"), ("zoneid", zone.as_str())];
    assert!(client.list("listIsos", "iso", &isos).await.is_empty());
    let os = [("description", "Debian GNU/Linux 12 (64-bit)")];
    let os = client.list("listOsTypes", "ostype", &os).await;
    assert_eq!(os.len(), 1);
    let os = text(&os[0]["id"]);

    // A key pair, and the machine.
    let pair = client.call("createSSHKeyPair", &[("name", "packer")]).await["keypair"].clone();
    assert!(text(&pair["privatekey"]).contains("PRIVATE KEY"));
    let found = client.by_id("listZones", "zone", &zone, &[]).await.expect("the zone");
    assert_eq!(found["networktype"], json!("Advanced"));
    let data = "YWJj".repeat(2000);
    let wanted = [
        // With a letter that this version of the library escapes otherwise than the server does.
        ("displayname", "built by * packer ~1"),
        ("keypair", "packer"),
        ("name", "packer-1"),
        ("networkids", network.as_str()),
        ("rootdisksize", "4"),
        ("serviceofferingid", offering.as_str()),
        ("templateid", template.as_str()),
        ("userdata", data.as_str()),
        ("zoneid", zone.as_str()),
    ];
    let machine = client.job("deployVirtualMachine", &wanted).await;
    reads(&machine, &[("id", Is::Text), ("nic", Is::List)], &[("password", Is::Text)]);
    reads(&machine["nic"][0], &[("ipaddress", Is::Text)], &[]);
    assert_eq!(machine["displayname"], json!("built by * packer ~1"));
    let id = text(&machine["id"]);
    let of = ("id", id.as_str());
    let tags = [("resourceids", id.as_str()), ("resourcetype", "UserVm")];
    client
        .does("createTags", &[&tags[..], &[("tags[0].key", "by"), ("tags[0].value", "packer")]].concat())
        .await;

    // The way to its SSH port.
    let found = client.by_id("listNetworks", "network", &network, &[]).await.expect("the network");
    reads(&found, &[("id", Is::Text)], &[("vpcid", Is::Text), ("aclid", Is::Text)]);
    assert!(found.get("vpcid").is_none());
    let address = client.job("associateIpAddress", &[("networkid", network.as_str())]).await;
    reads(&address, &[("id", Is::Text), ("ipaddress", Is::Text)], &[]);
    let (address, public) = (text(&address["id"]), text(&address["ipaddress"]));
    let by_address = client.list("listPublicIpAddresses", "publicipaddress", &[("ipaddress", &public)]).await;
    assert_eq!(by_address.len(), 1);
    assert_eq!(by_address[0]["id"], json!(address));
    let forward = [
        ("ipaddressid", address.as_str()),
        ("openfirewall", "false"),
        ("privateport", "22"),
        ("protocol", "TCP"),
        ("publicport", "49152"),
        ("virtualmachineid", id.as_str()),
    ];
    let forward = text(&client.job("createPortForwardingRule", &forward).await["id"]);
    let opened = [
        ("cidrlist", "192.0.2.0/24"),
        ("endport", "49152"),
        ("ipaddressid", address.as_str()),
        ("protocol", "TCP"),
        ("startport", "49152"),
    ];
    let opened = text(&client.job("createFirewallRule", &opened).await["id"]);

    // The template of its disk.
    assert_eq!(client.job("stopVirtualMachine", &[of]).await["state"], json!("Stopped"));
    let root = client.list("listVolumes", "volume", &[("type", "ROOT"), ("virtualmachineid", &id)]).await;
    assert_eq!(root.len(), 1);
    let wanted = [
        ("displaytext", "golden"),
        ("isdynamicallyscalable", "true"),
        ("isfeatured", "false"),
        ("ispublic", "false"),
        ("name", "golden"),
        ("ostypeid", os.as_str()),
        ("passwordenabled", "true"),
        ("requireshvm", "true"),
        ("volumeid", root[0]["id"].as_str().expect("an id")),
    ];
    let made = client.job("createTemplate", &wanted).await;
    reads(&made, &[("id", Is::Text), ("isready", Is::Flag)], &[]);
    let made = text(&made["id"]);
    let built = client.by_id("listTemplates", "template", &made, &executable[..1]).await.expect("built");
    assert_eq!(
        (&built["passwordenabled"], &built["isdynamicallyscalable"], &built["isready"]),
        (&json!(true), &json!(true), &json!(true))
    );

    // Away with it all; what is gone already is in order.
    client.does("deleteFirewallRule", &[("id", &opened)]).await;
    client.does("deletePortForwardingRule", &[("id", &forward)]).await;
    client.does("disassociateIpAddress", &[("id", &address)]).await;
    client.job("destroyVirtualMachine", &[("expunge", "true"), of]).await;
    client.done("deleteSSHKeyPair", &[("name", "packer")]).await;
    for command in ["deleteFirewallRule", "deletePortForwardingRule", "disassociateIpAddress"] {
        let refused = client.ask(command, &[("id", NOTHING)]).await.expect_err("nothing is there");
        assert!(refused.contains(&format!("Invalid parameter id value={NOTHING}")), "{command}: {refused}");
    }
    client.does("deleteTemplate", &[("id", &made)]).await;
}

#[tokio::test(start_paused = true)]
async fn packer_builds_from_an_iso() {
    let world = kit::world().await;
    let network = world.user().network("builds").await;
    let client = Client::of(&world, Way::OldGo);
    let zone = world.user().zone_id().await;
    let os = client.list("listOsTypes", "ostype", &[("description", "CentOS 7")]).await;
    let wanted = [
        ("displaytext", "disc"),
        ("name", "disc"),
        ("ostypeid", os[0]["id"].as_str().expect("an id")),
        ("url", "https://example.org/disc.iso"),
        ("zoneid", zone.as_str()),
    ];
    client.list("registerIso", "iso", &wanted).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let executable = [("isofilter", "executable"), ("zoneid", zone.as_str())];
    let iso = client.id_of("listIsos", "iso", "disc", &executable).await;
    let disk = client.id_of("listDiskOfferings", "diskoffering", "Small", &[]).await;
    let offering = client.id_of("listServiceOfferings", "serviceoffering", "t1.small", &[]).await;
    let hypervisors = client.call("listHypervisors", &[]).await;
    let wanted = [
        ("diskofferingid", disk.as_str()),
        ("hypervisor", hypervisors["hypervisor"][0]["name"].as_str().expect("a name")),
        ("name", "packer-iso"),
        ("networkids", network.as_str()),
        ("serviceofferingid", offering.as_str()),
        ("templateid", iso.as_str()),
        ("zoneid", zone.as_str()),
    ];
    for needed in ["hypervisor", "diskofferingid"] {
        let without: Vec<_> = wanted.iter().copied().filter(|(name, _)| *name != needed).collect();
        let refused = client.ask("deployVirtualMachine", &without).await.expect_err(needed);
        assert!(refused.to_lowercase().contains(if needed == "hypervisor" {
            needed
        } else {
            "disk offering"
        }));
    }
    let machine = client.job("deployVirtualMachine", &wanted).await;
    reads(&machine, &[("isoid", Is::Text), ("isoname", Is::Text), ("nic", Is::List)], &[]);
    let id = text(&machine["id"]);
    client.job("stopVirtualMachine", &[("id", &id)]).await;
    client.job("detachIso", &[("virtualmachineid", &id)]).await;
    // One disk, empty before what is on the ISO was installed, of its offering's size; it becomes the template.
    let disks = client.list("listVolumes", "volume", &[("virtualmachineid", &id)]).await;
    assert_eq!(disks.len(), 1);
    assert_eq!(
        (&disks[0]["type"], &disks[0]["size"], &disks[0]["diskofferingid"], &disks[0]["isoid"]),
        (&json!("ROOT"), &json!(5_u64 << 30), &json!(disk), &json!(iso))
    );
    assert!(disks[0].get("templateid").is_none(), "{}", disks[0]);
    let golden = [
        ("displaytext", "golden"),
        ("name", "golden"),
        ("ostypeid", os[0]["id"].as_str().expect("an id")),
        ("volumeid", disks[0]["id"].as_str().expect("an id")),
    ];
    assert_eq!(client.job("createTemplate", &golden).await["isready"], json!(true));
    client.job("destroyVirtualMachine", &[("expunge", "true"), ("id", &id)]).await;
    client.does("deleteIso", &[("id", &iso)]).await;
}
