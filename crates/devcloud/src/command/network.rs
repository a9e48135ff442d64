//! Networks: made as records, raised when their first machine starts, removed with all that hangs on them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};
use uuid::Uuid;

use super::network_view::{NETWORK, view, vlan};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter};
use crate::catalogue::range_of;
use crate::driver::NetworkDomain;
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Network, NetworkState, Resource, Service};

pub(super) const COMMANDS: &[Command] = &[
    Command::change(
        "createNetwork",
        "Makes a network; nothing stands until its first machine starts",
        &[
            Parameter::text("name").required(),
            Parameter::id("networkofferingid", Entity::NetworkOffering).required(),
            Parameter::id("zoneid", Entity::Zone).required(),
            Parameter::text("displaytext"),
            Parameter::text("gateway"),
            Parameter::text("netmask"),
            Parameter::text("startip"),
            Parameter::text("endip"),
            Parameter::text("vlan"),
            Parameter::text("networkdomain"),
            Parameter::id("vpcid", Entity::Nothing),
            Parameter::text("acltype").about("Account"),
            Parameter::id("physicalnetworkid", Entity::Infrastructure),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        create,
    )
    .refusing(&[
        "dns1",
        "dns2",
        "aclid",
        "associatednetworkid",
        "cidrsize",
        "externalid",
        "ip6cidr",
        "ip6dns1",
        "ip6dns2",
        "ip6gateway",
        "isolatedpvlan",
        "privatemtu",
        "publicmtu",
        "routerip",
        "routeripv6",
        "sourcenatipaddress",
        "startipv6",
        "endipv6",
    ])
    .answering(&NETWORK),
    Command::list(
        "listNetworks",
        "Lists networks",
        &[
            Parameter::id("id", Entity::Network),
            Parameter::text("name"),
            Parameter::text("type"),
            Parameter::text("traffictype"),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::id("networkofferingid", Entity::NetworkOffering),
            Parameter::boolean("canusefordeploy"),
            Parameter::boolean("issystem"),
            Parameter::boolean("restartrequired"),
            Parameter::boolean("forvpc"),
            Parameter::boolean("specifyipranges"),
            Parameter::text("acltype"),
            Parameter::text("vlan"),
            Parameter::id("physicalnetworkid", Entity::Infrastructure),
            Parameter::id("vpcid", Entity::Nothing),
            Parameter::texts("supportedservices"),
            Parameter::boolean("displaynetwork"),
            Parameter::text("networkfilter").about("Account, Domain, AccountDomain, Shared or All"),
            Parameter::boolean("retrieveonlyresourcecount"),
        ],
        list,
    )
    .answering(&NETWORK),
    Command::job(
        "restartNetwork",
        "Programs a network's router anew",
        JobKind::new("user.network.RestartNetworkCmd"),
        &[
            Parameter::id("id", Entity::Network).required(),
            Parameter::boolean("cleanup").about("makes the router anew instead of only programming it"),
        ],
        restart,
    ),
    Command::job(
        "deleteNetwork",
        "Removes a network without machines, with its addresses and rules",
        JobKind::new("user.network.DeleteNetworkCmd"),
        &[Parameter::id("id", Entity::Network).required(), Parameter::boolean("forced")],
        delete,
    ),
];

fn create(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let account = call.owner()?;
    let name = call.arguments.required_text("name")?.to_owned();
    let offering = call.arguments.required_id("networkofferingid")?;
    if call.arguments.text("vlan").is_some() {
        return Err(ApiError::invalid(
            "Only support L2, Shared or Isolated networks with specifyVlan: this offering has it not",
        ));
    }
    if !call.text_is("acltype", "Account") {
        return Err(ApiError::invalid("AclType should be Account for network of type Isolated"));
    }
    super::network_offering::usable(call, offering)?;
    let (gateway, range) = chosen_range(call)?;
    let display_text = call.arguments.text("displaytext").unwrap_or(&name).to_owned();
    let domain = call.arguments.network_domain()?;
    let network = make(call, account, Wanted { name, display_text, offering, gateway, range, domain })?;
    let network =
        call.model.networks.get(network).ok_or_else(|| ApiError::internal("The network is gone"))?;
    Ok(json!({ "network": view(call.view(), network) }))
}

struct Wanted {
    name: String,
    display_text: String,
    offering: Uuid,
    gateway: Ipv4Addr,
    range: Ipv4Net,
    domain: Option<NetworkDomain>,
}

fn make(call: &mut Call<'_>, account: Uuid, wanted: Wanted) -> Result<Uuid, ApiError> {
    call.within_limit(account, Resource::Networks, 1)?;
    let domain = match wanted.domain {
        Some(domain) => domain,
        None => default_domain(call, account)?,
    };
    let id = call.model.next_id();
    let number = call.model.next_number();
    call.model.networks.insert(Network {
        number,
        id,
        account,
        name: wanted.name,
        display_text: wanted.display_text,
        offering: wanted.offering,
        range: wanted.range,
        gateway: wanted.gateway,
        domain,
        state: NetworkState::Allocated,
        created: call.now,
        revision: 0,
    });
    Ok(id)
}

/// As its account's or its domain's networks are called, else after the account.
fn default_domain(call: &Call<'_>, account: Uuid) -> Result<NetworkDomain, ApiError> {
    if let Some(domain) = call.model.network_domain_of(account) {
        return Ok(domain.clone());
    }
    let owner = call.model.accounts.get(account).map_or(0, |account| account.number);
    let domain = format!("cs{owner:x}cloud.internal");
    domain
        .parse()
        .map_err(|error| ApiError::internal(format!("{domain} as the domain of a network: {error}")))
}

/// The network a machine goes into when none is named: the account's only one, or a new one.
pub(super) fn default_for(call: &mut Call<'_>, account: Uuid) -> Result<Uuid, ApiError> {
    let mine: Vec<Uuid> = call
        .model
        .networks
        .iter()
        .filter(|network| network.account == account)
        .map(|network| network.id)
        .collect();
    match mine.as_slice() {
        [only] => Ok(*only),
        [] => {
            let offerings = &call.model.network_offerings;
            let offering = offerings.iter().find(|offering| offering.required && offering.enabled);
            let offering = offering.map(|offering| offering.id).ok_or_else(|| {
                ApiError::invalid(
                    "Unable to find network offering with availability=Required to create a network",
                )
            })?;
            let name =
                call.model.accounts.get(account).map(|account| account.name.clone()).unwrap_or_default();
            let (gateway, range) = default_range(call);
            let name = format!("{name}-network");
            make(
                call,
                account,
                Wanted { display_text: name.clone(), name, offering, gateway, range, domain: None },
            )
        }
        _ => {
            let owner = call.model.accounts.get(account);
            let (name, number) = owner.map_or(("", 0), |owner| (owner.name.as_str(), owner.number));
            let shown = json!({ "accountName": name, "id": number, "uuid": account });
            Err(ApiError::invalid(format!(
                "More than 1 default Isolated networks are found for Account Account [{shown}]; please specify networkIds"
            )))
        }
    }
}

fn default_range(call: &Call<'_>) -> (Ipv4Addr, Ipv4Net) {
    let range = call.settings.config.guest_range;
    (range.hosts().next().unwrap_or(range.network()), range)
}

fn chosen_range(call: &Call<'_>) -> Result<(Ipv4Addr, Ipv4Net), ApiError> {
    let arguments = call.arguments;
    let (gateway, netmask) = match (arguments.text("gateway"), arguments.text("netmask")) {
        (None, None) if arguments.text("startip").is_none() => return Ok(default_range(call)),
        (Some(gateway), Some(netmask)) => (gateway, netmask),
        _ => {
            return Err(ApiError::invalid(
                "StartIp/endIp/gateway/netmask are required when create network: gateway and netmask go together",
            ));
        }
    };
    let gateway: Ipv4Addr = gateway.parse().map_err(|_| ApiError::invalid("Invalid gateway"))?;
    let netmask: Ipv4Addr = netmask.parse().map_err(|_| ApiError::invalid("Invalid netmask"))?;
    // A netmask with a hole ends in the same refusal as a gateway at the edge.
    let edge = || ApiError::invalid("Invalid gateway IP provided. Either the IP is broadcast or network IP.");
    let range = range_of(gateway, netmask).ok_or_else(edge)?;
    if gateway == range.network() || gateway == range.broadcast() {
        return Err(edge());
    }
    if !is_private(range) {
        return Err(ApiError::invalid(format!(
            "Virtual Guest Cidr {range} is not RFC 1918 or 6598 compliant"
        )));
    }
    let shortest = call.settings.config.shortest_guest_prefix;
    if range.prefix_len() < shortest && !call.caller.root_admin {
        return Err(ApiError::invalid(format!("Cidr size can't be less than {shortest}")));
    }
    Ok((gateway, range))
}

fn is_private(range: Ipv4Net) -> bool {
    [
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
    ]
    .into_iter()
    .any(|(network, prefix)| Ipv4Net::new_assert(network, prefix).contains(&range))
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.networks.iter().rev().filter(|network| {
        scope.includes(network.account)
            && call.wanted(network.id)
            && call.name_is(&network.name)
            && call.keyword_in(&[&network.name])
            && call.tags_match(network.id)
            && (call.text_is("type", "isolated") || call.text_is("type", "all"))
            && call.text_is("traffictype", "Guest")
            && arguments.id("networkofferingid").is_none_or(|offering| offering == network.offering)
            && arguments.boolean("issystem") != Some(true)
            && arguments.boolean("restartrequired") != Some(true)
            && arguments.boolean("forvpc") != Some(true)
            && arguments.boolean("specifyipranges") != Some(true)
            && call.text_is("acltype", "Account")
            && arguments.boolean("displaynetwork") != Some(false)
            && ["Account", "AccountDomain", "All"].iter().any(|kind| call.text_is("networkfilter", kind))
            && arguments.text("vlan").is_none_or(|wanted| is_vlan(network, wanted))
            && arguments
                .id("physicalnetworkid")
                .is_none_or(|physical| physical == call.catalogue().physical_network)
            && arguments.boolean("canusefordeploy") != Some(false)
            && arguments.texts("supportedservices").is_none_or(|wanted| has_services(call, network, wanted))
    });
    Listing::of("network", arguments, found, |network| view(call.view(), network))
}

fn is_vlan(network: &Network, wanted: &str) -> bool {
    vlan(network).is_some_and(|own| own.to_string() == wanted)
}

fn has_services(call: &Call<'_>, network: &Network, wanted: &[String]) -> bool {
    let services = call.model.network_offerings.get(network.offering).map(|offering| &offering.services);
    let has = |service| services.is_some_and(|services| services.contains(&service));
    wanted.iter().all(|wanted| Service::named(wanted).is_some_and(has))
}

fn restart(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let cleanup = call.arguments.boolean("cleanup") == Some(true);
    Ok(Begun::doing(Some(("Network", None)), Lane::Network(id), move |running| async move {
        let state = running.core.read(|model| model.networks.get(id).map(|network| network.state));
        if state != Some(NetworkState::Implemented) {
            return Err(ApiError::invalid(
                "Network is not in the right state to be restarted. Correct states are: Implemented, Setup",
            ));
        }
        running
            .core
            .restart_router(id, cleanup)
            .await
            .map_err(|error| ApiError::internal(format!("Failed to restart network: {error}")))?;
        Ok(json!({ "success": true }))
    }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let forced = call.arguments.boolean("forced") == Some(true);
    Ok(Begun::doing(Some(("Network", None)), Lane::Network(id), move |running| async move {
        if forced && !running.caller.root_admin {
            return Err(ApiError::invalid(
                "Delete network with 'forced' option can only be called by root admins",
            ));
        }
        running.core.remove_network(id).await?;
        Ok(json!({ "success": true }))
    }))
}
