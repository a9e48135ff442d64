//! Networks: what they are like before anything runs in them, when they come up, and when they can be deleted.

use serde_json::Value;

use super::Source::{Read, Recorded};
use super::behaviours;
use crate::answer::refusal;
use crate::finding::{Verdict, has, hold, is, lacks, shown, text};
use crate::made::Kind;
use crate::stage::{Keep, Stage};

behaviours! { "networks":
    created_at_once "A network is made at once, is Allocated, and has its range from gateway and netmask",
        Recorded("createNetwork"), ["createNetwork"];
    names_not_unique "Two networks may have the same name and the same range",
        Recorded("createNetwork, duplicate name"), ["createNetwork"];
    default_range "A network without a range gets one of the zone's, and its name as display text where it has none",
        Recorded("createNetwork, no address"), ["createNetwork"];
    private_ranges "A public range is refused for a network",
        Recorded("error: createNetwork, public range"), ["createNetwork"];
    network_address "A gateway that is its network's own address is refused",
        Read("NetworkServiceImpl, createGuestNetwork"), ["createNetwork"];
    domain_checked "A network's domain is labels of letters, digits and hyphens, or the network is refused",
        Read("NetworkServiceImpl, createGuestNetwork; NetUtils, verifyDomainName"), ["createNetwork"];
    deleted_twice "The job of a network that was removed is not begun: it is refused at once",
        Read("DeleteNetworkCmd, getEntityOwnerId"), ["createNetwork", "deleteNetwork"];
    newest_first "The newest network is listed first",
        Recorded("listNetworks; listNetworks, keyword"), ["createNetwork"];
    changed_in_a_job "A network's text is changed in a job, and a domain that is none is refused there",
        Read("NetworkServiceImpl, updateGuestNetwork"), ["createNetwork", "updateNetwork"];
    odd_netmask "A netmask with a hole is refused",
        Recorded("error: createNetwork, bad netmask"), ["createNetwork"];
    allocated_until_started "A network stays Allocated while its machines are only deployed, and has no router's address",
        Recorded("the cluster's conversation, asleep"), ["createNetwork", "deployVirtualMachine"];
    implemented_by_a_machine "A network is Implemented once a machine runs in it, and has a source NAT address then",
        Recorded("deployVirtualMachine, network's timeline; listPublicIpAddresses, source NAT"), ["createNetwork", "deployVirtualMachine"];
    restart_needs_running "A network that is Allocated cannot be restarted: the job says in which states it could",
        Recorded("error: restartNetwork, allocated"), ["restartNetwork"];
    restart "A restart of a running network ends with success alone",
        Recorded("restartNetwork"), ["restartNetwork"];
    delete_with_machines "A network with a machine in it is not deleted: the job fails without a reason",
        Recorded("error: deleteNetwork, with VMs; with running VM"), ["deleteNetwork"];
    delete_with_destroyed "A network is not deleted while a destroyed machine of it waits to be expunged",
        Recorded("error: deleteNetwork, with destroyed VM"), ["deleteNetwork", "destroyVirtualMachine"];
    delete_forced "Only root admins delete a network by force",
        Recorded("error: deleteNetwork, with running VM, forced"), ["deleteNetwork"];
    delete_cleans_up "A deleted network takes its addresses, rules and balancers with it",
        Recorded("deleteNetwork, never implemented"), ["deleteNetwork", "associateIpAddress", "createFirewallRule"];
    offering_must_exist "A network of an offering that is not there is refused",
        Recorded("error: unknown uuid"), ["createNetwork"];
    offering_disabled "An offering that a root admin makes is disabled at first, and no network is made of it before it is enabled",
        Read("CreateNetworkOfferingCmd; NetworkOrchestrator, createGuestNetwork"), [];
    offering_in_use "An offering that a network is of is not deleted, only disabled",
        Read("ConfigurationManagerImpl, deleteNetworkOffering"), [];
}

async fn deleted_twice(stage: &Stage) -> Verdict {
    let network = stage.network(&[], Keep::Behaviour).await?;
    let id = [("id", text(&network, "id")?)];
    stage.user.run("deleteNetwork", &id).await?;
    stage.user.refused("deleteNetwork", &id, refusal(431, 4350, "doesn't exist")).await.map(drop)
}

