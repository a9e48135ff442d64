//! Network offerings: kinds of networks. All are isolated ones whose services a virtual router does.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Answer;
use super::call::{View, time};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::model::{Entity as _, NetworkOffering, Service};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listNetworkOfferings",
        "Lists kinds of networks",
        &[
            Parameter::id("id", Entity::NetworkOffering),
            Parameter::text("name"),
            Parameter::text("displaytext"),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::text("state"),
            Parameter::text("guestiptype"),
            Parameter::text("availability"),
            Parameter::text("traffictype"),
            Parameter::texts("supportedservices"),
            Parameter::boolean("forvpc"),
            Parameter::boolean("isdefault"),
            Parameter::boolean("specifyvlan"),
            Parameter::boolean("specifyipranges"),
            Parameter::boolean("sourcenatsupported"),
            Parameter::boolean("istagged"),
            Parameter::text("tags").about("none has any"),
            Parameter::text("routingmode").about("none is routed"),
            Parameter::id("networkid", Entity::Network).about("those that the network can change to"),
            Parameter::id("domainid", Entity::Domain),
        ],
        list,
    )
    .answering(&NETWORK_OFFERING)
    .reaching(Reach::Catalogue),
    Command::change(
        "createNetworkOffering",
        "Makes a kind of isolated network",
        &[
            Parameter::text("name").required(),
            Parameter::text("guestiptype").required().about("Isolated"),
            Parameter::text("traffictype").required().about("Guest"),
            Parameter::text("displaytext").length(4096),
            Parameter::texts("supportedservices").about(
                "Dhcp, Dns, UserData, SourceNat and Firewall, and any of Lb, PortForwarding, StaticNat, Vpn",
            ),
            Parameter::map("serviceproviderlist").about("who does which service: VirtualRouter"),
            Parameter::text("availability"),
            Parameter::boolean("conservemode").about("without it, a public address serves one purpose alone"),
            Parameter::boolean("egressdefaultpolicy").about("whether traffic to the outside passes"),
            Parameter::boolean("enable").about("without it, it can't be used until it is updated"),
            Parameter::boolean("ispersistent"),
            Parameter::boolean("specifyvlan"),
            Parameter::boolean("specifyipranges"),
            Parameter::boolean("forvpc"),
        ],
        create,
    )
    .answering(&NETWORK_OFFERING)
    .for_root_admin(),
    Command::change(
        "updateNetworkOffering",
        "Changes what is said about a kind of network, and whether networks can be made by it",
        &[
            Parameter::id("id", Entity::NetworkOffering),
            Parameter::text("name"),
            Parameter::text("displaytext").length(4096),
            Parameter::text("availability"),
            Parameter::text("state").about("Enabled or Disabled"),
        ],
        update,
    )
    .answering(&NETWORK_OFFERING)
    .for_root_admin(),
    Command::change(
        "deleteNetworkOffering",
        "Removes a kind of network that no network is of",
        &[Parameter::id("id", Entity::NetworkOffering).required()],
        delete,
    )
    .for_root_admin(),
];

const NETWORK_OFFERING: Answer = Answer::of(&[
    &["id", "name", "displaytext", "created", "traffictype", "isdefault", "specifyvlan", "conservemode"],
    &[
        "specifyipranges",
        "availability",
        "networkrate",
        "state",
        "guestiptype",
        "service",
        "forvpc",
        "fornsx",
    ],
    &["fortungsten", "ispersistent", "egressdefaultpolicy", "supportsstrechedl2subnet", "serviceofferingid"],
    &["supportspublicaccess", "supportsinternallb", "hasannotations", "internetprotocol", "specifyasnumber"],
])
.with(&[("service", &super::network_view::SERVICE)]);

/// What this zone's routers do for every network, whatever it is of.
const ALWAYS: [Service; 5] =
    [Service::Dhcp, Service::Dns, Service::UserData, Service::SourceNat, Service::Firewall];

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let found = call.model.network_offerings.iter().filter(|offering| {
        let has = |wanted: &String| {
            offering.services.iter().any(|service| service.name().eq_ignore_ascii_case(wanted))
        };
        call.wanted(offering.id)
            && call.name_is(&offering.name)
            && call.keyword_in(&[&offering.name, &offering.display_text])
            && call.text_is("displaytext", &offering.display_text)
            && call.text_is("state", offering.state_name())
            && call.text_is("guestiptype", "Isolated")
            && call.text_is("traffictype", "Guest")
            && call.text_is("availability", offering.availability())
            && arguments.boolean("forvpc") != Some(true)
            && arguments.boolean("specifyvlan") != Some(true)
            && arguments.boolean("specifyipranges") != Some(true)
            && arguments.boolean("sourcenatsupported") != Some(false)
            && arguments.boolean("istagged") != Some(true)
            && arguments.text("tags").is_none()
            && arguments.text("routingmode").is_none()
            && arguments.id("networkid").is_none_or(|network| can_become(call, network, offering))
            && arguments.boolean("isdefault").is_none_or(|wanted| wanted == offering.default)
            && arguments.texts("supportedservices").is_none_or(|wanted| wanted.iter().all(has))
    });
    Listing::of("networkoffering", arguments, found, |offering| view(call.view(), offering))
}

