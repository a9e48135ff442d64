//! Machines: deployed, started, stopped, changed, destroyed.

use std::time::Duration;

use devcloud::driver::Driver;
use devcloud::simulator::{Capacity, Latencies, Operation};
use devcloud::{Method, Request, ZoneConfig};
use serde_json::json;

use crate::kit::{self, borrowed, inside, text};

const MASKED: &str = "Internal error executing command, please contact your system administrator";

#[tokio::test(start_paused = true)]
async fn names_are_host_names_and_unique_in_their_network_domain() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let attempt = |name: String| {
        let (user, network) = (user.clone(), network.clone());
        async move {
            let parameters = user.machine(&network, &name).await;
            user.refused("deployVirtualMachine", &borrowed(&parameters, &[("startvm", "false")])).await
        }
    };
    for bad in ["1st", "a_b", "-a", "a-", &"a".repeat(64)] {
        let (status, finer, why) = attempt(bad.to_owned()).await;
        assert_eq!((status, finer), (431, Some(9999)));
        assert!(
            why.contains("Invalid value provided for API arg: name - it can contain ASCII letters"),
            "{why}"
        );
    }
    user.deploy(&network, "web", &[("startvm", "false")]).await;
    let (status, finer, why) = attempt("web".to_owned()).await;
    assert_eq!((status, finer), (431, Some(4350)));
    assert!(why.starts_with("The vm with hostName web already exists in the network domain: cs"), "{why}");
    assert!(why.ends_with("cloud.internal; network=n"), "{why}");
    user.deploy(&network, "WEB", &[("startvm", "false")]).await;
    let found = user.call("listVirtualMachines", &[("name", "Web")]).await;
    assert_eq!(found["count"], json!(2), "filters match in any case");
    assert_eq!(user.call("listVirtualMachines", &[("name", "we")]).await, json!({}), "and whole names only");
    assert_eq!(user.call("listVirtualMachines", &[("keyword", "we")]).await["count"], json!(2));
    let unnamed = user.machine(&network, "x").await;
    let unnamed: Vec<(&str, &str)> =
        borrowed(&unnamed, &[("startvm", "false")]).into_iter().filter(|(n, _)| *n != "name").collect();
    let (made, result) = user.run("deployVirtualMachine", &unnamed).await;
    assert_eq!(result["virtualmachine"]["name"], json!(format!("VM-{}", text(&made["id"]))));
}

