//! Lists: what an empty one is, pages and their limits, filters, and ids that nothing has.

use serde_json::Value;

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::{UNKNOWN, refusal};
use crate::finding::{Verdict, differs, has, hold, is, lacks, shown, skipped, text};
use crate::stage::{Keep, Stage};

const NOTHING: &str = "00000000-0000-0000-0000-000000000000";

behaviours! { "lists":
    nothing_found "A list that finds nothing is an empty object: no count, no array",
        Recorded("empty: listVirtualMachines, listNetworks, listSSHKeyPairs, listAffinityGroups, listVolumes"), [];
    page_alone "`page` needs `pagesize`",
        Recorded("error: page without pagesize"), [];
    size_alone "`pagesize` needs `page`",
        Recorded("error: pagesize without page"), [];
    size_too_large "`pagesize` has a maximum, which the refusal tells",
        Recorded("error: pagesize above max"), [];
    size_unlimited "`pagesize=-1` and `page` exclude each other",
        Recorded("error: pagesize minus 1"), [];
    total_count "A page's count is that of all matches, and pages do not overlap",
        Recorded("listVirtualMachines, page 1 of; page 2 of"), ["listOsTypes"];
    page_zero "Page 0 is the first page",
        Recorded("page 0"), ["listOsTypes"];
    beyond_the_end "A page beyond the end has the count and no array",
        Recorded("page beyond end; listVirtualMachines, page beyond"), ["listOsTypes"];
    size_zero "`pagesize=0` gives the count and no array",
        Recorded("pagesize 0"), ["listOsTypes"];
    unknown_ids "An id that nothing has is refused, in a list as anywhere, with the text that clients search for",
        Recorded("error: unknown uuid, of six commands"), [];
    malformed_ids "An id that is none is refused like one that nothing has",
        Recorded("error: malformed uuid, listVirtualMachines"), [];
    empty_filter "A filter without a value finds nothing, rather than everything",
        Recorded("empty parameter"), ["createNetwork"];
    whole_names "`name` is the whole name, in any case; `keyword` is a part of it",
        Recorded("listNetworks by name; listNetworks, keyword; value case, listVirtualMachines name"), ["createNetwork"];
    removed_things "The id of something that was removed is no error: the list is empty",
        Recorded("listNetworks, deleted"), ["createNetwork", "deleteNetwork"];
    no_project "`projectid=-1` is no error for who is in no project",
        Recorded("Terraform plan and apply"), [];
    offering_by_name "Offerings are found by their whole names",
        Recorded("listNetworkOfferings by name"), [];
    offering_capabilities "An offering tells what was chosen of its services, and a network what its router can do",
        Recorded("listNetworkOfferings by name; listNetworks"), ["createNetwork"];
    states_as_keywords "`keyword` finds machines by their whole state, and not by a part of it",
        Read("QueryManagerImpl, searchForUserVMs"), ["listVirtualMachines"];
    os_type_by_description "OS types are found by their description",
        Recorded("listOsTypes, description"), ["listOsTypes"];
    capabilities_alone "Capabilities are one object without a count",
        Recorded("listCapabilities"), [];
    apis_tell_all "listApis tells of each command its parameters and reply fields, and whether it is a job",
        Recorded("listApis by name"), [];
    template_filter "listTemplates needs a filter, knows which there are, and gives users no `all`",
        Recorded("error: listTemplates, no filter; bad filter; all as user"), [];
    own_account "A user's list of accounts has that user's alone, its limits as texts",
        Recorded("listAccounts; listUsers"), [];
    limits_by_type "Resource limits come by type, the type a text and the maximum a number",
        Recorded("listResourceLimits"), ["listResourceLimits"];
    affinity_types "Affinity group types include host affinity and anti-affinity",
        Recorded("listAffinityGroupTypes"), ["listAffinityGroupTypes"];
    operator_lists "What stands below the zone is listed for root admins: a pod, a cluster, a storage pool",
        Recorded("listStoragePools, admin; listHosts, admin"), [];
    operator_lists_of_users "Users have no list of pods, clusters, storage pools, capacities or settings",
        Recorded("error: listHosts, as user"), [];
    capacities "A capacity comes by type, a number, with what is used and what there is as numbers, and the share as a text",
        Read("CapacityResponse; ManagementServerImpl, listCapacities"), [];
    events_by_page "Events come in pages from the newest on, and on each page the oldest comes first",
        Recorded("listEvents"), ["createNetwork"];
    own_domain "A list of the things of a domain that is the user's own has the user's own",
        Read("AccountManagerImpl, buildACLSearchParameters"), ["createNetwork"];
    settings "A setting comes with its value and its default, both texts",
        Recorded("listConfigurations, page size"), [];
}

