//! Public addresses.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, OWNED, ZONED};
use super::call::{View, object, time};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter};
use crate::error::ApiError;
use crate::faults::not_doomed;
use crate::job::Lane;
use crate::model::{AddressState, NetworkState, PublicIpAddress, Resource};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "associateIpAddress",
        "Takes a public address; a network's first one is its source NAT",
        JobKind::new("user.address.AssociateIPAddrCmd")
            .with_admin_class("admin.address.AssociateIPAddrCmdByAdmin"),
        &[
            Parameter::id("networkid", Entity::Network),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::id("vpcid", Entity::Nothing),
            Parameter::text("ipaddress"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::project(),
        ],
        associate,
    )
    .answering(&ADDRESS),
    Command::job(
        "disassociateIpAddress",
        "Gives a public address back, with all its rules",
        JobKind::new("user.address.DisassociateIPAddrCmd"),
        &[
            Parameter::id("id", Entity::PublicIpAddress),
            Parameter::text("ipaddress").about("the address itself, instead of its id"),
        ],
        disassociate,
    ),
    Command::list(
        "listPublicIpAddresses",
        "Lists public addresses",
        &[
            Parameter::id("id", Entity::PublicIpAddress),
            Parameter::text("ipaddress"),
            Parameter::id("associatednetworkid", Entity::Network),
            Parameter::id("networkid", Entity::Nothing),
            Parameter::id("vpcid", Entity::Nothing),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::boolean("allocatedonly"),
            Parameter::boolean("issourcenat"),
            Parameter::boolean("isstaticnat"),
            Parameter::boolean("forloadbalancing"),
            Parameter::boolean("forvirtualnetwork"),
            Parameter::text("state"),
            Parameter::boolean("fordisplay"),
            Parameter::boolean("forprovider"),
            Parameter::boolean("forsystemvms"),
            Parameter::id("physicalnetworkid", Entity::Infrastructure),
            Parameter::boolean("retrieveonlyresourcecount"),
        ],
        list,
    )
    .answering(&ADDRESS),
];

const ADDRESS: Answer = Answer::of(&[
    OWNED,
    ZONED,
    &["id", "ipaddress", "allocated", "issourcenat", "forvirtualnetwork", "isstaticnat", "issystem"],
    &["associatednetworkid", "associatednetworkname", "networkid", "state", "physicalnetworkid", "tags:list"],
    &["isportable", "hasrules", "forsystemvms", "hasannotations", "virtualmachineid", "virtualmachinename"],
    &[
        "virtualmachinedisplayname",
        "virtualmachinetype",
        "vmipaddress",
        "fordisplay",
        "forprovider",
        "vlanid",
        "vlanname",
    ],
])
.with(&[("tags", &super::tag::TAG)]);

fn associate(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let account = call.owner()?;
    let network = match (arguments.id("networkid"), arguments.id("zoneid")) {
        (Some(network), _) => network,
        (None, Some(_)) => {
            let mut mine = call.model.networks.iter().filter(|network| network.account == account);
            match (mine.next(), mine.next()) {
                (Some(only), None) => only.id,
                (Some(_), Some(_)) => {
                    return Err(ApiError::invalid("Account has more than one isolated Network in the zone"));
                }
                (None, _) => return Err(ApiError::invalid("Account has no isolated Network in the zone")),
            }
        }
        (None, None) => {
            return Err(ApiError::invalid(
                "Unable to figure out zone to assign IP to. Please specify either zoneId, or networkId, or vpcId in the call",
            ));
        }
    };
    let wanted = match arguments.text("ipaddress") {
        None => None,
        Some(text) => {
            let address =
                text.parse().map_err(|_| ApiError::invalid(format!("Invalid IP address {text}")))?;
            Some(address)
        }
    };
    let owner = call.model.networks.get(network).map_or(account, |network| network.account);
    call.within_limit(owner, Resource::PublicAddresses, 1)?;
    let taken = call.model.take_address(owner, Some(network), wanted, call.now);
    let id = taken.ok_or_else(|| {
        ApiError::capacity(
            4320,
            "Unable to find available public IP addresses: Insufficient address capacity",
        )
    })?;
    Ok(Begun::making(id, "IpAddress", Lane::Network(network), move |running| async move {
        let settings = running.core.settings();
        let (admin, account) = (running.caller.root_admin, running.caller.account);
        // Rendered before it is allocated: clients see "Allocating" in the job's result, as from the real server.
        let answer = running
            .core
            .change(|model, _| {
                let look = View { model, settings: &settings, root_admin: admin, account };
                // It may have been given back with its network or its account, and be another's by now.
                let taken = |address: &&PublicIpAddress| {
                    address.state == AddressState::Allocating && address.network == Some(network)
                };
                let address = model.public_ip_addresses.get(id).filter(taken);
                let address = address
                    .ok_or_else(|| ApiError::internal("Failed to assign IP address: it was given back"))?;
                let answer = view(look, address);
                if let Some(address) = model.public_ip_addresses.edit(id) {
                    address.state = AddressState::Allocated;
                }
                model.touch(network);
                Ok(answer)
            })
            .await?;
        if let Err(error) = running.core.apply_rules(network).await {
            running
                .core
                .change(|model, _| {
                    let address = model.public_ip_addresses.get(id);
                    if address.is_some_and(|address| address.network == Some(network)) {
                        model.release(id);
                        model.touch(network);
                    }
                    Ok(())
                })
                .await?;
            return Err(ApiError::internal(format!("Failed to assign IP address: {error}")));
        }
        Ok(json!({ "ipaddress": answer }))
    }))
}