/// As recorded: a deployment that goes wrong inside after the machine was written down leaves it in `Error`.
#[tokio::test(start_paused = true)]
async fn a_machine_whose_deployment_is_refused_inside_stays_in_error_with_nothing_but_its_record() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let network = user.network("n").await;
    let key = [("name", "k"), ("publickey", kit::PUBLIC_KEY)];
    user.call("registerSSHKeyPair", &key).await;
    let parameters = user.machine(&network, "m").await;
    let refused = borrowed(&parameters, &[("ipaddress", "172.16.0.1"), ("keypair", "k"), ("group", "g")]);
    let reply = user.send("deployVirtualMachine", &refused).await;
    assert_eq!((reply.status, &inside(&reply)["uuidList"]), (530, &json!([])), "as recorded");
    let shown = user.only("listVirtualMachines", "virtualmachine", &[]).await;
    let id = text(&shown["id"]);
    assert_eq!(user.only("listVirtualMachines", "virtualmachine", &[("state", "Error")]).await, shown);
    assert_eq!((&shown["state"], &shown["name"], &shown["nic"]), (&json!("Error"), &json!("m"), &json!([])));
    assert_eq!(shown["details"]["deployvm"], json!("true"));
    assert_eq!(shown["created"], shown["lastupdated"]);
    for missing in ["ipaddress", "rootdeviceid", "rootdevicetype", "pooltype", "hostcontrolstate"] {
        assert_eq!(shown.get(missing), None, "{missing}");
    }
    let of_admin = admin.only("listVirtualMachines", "virtualmachine", &[("id", &id)]).await;
    assert_eq!((&of_admin["state"], of_admin.get("hostname")), (&json!("Error"), None));
    assert_eq!(user.call("listVolumes", &[]).await, json!({}));
    let account = user.only("listAccounts", "account", &[]).await;
    let counted = ["vmtotal", "vmrunning", "vmstopped", "cputotal", "volumetotal"];
    assert!(counted.iter().all(|count| account[*count] == json!(0)), "{account}");
    assert!(world.driver.running().await.expect("it is told").is_empty());
    // Its name is free: it is in no network. It can't be used, and goes when it is destroyed.
    let again = borrowed(&parameters, &[("startvm", "false")]);
    let other = text(&user.run("deployVirtualMachine", &again).await.0["id"]);
    assert_eq!(user.fails("startVirtualMachine", &[("id", &id)]).await.0, 530);
    user.run("destroyVirtualMachine", &[("id", &other), ("expunge", "true")]).await;
    let template = user.template_id().await;
    let (code, why) = admin.fails("deleteTemplate", &[("id", &template)]).await;
    assert_eq!(code, 431, "{why}");
    assert!(why.contains("[1] VM instances using it"), "{why}");
    user.run("deleteNetwork", &[("id", &network)]).await;
    user.run("destroyVirtualMachine", &[("id", &id)]).await;
    assert_eq!(admin.call("listVirtualMachines", &[("listall", "true")]).await, json!({}));
    admin.run("deleteTemplate", &[("id", &template)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_static_address_is_checked_before_the_answer() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    user.deploy(&network, "first", &[("startvm", "false"), ("ipaddress", "172.16.0.20")]).await;
    let parameters = user.machine(&network, "second").await;
    for taken in ["172.16.0.20", "172.16.0.1", "172.16.0.0", "172.16.0.255", "10.0.0.1"] {
        let deploy = borrowed(&parameters, &[("ipaddress", taken)]);
        assert_eq!(
            user.refused("deployVirtualMachine", &deploy).await,
            (530, Some(0), MASKED.to_owned()),
            "{taken}"
        );
        let of_user = [&deploy[..], &[("account", "mesostack"), ("domainid", "1")]].concat();
        let (_, _, why) = world.admin().refused("deployVirtualMachine", &of_user).await;
        assert!(why.starts_with("Unable to acquire Guest IP address for network Network {"), "{why}");
    }
    assert_eq!(
        user.refused("deployVirtualMachine", &borrowed(&parameters, &[("ipaddress", "172.16.0.999")])).await,
        (431, Some(4350), "Invalid specified IPv4 address 172.16.0.999".to_owned())
    );
    let malformed = user.call("listVirtualMachines", &[]).await;
    assert_eq!(
        malformed["count"],
        json!(11),
        "those refused for their address, and nothing of the malformed one"
    );
    let listed: Vec<(&str, &str)> =
        borrowed(&parameters, &[]).into_iter().filter(|(name, _)| *name != "networkids").collect();
    let more = [
        ("iptonetworklist[0].networkid", network.as_str()),
        ("iptonetworklist[0].ip", "172.16.0.52"),
        ("startvm", "false"),
    ];
    let (_, made) = user.run("deployVirtualMachine", &[listed, more.to_vec()].concat()).await;
    assert_eq!(made["virtualmachine"]["nic"][0]["ipaddress"], json!("172.16.0.52"));
    let (_, made) = user
        .run(
            "deployVirtualMachine",
            &borrowed(&user.machine(&network, "third").await, &[("startvm", "false")]),
        )
        .await;
    assert_eq!(made["virtualmachine"]["ipaddress"], json!("172.16.0.2"), "without one, the lowest free");
}

#[tokio::test(start_paused = true)]
async fn a_machine_has_the_fields_and_types_clients_read() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let key = "ssh-ed25519 AAAAC3NzaC1yc2EAAAADAQABAAAAIJ0000000000000000000000000000000000000000 x";
    assert_eq!(
        user.refused("registerSSHKeyPair", &[("name", "bad"), ("publickey", key)]).await.2,
        "Public key is invalid"
    );
    let machine =
        user.deploy(&network, "m", &[("userdata", "aGVsbG8="), ("displayname", "The machine")]).await;
    let found = user.only("listVirtualMachines", "virtualmachine", &[("id", &machine)]).await;
    assert_eq!(
        (&found["state"], &found["hostcontrolstate"], &found["displayname"]),
        (&json!("Running"), &json!("Enabled"), &json!("The machine"))
    );
    assert_eq!(
        (&found["cpunumber"], &found["memory"], &found["rootdeviceid"]),
        (&json!(1), &json!(512), &json!(0))
    );
    assert_eq!(
        (&found["securitygroup"], &found["affinitygroup"], &found["tags"]),
        (&json!([]), &json!([]), &json!([]))
    );
    assert_eq!((&found["nic"][0]["deviceid"], &found["nic"][0]["isdefault"]), (&json!("0"), &json!(true)));
    for absent in ["userdata", "hostname", "instancename", "jobid", "keypairs"] {
        assert!(found.get(absent).is_none(), "{absent}");
    }
    let with =
        user.only("listVirtualMachines", "virtualmachine", &[("id", &machine), ("userdata", "true")]).await;
    assert_eq!(with["userdata"], json!("aGVsbG8="));
    let data = user.call("getVirtualMachineUserData", &[("virtualmachineid", &machine)]).await;
    assert_eq!(
        data,
        json!({ "virtualmachineuserdata": { "virtualmachineid": machine, "userdata": "aGVsbG8=" } })
    );
    let volume =
        user.only("listVolumes", "volume", &[("virtualmachineid", &machine), ("type", "ROOT")]).await;
    assert_eq!(
        (&volume["deviceid"], &volume["size"], &volume["state"]),
        (&json!(0), &json!(2_u64 << 30), &json!("Ready"))
    );
    let nic = user.only("listNics", "nic", &[("virtualmachineid", &machine)]).await;
    assert_eq!(nic["macaddress"], found["nic"][0]["macaddress"]);
    assert_eq!(user.refused("listVirtualMachines", &[("details", "nonsense")]).await.0, 431);
    let state = |state: &'static str| {
        let user = user.clone();
        async move { user.call("listVirtualMachines", &[("state", state)]).await }
    };
    assert_eq!(state("running").await["count"], json!(1));
    assert_eq!(state("nonsense").await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn guests_are_told_who_they_are() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBd0Ox2nq4HlBWQ0OqlU4WgnNR0AXVWZ4vd8RTB2pQ3b someone@somewhere";
    let made = user.call("registerSSHKeyPair", &[("name", "k"), ("publickey", key)]).await;
    assert_eq!(made["keypair"]["fingerprint"].as_str().map(str::len), Some(47));
    assert!(made["keypair"].get("privatekey").is_none());
    let machine = user.deploy(&network, "m", &[("keypair", "k"), ("userdata", "I2Nsb3VkLWNvbmZpZw==")]).await;
    let router = world.driver.router(network.parse().expect("an id")).expect("it stands");
    let guest = &router.guests[0];
    assert_eq!(guest.user_data.as_deref(), Some(&b"#cloud-config"[..]));
    let metadata: std::collections::BTreeMap<&str, &str> =
        guest.metadata.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
    let public = user.only("listPublicIpAddresses", "publicipaddress", &[]).await["ipaddress"].clone();
    let bare_key = key.rsplit_once(' ').expect("a comment").0;
    for (name, value) in [
        ("instance-id", machine.as_str()),
        ("vm-id", machine.as_str()),
        ("local-hostname", "m"),
        ("local-ipv4", "172.16.0.2"),
        ("public-ipv4", public.as_str().expect("an address")),
        ("public-hostname", public.as_str().expect("an address")),
        ("service-offering", "t1.small"),
        ("availability-zone", "devcloud"),
        ("public-keys", bare_key),
    ] {
        assert_eq!(metadata.get(name), Some(&value), "{name}");
    }
    assert!(metadata["cloud-identifier"].starts_with("CloudStack-{"));
    let again = [("name", "k2"), ("publickey", key)];
    let (_, _, why) = user.refused("registerSSHKeyPair", &again).await;
    assert_eq!(why, format!("A key pair with key '{bare_key}' already exists for this account."));
    user.call("deleteSSHKeyPair", &[("name", "k")]).await;
    let found = user.only("listVirtualMachines", "virtualmachine", &[]).await;
    assert_eq!(found["keypairs"], json!("k"), "a machine keeps what it was made with");
    let (_, _, why) = user.refused("deleteSSHKeyPair", &[("name", "k")]).await;
    assert_eq!(why, "A key pair with name 'k' does not exist for account mesostack in specified domain id");
}

