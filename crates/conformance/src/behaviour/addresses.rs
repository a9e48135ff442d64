//! Public addresses: the first of a sleeping network is its source NAT, and what becomes of them.

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::refusal;
use crate::finding::{Verdict, has, hold, is, lacks, shown, text};
use crate::stage::{Keep, Stage};

behaviours! { "addresses":
    first_is_source_nat "The first address of a network that sleeps is its source NAT; the network still sleeps then",
        Recorded("the cluster's conversation, asleep"), ["associateIpAddress"];
    second_is_not "An address of a network that runs is no source NAT, is Allocating in the result and Allocated in the list",
        Recorded("associateIpAddress; associateIpAddress, second"), ["associateIpAddress"];
    where_to "An address for nowhere is refused",
        Recorded("error: associateIpAddress, no parameter"), ["associateIpAddress"];
    source_nat_stays "A running network's source NAT address is not released: the job says why",
        Recorded("error: disassociateIpAddress, source NAT"), ["disassociateIpAddress"];
    release_takes_rules "A released address takes its rules with it and is listed no more",
        Recorded("disassociateIpAddress, with rules; listPortForwardingRules, after release"),
        ["associateIpAddress", "disassociateIpAddress"];
    release_twice "An address that was released cannot be released again",
        Recorded("error: disassociateIpAddress, again"), ["associateIpAddress", "disassociateIpAddress"];
    free_on_request "Free addresses are listed only when asked for",
        Recorded("listPublicIpAddresses, state Free"), ["listPublicIpAddresses"];
    found_by_address "An address is found by itself, by its id and by its network",
        Recorded("listPublicIpAddresses by address; by id; by network"), ["listPublicIpAddresses"];
    static_nat "Static NAT is switched on at once, shows its machine, and is switched off by a job",
        Read("EnableStaticNatCmd, DisableStaticNatCmd"), ["enableStaticNat", "disableStaticNat"];
    static_nat_of_source_nat "The source NAT address takes no static NAT",
        Read("RulesManagerImpl, isIpReadyForStaticNat"), ["enableStaticNat"];
}

async fn first_is_source_nat(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let address =
        stage.user.only("listPublicIpAddresses", "publicipaddress", &[("id", &asleep.address)]).await?;
    is(&address, "issourcenat", true)?;
    is(&address, "associatednetworkid", asleep.network.as_str())?;
    is(&address, "state", "Allocated")?;
    let network = stage.user.only("listNetworks", "network", &[("id", &asleep.network)]).await?;
    is(&network, "state", "Allocated")
}

async fn second_is_not(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let begun = stage.user.begin("associateIpAddress", &[("networkid", &awake.network)]).await?;
    let end = stage.user.outcome(&begun.job).await?;
    is(&end, "jobstatus", 1)?;
    is(&end, "jobinstancetype", "IpAddress")?;
    let address = &end["jobresult"]["ipaddress"];
    is(address, "issourcenat", false)?;
    is(address, "state", "Allocating")?;
    is(address, "id", begun.id.unwrap_or_default())?;
    let id = text(address, "id")?;
    let listed = stage.user.only("listPublicIpAddresses", "publicipaddress", &[("id", id)]).await?;
    is(&listed, "state", "Allocated")?;
    has(
        &listed,
        &["ipaddress", "zoneid", "associatednetworkname", "isstaticnat", "tags", "forvirtualnetwork"],
    )?;
    stage.user.run("disassociateIpAddress", &[("id", id)]).await.map(drop)
}

async fn where_to(stage: &Stage) -> Verdict {
    let wanted =
        "Unable to figure out zone to assign IP to. Please specify either zoneId, or networkId, or vpcId";
    stage.user.refused("associateIpAddress", &[], refusal(431, 4350, wanted)).await.map(drop)
}

async fn source_nat_stays(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let filter = [("associatednetworkid", awake.network.as_str()), ("issourcenat", "true")];
    let address = stage.user.only("listPublicIpAddresses", "publicipaddress", &filter).await?;
    let wanted = "IP address is used for source nat purposes and can not be disassociated.";
    stage.user.fails("disassociateIpAddress", &[("id", text(&address, "id")?)], 530, wanted).await.map(drop)
}

