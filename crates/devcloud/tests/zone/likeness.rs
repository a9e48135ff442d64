//! What an audit against a real CloudStack's recorded replies found different here, each behaviour by its sentence.

use devcloud::driver::EgressDefault;
use devcloud::simulator::{Capacity, Latencies};
use devcloud::{Limits, ZoneConfig};
use serde_json::{Value, json};

use crate::kit::{self, text};

fn names(listed: &Value, object: &str) -> Vec<String> {
    listed[object].as_array().into_iter().flatten().map(|thing| text(&thing["name"])).collect()
}

#[tokio::test(start_paused = true)]
async fn of_a_machine_only_the_groups_that_are_asked_for_are_told() {
    let world = kit::world().await;
    let user = world.user();
    let network = user.network("n").await;
    user.deploy(&network, "m", &[]).await;
    let asked = async |details: &'static str| {
        user.only("listVirtualMachines", "virtualmachine", &[("details", details)]).await
    };
    let least = asked("min").await;
    for absent in [
        "templateid",
        "templatename",
        "templateformat",
        "passwordenabled",
        "isos",
        "serviceofferingid",
        "cpunumber",
        "memory",
        "rootdeviceid",
        "ipaddress",
    ] {
        assert!(least.get(absent).is_none(), "{absent} is told: {least}");
    }
    assert_eq!((&least["nic"], &least["affinitygroup"]), (&json!([]), &json!([])));
    assert_eq!((&least["name"], &least["state"]), (&json!("m"), &json!("Running")));
    let some = asked("nics,stats").await;
    assert!(some["ipaddress"].is_string() && some["memory"].is_u64() && some["nic"][0].is_object(), "{some}");
    assert!(some.get("templateid").is_none() && some.get("serviceofferingid").is_none(), "{some}");
    let all = user.only("listVirtualMachines", "virtualmachine", &[]).await;
    assert_eq!(asked("min,all").await, all);
    assert!(all["templateid"].is_string());
    assert_eq!(user.refused("listVirtualMachines", &[("details", "everything")]).await.0, 431);
}

#[tokio::test(start_paused = true)]
async fn where_things_lie_and_came_from_is_for_root_admins_and_owners() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    user.run("stopVirtualMachine", &[("id", &machine)]).await;
    let volume = user.only("listVolumes", "volume", &[]).await;
    let seen_by_admin = admin.only("listVolumes", "volume", &[("listall", "true")]).await;
    for field in ["storagetype", "hypervisor", "storage"] {
        assert!(volume.get(field).is_none(), "{field} is told: {volume}");
        assert!(seen_by_admin[field].is_string(), "{field} is not told: {seen_by_admin}");
    }
    let featured = [("templatefilter", "featured")];
    let template = user.only("listTemplates", "template", &featured).await;
    assert!(template.get("status").is_none(), "{template}");
    assert_eq!(admin.only("listTemplates", "template", &featured).await["status"], "Download Complete");
    let made = [
        ("name", "own"),
        ("displaytext", "own"),
        ("volumeid", volume["id"].as_str().expect("an id")),
        ("ostypeid", "1"),
    ];
    user.run("createTemplate", &made).await;
    let own = user.only("listTemplates", "template", &[("templatefilter", "self")]).await;
    assert_eq!(own["status"], "Download Complete");
}

