//! Domains, accounts, users and projects.

use serde_json::json;

use crate::kit::{self, text};

#[tokio::test(start_paused = true)]
async fn a_domain_admin_sees_and_does_everything_in_its_domain_and_nothing_beside_it() {
    let world = kit::world().await;
    let admin = world.admin();
    let domain = text(&admin.call("createDomain", &[("name", "sales")]).await["domain"]["id"]);
    assert_eq!(admin.refused("createDomain", &[("name", "SALES")]).await.0, 431);
    let in_domain = [("domainid", domain.as_str())];
    let head = admin.account("head", &[in_domain[0], ("accounttype", "2")]).await;
    let clerk = head.account("clerk", &in_domain).await;
    let network = clerk.network("n").await;
    let seen = head.only("listNetworks", "network", &[("listall", "true")]).await;
    assert_eq!((&seen["id"], &seen["domainpath"]), (&json!(network), &json!("ROOT/sales")));
    assert_eq!(world.user().call("listNetworks", &[("listall", "true")]).await, json!({}));
    let theirs = text(&world.user().only("listAccounts", "account", &[]).await["id"]);
    assert_eq!(head.refused("updateAccount", &[("id", &theirs), ("newname", "mine")]).await.0, 531);
    assert_eq!(head.refused("createServiceOffering", &[("name", "x")]).await.0, 432);
    assert_eq!(admin.fails("deleteDomain", &[("id", &domain)]).await.0, 530, "it is not empty");
    admin.run("deleteDomain", &[("id", &domain), ("cleanup", "true")]).await;
    assert_eq!(clerk.ask("listNetworks", &[]).await.status, 401);
    assert_eq!(admin.call("listDomains", &[("name", "sales")]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_network_domain_is_a_domain_or_refused_wherever_one_is_given() {
    let world = kit::world().await;
    let admin = world.admin();
    let network = world.user().network("n").await;
    let account = text(&world.user().only("listAccounts", "account", &[]).await["id"]);
    let domain = text(&admin.call("createDomain", &[("name", "sales")]).await["domain"]["id"]);
    let zone = admin.zone_id().await;
    let isolated = [("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")];
    let offering = text(&admin.only("listNetworkOfferings", "networkoffering", &isolated).await["id"]);
    let long = format!("{0}.{0}.{0}", "a".repeat(63));
    let before = world.user().only("listNetworks", "network", &[]).await["networkdomain"].clone();
    for bad in ["x\nconf-script=/bin/sh", "x\raddn-hosts=/etc/shadow", "a b", "-a", "a..b", "a_b", "ä", &long]
    {
        let wanted = ("networkdomain", bad);
        let person =
            [("password", "p"), ("email", "e"), ("firstname", "f"), ("lastname", "l"), ("username", "new")];
        let person: Vec<_> = person.into_iter().chain([wanted]).collect();
        let made = [("name", "x"), ("zoneid", zone.as_str()), ("networkofferingid", &offering), wanted];
        for (command, parameters) in [
            ("createNetwork", made.as_slice()),
            ("createAccount", &person),
            ("updateAccount", &[("id", &account), wanted]),
            ("createDomain", &[("name", "below"), wanted]),
            ("updateDomain", &[("id", &domain), wanted]),
        ] {
            let (code, finer, said) = admin.refused(command, parameters).await;
            assert_eq!((code, finer), (431, Some(4350)), "{command} {bad:?}: {said}");
            assert!(said.starts_with("Invalid network domain. Total length"), "{command} {bad:?}: {said}");
        }
        let (code, said) = world.user().fails("updateNetwork", &[("id", &network), wanted]).await;
        assert_eq!((code, said.starts_with("Invalid network domain. Total length")), (431, true), "{said}");
    }
    assert_eq!(world.user().only("listNetworks", "network", &[]).await["networkdomain"], before);
    assert_eq!(admin.call("listNetworks", &[]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_network_is_in_its_account_s_domain_or_in_that_of_the_innermost_domain_that_has_one() {
    let world = kit::world().await;
    let admin = world.admin();
    let outer = [("name", "sales"), ("networkdomain", "sales.example")];
    let outer = text(&admin.call("createDomain", &outer).await["domain"]["id"]);
    let inner = [("name", "team"), ("parentdomainid", outer.as_str())];
    let inner = text(&admin.call("createDomain", &inner).await["domain"]["id"]);
    let clerk = admin.account("clerk", &[("domainid", &inner)]).await;
    let domain_of = async |name| {
        let network = clerk.network(name).await;
        clerk.only("listNetworks", "network", &[("id", &network)]).await["networkdomain"].clone()
    };
    assert_eq!(domain_of("a").await, "sales.example");
    let id = text(&clerk.only("listAccounts", "account", &[]).await["id"]);
    admin.call("updateAccount", &[("id", &id), ("networkdomain", "clerk.example")]).await;
    assert_eq!(domain_of("b").await, "clerk.example");
    admin.call("updateAccount", &[("id", &id), ("networkdomain", "")]).await;
    admin.call("updateDomain", &[("id", &outer), ("networkdomain", "")]).await;
    assert!(domain_of("c").await.as_str().is_some_and(|domain| domain.ends_with("cloud.internal")));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_disabled_is_not_known_any_more() {
    let world = kit::world().await;
    let admin = world.admin();
    let clerk = admin.account("clerk", &[]).await;
    let network = clerk.network("n").await;
    let machine = clerk.deploy(&network, "m", &[]).await;
    let id = text(&clerk.only("listAccounts", "account", &[]).await["id"]);
    admin.run("disableAccount", &[("id", &id), ("lock", "false")]).await;
    assert_eq!(clerk.ask("listZones", &[]).await.status, 401);
    let stopped = admin.only("listVirtualMachines", "virtualmachine", &[("id", &machine)]).await;
    assert_eq!(stopped["state"], json!("Stopped"));
    admin.call("enableAccount", &[("id", &id)]).await;
    let user = clerk.only("listUsers", "user", &[]).await;
    let second = [
        ("account", "clerk"),
        ("username", "second"),
        ("password", "p"),
        ("email", "e"),
        ("firstname", "f"),
        ("lastname", "l"),
        ("domainid", user["domainid"].as_str().expect("an id")),
    ];
    let second = text(&admin.call("createUser", &second).await["user"]["id"]);
    assert_eq!(clerk.call("listUsers", &[]).await["count"], json!(2));
    admin.run("disableUser", &[("id", user["id"].as_str().expect("an id"))]).await;
    assert_eq!(clerk.ask("listZones", &[]).await.status, 401);
    admin.call("deleteUser", &[("id", &second)]).await;
    admin.run("deleteAccount", &[("id", &id)]).await;
    assert_eq!(admin.call("listVirtualMachines", &[("listall", "true")]).await, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_project_s_things_are_its_members_and_go_with_it() {
    let world = kit::two_accounts().await;
    let (user, other) = (world.user(), world.caller("other"));
    assert_eq!(user.call("listProjects", &[]).await, json!({}));
    assert_eq!(user.call("listNetworks", &[("projectid", "-1")]).await, json!({}));
    let project = text(&user.run("createProject", &[("name", "p"), ("displaytext", "P")]).await.0["id"]);
    let of = [("projectid", project.as_str())];
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBd0Ox2nq4HlBWQ0OqlU4WgnNR0AXVWZ4vd8RTB2pQ3b";
    let made = user.call("registerSSHKeyPair", &[("name", "k"), ("publickey", key), of[0]]).await;
    assert_eq!((&made["keypair"]["project"], made["keypair"].get("account")), (&json!("p"), None));
    assert_eq!(user.call("listSSHKeyPairs", &[]).await, json!({}), "it is not the account's");
    assert_eq!(user.call("listSSHKeyPairs", &of).await["count"], json!(1));
    assert_eq!(user.call("listSSHKeyPairs", &[("projectid", "-1")]).await["count"], json!(1));
    assert_eq!(other.refused("listSSHKeyPairs", &of).await.0, 531);
    user.run("addAccountToProject", &[of[0], ("account", "other")]).await;
    assert_eq!(other.call("listSSHKeyPairs", &of).await["count"], json!(1));
    assert_eq!(user.call("listProjectAccounts", &of).await["count"], json!(2));
    assert_eq!(other.refused("deleteProject", &[("id", &project)]).await.0, 531);
    user.run("deleteProject", &[("id", &project), ("cleanup", "true")]).await;
    assert_eq!(other.call("listProjects", &[]).await, json!({}));
}

/// An account's second user: what it deploys is told to be its own, and not the first user's.
#[tokio::test(start_paused = true)]
async fn a_machine_is_its_deployer_s_and_is_called_the_same_in_lists_and_refusals() {
    let world = kit::world().await;
    let (admin, user) = (world.admin(), world.user());
    let second = [
        ("username", "second"),
        ("password", "secret"),
        ("email", "x@example.org"),
        ("firstname", "A"),
        ("lastname", "B"),
        ("account", "mesostack"),
    ];
    let second = text(&admin.call("createUser", &second).await["user"]["id"]);
    let keys = admin.call("registerUserKeys", &[("id", &second)]).await["userkeys"].clone();
    let mut other = user.clone();
    other.keys.api_key = text(&keys["apikey"]);
    other.keys.secret_key = text(&keys["secretkey"]).into();
    let network = user.network("n").await;
    let mine = user.deploy(&network, "first", &[]).await;
    let theirs = other.deploy(&network, "second", &[]).await;
    let told = user.only("listVirtualMachines", "virtualmachine", &[("id", &theirs)]).await;
    assert_eq!((&told["userid"], &told["username"]), (&json!(second), &json!("second")));
    let told = user.only("listVirtualMachines", "virtualmachine", &[("userid", &second)]).await;
    assert_eq!(told["id"], json!(theirs));
    let listed = admin.only("listVirtualMachines", "virtualmachine", &[("id", &mine)]).await;
    let name = listed["instancename"].as_str().expect("a name");
    let (_, said) = user.fails("updateVMAffinityGroup", &[("id", &mine), ("affinitygroupids", "")]).await;
    assert!(said.contains(&format!("\"instanceName\":\"{name}\"")), "{name}: {said}");
    for (keyword, count) in [("Running", json!(2)), ("Runnin", json!(null)), (name, json!(1))] {
        let found = user.call("listVirtualMachines", &[("keyword", keyword)]).await;
        assert_eq!(found["count"], count, "{keyword}");
    }
}