async fn newest_first(stage: &Stage) -> Verdict {
    let mut made = Vec::new();
    for _ in 0..3 {
        let network = stage.network(&[], Keep::Behaviour).await?;
        made.push(text(&network, "id")?.to_owned());
        // The server dates them by the second.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    let listed = stage.user.list("listNetworks", "network", &[]).await?;
    let ids = listed.iter().filter_map(|network| network["id"].as_str());
    let ours: Vec<&str> = ids.filter(|id| made.iter().any(|made| made == id)).collect();
    made.reverse();
    hold(ours == made, format!("the newest first: {made:?}"), format!("{ours:?}"))
}

async fn changed_in_a_job(stage: &Stage) -> Verdict {
    let network = stage.network(&[], Keep::Behaviour).await?;
    let id = text(&network, "id")?;
    let updated = stage.user.run("updateNetwork", &[("id", id), ("displaytext", "told anew")]).await?;
    is(&updated["network"], "displaytext", "told anew")?;
    let wrong = [("id", id), ("networkdomain", "-no-")];
    stage.user.fails("updateNetwork", &wrong, 431, "Invalid network domain").await.map(drop)
}

async fn domain_checked(stage: &Stage) -> Verdict {
    for bad in ["two words", "-leading.example", "line\nbreak"] {
        let name = stage.name();
        let parameters = [
            ("name", name.as_str()),
            ("displaytext", &name),
            ("zoneid", &stage.ground.zone),
            ("networkofferingid", &stage.ground.network_offering),
            ("networkdomain", bad),
        ];
        let wanted = refusal(431, 4350, "Invalid network domain");
        stage.user.refused("createNetwork", &parameters, wanted).await?;
    }
    let network = stage.network(&[("networkdomain", "conform.example")], Keep::Behaviour).await?;
    is(&network, "networkdomain", "conform.example")
}

/// An offering of isolated networks with all that a virtual router does.
async fn offering(stage: &Stage, enabled: &str) -> Verdict<Value> {
    let services = ["Dhcp", "Dns", "UserData", "SourceNat", "Firewall", "Lb", "PortForwarding", "StaticNat"];
    let (name, listed) = (stage.name(), services.join(","));
    let mut parameters = vec![
        ("name".to_owned(), name.as_str()),
        ("displaytext".to_owned(), name.as_str()),
        ("guestiptype".to_owned(), "Isolated"),
        ("traffictype".to_owned(), "Guest"),
        ("supportedservices".to_owned(), listed.as_str()),
        ("enable".to_owned(), enabled),
    ];
    for (number, service) in services.into_iter().enumerate() {
        parameters.push((format!("serviceproviderlist[{number}].service"), service));
        parameters.push((format!("serviceproviderlist[{number}].provider"), "VirtualRouter"));
    }
    let parameters: Vec<(&str, &str)> =
        parameters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let made = stage.admin()?.ask("createNetworkOffering", &parameters).await?["networkoffering"].clone();
    stage.made(Kind::NetworkOffering, text(&made, "id")?, &name, Keep::Behaviour);
    Ok(made)
}

async fn offering_disabled(stage: &Stage) -> Verdict {
    let offering = offering(stage, "false").await?;
    is(&offering, "state", "Disabled")?;
    is(&offering, "availability", "Optional")?;
    is(&offering, "conservemode", true)?;
    is(&offering, "isdefault", false)?;
    let (name, id) = (stage.name(), text(&offering, "id")?);
    let parameters = [("name", name.as_str()), ("zoneid", &stage.ground.zone), ("networkofferingid", id)];
    // Some versions say `stat`, some `state`.
    let wanted = refusal(431, 4350, "Can't use specified network offering id as its stat");
    stage.user.refused("createNetwork", &parameters, wanted).await?;
    let enabled = [("id", id), ("state", "Enabled")];
    let enabled = stage.admin()?.ask("updateNetworkOffering", &enabled).await?["networkoffering"].clone();
    is(&enabled, "state", "Enabled")
}

async fn offering_in_use(stage: &Stage) -> Verdict {
    let offering = offering(stage, "true").await?;
    let (name, id) = (stage.name(), text(&offering, "id")?);
    let parameters = [("name", name.as_str()), ("zoneid", &stage.ground.zone), ("networkofferingid", id)];
    let network = stage.user.ask("createNetwork", &parameters).await?["network"].clone();
    stage.made(Kind::Network, text(&network, "id")?, &name, Keep::Behaviour);
    is(&network, "networkofferingname", text(&offering, "name")?)?;
    let wanted = refusal(431, 4350, "Can't delete network offering");
    stage.admin()?.refused("deleteNetworkOffering", &[("id", id)], wanted).await.map(drop)
}

async fn created_at_once(stage: &Stage) -> Verdict {
    let network =
        stage.network(&[("gateway", "10.98.7.1"), ("netmask", "255.255.255.0")], Keep::Behaviour).await?;
    is(&network, "state", "Allocated")?;
    is(&network, "cidr", "10.98.7.0/24")?;
    is(&network, "gateway", "10.98.7.1")?;
    is(&network, "type", "Isolated")?;
    is(&network, "traffictype", "Guest")?;
    is(&network, "related", text(&network, "id")?)?;
    is(&network, "networkofferingid", stage.ground.network_offering.as_str())?;
    is(&network, "account", stage.ground.account.as_str())?;
    has(
        &network,
        &[
            "service",
            "tags",
            "networkdomain",
            "restartrequired",
            "canusefordeploy",
            "acltype",
            "zonename",
            "issystem",
        ],
    )?;
    lacks(&network, &["vpcid", "aclid"])?;
    let listed = stage.user.only("listNetworks", "network", &[("id", text(&network, "id")?)]).await?;
    is(&listed, "state", "Allocated")
}

async fn names_not_unique(stage: &Stage) -> Verdict {
    let first = stage.network(&[], Keep::Behaviour).await?;
    let name = text(&first, "name")?;
    let second = stage
        .user
        .ask(
            "createNetwork",
            &[
                ("name", name),
                ("displaytext", name),
                ("zoneid", &stage.ground.zone),
                ("networkofferingid", &stage.ground.network_offering),
                ("gateway", "10.97.0.1"),
                ("netmask", "255.255.255.0"),
            ],
        )
        .await?;
    stage.made(Kind::Network, text(&second["network"], "id")?, name, Keep::Behaviour);
    hold(second["network"]["id"] != first["id"], "another network", &second["network"]["id"])
}

async fn default_range(stage: &Stage) -> Verdict {
    let name = stage.name();
    let parameters = [
        ("name", name.as_str()),
        ("zoneid", &stage.ground.zone),
        ("networkofferingid", &stage.ground.network_offering),
    ];
    let network = stage.user.ask("createNetwork", &parameters).await?["network"].clone();
    stage.made(Kind::Network, text(&network, "id")?, &name, Keep::Behaviour);
    has(&network, &["gateway", "netmask", "cidr"])?;
    is(&network, "displaytext", name.as_str())
}

/// The refusal of a network with this gateway and netmask.
async fn refused_range(stage: &Stage, gateway: &str, netmask: &str, wanted: &'static str) -> Verdict {
    let name = stage.name();
    let parameters = [
        ("name", name.as_str()),
        ("displaytext", "x"),
        ("zoneid", &stage.ground.zone),
        ("networkofferingid", &stage.ground.network_offering),
        ("gateway", gateway),
        ("netmask", netmask),
    ];
    stage.user.refused("createNetwork", &parameters, refusal(431, 4350, wanted)).await.map(drop)
}

async fn private_ranges(stage: &Stage) -> Verdict {
    let wanted = "Virtual Guest Cidr 8.8.8.0/24 is not RFC 1918 or 6598 compliant";
    refused_range(stage, "8.8.8.1", "255.255.255.0", wanted).await
}

async fn network_address(stage: &Stage) -> Verdict {
    let wanted = "Invalid gateway IP provided. Either the IP is broadcast or network IP.";
    refused_range(stage, "10.97.5.0", "255.255.255.0", wanted).await
}

async fn odd_netmask(stage: &Stage) -> Verdict {
    let wanted = "Invalid gateway IP provided. Either the IP is broadcast or network IP.";
    refused_range(stage, "10.1.7.1", "255.255.0.255", wanted).await
}

async fn allocated_until_started(stage: &Stage) -> Verdict {
    let network = stage.network(&[], Keep::Behaviour).await?;
    let id = text(&network, "id")?;
    stage.stopped(id, Keep::Behaviour).await?;
    let network = stage.user.only("listNetworks", "network", &[("id", id)]).await?;
    is(&network, "state", "Allocated")?;
    let none = stage.user.ask("listPublicIpAddresses", &[("associatednetworkid", id)]).await?;
    hold(none == serde_json::json!({}), "no address yet", none)
}

async fn implemented_by_a_machine(stage: &Stage) -> Verdict {
    let awake = stage.awake().await?;
    let network = stage.user.only("listNetworks", "network", &[("id", &awake.network)]).await?;
    is(&network, "state", "Implemented")?;
    let filter = [("associatednetworkid", awake.network.as_str()), ("issourcenat", "true")];
    let address = stage.user.only("listPublicIpAddresses", "publicipaddress", &filter).await?;
    is(&address, "state", "Allocated")
}

async fn restart_needs_running(stage: &Stage) -> Verdict {
    let network = &stage.asleep().await?.network;
    let wanted = "Network is not in the right state to be restarted. Correct states are: Implemented, Setup";
    stage.user.fails("restartNetwork", &[("id", network), ("cleanup", "false")], 431, wanted).await.map(drop)
}

async fn restart(stage: &Stage) -> Verdict {
    let network = &stage.awake().await?.network;
    let result = stage.user.run("restartNetwork", &[("id", network), ("cleanup", "false")]).await?;
    is(&result, "success", true)?;
    lacks(&result, &["network"])
}

async fn delete_with_machines(stage: &Stage) -> Verdict {
    let network = &stage.asleep().await?.network;
    stage.user.fails("deleteNetwork", &[("id", network)], 530, "Failed to delete network").await?;
    stage.user.only("listNetworks", "network", &[("id", network)]).await.map(drop)
}

async fn delete_with_destroyed(stage: &Stage) -> Verdict {
    let network = stage.network(&[], Keep::Behaviour).await?;
    let network = text(&network, "id")?;
    let machine = stage.stopped(network, Keep::Behaviour).await?;
    let destroy = [("id", text(&machine, "id")?), ("expunge", "false")];
    stage.user.run("destroyVirtualMachine", &destroy).await?;
    stage.user.fails("deleteNetwork", &[("id", network)], 530, "Failed to delete network").await.map(drop)
}

async fn delete_forced(stage: &Stage) -> Verdict {
    stage.as_normal_user()?;
    let network = &stage.asleep().await?.network;
    let wanted = "Delete network with 'forced' option can only be called by root admins";
    stage.user.fails("deleteNetwork", &[("id", network), ("forced", "true")], 431, wanted).await.map(drop)
}

async fn delete_cleans_up(stage: &Stage) -> Verdict {
    let network = stage.network(&[], Keep::Behaviour).await?;
    let network = text(&network, "id")?;
    let address = stage.address(network).await?;
    let rule = [
        ("ipaddressid", address.as_str()),
        ("protocol", "tcp"),
        ("startport", "80"),
        ("cidrlist", "10.0.0.0/8"),
    ];
    let rule = stage.user.run("createFirewallRule", &rule).await?["firewallrule"].clone();
    let egress = [("networkid", network), ("protocol", "all")];
    stage.user.run("createEgressFirewallRule", &egress).await?;
    let balancer = [
        ("publicipid", address.as_str()),
        ("name", network),
        ("algorithm", "roundrobin"),
        ("publicport", "81"),
        ("privateport", "81"),
        ("openfirewall", "false"),
    ];
    stage.user.run("createLoadBalancerRule", &balancer).await?;
    let result = stage.user.run("deleteNetwork", &[("id", network)]).await?;
    is(&result, "success", true)?;
    let rules = stage.user.list("listFirewallRules", "firewallrule", &[("listall", "true")]).await?;
    hold(!rules.iter().any(|other| other["id"] == rule["id"]), "the firewall rule is gone", shown(&rules))?;
    let balancers =
        stage.user.list("listLoadBalancerRules", "loadbalancerrule", &[("listall", "true")]).await?;
    hold(
        !balancers.iter().any(|balancer| balancer["name"] == network),
        "the balancer is gone",
        shown(&balancers),
    )?;
    let addresses =
        stage.user.list("listPublicIpAddresses", "publicipaddress", &[("listall", "true")]).await?;
    let gone = !addresses.iter().any(|other| other["id"] == address.as_str());
    hold(gone, "the address is free", shown(&addresses))
}

async fn offering_must_exist(stage: &Stage) -> Verdict {
    let parameters = [
        ("name", "x"),
        ("zoneid", stage.ground.zone.as_str()),
        ("networkofferingid", "00000000-0000-0000-0000-000000000000"),
    ];
    stage.user.refused("createNetwork", &parameters, crate::answer::UNKNOWN).await.map(drop)
}
