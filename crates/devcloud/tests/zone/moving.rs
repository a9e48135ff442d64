//! Machines that are moved: to another account, and to another host.

use devcloud::ZoneConfig;
use devcloud::simulator::{Capacity, Latencies};
use serde_json::json;

use crate::kit::{self, Caller, World, text};

async fn domain(admin: &Caller) -> String {
    text(&admin.only("listDomains", "domain", &[("listall", "true")]).await["id"])
}

#[tokio::test(start_paused = true)]
async fn a_stopped_machine_goes_to_another_account_with_its_disks_into_a_network_of_that_one() {
    let world = kit::two_accounts().await;
    let (admin, user, other) = (world.admin(), world.user(), world.caller("other"));
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[("startvm", "false"), ("group", "fronts")]).await;
    let domain = domain(&admin).await;
    let to = [("virtualmachineid", machine.as_str()), ("account", "other"), ("domainid", domain.as_str())];
    let moved = admin.call("assignVirtualMachine", &to).await["virtualmachine"].clone();
    assert_eq!((&moved["account"], &moved["state"]), (&json!("other"), &json!("Stopped")));
    assert_eq!(moved.get("group"), None, "the group is the old account's");
    assert_eq!(user.call("listVirtualMachines", &[]).await, json!({}));
    assert_eq!(user.call("listVolumes", &[]).await, json!({}));
    assert_eq!(user.refused("startVirtualMachine", &[("id", &machine)]).await.0, 531);
    let disk = other.only("listVolumes", "volume", &[("virtualmachineid", &machine)]).await;
    assert_eq!(disk["account"], json!("other"));
    let its = other.only("listNetworks", "network", &[]).await;
    assert_eq!(its["name"], json!("other-network"), "made, since it had none");
    assert_eq!(moved["nic"][0]["networkid"], its["id"]);
    user.run("deleteNetwork", &[("id", &network)]).await;
    other.run("startVirtualMachine", &[("id", &machine)]).await;
    assert_eq!(other.machine_state(&machine).await, "Running");
    assert_eq!(user.refused("assignVirtualMachine", &to).await.0, 432, "admins alone");
}

#[tokio::test(start_paused = true)]
async fn what_keeps_a_machine_with_its_account_is_said() {
    let World { zone, driver, disk } = kit::two_accounts().await;
    let world = World { zone, driver, disk };
    let (admin, user, other) = (world.admin(), world.user(), world.caller("other"));
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let domain = domain(&admin).await;
    let refused = |account: &'static str, more: Vec<(String, String)>| {
        let (admin, machine, domain) = (admin.clone(), machine.clone(), domain.clone());
        async move {
            let to =
                [("virtualmachineid", machine.as_str()), ("account", account), ("domainid", domain.as_str())];
            admin.refused("assignVirtualMachine", &kit::borrowed(&more, &to)).await
        }
    };
    let (code, finer, why) = refused("other", Vec::new()).await;
    assert_eq!((code, finer), (431, Some(4350)));
    assert!(why.starts_with("VM is Running, unable to move the vm "), "{why}");
    user.run("stopVirtualMachine", &[("id", &machine)]).await;
    assert_eq!(refused("mesostack", Vec::new()).await.2, "The new account is the same as the old account.");
    assert_eq!(refused("nobody", Vec::new()).await.0, 431);
    let foreign = vec![("networkids".to_owned(), network.clone())];
    assert_eq!(refused("other", foreign).await.0, 531, "a network of the old account");
    let address = user.address(&network).await;
    let forward = kit::ssh_forward(&address, &machine);
    let rule = text(&user.run("createPortForwardingRule", &forward).await.0["id"]);
    let (_, _, why) = refused("other", Vec::new()).await;
    assert_eq!(why, "Remove the Port forwarding rules for this VM before assigning to another user.");
    user.run("deletePortForwardingRule", &[("id", &rule)]).await;
    let limit = [("resourcetype", "0"), ("max", "0"), ("account", "other"), ("domainid", domain.as_str())];
    admin.call("updateResourceLimit", &limit).await;
    assert_eq!(refused("other", Vec::new()).await.0, 535);
    assert_eq!(user.machine_state(&machine).await, "Stopped", "it stayed");
    assert_eq!(other.call("listNetworks", &[]).await, json!({}), "and nothing was made for it");
}

#[tokio::test(start_paused = true)]
async fn a_running_machine_moves_to_another_host_and_not_to_its_own() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let seen = [("id", machine.as_str())];
    let current = text(&admin.only("listVirtualMachines", "virtualmachine", &seen).await["hostid"]);
    let hosts = admin.call("listHosts", &[]).await["host"].clone();
    let another = hosts.as_array().expect("hosts").iter().find(|host| host["id"] != json!(current));
    let another = text(&another.expect("another")["id"]);
    let of = ("virtualmachineid", machine.as_str());
    assert_eq!(user.refused("migrateVirtualMachine", &[of, ("hostid", &another)]).await.0, 432);
    let (code, why) = admin.fails("migrateVirtualMachine", &[of, ("hostid", &current)]).await;
    assert_eq!(code, 431);
    assert!(why.starts_with("Cannot migrate VM, VM is already present on this host"), "{why}");
    let moved =
        admin.run("migrateVirtualMachine", &[of, ("hostid", &another)]).await.1["virtualmachine"].clone();
    assert_eq!((&moved["hostid"], &moved["state"]), (&json!(another), &json!("Running")));
    let moved =
        admin.run("migrateVirtualMachine", &[of, ("autoselect", "true")]).await.1["virtualmachine"].clone();
    assert_ne!(moved["hostid"], json!(another));
    let (_, _, why) = admin.refused("migrateVirtualMachine", &[of]).await;
    assert_eq!(why, "Either hostId or storageId must be specified");
    user.run("stopVirtualMachine", &seen).await;
    let (_, why) = admin.fails("migrateVirtualMachine", &[of, ("hostid", &current)]).await;
    assert!(why.starts_with("VM is not Running, unable to migrate the vm "), "{why}");
}

#[tokio::test(start_paused = true)]
async fn where_there_is_one_host_a_machine_can_move_nowhere() {
    let config = ZoneConfig { hosts: 1, ..ZoneConfig::simulated_time() };
    let world = kit::world_with(config, Latencies::default(), Capacity::default()).await;
    let (admin, user) = (world.admin(), world.user());
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let auto = [("virtualmachineid", machine.as_str()), ("autoselect", "true")];
    let (code, why) = admin.fails("migrateVirtualMachine", &auto).await;
    assert_eq!((code, why.as_str()), (530, "Unable to find a server to migrate the vm to"));
}