#[tokio::test]
async fn a_made_key_pair_comes_as_the_server_s_do() {
    let world = kit::world().await;
    let user = world.user();
    let made = user.call("createSSHKeyPair", &[("name", "made")]).await["keypair"].clone();
    let pem = text(&made["privatekey"]);
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"), "{}", &pem[..40]);
    let key = russh::keys::decode_secret_key(&pem, None).expect("a key that clients can read");
    let found = user.only("listSSHKeyPairs", "sshkeypair", &[("name", "made")]).await;
    assert_eq!(found["fingerprint"], made["fingerprint"]);
    assert!(found.get("privatekey").is_none() && found.get("publickey").is_none());
    assert_eq!(key.algorithm(), russh::keys::Algorithm::Rsa { hash: None });
    let (status, finer, why) = user.refused("createSSHKeyPair", &[("name", "made")]).await;
    assert_eq!(
        (status, finer, why.as_str()),
        (431, Some(4350), "A key pair with name 'made' already exists.")
    );
}

#[tokio::test(start_paused = true)]
async fn user_data_is_limited_by_how_it_comes() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let deploy = |name: &'static str, data: String| {
        let (user, network) = (user.clone(), network.clone());
        async move {
            let parameters = user.machine(&network, name).await;
            user.send(
                "deployVirtualMachine",
                &borrowed(&parameters, &[("userdata", &data), ("startvm", "false")]),
            )
            .await
        }
    };
    assert_eq!(deploy("fits", "AAAA".repeat(8192)).await.status, 200);
    let refused = deploy("long", "AAAA".repeat(8193)).await;
    assert_eq!(inside(&refused)["errortext"], json!("User data has exceeded configurable max length: 32768"));
    assert_eq!(
        inside(&deploy("odd", "not base64!".to_owned()).await)["errortext"],
        json!("User data is not base64 encoded.")
    );
    let parameters = user.machine(&network, "got").await;
    let data = "AAAA".repeat(1100);
    let mut all = vec![("command", "deployVirtualMachine")];
    all.extend(borrowed(&parameters, &[("userdata", &data)]));
    let mut get = Request::get(kit::signed(&user.keys, &all));
    get.method = Method::Get;
    let reply = world.zone.handle(get).await;
    assert_eq!(inside(&reply)["errortext"], json!("User data is too long for http GET request"));
}

