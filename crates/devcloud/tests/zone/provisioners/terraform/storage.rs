//! Disks and templates.

use serde_json::json;

use super::super::{Is, NOTHING, reads, reads_tags};
use super::ground;
use crate::kit::text;

#[tokio::test(start_paused = true)]
async fn terraform_keeps_disks() {
    let ground = ground().await;
    let client = &ground.client;
    let machine = text(&ground.machine("m", &[]).await["id"]);
    let offering = client.id_of("listDiskOfferings", "diskoffering", "Custom", &[]).await;
    let wanted = [
        ("diskofferingid", offering.as_str()),
        ("name", "data"),
        ("size", "3"),
        ("zoneid", ground.zone.as_str()),
    ];
    let id = text(&client.job("createVolume", &wanted).await["id"]);
    let of = ("id", id.as_str());
    let read = async || client.by_id("listVolumes", "volume", &id, &[]).await;
    let free = read().await.expect("it is there");
    for name in ["id", "name", "state", "diskofferingid", "diskofferingname", "zoneid", "zonename", "type"] {
        reads(&free, &[(name, Is::Text)], &[]);
    }
    reads(&free, &[("size", Is::Number), ("tags", Is::List)], &[("chaininfo", Is::Text)]);
    assert!(free.get("virtualmachineid").is_none() && free.get("attached").is_none(), "{free}");
    client.job("attachVolume", &[("deviceid", "4"), of, ("virtualmachineid", &machine)]).await;
    let attached = read().await.expect("it is there");
    reads(
        &attached,
        &[("virtualmachineid", Is::Text), ("deviceid", Is::Number), ("attached", Is::Text)],
        &[],
    );
    assert_eq!((&attached["deviceid"], &attached["state"]), (&json!(4), &json!("Ready")));
    client.job("detachVolume", &[of]).await;
    let larger = client.job("resizeVolume", &[of, ("size", "5")]).await;
    assert_eq!(larger["size"].as_i64().map(|bytes| bytes >> 30), Some(5));
    // Renaming is a root admin's there and here.
    ground.world.admin().run("updateVolume", &[of, ("name", "renamed")]).await;
    assert_eq!(read().await.expect("it is there")["name"], json!("renamed"));
    client.done("deleteVolume", &[of]).await;
    assert!(read().await.is_none());
    assert!(client.by_id("listVolumes", "volume", NOTHING, &[]).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn terraform_keeps_templates() {
    let ground = ground().await;
    let client = &ground.client;
    let os_types = client.list("listOsTypes", "ostype", &[("description", "CentOS 7")]).await;
    reads(&os_types[0], &[("id", Is::Text), ("description", Is::Text), ("isuserdefined", Is::Flag)], &[]);
    let wanted = [
        ("displaytext", "golden"),
        ("format", "QCOW2"),
        ("hypervisor", "Simulator"),
        ("isdynamicallyscalable", "true"),
        ("isextractable", "true"),
        ("name", "golden"),
        ("ostypeid", os_types[0]["id"].as_str().expect("an id")),
        ("passwordenabled", "false"),
        ("requireshvm", "true"),
        ("url", "http://example.org/golden.qcow2"),
        ("zoneid", ground.zone.as_str()),
    ];
    let made = client.list("registerTemplate", "template", &wanted).await;
    let id = text(&made[0]["id"]);
    let of = ("id", id.as_str());
    let tags = [("resourceids", id.as_str()), ("resourcetype", "Template")];
    client
        .does("createTags", &[&tags[..], &[("tags[0].key", "role"), ("tags[0].value", "x")]].concat())
        .await;
    let more = [("showunique", "true"), ("templatefilter", "executable")];
    let read = async || client.by_id("listTemplates", "template", &id, &more).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while read().await.expect("it is there")["isready"] == json!(false) {
        assert!(tokio::time::Instant::now() < deadline, "never ready");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let found = read().await.expect("it is there");
    for name in
        ["id", "name", "displaytext", "format", "hypervisor", "ostypename", "ostypeid", "zonename", "status"]
    {
        reads(&found, &[(name, Is::Text)], &[]);
    }
    for name in
        ["isready", "isdynamicallyscalable", "isextractable", "isfeatured", "ispublic", "passwordenabled"]
    {
        reads(&found, &[(name, Is::Flag)], &[]);
    }
    reads(&found, &[("size", Is::Number), ("details", Is::Texts), ("tags", Is::List)], &[]);
    reads_tags(&found, &[("role", "x")]);
    let change = [
        ("displaytext", "better"),
        of,
        ("isdynamicallyscalable", "false"),
        ("name", "renamed"),
        ("passwordenabled", "true"),
    ];
    reads(&client.call("updateTemplate", &change).await["template"], &[("id", Is::Text)], &[]);
    let found = read().await.expect("it is there");
    assert_eq!(
        (&found["name"], &found["displaytext"], &found["passwordenabled"], &found["isdynamicallyscalable"]),
        (&json!("renamed"), &json!("better"), &json!(true), &json!(false))
    );
    client.does("deleteTemplate", &[of]).await;
    assert!(read().await.is_none());
    assert!(client.by_id("listTemplates", "template", NOTHING, &more).await.is_none());
}