/// The address that is named by its id or by itself; one of somebody else's is found by its id alone, which says so.
fn named(call: &Call<'_>) -> Result<Uuid, ApiError> {
    if let Some(id) = call.arguments.id("id") {
        return Ok(id);
    }
    let Some(wanted) = call.arguments.text("ipaddress") else {
        return Err(ApiError::invalid("Please specify the id or the ipaddress of the address"));
    };
    let mut all = call.model.public_ip_addresses.iter();
    let found = all.find(|address| {
        address.address.to_string() == wanted && address.account.is_some_and(|owner| call.may_use(owner))
    });
    found
        .map(|address| address.id)
        .ok_or_else(|| ApiError::invalid(format!("Unable to find ip address {wanted}")))
}

fn disassociate(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = named(call)?;
    let address = call.model.public_ip_addresses.get(id);
    let address = address.ok_or_else(|| ApiError::invalid("Unable to find ip address by id"))?;
    if address.state == AddressState::Free {
        return Err(ApiError::internal("The address is not allocated"));
    }
    let (network, account) = (address.network, address.account);
    let lane = network.map_or(Lane::Free, Lane::Network);
    Ok(Begun::doing(Some(("IpAddress", Some(id))), lane, move |running| async move {
        not_doomed()?;
        running
            .core
            .change(|model, _| {
                // By its turn it may have been given back, and be another's.
                let address = model.public_ip_addresses.get(id).filter(|address| {
                    address.state != AddressState::Free
                        && address.network == network
                        && address.account == account
                });
                let address = address.ok_or_else(|| ApiError::internal("The address is not allocated"))?;
                let network = address.network.and_then(|network| model.networks.get(network));
                let raised = network.is_some_and(|network| network.state != NetworkState::Allocated);
                if address.source_nat && raised {
                    return Err(ApiError::internal(
                        "IP address is used for source nat purposes and can not be disassociated.",
                    ));
                }
                let network = address.network;
                model.release(id);
                if let Some(network) = network {
                    model.touch(network);
                }
                Ok(())
            })
            .await?;
        if let Some(network) = network {
            let applied = running.core.apply_rules(network).await;
            applied
                .map_err(|error| ApiError::internal(format!("Failed to disassociate IP address: {error}")))?;
        }
        Ok(json!({ "success": true }))
    }))
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    if let Some(network) =
        arguments.id("associatednetworkid").and_then(|network| call.model.networks.get(network))
    {
        call.must_be_mine(network.account)?;
    }
    let state = arguments.text("state");
    let wants_free = state.is_some_and(|state| state.eq_ignore_ascii_case("Free"));
    let allocated_only = arguments.boolean("allocatedonly").unwrap_or(true) && !wants_free;
    let found = call.model.public_ip_addresses.iter().filter(|address| {
        let seen = match address.account {
            Some(owner) => scope.includes(owner),
            None => !allocated_only,
        };
        let balanced = || call.model.load_balancer_rules.iter().any(|rule| rule.address == address.id);
        seen && call.wanted(address.id)
            && call.tags_match(address.id)
            && call.keyword_in(&[&address.address.to_string()])
            && arguments.text("ipaddress").is_none_or(|wanted| wanted == address.address.to_string())
            && arguments.id("associatednetworkid").is_none_or(|network| address.network == Some(network))
            && arguments.boolean("issourcenat").is_none_or(|wanted| wanted == address.source_nat)
            && arguments.boolean("isstaticnat").is_none_or(|wanted| wanted == address.static_nat.is_some())
            && arguments.boolean("forloadbalancing").is_none_or(|wanted| wanted == balanced())
            && state.is_none_or(|wanted| wanted.eq_ignore_ascii_case(address.state.name()))
            && arguments.boolean("fordisplay") != Some(false)
            && arguments.boolean("forprovider") != Some(true)
            && arguments.boolean("forsystemvms") != Some(true)
            && arguments
                .id("physicalnetworkid")
                .is_none_or(|wanted| wanted == call.catalogue().physical_network)
    });
    Listing::of("publicipaddress", arguments, found, |address| view(call.view(), address))
}