#[tokio::test(start_paused = true)]
async fn a_network_takes_another_offering_where_that_serves_what_it_uses_and_refuses_what_is_not_served() {
    let world = kit::world().await;
    let (user, admin) = (world.user(), world.admin());
    let offering = async |name: &'static str, services: &[&'static str]| {
        let listed = services.join(",");
        let mut wanted = vec![
            ("name".to_owned(), name),
            ("displaytext".to_owned(), name),
            ("guestiptype".to_owned(), "Isolated"),
            ("traffictype".to_owned(), "Guest"),
            ("supportedservices".to_owned(), listed.as_str()),
            ("egressdefaultpolicy".to_owned(), "true"),
            ("enable".to_owned(), "true"),
        ];
        for (number, service) in services.iter().enumerate() {
            wanted.push((format!("serviceproviderlist[{number}].service"), service));
            wanted.push((format!("serviceproviderlist[{number}].provider"), "VirtualRouter"));
        }
        let wanted: Vec<(&str, &str)> = wanted.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        text(&admin.call("createNetworkOffering", &wanted).await["networkoffering"]["id"])
    };
    let all = ["Dhcp", "Dns", "UserData", "SourceNat", "Firewall", "Lb", "PortForwarding", "StaticNat"];
    let open = offering("open", &all).await;
    let bare = offering("bare", &all[..5]).await;
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    let id = ("id", network.as_str());
    let egress = || world.driver.router(network.parse().expect("an id")).expect("it stands").egress_default;
    assert_eq!(egress(), EgressDefault::Deny);
    let moved = [id, ("networkofferingid", open.as_str()), ("displaytext", "moved")];
    let (_, moved) = user.run("updateNetwork", &moved).await;
    assert_eq!(
        (&moved["network"]["networkofferingid"], &moved["network"]["egressdefaultpolicy"]),
        (&json!(open), &json!(true))
    );
    assert_eq!(moved["network"]["displaytext"], "moved");
    assert_eq!(egress(), EgressDefault::Allow, "the router was told");
    let address = user.address(&network).await;
    user.run("createPortForwardingRule", &kit::ssh_forward(&address, &machine)).await;
    let (code, why) = user.fails("updateNetwork", &[id, ("networkofferingid", &bare)]).await;
    assert_eq!(
        (code, why.starts_with("Can't upgrade from network offering open to bare")),
        (431, true),
        "{why}"
    );
    admin.call("updateNetworkOffering", &[("id", &bare), ("state", "Disabled")]).await;
    assert_eq!(user.fails("updateNetwork", &[id, ("networkofferingid", &bare)]).await.0, 431);
    for refused in [
        ("guestvmcidr", "172.16.0.0/25"),
        ("changecidr", "true"),
        ("dns1", "9.9.9.9"),
        ("dns2", "9.9.9.9"),
        ("sourcenatipaddress", "198.18.0.9"),
        ("publicmtu", "1400"),
        ("hideipaddressusage", "true"),
    ] {
        let (code, why) = user.fails("updateNetwork", &[id, refused, ("displaytext", "x")]).await;
        assert_eq!((code, why.contains(refused.0)), (431, true), "{why}");
    }
    let after = user.only("listNetworks", "network", &[]).await;
    assert_eq!((&after["displaytext"], &after["networkofferingid"]), (&json!("moved"), &json!(open)));
}

#[tokio::test(start_paused = true)]
async fn the_newest_networks_and_firewall_rules_come_first_and_events_within_a_page_as_they_happened() {
    let world = kit::world().await;
    let user = world.user();
    for name in ["a", "b", "c"] {
        user.network(name).await;
    }
    assert_eq!(names(&user.call("listNetworks", &[]).await, "network"), ["c", "b", "a"]);
    let network = text(&user.call("listNetworks", &[("name", "a")]).await["network"][0]["id"]);
    let address = user.address(&network).await;
    for port in ["1", "2", "3"] {
        let rule = [("ipaddressid", address.as_str()), ("protocol", "tcp"), ("startport", port)];
        user.run("createFirewallRule", &rule).await;
        let rule = [("networkid", network.as_str()), ("protocol", "tcp"), ("startport", port)];
        user.run("createEgressFirewallRule", &rule).await;
    }
    for list in ["listFirewallRules", "listEgressFirewallRules"] {
        let found = user.call(list, &[]).await;
        let ports: Vec<_> =
            found["firewallrule"].as_array().expect("rules").iter().map(|r| &r["startport"]).collect();
        assert_eq!(ports, [3, 2, 1], "{list}");
    }
    let page = async |number: &'static str| {
        let page = [("page", number), ("pagesize", "4")];
        let found = user.call("listEvents", &page).await;
        let created = found["event"].as_array().expect("events").iter().map(|event| text(&event["id"]));
        created.collect::<Vec<_>>()
    };
    let (newest, older) = (page("1").await, page("2").await);
    let whole = user.call("listEvents", &[]).await;
    let whole: Vec<String> =
        whole["event"].as_array().expect("events").iter().map(|event| text(&event["id"])).collect();
    assert_eq!([older, newest].concat(), whole[whole.len() - 8..]);
    let types = user.call("listOsTypes", &[]).await;
    let listed = names(&types, "ostype");
    assert!(listed.is_sorted(), "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_a_domain_s_things_has_those_of_its_accounts_and_of_those_below_when_asked() {
    let world = kit::world().await;
    let admin = world.admin();
    let outer = text(&admin.call("createDomain", &[("name", "outer")]).await["domain"]["id"]);
    let below = [("name", "inner"), ("parentdomainid", outer.as_str())];
    let inner = text(&admin.call("createDomain", &below).await["domain"]["id"]);
    let root = text(&world.user().only("listUsers", "user", &[]).await["domainid"]);
    let head = admin.account("head", &[("domainid", &outer), ("accounttype", "2")]).await;
    let clerk = admin.account("clerk", &[("domainid", &inner)]).await;
    head.network("of head").await;
    clerk.network("of clerk").await;
    world.user().network("of user").await;
    let seen = async |caller: &kit::Caller, parameters: &[(&str, &str)]| {
        names(&caller.call("listNetworks", parameters).await, "network")
    };
    assert_eq!(seen(&admin, &[("domainid", &outer)]).await, ["of head"]);
    let whole = [("domainid", outer.as_str()), ("isrecursive", "true")];
    assert_eq!(seen(&admin, &whole).await, ["of clerk", "of head"]);
    assert_eq!(seen(&head, &whole).await, ["of clerk", "of head"]);
    assert_eq!(seen(&head, &[("domainid", &inner)]).await, ["of clerk"]);
    assert_eq!(seen(&admin, &[("domainid", &root)]).await, ["of user"]);
    assert_eq!(seen(&admin, &[("domainid", "1")]).await, ["of user"], "the server's own number of ROOT");
    assert_eq!(seen(&clerk, &[("domainid", &inner), ("listall", "true")]).await, ["of clerk"]);
    for (caller, domain) in [(&head, &root), (&clerk, &outer), (&world.user(), &inner)] {
        assert_eq!(caller.refused("listNetworks", &[("domainid", domain)]).await.0, 531);
    }
}

