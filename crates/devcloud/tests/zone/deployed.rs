//! What a deployment makes of its further parameters: data disks, sizes of root disks, hardware addresses, hosts, machines
//! that users do not see; and which parameters it is refused for.

use serde_json::{Value, json};

use crate::kit::{self, Caller, borrowed, text};

const GIB: u64 = 1 << 30;

async fn volumes(user: &Caller, machine: &str, kind: &str) -> Vec<Value> {
    let of = [("virtualmachineid", machine), ("type", kind)];
    let listed = user.call("listVolumes", &of).await;
    listed["volume"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_machine_gets_every_data_disk_that_is_asked_for() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let network = user.network("n").await;
    let open = [("name", "open"), ("displaytext", "open"), ("customized", "true")];
    let open = text(&admin.call("createDiskOffering", &open).await["diskoffering"]["id"]);
    let fixed = [("name", "fixed"), ("displaytext", "fixed"), ("disksize", "3")];
    let fixed = text(&admin.call("createDiskOffering", &fixed).await["diskoffering"]["id"]);
    let disks = [
        ("datadisksdetails[0].diskofferingid", open.as_str()),
        ("datadisksdetails[0].size", "7"),
        ("datadisksdetails[0].deviceid", "4"),
        ("datadisksdetails[1].diskofferingid", &fixed),
    ];
    let machine = user.deploy(&network, "m", &disks).await;
    let mut found: Vec<_> = volumes(&user, &machine, "DATADISK").await;
    found.sort_by_key(|disk| disk["deviceid"].as_u64());
    let found: Vec<_> = found.iter().map(|disk| (&disk["deviceid"], &disk["size"])).collect();
    assert_eq!(found, [(&json!(1), &json!(3 * GIB)), (&json!(4), &json!(7 * GIB))]);
    let wanted = user.machine(&network, "other").await;
    for (more, why) in [
        (vec![("datadisksdetails[0].size", "7")], "Disk offering id is required"),
        (vec![("datadisksdetails[0].diskofferingid", open.as_str())], "requires a custom size"),
        (vec![("diskofferingid", fixed.as_str()), disks[3]], "can't be specified along with"),
        (vec![disks[3], ("datadisksdetails[1].deviceid", "0")], "deviceId can't be 0"),
        (
            vec![("datadisksdetails[0].diskofferingid", "5e0c6f6e-0000-4000-8000-000000000000")],
            "Unable to find disk offering",
        ),
    ] {
        let (status, _, told) = user.refused("deployVirtualMachine", &borrowed(&wanted, &more)).await;
        assert_eq!(status, 431, "{told}");
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(user.only("listVirtualMachines", "virtualmachine", &[]).await["name"], json!("m"));
}

#[tokio::test(start_paused = true)]
async fn a_limit_counts_all_disks_of_a_machine_before_any_is_made() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let network = user.network("n").await;
    let fixed = [("name", "fixed"), ("displaytext", "fixed"), ("disksize", "3")];
    let fixed = text(&admin.call("createDiskOffering", &fixed).await["diskoffering"]["id"]);
    let account = user.only("listAccounts", "account", &[]).await;
    let limit = [
        ("resourcetype", "2"),
        ("max", "2"),
        ("account", account["name"].as_str().expect("a name")),
        ("domainid", account["domainid"].as_str().expect("an id")),
    ];
    admin.call("updateResourceLimit", &limit).await;
    let wanted = user.machine(&network, "m").await;
    let two = [
        ("datadisksdetails[0].diskofferingid", fixed.as_str()),
        ("datadisksdetails[1].diskofferingid", &fixed),
    ];
    assert_eq!(user.refused("deployVirtualMachine", &borrowed(&wanted, &two)).await.0, 535);
    assert_eq!(user.call("listVolumes", &[]).await, json!({}));
    user.run("deployVirtualMachine", &borrowed(&wanted, &two[..1])).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_offering_s_root_disk_size_counts_more_than_what_is_asked_for() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let network = user.network("n").await;
    let offering = [
        ("name", "deep"),
        ("displaytext", "deep"),
        ("cpunumber", "1"),
        ("cpuspeed", "500"),
        ("memory", "512"),
        ("rootdisksize", "40"),
    ];
    let offering = text(&admin.call("createServiceOffering", &offering).await["serviceoffering"]["id"]);
    let root = async |name: &str, offering: Option<&str>, more: &[(&str, &str)]| {
        let mut wanted = user.machine(&network, name).await;
        if let Some(offering) = offering {
            offering.clone_into(&mut wanted[1].1);
        }
        let made = text(&user.run("deployVirtualMachine", &borrowed(&wanted, more)).await.0["id"]);
        let before = volumes(&user, &made, "ROOT").await[0]["size"].as_u64();
        user.run("restoreVirtualMachine", &[("virtualmachineid", &made)]).await;
        assert_eq!(volumes(&user, &made, "ROOT").await[0]["size"].as_u64(), before, "a new one is as large");
        before
    };
    assert_eq!(root("a", Some(&offering), &[]).await, Some(40 * GIB));
    assert_eq!(root("b", Some(&offering), &[("rootdisksize", "60")]).await, Some(40 * GIB));
    assert_eq!(root("c", None, &[("rootdisksize", "60")]).await, Some(60 * GIB));
    let wanted = user.machine(&network, "d").await;
    for size in ["0", "-5"] {
        let asked = [("rootdisksize", size)];
        let (status, _, why) = user.refused("deployVirtualMachine", &borrowed(&wanted, &asked)).await;
        assert_eq!((status, why.as_str()), (431, "Root disk size should be a positive number."));
    }
}

#[tokio::test(start_paused = true)]
async fn each_interface_gets_the_hardware_address_that_is_asked_for() {
    let world = kit::world().await;
    let user = world.user();
    let (first, second) = (user.network("one").await, user.network("two").await);
    let mut wanted = user.machine(&first, "m").await;
    wanted.retain(|(name, _)| name != "networkids");
    let interfaces = |second_mac: &'static str| {
        [
            ("iptonetworklist[0].networkid", first.as_str()),
            ("iptonetworklist[0].mac", "02:00:00:00:0a:01"),
            ("iptonetworklist[1].networkid", &second),
            ("iptonetworklist[1].mac", second_mac),
        ]
    };
    let twice = interfaces("02:00:00:00:0A:01");
    assert_eq!(user.refused("deployVirtualMachine", &borrowed(&wanted, &twice)).await.0, 431);
    let apart = interfaces("02:00:00:00:0a:02");
    let made = user.run("deployVirtualMachine", &borrowed(&wanted, &apart)).await.1["virtualmachine"].clone();
    let macs = [&made["nic"][0]["macaddress"], &made["nic"][1]["macaddress"]];
    assert_eq!(macs, [&json!("02:00:00:00:0a:01"), &json!("02:00:00:00:0a:02")]);
    wanted[3].1 = "again".to_owned();
    assert_eq!(user.refused("deployVirtualMachine", &borrowed(&wanted, &apart)).await.0, 431, "in use");
}

