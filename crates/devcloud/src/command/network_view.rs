//! How a network looks to clients.

use serde_json::{Value, json};

use super::answer::{Answer, OWNED, ZONED};
use super::call::{View, object, time};
use crate::model::{Network, NetworkOffering, NetworkState, Service};

/// What is told of a network.
pub(super) const NETWORK: Answer = Answer::of(&[
    OWNED,
    ZONED,
    &["id", "name", "displaytext", "broadcastdomaintype", "traffictype", "gateway", "netmask", "cidr"],
    &[
        "networkofferingid",
        "networkofferingname",
        "networkofferingdisplaytext",
        "networkofferingconservemode",
    ],
    &["networkofferingavailability", "issystem", "state", "related", "dns1", "type", "acltype", "service"],
    &["networkdomain", "physicalnetworkid", "restartrequired", "specifyipranges", "canusefordeploy"],
    &["ispersistent", "tags:list", "strechedl2subnet", "redundantrouter", "supportsvmautoscaling", "created"],
    &["receivedbytes", "sentbytes", "displaynetwork", "egressdefaultpolicy", "publicmtu", "privatemtu"],
    &["hasannotations", "details", "specifyvlan", "vlan", "broadcasturi", "keepmacaddressonpublicnic"],
])
.with(&[("service", &SERVICE), ("tags", &super::tag::TAG)]);

/// What is told of a network's service.
pub(super) const SERVICE: Answer = Answer::of(&[&["name", "provider:list", "capability"]])
    .with(&[("provider", &PROVIDER), ("capability", &ABILITY)]);

const PROVIDER: Answer = Answer::of(&[&["name"]]);

const ABILITY: Answer = Answer::of(&[&["name", "value", "canchooseservicecapability"]]);

/// What a virtual router can do of a service, and of it what an offering may choose.
fn abilities(service: Service) -> &'static [(&'static str, &'static str)] {
    match service {
        Service::SourceNat => &[("SupportedSourceNatTypes", "peraccount"), ("RedundantRouter", "false")],
        Service::Dns => &[("AllowDnsSuffixModification", "false")],
        Service::Firewall => &[
            ("SupportedProtocols", "tcp,udp,icmp"),
            ("SupportedEgressProtocols", "tcp,udp,icmp, all"),
            ("MultipleIps", "true"),
            ("SupportedTrafficDirection", "ingress, egress"),
        ],
        Service::Lb => &[
            ("SupportedLbAlgorithms", "roundrobin,leastconn,source"),
            ("SupportedProtocols", "tcp, tcp-proxy"),
            ("SupportedLBIsolation", "dedicated"),
            ("LbSchemes", "Public"),
        ],
        Service::PortForwarding => &[("SupportedProtocols", "tcp,udp")],
        Service::StaticNat => &[("ElasticIp", "false"), ("AssociatePublicIP", "true")],
        Service::Dhcp => &[("DhcpAccrossMultipleSubnets", "true")],
        // There is the service, and nothing yet to use it by.
        Service::Vpn | Service::UserData | Service::Gateway => &[],
    }
}

/// What an offering chose of its services, in the order of telling.
fn choices(service: Service) -> &'static [(&'static str, &'static str)] {
    match service {
        Service::SourceNat | Service::StaticNat => abilities(service),
        Service::Lb => &[
            ("SupportedLBIsolation", "dedicated"),
            ("ElasticLb", "false"),
            ("InlineMode", "false"),
            ("VmAutoScaling", "false"),
        ],
        _ => &[],
    }
}

/// What is told of the services of an offering, each done by the virtual router: what was chosen, where something was.
pub(super) fn chosen_services(offering: &NetworkOffering) -> Value {
    told(offering)
        .map(|service| {
            let chosen: Vec<Value> =
                choices(service).iter().map(|choice| capability(*choice, false)).collect();
            object([of_router(service), json!({ "capability": (!chosen.is_empty()).then_some(chosen) })])
        })
        .collect()
}

/// What is told of the services of an offering's networks: all that the router can do.
pub(super) fn services(offering: &NetworkOffering) -> Value {
    told(offering)
        .map(|service| {
            let can = abilities(service).iter().map(|ability| {
                let to_choose = service == Service::SourceNat || ability.0 == "SupportedLBIsolation";
                capability(*ability, to_choose)
            });
            object([of_router(service), json!({ "capability": can.collect::<Vec<_>>() })])
        })
        .collect()
}

fn told(offering: &NetworkOffering) -> impl Iterator<Item = Service> {
    offering.services.iter().copied().filter(|service| *service != Service::Gateway)
}

fn of_router(service: Service) -> Value {
    json!({ "name": service.name(), "provider": [{ "name": "VirtualRouter" }] })
}

fn capability((name, value): (&str, &str), to_choose: bool) -> Value {
    json!({ "name": name, "value": value, "canchooseservicecapability": to_choose })
}

/// How many VLANs there are for guests, from 100 on.
pub(super) const VLANS: usize = 3900;

/// The VLAN that keeps a network's guests apart while it stands.
pub(super) fn vlan(network: &Network) -> Option<u64> {
    (network.state == NetworkState::Implemented).then(|| 100 + network.number % VLANS as u64)
}

pub(super) fn view(view: View<'_>, network: &Network) -> Value {
    let catalogue = &view.settings.catalogue;
    let vlan = vlan(network);
    let offering = view.model.network_offerings.get(network.offering);
    object([
        json!({
            "id": network.id,
            "name": network.name,
            "displaytext": network.display_text,
            "broadcastdomaintype": "Vlan",
            "traffictype": "Guest",
            "gateway": network.gateway.to_string(),
            "netmask": network.range.netmask().to_string(),
            "cidr": network.range.to_string(),
            "networkofferingid": network.offering,
            "networkofferingname": offering.map(|offering| &offering.name),
            "networkofferingdisplaytext": offering.map(|offering| &offering.display_text),
            "networkofferingconservemode": offering.is_none_or(|offering| offering.conserve_mode),
            "networkofferingavailability": offering.map(NetworkOffering::availability),
            "issystem": false,
            "state": network.state.name(),
            "related": network.id,
            "dns1": view.settings.config.dns.to_string(),
            "type": "Isolated",
            "acltype": "Account",
            "service": offering.map(services),
            "networkdomain": network.domain,
            "physicalnetworkid": catalogue.physical_network,
            "restartrequired": false,
            "specifyvlan": false,
            "specifyipranges": false,
            "canusefordeploy": true,
            "ispersistent": false,
            "tags": view.tags(network.id),
        }),
        json!({
            "strechedl2subnet": false,
            "redundantrouter": false,
            "supportsvmautoscaling": false,
            "created": time(network.created),
            "receivedbytes": 0,
            "sentbytes": 0,
            "displaynetwork": view.root_admin.then_some(true),
            "details": view.root_admin.then(|| json!({})),
            "vlan": vlan.filter(|_| view.root_admin).map(|vlan| vlan.to_string()),
            "broadcasturi": vlan.filter(|_| view.root_admin).map(|vlan| format!("vlan://{vlan}")),
            "keepmacaddressonpublicnic": true,
            "egressdefaultpolicy": offering.is_some_and(|offering| offering.egress_allowed),
            "publicmtu": 1500,
            "privatemtu": 1500,
            "hasannotations": false,
        }),
        view.zone(),
        view.ownership(network.account),
    ])
}