async fn operator_lists(stage: &Stage) -> Verdict {
    let admin = stage.admin()?;
    for (command, key) in
        [("listPods", "pod"), ("listClusters", "cluster"), ("listStoragePools", "storagepool")]
    {
        let found = admin.list(command, key, &[]).await?;
        let first = found.first().ok_or_else(|| differs(format!("{command} to find one"), "nothing"))?;
        has(first, &["id", "name", "zoneid", "zonename"])?;
    }
    Ok(())
}

async fn operator_lists_of_users(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    for command in ["listPods", "listClusters", "listStoragePools", "listCapacity", "listConfigurations"] {
        let wanted = refusal(432, 9999, "does not exist or is not available for the account");
        stage.user.send(command, &[]).await?.refused_under("errorresponse", wanted)?;
    }
    Ok(())
}

async fn events_by_page(stage: &Stage) -> Verdict {
    for _ in 0..2 {
        stage.network(&[], Keep::Behaviour).await?;
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    let times = async |number: &str| -> Verdict<Vec<String>> {
        let page = [("page", number), ("pagesize", "2")];
        let events = stage.user.list("listEvents", "event", &page).await?;
        events.iter().map(|event| text(event, "created").map(str::to_owned)).collect()
    };
    let (newer, older) = (times("1").await?, times("2").await?);
    let told = format!("{newer:?}, then {older:?}");
    hold(newer.is_sorted() && older.is_sorted(), "the oldest first on a page", &told)?;
    hold(older.last() <= newer.first(), "the newest page first", &told)
}

async fn own_domain(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    let network = stage.network(&[], Keep::Behaviour).await?;
    let of_domain = [("domainid", text(&network, "domainid")?), ("keyword", text(&network, "name")?)];
    let found = stage.user.only("listNetworks", "network", &of_domain).await?;
    is(&found, "id", text(&network, "id")?)
}

async fn capacities(stage: &Stage) -> Verdict {
    let admin = stage.admin()?;
    let of_zone = [("type", "4"), ("zoneid", stage.ground.zone.as_str())];
    let addresses = admin.only("listCapacity", "capacity", &of_zone).await?;
    is(&addresses, "type", 4)?;
    text(&addresses, "percentused")?;
    let numbers = addresses["capacityused"].is_u64() && addresses["capacitytotal"].is_u64();
    hold(numbers, "`capacityused` and `capacitytotal` as numbers", &addresses)
}

async fn settings(stage: &Stage) -> Verdict {
    let admin = stage.admin()?;
    let page = [("name", "default.page.size")];
    let page = admin.only("listConfigurations", "configuration", &page).await?;
    for field in ["value", "defaultvalue", "category", "description"] {
        text(&page, field)?;
    }
    hold(page["isdynamic"].is_boolean(), "`isdynamic` as a boolean", &page)
}

async fn nothing_found(stage: &Stage) -> Verdict {
    let name = stage.name();
    for (command, filter) in [
        ("listVirtualMachines", vec![("name", name.as_str())]),
        ("listNetworks", vec![("keyword", name.as_str())]),
        ("listSSHKeyPairs", vec![("name", name.as_str())]),
        ("listAffinityGroups", vec![("name", name.as_str())]),
        ("listVolumes", vec![("name", name.as_str())]),
        ("listTemplates", vec![("templatefilter", "self"), ("name", name.as_str())]),
    ] {
        let inside = stage.user.ask(command, &filter).await?;
        hold(inside == serde_json::json!({}), format!("{command}: {{}}"), inside)?;
    }
    Ok(())
}

async fn page_alone(stage: &Stage) -> Verdict {
    let wanted = refusal(431, 9999, "\"pagesize\" parameter is required when \"page\" is specified");
    stage.user.refused("listVirtualMachines", &[("page", "1")], wanted).await.map(drop)
}

async fn size_alone(stage: &Stage) -> Verdict {
    let wanted = refusal(431, 9999, "\"page\" parameter is required when \"pagesize\" is specified");
    stage.user.refused("listVirtualMachines", &[("pagesize", "2")], wanted).await.map(drop)
}

async fn size_too_large(stage: &Stage) -> Verdict {
    let wanted = refusal(431, 4350, "Page size can't exceed max allowed page size value: ");
    let page = [("page", "1"), ("pagesize", "1000000")];
    stage.user.refused("listVirtualMachines", &page, wanted).await.map(drop)
}

async fn size_unlimited(stage: &Stage) -> Verdict {
    let wanted = refusal(431, 4350, "Can't specify page parameter when pagesize is -1 (Unlimited)");
    let page = [("page", "1"), ("pagesize", "-1")];
    stage.user.refused("listVirtualMachines", &page, wanted).await.map(drop)
}

/// A page of the OS types, of which every server has some.
async fn page(stage: &Stage, page: &str, size: &str) -> Verdict<Value> {
    stage.user.ask("listOsTypes", &[("page", page), ("pagesize", size)]).await
}

async fn os_types(stage: &Stage) -> Verdict<u64> {
    let all = stage.user.ask("listOsTypes", &[]).await?;
    let count = all["count"].as_u64().unwrap_or_default();
    if count < 3 { Err(skipped("the server has fewer than three OS types")) } else { Ok(count) }
}

async fn total_count(stage: &Stage) -> Verdict {
    let count = os_types(stage).await?;
    let mut seen = std::collections::BTreeSet::new();
    for number in ["1", "2"] {
        let page = page(stage, number, "1").await?;
        hold(page["count"] == count, format!("a count of {count}"), &page)?;
        let things = page["ostype"].as_array().cloned().unwrap_or_default();
        hold(things.len() == 1, "one thing on a page of one", &page)?;
        seen.extend(things.iter().filter_map(|thing| thing["id"].as_str().map(str::to_owned)));
    }
    hold(seen.len() == 2, "two things on two pages of one", format!("{seen:?}"))
}

async fn page_zero(stage: &Stage) -> Verdict {
    os_types(stage).await?;
    let (zero, one) = (page(stage, "0", "2").await?, page(stage, "1", "2").await?);
    hold(zero == one, "page 0 is page 1", zero)
}

async fn beyond_the_end(stage: &Stage) -> Verdict {
    let count = os_types(stage).await?;
    let beyond = page(stage, "100000", "2").await?;
    hold(beyond == serde_json::json!({ "count": count }), format!("{{\"count\":{count}}}"), beyond)
}

async fn size_zero(stage: &Stage) -> Verdict {
    let count = os_types(stage).await?;
    let none = page(stage, "1", "0").await?;
    hold(none == serde_json::json!({ "count": count }), format!("{{\"count\":{count}}}"), none)
}

async fn unknown_ids(stage: &Stage) -> Verdict {
    for (command, parameter, more) in [
        ("listVirtualMachines", "id", None),
        ("listNetworks", "id", None),
        ("listTemplates", "id", Some(("templatefilter", "executable"))),
        ("listPortForwardingRules", "ipaddressid", None),
        ("listLoadBalancerRuleInstances", "id", None),
        ("queryAsyncJobResult", "jobid", None),
        ("startVirtualMachine", "id", None),
        ("deleteNetwork", "id", None),
    ] {
        if !stage.ground.commands.contains(command) {
            continue;
        }
        let mut parameters = vec![(parameter, NOTHING)];
        parameters.extend(more);
        let said = stage.user.refused(command, &parameters, UNKNOWN).await?;
        let begins = format!(
            "Unable to execute API command {} due to invalid value. Invalid parameter {parameter} value={NOTHING} ",
            command.to_lowercase()
        );
        hold(said.starts_with(&begins), begins, said)?;
    }
    Ok(())
}

async fn malformed_ids(stage: &Stage) -> Verdict {
    stage.user.refused("listVirtualMachines", &[("id", "not-a-uuid")], UNKNOWN).await.map(drop)
}

async fn empty_filter(stage: &Stage) -> Verdict {
    let network = &stage.asleep().await?.network;
    let all = stage.user.list("listVirtualMachines", "virtualmachine", &[("networkid", network)]).await?;
    hold(!all.is_empty(), "a machine in the network", "none")?;
    let none = stage.user.ask("listVirtualMachines", &[("networkid", network), ("name", "")]).await?;
    hold(none == serde_json::json!({}), "{}", none)
}

async fn whole_names(stage: &Stage) -> Verdict {
    let network = stage.network(&[], Keep::Behaviour).await?;
    let (id, name) = (text(&network, "id")?, text(&network, "name")?);
    let found = async |filter: &str, value: &str| {
        let found = stage.user.list("listNetworks", "network", &[(filter, value)]).await?;
        Ok(found.iter().any(|network| network["id"] == id))
    };
    let part = &name[..name.len() - 1];
    hold(found("name", name).await?, "found by its name", "not found")?;
    hold(found("name", &name.to_uppercase()).await?, "found by its name in capitals", "not found")?;
    hold(!found("name", part).await?, "not found by a part of its name", "found")?;
    hold(found("keyword", part).await?, "found by a part of its name as keyword", "not found")
}

async fn removed_things(stage: &Stage) -> Verdict {
    let network = stage.network(&[], Keep::Behaviour).await?;
    let id = text(&network, "id")?;
    let result = stage.user.run("deleteNetwork", &[("id", id)]).await?;
    hold(result == serde_json::json!({ "success": true }), "{\"success\":true}", result)?;
    let none = stage.user.ask("listNetworks", &[("id", id)]).await?;
    hold(none == serde_json::json!({}), "{}", none)
}

async fn no_project(stage: &Stage) -> Verdict {
    stage.user.ask("listNetworks", &[("projectid", "-1")]).await.map(drop)
}

async fn offering_capabilities(stage: &Stage) -> Verdict {
    let name = stage.ground.network_offering_name.as_str();
    let offering = stage.user.only("listNetworkOfferings", "networkoffering", &[("name", name)]).await?;
    let network = stage.network(&[], Keep::Behaviour).await?;
    let found = [("id", text(&network, "id")?)];
    let network = stage.user.only("listNetworks", "network", &found).await?;
    let service = |of: &Value, name: &str| {
        let services = of["service"].as_array().into_iter().flatten();
        services.clone().find(|service| service["name"] == name).cloned()
    };
    for name in ["Dns", "Firewall"] {
        if let Some(chosen) = service(&offering, name) {
            lacks(&chosen, &["capability"])?;
            let can = service(&network, name).unwrap_or_default();
            let some = can["capability"].as_array().is_some_and(|all| !all.is_empty());
            hold(some, format!("capabilities of the network's {name}"), &can)?;
        }
    }
    Ok(())
}

async fn states_as_keywords(stage: &Stage) -> Verdict {
    let machine = stage.asleep().await?.machine.as_str();
    for (keyword, found) in [("Stopped", true), ("Stoppe", false)] {
        let wanted = [("keyword", keyword), ("page", "1"), ("pagesize", "500")];
        let listed = stage.user.list("listVirtualMachines", "virtualmachine", &wanted).await?;
        let there = listed.iter().any(|one| one["id"] == machine);
        hold(there == found, format!("{keyword}: the stopped machine found: {found}"), there)?;
    }
    Ok(())
}

async fn offering_by_name(stage: &Stage) -> Verdict {
    let name = stage.ground.network_offering_name.as_str();
    let offering = stage.user.only("listNetworkOfferings", "networkoffering", &[("name", name)]).await?;
    has(
        &offering,
        &["id", "name", "displaytext", "guestiptype", "traffictype", "state", "service", "forvpc"],
    )?;
    let services: Vec<&str> = offering["service"]
        .as_array()
        .map(|services| services.iter().filter_map(|service| service["name"].as_str()).collect())
        .unwrap_or_default();
    let all = ["Dhcp", "Dns", "SourceNat", "PortForwarding", "Lb", "Firewall", "StaticNat", "UserData"];
    hold(
        all.iter().all(|service| services.contains(service)),
        format!("the services {all:?}"),
        format!("{services:?}"),
    )
}

async fn os_type_by_description(stage: &Stage) -> Verdict {
    os_types(stage).await?;
    let some = stage.user.list("listOsTypes", "ostype", &[("page", "1"), ("pagesize", "1")]).await?;
    let Some(some) = some.first() else { return Err(skipped("no OS type")) };
    has(some, &["id", "name", "oscategoryid", "description", "isuserdefined"])?;
    let (id, description) = (text(some, "id")?, text(some, "description")?);
    let found = stage.user.list("listOsTypes", "ostype", &[("description", description)]).await?;
    hold(found.iter().any(|found| found["id"] == id), "found by its description", shown(&found))
}

async fn capabilities_alone(stage: &Stage) -> Verdict {
    let inside = stage.user.ask("listCapabilities", &[]).await?;
    lacks(&inside, &["count"])?;
    let capability = &inside["capability"];
    let named =
        ["cloudstackversion", "allowuserexpungerecovervm", "userpublictemplateenabled", "defaultuipagesize"];
    has(capability, &named)?;
    hold(capability["supportELB"].is_string(), "`supportELB` as a text", capability)
}

async fn apis_tell_all(stage: &Stage) -> Verdict {
    for (command, job) in [("deployVirtualMachine", true), ("listZones", false), ("createNetwork", false)] {
        let api = stage.user.only("listApis", "api", &[("name", command)]).await?;
        has(&api, &["name", "description", "isasync", "params", "response"])?;
        hold(api["isasync"] == job, format!("{command} is a job: {job}"), &api["isasync"])?;
        let first = &api["params"][0];
        has(first, &["name", "description", "type", "required"])?;
        // A real server has empty objects among the fields, in an order that changes with each start.
        let fields = api["response"].as_array().map(Vec::as_slice).unwrap_or_default();
        let first = fields.iter().find(|field| field.get("name").is_some()).unwrap_or(&Value::Null);
        has(first, &["name", "description", "type"])?;
    }
    Ok(())
}

async fn template_filter(stage: &Stage) -> Verdict {
    let missing = refusal(431, 9999, "due to missing parameter templatefilter");
    stage.user.refused("listTemplates", &[], missing).await?;
    let answer = stage.user.send("listTemplates", &[("templatefilter", "nonsense")]).await?;
    hold(answer.status == 431, "431 for an unknown filter", answer.summary())?;
    if stage.ground.root_admin {
        return Ok(());
    }
    let all = refusal(431, 4350, "Filter all can be specified by admin only");
    stage.user.refused("listTemplates", &[("templatefilter", "all")], all).await.map(drop)
}

async fn own_account(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    let account = stage.user.only("listAccounts", "account", &[("listall", "true")]).await?;
    hold(account["name"] == stage.ground.account.as_str(), &stage.ground.account, &account["name"])?;
    hold(account["vmlimit"].is_string(), "`vmlimit` as a text", &account["vmlimit"])?;
    hold(account["vmtotal"].is_u64(), "`vmtotal` as a number", &account["vmtotal"])?;
    hold(account["accounttype"] == 0, "`accounttype` 0", &account["accounttype"])?;
    let user = stage.user.only("listUsers", "user", &[]).await?;
    hold(user["account"] == account["name"], &account["name"], &user["account"])?;
    lacks(&user, &["secretkey", "password"])
}

async fn limits_by_type(stage: &Stage) -> Verdict {
    let limits = stage.user.list("listResourceLimits", "resourcelimit", &[]).await?;
    for kind in ["0", "1", "2", "4", "6", "8", "9"] {
        let limit = limits.iter().find(|limit| limit["resourcetype"] == kind);
        let right = limit.is_some_and(|limit| limit["max"].is_i64() && limit["resourcetypename"].is_string());
        hold(right, format!("a limit of type \"{kind}\" with a number as its maximum"), shown(&limits))?;
    }
    let one = stage.user.only("listResourceLimits", "resourcelimit", &[("resourcetype", "0")]).await?;
    hold(one["resourcetypename"] == "user_vm", "user_vm", &one["resourcetypename"])
}

async fn affinity_types(stage: &Stage) -> Verdict {
    let types = stage.user.list("listAffinityGroupTypes", "affinityGroupType", &[]).await?;
    for wanted in ["host anti-affinity", "host affinity"] {
        hold(types.iter().any(|found| found["type"] == wanted), wanted, shown(&types))?;
    }
    Ok(())
}