#[tokio::test(start_paused = true)]
async fn a_domain_s_limits_are_its_own_and_count_for_all_accounts_in_it_and_below() {
    let world = kit::world().await;
    let admin = world.admin();
    let outer = text(&admin.call("createDomain", &[("name", "outer")]).await["domain"]["id"]);
    let below = [("name", "inner"), ("parentdomainid", outer.as_str())];
    let inner = text(&admin.call("createDomain", &below).await["domain"]["id"]);
    let head = admin.account("head", &[("domainid", &outer), ("accounttype", "2")]).await;
    let clerk = admin.account("clerk", &[("domainid", &inner)]).await;
    let networks = ("resourcetype", "6");
    let limit = [networks, ("max", "2"), ("domainid", outer.as_str())];
    let told = admin.call("updateResourceLimit", &limit).await["resourcelimit"].clone();
    assert_eq!((&told["max"], &told["domain"], told.get("account")), (&json!(2), &json!("outer"), None));
    let of = [networks, ("domainid", outer.as_str())];
    assert_eq!(admin.only("listResourceLimits", "resourcelimit", &of).await["max"], 2);
    for (caller, name) in [(&admin, "admin"), (&head, "head"), (&clerk, "clerk")] {
        let own = caller.only("listResourceLimits", "resourcelimit", &[networks]).await;
        assert_eq!(
            (&own["max"] != 2, &own["account"]),
            (true, &json!(name)),
            "nobody's own limit is another"
        );
    }
    head.network("one").await;
    let second = clerk.network("two").await;
    let network = clerk.only("listNetworks", "network", &[("id", &second)]).await;
    let third = [
        ("name", "three"),
        ("zoneid", network["zoneid"].as_str().expect("an id")),
        ("networkofferingid", network["networkofferingid"].as_str().expect("an id")),
    ];
    let (code, _, why) = clerk.refused("createNetwork", &third).await;
    assert_eq!((code, why.contains("for Domain Id = ")), (535, true), "{why}");
    let counted = admin.call("updateResourceCount", &of).await["resourcecount"][0].clone();
    assert_eq!((&counted["resourcecount"], counted.get("account")), (&json!(2), None));
    let inner_limit = [networks, ("max", "9"), ("domainid", inner.as_str())];
    head.call("updateResourceLimit", &inner_limit).await;
    for (caller, domain) in [(&admin, "1"), (&head, outer.as_str())] {
        let refused = [networks, ("max", "9"), ("domainid", domain)];
        assert_eq!(caller.refused("updateResourceLimit", &refused).await.0, 531, "{domain}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_on_what_was_removed_is_begun_and_says_that_it_finds_nothing() {
    let config = ZoneConfig { users_may_expunge: true, ..ZoneConfig::simulated_time() };
    let world = kit::world_with(config, Latencies::default(), Capacity::default()).await;
    let user = world.user();
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    user.run("destroyVirtualMachine", &[("id", &machine), ("expunge", "true")]).await;
    for command in ["destroyVirtualMachine", "startVirtualMachine", "stopVirtualMachine"] {
        let (code, why) = user.fails(command, &[("id", &machine)]).await;
        assert_eq!(
            (code, why.starts_with("unable to find a virtual machine with id ")),
            (431, true),
            "{why}"
        );
    }
    user.run("deleteNetwork", &[("id", &network)]).await;
    for command in ["deleteNetwork", "restartNetwork", "updateNetwork"] {
        let (code, finer, why) = user.refused(command, &[("id", &network)]).await;
        assert_eq!(
            (code, finer, why.starts_with("Networkd ID=")),
            (431, Some(4350), true),
            "of a network at once: {why}"
        );
    }
    let nothing = "00000000-0000-0000-0000-000000000000";
    assert_eq!(user.refused("destroyVirtualMachine", &[("id", nothing)]).await.0, 431, "it never was");
}

#[tokio::test(start_paused = true)]
async fn minus_one_is_no_id_at_all_and_the_zone_s_own_things_have_numbers() {
    let world = kit::world().await;
    let user = world.user();
    let zone = user.zone_id().await;
    let none = ("zoneid", "-1");
    assert_eq!(
        user.only("listTemplates", "template", &[("templatefilter", "featured"), none]).await["zoneid"],
        zone.as_str()
    );
    assert_eq!(user.call("listNetworks", &[none, ("networkofferingid", "-1")]).await, json!({}));
    let template = [
        ("name", "t"),
        ("displaytext", "t"),
        ("format", "QCOW2"),
        ("hypervisor", "Simulator"),
        ("url", "http://example.org/t.qcow2"),
        ("ostypeid", "1"),
        none,
    ];
    assert_eq!(user.call("registerTemplate", &template).await["template"][0]["zoneid"], zone.as_str());
    assert_eq!(user.only("listZones", "zone", &[("id", "1")]).await["id"], zone.as_str());
    let first = text(&user.only("listOsTypes", "ostype", &[("id", "1")]).await["id"]);
    assert_eq!(user.only("listOsTypes", "ostype", &[("id", &first)]).await["id"], first.as_str());
    assert_eq!(user.refused("listZones", &[("id", "2")]).await.0, 431);
    assert_eq!(user.refused("startVirtualMachine", &[("id", "-1")]).await.0, 431);
}

#[tokio::test(start_paused = true)]
async fn users_make_their_templates_public_unless_the_setting_says_no() {
    let world = kit::two_accounts().await;
    let (user, admin) = (world.user(), world.admin());
    let network = user.network("n").await;
    let machine = user.deploy(&network, "m", &[]).await;
    user.run("stopVirtualMachine", &[("id", &machine)]).await;
    let volume = text(&user.only("listVolumes", "volume", &[]).await["id"]);
    let made = [("name", "t"), ("displaytext", "t"), ("volumeid", volume.as_str()), ("ostypeid", "1")];
    let template = text(&user.run("createTemplate", &made).await.0["id"]);
    let community = [("templatefilter", "community")];
    assert_eq!(world.caller("other").call("listTemplates", &community).await, json!({}));
    user.call("updateTemplatePermissions", &[("id", &template), ("ispublic", "true")]).await;
    assert_eq!(
        world.caller("other").only("listTemplates", "template", &community).await["id"],
        template.as_str()
    );
    let capability = |told: Value| told["capability"]["userpublictemplateenabled"].clone();
    assert_eq!(capability(user.call("listCapabilities", &[]).await), true);
    let off = [("name", "allow.public.user.templates"), ("value", "false")];
    admin.call("updateConfiguration", &off).await;
    assert_eq!(capability(user.call("listCapabilities", &[]).await), false);
    let public = [("id", template.as_str()), ("ispublic", "true")];
    assert_eq!(user.refused("updateTemplatePermissions", &public).await.0, 431);
}

#[tokio::test(start_paused = true)]
async fn capabilities_and_accounts_tell_what_the_real_one_tells_to_users_and_to_root_admins() {
    let config =
        ZoneConfig { limits: Limits::CLOUDSTACK, users_may_expunge: false, ..ZoneConfig::simulated_time() };
    let world = kit::world_with(config, Latencies::default(), Capacity::default()).await;
    let (user, admin) = (world.user(), world.admin());
    let told = user.call("listCapabilities", &[]).await["capability"].clone();
    assert_eq!((&told["allowusercreateprojects"], &told["kvmsnapshotenabled"]), (&json!(true), &json!(true)));
    assert_eq!((&told["instancesstatsretentiontime"], told.get("extensionspath")), (&json!(720), None));
    let told = admin.call("listCapabilities", &[]).await["capability"].clone();
    assert_eq!(
        (&told["allowuserexpungerecovervm"], told["extensionspath"].is_string()),
        (&json!(true), true)
    );
    let account = user.only("listAccounts", "account", &[]).await;
    for (field, value) in [
        ("gpulimit", json!("20")),
        ("backupstorageavailable", json!("400")),
        ("buckettotal", json!(0)),
        ("objectstoragelimit", json!("400")),
        ("secondarystorageavailable", json!("400.0")),
    ] {
        assert_eq!(account[field], value, "{field}");
    }
    assert!(account["secondarystoragetotal"].is_f64() && account.get("apikeyaccess").is_none(), "{account}");
    let own = admin.only("listAccounts", "account", &[]).await;
    assert_eq!(
        (&own["apikeyaccess"], &own["secondarystorageavailable"]),
        (&json!("INHERIT"), &json!("Unlimited"))
    );
}