async fn release_takes_rules(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let address = stage.address(&awake.network).await?;
    let rule = [
        ("ipaddressid", address.as_str()),
        ("protocol", "tcp"),
        ("publicport", "22"),
        ("privateport", "22"),
        ("virtualmachineid", &awake.machine),
    ];
    stage.user.run("createPortForwardingRule", &rule).await?;
    let result = stage.user.run("disassociateIpAddress", &[("id", &address)]).await?;
    is(&result, "success", true)?;
    for (command, key) in
        [("listPortForwardingRules", "portforwardingrule"), ("listFirewallRules", "firewallrule")]
    {
        let rules = stage.user.list(command, key, &[("networkid", &awake.network)]).await?;
        let gone = !rules.iter().any(|rule| rule["ipaddressid"] == address.as_str());
        hold(gone, format!("{command}: none of the released address"), shown(&rules))?;
    }
    let all = stage.user.list("listPublicIpAddresses", "publicipaddress", &[]).await?;
    hold(!all.iter().any(|other| other["id"] == address.as_str()), "not listed", "listed")
}

async fn release_twice(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let address = stage.address(&awake.network).await?;
    stage.user.run("disassociateIpAddress", &[("id", &address)]).await?;
    let answer = stage.user.send("disassociateIpAddress", &[("id", &address)]).await?;
    hold(matches!(answer.status, 530 | 431), "530", answer.summary())
}

async fn free_on_request(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let taken = stage.user.list("listPublicIpAddresses", "publicipaddress", &[]).await?;
    let held = taken.iter().any(|address| address["id"] == asleep.address.as_str());
    hold(held, "the address that was taken", format!("{} others", taken.len()))?;
    let free = |address: &serde_json::Value| address["state"] == "Free";
    hold(!taken.iter().any(free), "none that is Free", "some")?;
    let asked = [("state", "Free"), ("allocatedonly", "false"), ("page", "1"), ("pagesize", "5")];
    let found = stage.user.list("listPublicIpAddresses", "publicipaddress", &asked).await?;
    hold(!found.is_empty() && found.iter().all(free), "Free ones alone", shown(&found))?;
    lacks(&found[0], &["account", "allocated", "associatednetworkid"])
}

async fn found_by_address(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let by_id = [("id", asleep.address.as_str())];
    let address = stage.user.only("listPublicIpAddresses", "publicipaddress", &by_id).await?;
    for filter in [("ipaddress", text(&address, "ipaddress")?), ("associatednetworkid", &asleep.network)] {
        let found = stage.user.only("listPublicIpAddresses", "publicipaddress", &[filter]).await?;
        hold(found["id"] == address["id"], format!("found by {}", filter.0), &found)?;
    }
    Ok(())
}

async fn static_nat(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let address = stage.address(&awake.network).await?;
    let on = [("ipaddressid", address.as_str()), ("virtualmachineid", &awake.machine)];
    let inside = stage.user.ask("enableStaticNat", &on).await?;
    is(&inside, "success", true)?;
    let listed = stage.user.only("listPublicIpAddresses", "publicipaddress", &[("id", &address)]).await?;
    is(&listed, "isstaticnat", true)?;
    is(&listed, "virtualmachineid", awake.machine.as_str())?;
    has(&listed, &["vmipaddress", "virtualmachinename"])?;
    let result = stage.user.run("disableStaticNat", &[("ipaddressid", &address)]).await?;
    is(&result, "success", true)?;
    let listed = stage.user.only("listPublicIpAddresses", "publicipaddress", &[("id", &address)]).await?;
    is(&listed, "isstaticnat", false)?;
    lacks(&listed, &["virtualmachineid"])?;
    stage.user.run("disassociateIpAddress", &[("id", &address)]).await.map(drop)
}

async fn static_nat_of_source_nat(stage: &Stage) -> Verdict {
    let asleep = stage.asleep().await?;
    let machine = stage.stopped(&asleep.network, Keep::Behaviour).await?;
    let on = [("ipaddressid", asleep.address.as_str()), ("virtualmachineid", text(&machine, "id")?)];
    let answer = stage.user.send("enableStaticNat", &on).await?;
    hold(answer.status == 431, "431", answer.summary())
}