/// Whether a network can change to an offering: one of those in use that it is not of yet.
fn can_become(call: &Call<'_>, network: Uuid, offering: &NetworkOffering) -> bool {
    let network = call.model.networks.get(network);
    network.is_some_and(|network| {
        call.may_use(network.account) && offering.enabled && network.offering != offering.id
    })
}

fn view(view: View<'_>, offering: &NetworkOffering) -> Value {
    json!({
        "id": offering.id,
        "name": offering.name,
        "displaytext": offering.display_text,
        "created": time(offering.created),
        "traffictype": "Guest",
        "isdefault": offering.default,
        "specifyvlan": false,
        "conservemode": offering.conserve_mode,
        "specifyipranges": false,
        "availability": offering.availability(),
        "networkrate": 200,
        "state": offering.state_name(),
        "guestiptype": "Isolated",
        "serviceofferingid": view.settings.catalogue.router_offering,
        "service": super::network_view::chosen_services(offering),
        "forvpc": false,
        "fornsx": false,
        "fortungsten": false,
        "ispersistent": false,
        "egressdefaultpolicy": offering.egress_allowed,
        "supportsstrechedl2subnet": false,
        "supportspublicaccess": false,
        "supportsinternallb": false,
        "internetprotocol": "IPv4",
        "specifyasnumber": false,
        "hasannotations": false,
    })
}

fn create(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let name = arguments.required_text("name")?.to_owned();
    kind(call)?;
    let services = services(call)?;
    let required = required(call, None)?.unwrap_or(false);
    let offering = NetworkOffering {
        number: call.model.next_number(),
        id: call.model.next_id(),
        display_text: arguments.text("displaytext").unwrap_or(&name).to_owned(),
        name,
        egress_allowed: arguments.boolean("egressdefaultpolicy").unwrap_or(true),
        required,
        conserve_mode: arguments.boolean("conservemode").unwrap_or(true),
        services,
        enabled: arguments.boolean("enable") == Some(true),
        default: false,
        created: call.now,
    };
    let answer = json!({ "networkoffering": view(call.view(), &offering) });
    call.model.network_offerings.insert(offering);
    Ok(answer)
}

/// That what is wanted is an isolated network of a virtual router, which is all there is here.
fn kind(call: &Call<'_>) -> Result<(), ApiError> {
    let arguments = call.arguments;
    let traffic = arguments.required_text("traffictype")?;
    let types = ["Public", "Management", "Control", "Guest", "Storage", "Vpn"];
    if !types.iter().any(|known| known.eq_ignore_ascii_case(traffic)) {
        return Err(ApiError::invalid(
            "Invalid value for traffictype. Supported traffic types: Public, Management, Control, Guest, Vlan or Storage",
        ));
    }
    if !traffic.eq_ignore_ascii_case("Guest") {
        return Err(ApiError::invalid("Only traffic type Guest is supported in the current release"));
    }
    match arguments.required_text("guestiptype")?.to_lowercase().as_str() {
        "isolated" => {}
        "shared" | "l2" => {
            return Err(ApiError::invalid("This zone has isolated networks only: give guestiptype=Isolated"));
        }
        _ => {
            return Err(ApiError::invalid(
                "Invalid \"type\" parameter is given; can have Shared and Isolated values",
            ));
        }
    }
    if arguments.boolean("specifyipranges") == Some(true) {
        return Err(ApiError::invalid(
            "SpecifyIpRanges can only be true for Shared network offerings and Isolated with no SourceNat service",
        ));
    }
    for what in ["ispersistent", "specifyvlan", "forvpc"] {
        if arguments.boolean(what) == Some(true) {
            return Err(ApiError::invalid(format!("This zone has no networks with {what}: leave it away")));
        }
    }
    Ok(())
}

/// The services that are asked for, with those that come of themselves.
fn services(call: &Call<'_>) -> Result<Vec<Service>, ApiError> {
    let mut wanted = Vec::new();
    for name in call.arguments.texts("supportedservices").unwrap_or_default() {
        let service = Service::named(name);
        wanted.push(service.ok_or_else(|| ApiError::invalid(format!("Invalid service {name}")))?);
    }
    for pair in call.arguments.map("serviceproviderlist") {
        let text = |field: &str| pair.get(field).map_or("", String::as_str);
        let service = Service::named(text("service")).filter(|service| wanted.contains(service));
        let service = service.ok_or_else(|| {
            ApiError::invalid(format!(
                "Service {} is not enabled for the network offering, can't add a provider to it",
                text("service")
            ))
        })?;
        if !text("provider").eq_ignore_ascii_case("VirtualRouter") {
            return Err(ApiError::invalid(format!("Invalid service provider: {}", text("provider"))));
        }
        // Who forwards ports has a firewall, too.
        if matches!(service, Service::PortForwarding | Service::StaticNat) {
            wanted.push(Service::Firewall);
        }
    }
    let missing: Vec<&str> =
        ALWAYS.iter().filter(|service| !wanted.contains(service)).map(|service| service.name()).collect();
    if !missing.is_empty() {
        return Err(ApiError::invalid(format!(
            "This zone's routers do {} for every network: name them in supportedservices, too",
            missing.join(", ")
        )));
    }
    wanted.push(Service::Gateway);
    Ok(Service::ALL.into_iter().filter(|service| wanted.contains(service)).collect())
}