pub(super) fn view(view: View<'_>, address: &PublicIpAddress) -> Value {
    let catalogue = &view.settings.catalogue;
    let network = address.network.and_then(|network| view.model.networks.get(network));
    let machine = address
        .static_nat
        .as_ref()
        .and_then(|nat| Some((nat, view.model.virtual_machines.get(nat.virtual_machine)?)));
    let has_rules = view.model.port_forwarding_rules.iter().any(|rule| rule.address == address.id)
        || view.model.load_balancer_rules.iter().any(|rule| rule.address == address.id);
    object([
        json!({
            "id": address.id,
            "ipaddress": address.address.to_string(),
            "allocated": address.allocated.map(time),
            "issourcenat": address.source_nat,
            "forvirtualnetwork": true,
            "isstaticnat": address.static_nat.is_some(),
            "issystem": false,
            "associatednetworkid": network.map(|network| network.id),
            "associatednetworkname": network.map(|network| &network.name),
            "networkid": catalogue.public_network,
            "state": address.state.name(),
            "physicalnetworkid": catalogue.physical_network,
            "tags": view.tags(address.id),
            "isportable": false,
            "hasrules": has_rules,
            "forsystemvms": false,
            "forprovider": false,
            "fordisplay": view.root_admin.then_some(true),
            "vlanid": view.root_admin.then(|| catalogue.own_id("public vlan", "1")),
            "vlanname": view.root_admin.then_some("vlan://untagged"),
            "hasannotations": false,
        }),
        machine.map_or(Value::Null, |(nat, machine)| {
            json!({
                "virtualmachineid": machine.id,
                "virtualmachinename": machine.name,
                "virtualmachinedisplayname": machine.display_name,
                "virtualmachinetype": "User",
                "vmipaddress": nat.guest.to_string(),
            })
        }),
        view.zone(),
        address.account.map_or(Value::Null, |account| view.ownership(account)),
    ])
}

/// The network an address is in, for rules on it.
pub(super) fn network_of(call: &Call<'_>, address: Uuid) -> Result<Uuid, ApiError> {
    let address =
        call.model.public_ip_addresses.get(address).filter(|address| address.state != AddressState::Free);
    let address = address.ok_or_else(|| {
        ApiError::invalid("Unable to create firewall rule; couldn't locate IP address by id in the system")
    })?;
    address.network.ok_or_else(|| {
        ApiError::invalid(
            "Unable to create firewall rule; IP is not associated with any network, or with a vpc",
        )
    })
}

/// Whether the address that a list of rules names has any: it is taken, and the caller's.
pub(super) fn ready_for(call: &Call<'_>, rules: &str) -> Result<(), ApiError> {
    let address = call.arguments.id("ipaddressid").and_then(|id| call.model.public_ip_addresses.get(id));
    let Some(address) = address else { return Ok(()) };
    match address.account.filter(|_| address.state == AddressState::Allocated) {
        Some(owner) => call.must_be_mine(owner),
        None => Err(ApiError::invalid(format!(
            "Ip address id={} not ready for {rules} rules yet",
            address.number
        ))),
    }
}