#[tokio::test(start_paused = true)]
async fn what_is_named_has_to_be_there() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let parameters = user.machine(&network, "m").await;
    let with = |more: &[(&'static str, &'static str)]| borrowed(&parameters, more);
    assert_eq!(
        user.refused("deployVirtualMachine", &with(&[("keypair", "none")])).await.2,
        "Not all specified keypairs exist"
    );
    assert_eq!(user.refused("deployVirtualMachine", &with(&[("hostid", "1")])).await.0, 531);
    assert_eq!(user.refused("deployVirtualMachine", &with(&[("details[0].memory", "9")])).await.0, 431);
    let without = |name: &'static str| -> Vec<(&str, &str)> {
        with(&[]).into_iter().filter(|(n, _)| *n != name).collect()
    };
    assert_eq!(
        user.refused("deployVirtualMachine", &without("templateid")).await,
        (530, Some(4250), MASKED.to_owned())
    );
    let (_, _, why) = user.refused("deployVirtualMachine", &without("serviceofferingid")).await;
    assert_eq!(
        why,
        "Unable to execute API command deployvirtualmachine due to missing parameter serviceofferingid"
    );
    user.network("n2").await;
    let (_, _, why) = user.refused("deployVirtualMachine", &without("networkids")).await;
    assert!(why.starts_with("More than 1 default Isolated networks are found for Account"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn states_refuse_what_makes_no_sense_in_them() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let id = [("id", machine.as_str())];
    let (code, why) = user.fails("startVirtualMachine", &id).await;
    assert_eq!((code, why), (431, format!("The virtual machine {machine} (m) is already running")));
    let (status, _, why) = user
        .refused(
            "changeServiceForVirtualMachine",
            &[id[0], ("serviceofferingid", &user.offering_id("t1.medium").await)],
        )
        .await;
    assert_eq!(status, 431);
    assert!(why.ends_with("in state Running; make sure the Instance is stopped"), "{why}");
    assert_eq!(user.fails("updateVMAffinityGroup", &[id[0], ("affinitygroupids", "")]).await.0, 431);
    user.run("rebootVirtualMachine", &id).await;
    let (_, stopped) = user.run("stopVirtualMachine", &id).await;
    assert_eq!(stopped["virtualmachine"]["state"], json!("Stopped"));
    assert!(stopped["virtualmachine"].get("hostcontrolstate").is_none());
    user.run("stopVirtualMachine", &id).await;
    let (code, why) = user.fails("rebootVirtualMachine", &id).await;
    assert_eq!((code, why), (431, format!("The Instance {machine} (m) is not running, unable to reboot it")));
    let changed = user
        .call(
            "changeServiceForVirtualMachine",
            &[id[0], ("serviceofferingid", &user.offering_id("t1.medium").await)],
        )
        .await;
    assert_eq!(changed["virtualmachine"]["cpunumber"], json!(2));
    user.run("startVirtualMachine", &id).await;
    assert_eq!(world.driver.machine(machine.parse().expect("an id")).expect("it runs").processors, 2);
    let (code, _) = user.fails("expungeVirtualMachine", &id).await;
    assert_eq!(code, 530);
    user.call("updateVirtualMachine", &[id[0], ("deleteprotection", "true")]).await;
    assert_eq!(user.refused("destroyVirtualMachine", &id).await.0, 431);
    user.call(
        "updateVirtualMachine",
        &[id[0], ("deleteprotection", "false"), ("displayname", "new"), ("userdata", "aGk=")],
    )
    .await;
    let router = world.driver.router(network.parse().expect("an id")).expect("it stands");
    assert_eq!(router.guests[0].user_data.as_deref(), Some(&b"hi"[..]), "the router tells it from now on");
    user.run("destroyVirtualMachine", &id).await;
    let recovered = user.call("recoverVirtualMachine", &id).await;
    assert_eq!(recovered["virtualmachine"]["state"], json!("Stopped"));
    user.run("startVirtualMachine", &id).await;
}

#[tokio::test(start_paused = true)]
async fn anti_affinity_is_kept_as_far_as_there_are_hosts() {
    let config = ZoneConfig { hosts: 2, ..ZoneConfig::simulated_time() };
    let world = kit::world_with(config, Latencies::NONE, Capacity::default()).await;
    let user = world.user();
    let network = user.network("n").await;
    let (group, _) =
        user.run("createAffinityGroup", &[("name", "apart"), ("type", "host anti-affinity")]).await;
    let group = text(&group["id"]);
    let apart = [("affinitygroupids", group.as_str())];
    let first = user.deploy(&network, "a", &apart).await;
    user.deploy(&network, "b", &apart).await;
    let parameters = user.machine(&network, "c").await;
    let (code, why) = user.fails("deployVirtualMachine", &borrowed(&parameters, &apart)).await;
    assert_eq!(code, 533);
    assert!(why.starts_with("No destination found for a deployment for VM instance {"), "{why}");
    assert!(
        why.ends_with(
            ", Please check the affinity groups provided, there may not be sufficient capacity to follow them"
        ),
        "{why}"
    );
    let listed = user.only("listAffinityGroups", "affinitygroup", &[("id", &group)]).await;
    assert_eq!(listed["virtualmachineIds"].as_array().map(Vec::len), Some(3));
    user.run("stopVirtualMachine", &[("id", &first)]).await;
    user.deploy(&network, "d", &apart).await;
    let (code, _) = user.fails("startVirtualMachine", &[("id", &first)]).await;
    assert_eq!(code, 533);
    assert_eq!(
        user.machine_state(&first).await,
        "Stopped",
        "a start that fails leaves a machine that was made before stopped"
    );
    user.run("updateVMAffinityGroup", &[("id", &first), ("affinitygroupids", "")]).await;
    user.run("startVirtualMachine", &[("id", &first)]).await;
    let (status, _, why) =
        user.refused("createAffinityGroup", &[("name", "apart"), ("type", "host affinity")]).await;
    assert_eq!(
        (status, why.as_str()),
        (431, "Unable to create affinity group, a group with name apart already exists.")
    );
    let (_, _, why) = user.refused("createAffinityGroup", &[("name", "x"), ("type", "nonsense")]).await;
    assert!(
        why.starts_with("Unable to create affinity group, invalid affinity group type: nonsense."),
        "{why}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_host_and_a_failing_one_leave_machines_in_error() {
    let capacity = Capacity { machines: Some(1), ..Capacity::default() };
    let world = kit::world_with(ZoneConfig::simulated_time(), Latencies::NONE, capacity).await;
    let user = world.user();
    let network = user.network("n").await;
    world.driver.fail(Operation::Start, 1);
    let parameters = user.machine(&network, "failing").await;
    let (code, why) = user.fails("deployVirtualMachine", &borrowed(&parameters, &[])).await;
    assert_eq!(code, 530);
    assert!(why.starts_with("Unable to start a VM ["), "{why}");
    user.deploy(&network, "fits", &[]).await;
    let parameters = user.machine(&network, "no-room").await;
    let (code, _) = user.fails("deployVirtualMachine", &borrowed(&parameters, &[])).await;
    assert_eq!(code, 533, "in a job nothing is masked");
    assert_eq!(user.call("listVirtualMachines", &[("state", "Error")]).await["count"], json!(2));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_ends_by_itself_is_stopped() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(user.machine_state(&machine).await, "Running");
    world.driver.power_off(machine.parse().expect("an id"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(user.machine_state(&machine).await, "Stopped");
    user.run("startVirtualMachine", &[("id", &machine)]).await;
}

#[tokio::test(start_paused = true)]
async fn where_users_may_not_expunge_only_time_or_an_admin_does() {
    let config = ZoneConfig {
        users_may_expunge: false,
        expunge_delay: Duration::from_secs(60),
        ..ZoneConfig::simulated_time()
    };
    let world = kit::world_with(config, Latencies::NONE, Capacity::default()).await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let id = [("id", machine.as_str())];
    let (code, why) = user.fails("destroyVirtualMachine", &[id[0], ("expunge", "true")]).await;
    assert_eq!((code, why.as_str()), (530, "Account does not have permission for expunging."));
    assert_eq!(user.machine_state(&machine).await, "Running");
    user.run("destroyVirtualMachine", &id).await;
    assert_eq!(user.fails("expungeVirtualMachine", &id).await.0, 530);
    assert_eq!(user.refused("recoverVirtualMachine", &id).await.0, 531);
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(world.admin().call("listVirtualMachines", &[("listall", "true")]).await, json!({}));
}