/// What `availability` says, where it is given: one offering alone can be the required one.
fn required(call: &Call<'_>, of: Option<Uuid>) -> Result<Option<bool>, ApiError> {
    match call.arguments.text("availability").map(str::to_lowercase).as_deref() {
        None => Ok(None),
        Some("optional") => Ok(Some(false)),
        Some("required") => {
            let mut offerings = call.model.network_offerings.iter();
            match offerings.find(|offering| offering.required && Some(offering.id) != of) {
                Some(other) => Err(ApiError::invalid(format!(
                    "System already has network offering id={} with availability Required",
                    other.number
                ))),
                None => Ok(Some(true)),
            }
        }
        Some(_) => {
            Err(ApiError::invalid("Invalid value for Availability. Supported types: Required, Optional"))
        }
    }
}

fn update(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let arguments = call.arguments;
    let gone = || ApiError::invalid("unable to find network offering");
    let id = arguments.id("id").ok_or_else(gone)?;
    let mut changed = call.model.network_offerings.get(id).cloned().ok_or_else(gone)?;
    if let Some(name) = arguments.text("name") {
        name.clone_into(&mut changed.name);
    }
    if let Some(text) = arguments.text("displaytext") {
        text.clone_into(&mut changed.display_text);
    }
    match arguments.text("state").map(str::to_lowercase).as_deref() {
        None => {}
        Some("enabled") => changed.enabled = true,
        Some("disabled") => changed.enabled = false,
        Some(other) => return Err(ApiError::invalid(format!("Incorrect state value: {other}"))),
    }
    changed.required = required(call, Some(id))?.unwrap_or(changed.required);
    let answer = json!({ "networkoffering": view(call.view(), &changed) });
    *call.model.network_offerings.edit(id).ok_or_else(gone)? = changed;
    Ok(answer)
}

fn delete(call: &mut Call<'_>) -> Result<Value, ApiError> {
    let id = call.arguments.required_id("id")?;
    let gone = || ApiError::invalid("unable to find network offering");
    let offering = call.model.network_offerings.get(id).ok_or_else(gone)?;
    if offering.default {
        return Err(ApiError::invalid("Default network offering can't be deleted"));
    }
    let networks = call.model.networks.iter().filter(|network| network.offering == id).count();
    if networks > 0 {
        return Err(ApiError::invalid(format!(
            "Can't delete network offering {} as its used by {networks} networks. To make the network offering unavailable, \
             disable it",
            offering.number
        )));
    }
    call.model.network_offerings.remove(id);
    call.model.bury(id, NetworkOffering::KIND);
    Ok(json!({ "success": true }))
}

/// That networks can be made by this offering.
pub(super) fn usable(call: &Call<'_>, id: Uuid) -> Result<(), ApiError> {
    let offering = call.model.network_offerings.get(id);
    if offering.is_some_and(|offering| offering.enabled) {
        return Ok(());
    }
    // The word is the server's own.
    let text = "Can't use specified network offering id as its stat is not Enabled";
    Err(ApiError::invalid(text).about(id, "networkOfferingId"))
}

/// That a network's offering has this service, and lets the address be used for it beside what it is used for.
pub(super) fn serves(
    call: &Call<'_>,
    network: Uuid,
    address: Uuid,
    service: Service,
) -> Result<(), ApiError> {
    let Some(offering) = call.model.offering_of(network) else { return Ok(()) };
    if !offering.services.contains(&service) {
        let number = call.model.networks.get(network).map_or(0, |network| network.number);
        return Err(ApiError::internal(format!(
            "Service {} is not supported in the network id={number}",
            service.name()
        )));
    }
    let address = call.model.public_ip_addresses.get(address);
    let address = address.filter(|_| !offering.conserve_mode);
    let used = address.and_then(|address| Some((address, call.model.purpose_of(address)?)));
    match used.filter(|(_, purpose)| *purpose != service) {
        None => Ok(()),
        Some((address, purpose)) => Err(ApiError::invalid(format!(
            "The IP {} is already used as {} rather than {}",
            address.address,
            purpose.name(),
            service.name()
        ))),
    }
}