#[tokio::test(start_paused = true)]
async fn what_would_make_another_machine_is_refused_and_not_left_out() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let wanted = user.machine(&network, "m").await;
    for parameter in [
        "datadiskofferinglist[0].datadisktemplateid",
        "dhcpoptionsnetworklist[0].networkid",
        "overridediskofferingid",
        "securitygroupids",
        "extraconfig",
        "volumeid",
        "snapshotid",
        "boottype",
        "bootmode",
    ] {
        let more = [(parameter, "UEFI")];
        let (status, _, why) = user.refused("deployVirtualMachine", &borrowed(&wanted, &more)).await;
        assert_eq!(status, 431, "{parameter}: {why}");
        assert!(why.contains(parameter.split('[').next().unwrap_or_default()), "{why}");
    }
    let plain = [("boottype", "bios"), ("bootmode", "legacy"), ("securitygroupids", ""), ("keyboard", "de")];
    user.run("deployVirtualMachine", &borrowed(&wanted, &plain)).await;
}

#[tokio::test(start_paused = true)]
async fn a_root_admin_chooses_the_host_and_nobody_else_does() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let hosts = admin.call("listHosts", &[("type", "Routing")]).await["host"].clone();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[("startvm", "false")]).await;
    for host in hosts.as_array().expect("hosts").iter().rev().take(2) {
        let on = [("id", machine.as_str()), ("hostid", host["id"].as_str().expect("an id"))];
        let (status, _, why) = user.refused("startVirtualMachine", &on).await;
        let refused = "Parameter hostid can only be specified by a Root Admin, permission denied";
        assert_eq!((status, why.as_str()), (531, refused));
        let started = admin.run("startVirtualMachine", &on).await.1["virtualmachine"].clone();
        assert_eq!(started["hostid"], host["id"]);
        admin.run("stopVirtualMachine", &[("id", &machine)]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_a_root_admin_hides_is_not_listed_to_its_owner() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[("displayvm", "false")]).await;
    user.call("updateVirtualMachine", &[("id", &machine), ("displayvm", "false")]).await;
    user.only("listVirtualMachines", "virtualmachine", &[]).await;
    let by_id = [("id", machine.as_str())];
    admin.call("updateVirtualMachine", &[by_id[0], ("displayvm", "false")]).await;
    assert_eq!(user.call("listVirtualMachines", &by_id).await, json!({}));
    assert_eq!(admin.only("listVirtualMachines", "virtualmachine", &by_id).await["displayvm"], json!(false));
    let hidden = [("listall", "true"), ("displayvm", "false")];
    admin.only("listVirtualMachines", "virtualmachine", &hidden).await;
    let shown = [("listall", "true"), ("displayvm", "true")];
    assert_eq!(admin.call("listVirtualMachines", &shown).await, json!({}));
}
