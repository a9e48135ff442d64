//! Data disks, snapshots, offerings, registered templates and ISOs.

use std::time::Duration;

use devcloud::simulator::Operation;
use serde_json::json;

use crate::kit::{self, Caller, text};

async fn disk_offering(user: &Caller, name: &str) -> String {
    text(&user.only("listDiskOfferings", "diskoffering", &[("name", name)]).await["id"])
}

async fn root_disk(user: &Caller, machine: &str) -> String {
    let wanted = [("virtualmachineid", machine), ("type", "ROOT")];
    text(&user.only("listVolumes", "volume", &wanted).await["id"])
}

#[tokio::test(start_paused = true)]
async fn a_data_disk_is_attached_to_one_machine_at_a_time_and_stays_when_that_goes() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let zone = user.zone_id().await;
    let custom = disk_offering(&user, "Custom").await;
    let wanted = [("name", "data"), ("diskofferingid", custom.as_str()), ("zoneid", zone.as_str())];
    let refused = user.refused("createVolume", &wanted).await;
    assert_eq!(refused, (431, Some(4350), "This disk offering requires a custom size specified".to_owned()));
    let sized: Vec<_> = wanted.iter().copied().chain([("size", "3")]).collect();
    let (begun, made) = user.run("createVolume", &sized).await;
    let disk = text(&begun["id"]);
    assert_eq!(
        (&made["volume"]["state"], &made["volume"]["size"]),
        (&json!("Allocated"), &json!(3_u64 << 30))
    );
    let both = [("id", disk.as_str()), ("virtualmachineid", machine.as_str())];
    let attached = user.run("attachVolume", &both).await.1["volume"].clone();
    assert_eq!((&attached["deviceid"], &attached["vmname"]), (&json!(1), &json!("m")));
    let (code, why) = user.fails("attachVolume", &both).await;
    assert_eq!((code, why.as_str()), (431, "Please specify a volume that is not attached to any VM."));
    assert_eq!(user.refused("deleteVolume", &both[..1]).await.0, 431, "it is attached");
    user.run("resizeVolume", &[both[0], ("size", "5")]).await;
    assert_eq!(user.refused("resizeVolume", &[both[0], ("size", "4")]).await.0, 431, "shrinking");
    user.run("destroyVirtualMachine", &[("id", &machine), ("expunge", "true")]).await;
    let left = user.only("listVolumes", "volume", &[("id", &disk)]).await;
    assert!(left.get("virtualmachineid").is_none(), "{left}");
    assert_eq!(left["size"], json!(5_u64 << 30));
    user.call("deleteVolume", &[("id", &disk)]).await;
    assert_eq!(user.call("listVolumes", &[("id", &disk)]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_told_of_its_data_disks_and_the_records_are_what_came_of_it() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let (zone, custom) = (user.zone_id().await, disk_offering(&user, "Custom").await);
    let sized = [("diskofferingid", custom.as_str()), ("size", "2")];
    let machine = user.deploy(&network, "m", &sized).await;
    let id = machine.parse().expect("an id");
    let told = || -> Vec<(u32, u64)> {
        let machine = world.driver.machine(id).expect("it runs");
        machine.disks.iter().map(|disk| (disk.place, disk.bytes >> 30)).collect()
    };
    assert_eq!(told(), [(1, 2)], "from its start on");
    let first = [("virtualmachineid", machine.as_str()), ("type", "DATADISK")];
    let first = user.only("listVolumes", "volume", &first).await;
    assert_eq!(first["state"], json!("Ready"));
    let made = [&sized[..], &[("name", "d"), ("zoneid", &zone)]].concat();
    let disk = text(&user.run("createVolume", &made).await.0["id"]);
    let both = [("id", disk.as_str()), ("virtualmachineid", machine.as_str())];

    world.driver.fail(Operation::Equip, 1);
    let (code, why) = user.fails("attachVolume", &both).await;
    assert_eq!(code, 530);
    assert!(why.starts_with(&format!("Failed to attach volume {disk} to VM {machine}; ")), "{why}");
    assert!(user.only("listVolumes", "volume", &both[..1]).await.get("virtualmachineid").is_none());
    assert_eq!(told(), [(1, 2)]);
    user.run("attachVolume", &both).await;
    assert_eq!(told(), [(1, 2), (2, 2)]);
    user.run("resizeVolume", &[both[0], ("size", "3")]).await;
    assert_eq!(told(), [(1, 2), (2, 3)]);

    world.driver.fail(Operation::Equip, 1);
    let (code, why) = user.fails("detachVolume", &both[..1]).await;
    assert_eq!(code, 530);
    assert!(why.starts_with(&format!("Failed to detach volume {disk} from VM {machine}; ")), "{why}");
    assert_eq!(user.only("listVolumes", "volume", &both[..1]).await["virtualmachineid"], json!(machine));
    assert_eq!(told(), [(1, 2), (2, 3)], "it has it again");
    user.run("detachVolume", &[("id", &text(&first["id"]))]).await;
    assert_eq!(told(), [(2, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_outlives_its_volume_and_becomes_disks_and_templates() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let root = root_disk(&user, &machine).await;
    let (begun, made) = user.run("createSnapshot", &[("volumeid", &root), ("name", "before")]).await;
    let snapshot = text(&begun["id"]);
    assert_eq!(
        (&made["snapshot"]["state"], &made["snapshot"]["volumetype"]),
        (&json!("BackedUp"), &json!("ROOT"))
    );
    let layer = world.driver.layers().remove(0);
    assert!(layer.0.starts_with("snapshot-"), "{layer:?}");
    let (code, _) = user.fails("revertSnapshot", &[("id", &snapshot)]).await;
    assert_eq!(code, 431, "its machine runs");
    let os = text(&user.only("listOsTypes", "ostype", &[("description", "CentOS 7")]).await["id"]);
    let wanted = [("name", "golden"), ("ostypeid", os.as_str()), ("snapshotid", snapshot.as_str())];
    let template = user.run("createTemplate", &wanted).await.1["template"].clone();
    assert_eq!((&template["isready"], &template["ostypename"]), (&json!(true), &json!("CentOS 7")));
    user.run("createVolume", &[("name", "copy"), ("snapshotid", &snapshot)]).await;
    user.run("stopVirtualMachine", &[("id", &machine)]).await;
    user.run("revertSnapshot", &[("id", &snapshot)]).await;
    user.run("startVirtualMachine", &[("id", &machine)]).await;
    user.run("deleteSnapshot", &[("id", &snapshot)]).await;
    assert_eq!(user.call("listSnapshots", &[]).await, json!({}));
    assert_eq!(
        world.driver.layers(),
        std::slice::from_ref(&layer),
        "the template and the machine rest on it"
    );
    user.run("destroyVirtualMachine", &[("id", &machine), ("expunge", "true")]).await;
    user.run("deleteTemplate", &[("id", &text(&template["id"]))]).await;
    assert_eq!(world.driver.layers(), [layer], "the disk that was made of it rests on it");
    let copy = text(&user.only("listVolumes", "volume", &[("name", "copy")]).await["id"]);
    user.call("deleteVolume", &[("id", &copy)]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.driver.layers(), [], "nothing rests on it");
}

#[tokio::test(start_paused = true)]
async fn an_offering_that_leaves_its_size_open_is_told_it_by_each_machine() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    assert_eq!(user.refused("createServiceOffering", &[("name", "mine")]).await.0, 432);
    let made =
        admin.call("createServiceOffering", &[("name", "custom"), ("displaytext", "as you like")]).await;
    assert_eq!(made["serviceoffering"]["iscustomized"], json!(true));
    let custom = text(&made["serviceoffering"]["id"]);
    let network = user.network("n").await;
    let machine: Vec<(String, String)> = user
        .machine(&network, "m")
        .await
        .into_iter()
        .map(|(name, value)| if name == "serviceofferingid" { (name, custom.clone()) } else { (name, value) })
        .collect();
    assert_eq!(user.refused("deployVirtualMachine", &kit::borrowed(&machine, &[])).await.0, 431);
    let size = [("details[0].cpuNumber", "3"), ("details[1].memory", "768")];
    let deployed = user.run("deployVirtualMachine", &kit::borrowed(&machine, &size)).await.1;
    let deployed = &deployed["virtualmachine"];
    assert_eq!((&deployed["cpunumber"], &deployed["memory"]), (&json!(3), &json!(768)));
    let id = text(&deployed["id"]);
    let bigger = [("id", id.as_str()), ("serviceofferingid", custom.as_str()), ("details[0].memory", "1024")];
    assert_eq!(user.fails("scaleVirtualMachine", &bigger).await.0, 431, "it runs");
    user.run("stopVirtualMachine", &bigger[..1]).await;
    let scaled = user.run("scaleVirtualMachine", &bigger).await.1;
    assert_eq!(scaled["virtualmachine"]["memory"], json!(1024));
    admin.call("deleteServiceOffering", &[("id", &custom)]).await;
    assert_eq!(user.call("listServiceOfferings", &[("name", "custom")]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_registered_template_is_ready_once_it_is_fetched_and_can_be_shared() {
    let world = kit::two_accounts().await;
    let (user, other) = (world.user(), world.caller("other"));
    let (zone, os) =
        (user.zone_id().await, user.only("listOsTypes", "ostype", &[("description", "CentOS 7")]).await);
    let os = text(&os["id"]);
    let wanted = |url: &'static str| {
        vec![
            ("name", "web"),
            ("url", url),
            ("format", "QCOW2"),
            ("hypervisor", "Simulator"),
            ("zoneid", zone.as_str()),
            ("ostypeid", os.as_str()),
        ]
    };
    let (code, _, why) = user.refused("registerTemplate", &wanted("http://example.org/web.iso")).await;
    assert_eq!((code, why.as_str()), (431, "Please specify a valid qcow2"));
    let made = user.call("registerTemplate", &wanted("http://example.org/web.qcow2.bz2")).await;
    assert_eq!(made["template"][0]["isready"], json!(false));
    let id = text(&made["template"][0]["id"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mine = [("templatefilter", "self"), ("id", id.as_str())];
    assert_eq!(user.only("listTemplates", "template", &mine).await["isready"], json!(true));
    assert_eq!(other.refused("listTemplates", &mine).await.0, 531);
    user.call("updateTemplatePermissions", &[("id", &id), ("op", "add"), ("accounts", "other")]).await;
    assert_eq!(
        other.only("listTemplates", "template", &[("templatefilter", "shared")]).await["id"],
        json!(id)
    );
    let shared = user.call("listTemplatePermissions", &[("id", &id)]).await;
    assert_eq!(shared["templatepermission"]["account"], json!(["other"]));
    let same = [("id", id.as_str()), ("destzoneid", zone.as_str())];
    let (code, why) = user.fails("copyTemplate", &same).await;
    assert_eq!((code, why.as_str()), (431, "Please specify different source and destination zones."));
}

#[tokio::test(start_paused = true)]
async fn an_iso_is_attached_and_cannot_go_before_it_is_detached() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    let zone = user.zone_id().await;
    let wanted = [
        ("name", "disc"),
        ("url", "https://example.org/disc.iso"),
        ("zoneid", zone.as_str()),
        ("bootable", "false"),
    ];
    let made = user.call("registerIso", &wanted).await;
    let id = text(&made["iso"][0]["id"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let both = [("id", id.as_str()), ("virtualmachineid", machine.as_str())];
    let attached = user.run("attachIso", &both).await.1;
    assert_eq!(attached["virtualmachine"]["isoname"], json!("disc"));
    assert_eq!(user.fails("deleteIso", &both[..1]).await.0, 431);
    let from_iso = [("templateid", id.as_str()), both[1]];
    assert_eq!(user.refused("restoreVirtualMachine", &from_iso).await.0, 431, "it is no template");
    user.run("detachIso", &both[1..]).await;
    user.run("deleteIso", &both[..1]).await;
    assert_eq!(user.call("listIsos", &[("isofilter", "self")]).await, json!({}));
}
