//! Accounts cannot see or touch each other's things, and have no more than their limits.

use devcloud::{Limits, ZoneConfig};
use serde_json::json;

use crate::kit::{self, text};

const NOT_YOURS: &str = "Caller does not have permission to operate with provided resource.";

#[tokio::test(start_paused = true)]
async fn another_account_s_things_are_not_there_in_lists_and_refused_in_writes() {
    let world = kit::two_accounts().await;
    let (mine, theirs) = (world.user(), world.caller("other"));
    let network = mine.network("mine").await;
    let address = mine.address(&network).await;
    let machine = mine.deploy(&network, "m1", &[("startvm", "false")]).await;
    let (job, _) = mine
        .run(
            "createTags",
            &[
                ("resourceids", &machine),
                ("resourcetype", "UserVm"),
                ("tags[0].key", "k"),
                ("tags[0].value", "v"),
            ],
        )
        .await;
    for (list, id) in
        [("listNetworks", &network), ("listPublicIpAddresses", &address), ("listVirtualMachines", &machine)]
    {
        assert_eq!(theirs.call(list, &[("id", id)]).await, json!({}), "{list}");
        assert_eq!(theirs.call(list, &[("listall", "true")]).await, json!({}), "{list}");
    }
    assert_eq!(theirs.call("listTags", &[("resourceid", &machine)]).await, json!({}));
    assert_eq!(theirs.call("listEvents", &[]).await, json!({}));
    assert_eq!(theirs.call("listVolumes", &[]).await, json!({}));
    for (command, parameters) in [
        ("startVirtualMachine", vec![("id", machine.as_str())]),
        ("destroyVirtualMachine", vec![("id", machine.as_str())]),
        ("deleteNetwork", vec![("id", network.as_str())]),
        ("disassociateIpAddress", vec![("id", address.as_str())]),
        (
            "createFirewallRule",
            vec![("ipaddressid", address.as_str()), ("protocol", "tcp"), ("startport", "22")],
        ),
        ("updateVirtualMachine", vec![("id", machine.as_str()), ("displayname", "taken")]),
        ("queryAsyncJobResult", vec![("jobid", job["jobid"].as_str().expect("an id"))]),
        ("getVirtualMachineUserData", vec![("virtualmachineid", machine.as_str())]),
        ("listPublicIpAddresses", vec![("associatednetworkid", network.as_str())]),
        ("listNetworks", vec![("account", "mesostack")]),
    ] {
        assert_eq!(
            theirs.refused(command, &parameters).await,
            (531, Some(4365), NOT_YOURS.to_owned()),
            "{command}"
        );
    }
    let parameters = theirs.machine(&network, "m2").await;
    let (status, _, why) = theirs.refused("deployVirtualMachine", &kit::borrowed(&parameters, &[])).await;
    assert_eq!((status, why), (531, format!("Unable to use network with id= {network}, permission denied")));
    let (code, why) = theirs
        .fails(
            "createTags",
            &[
                ("resourceids", &machine),
                ("resourcetype", "UserVm"),
                ("tags[0].key", "x"),
                ("tags[0].value", "y"),
            ],
        )
        .await;
    assert_eq!((code, why.as_str()), (530, NOT_YOURS), "in a job, a refused permission is an internal error");
}

#[tokio::test(start_paused = true)]
async fn names_are_each_account_s_own_and_a_root_admin_sees_all_when_asked() {
    let world = kit::two_accounts().await;
    for account in ["mesostack", "other"] {
        let caller = world.caller(account);
        caller.network("same").await;
        caller.run("createAffinityGroup", &[("name", "same"), ("type", "host affinity")]).await;
    }
    let admin = world.admin();
    assert_eq!(admin.call("listNetworks", &[]).await, json!({}));
    assert_eq!(admin.call("listNetworks", &[("listall", "true")]).await["count"], json!(2));
    assert_eq!(admin.call("listNetworks", &[("account", "other")]).await["count"], json!(1));
    assert_eq!(admin.refused("listNetworks", &[("account", "nobody")]).await.0, 431);
    assert_eq!(world.user().call("listNetworks", &[("projectid", "-1")]).await, json!({}));
    assert_eq!(world.user().call("listAccounts", &[("listall", "true")]).await["count"], json!(1));
    assert_eq!(admin.call("listAccounts", &[("listall", "true")]).await["count"], json!(3));
}

#[tokio::test(start_paused = true)]
async fn a_made_account_calls_with_the_keys_it_was_given() {
    let world = kit::world().await;
    let admin = world.admin();
    let carol = admin.account("carol", &[]).await;
    assert_eq!(carol.call("listNetworks", &[]).await, json!({}));
    assert_eq!(carol.only("listAccounts", "account", &[]).await["name"], json!("carol"));
    let me = admin.call("getUser", &[("userapikey", &carol.keys.api_key)]).await;
    assert_eq!(me["user"]["username"], json!("carol"));
    assert!(me["user"].get("secretkey").is_none());
    let other = text(&world.user().only("listUsers", "user", &[]).await["id"]);
    assert_eq!(carol.refused("getUserKeys", &[("id", &other)]).await.0, 531);
}

#[tokio::test(start_paused = true)]
async fn an_account_has_no_more_than_its_limits() {
    let limits = Limits { machines: 2, networks: 1, public_addresses: 1, ..Limits::CLOUDSTACK };
    let config = ZoneConfig { limits, ..ZoneConfig::simulated_time() };
    let world = kit::world_with(config, Default::default(), Default::default()).await;
    let user = world.user();
    let network = user.network("n").await;
    user.address(&network).await;
    for name in ["a", "b"] {
        user.deploy(&network, name, &[("startvm", "false")]).await;
    }
    let parameters = user.machine(&network, "c").await;
    let parameters = kit::borrowed(&parameters, &[]);
    let (status, finer, why) = user.refused("deployVirtualMachine", &parameters).await;
    assert_eq!((status, finer), (535, Some(4370)));
    assert_eq!(
        why,
        "Maximum amount of resources of Type = 'user_vm', tag = 'null' for Account Name = mesostack in Domain Id = 1 is \
         exceeded: Account Resource Limit = 2, Current Account Resource Amount = 2, Current Account Resource Reservation = 0, \
         Requested Resource Amount = 1."
    );
    assert_eq!(user.refused("associateIpAddress", &[("networkid", &network)]).await.0, 535);
    let listed = user.only("listResourceLimits", "resourcelimit", &[("resourcetype", "0")]).await;
    assert_eq!((&listed["resourcetype"], &listed["max"]), (&json!("0"), &json!(2)));
    assert_eq!(user.refused("updateResourceLimit", &[("resourcetype", "0"), ("max", "9")]).await.0, 432);
    let domain = text(&listed["domainid"]);
    let raised =
        [("resourcetype", "0"), ("max", "-1"), ("account", "mesostack"), ("domainid", domain.as_str())];
    world.admin().call("updateResourceLimit", &raised).await;
    user.run("deployVirtualMachine", &parameters).await;
}
