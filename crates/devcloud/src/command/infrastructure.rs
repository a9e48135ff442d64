//! What stands below the zone, for root admins: hosts and virtual routers.

use serde_json::{Value, json};

use super::answer::{Answer, OWNED, ZONED};
use super::call::{View, object, time};
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;
use crate::model::{Network, NetworkState};

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listHosts",
        "Lists hosts",
        &[
            Parameter::id("id", Entity::Infrastructure),
            Parameter::text("name"),
            Parameter::text("type"),
            Parameter::text("state"),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list_hosts,
    )
    .answering(&HOST)
    .reaching(Reach::Catalogue)
    .for_root_admin(),
    Command::list(
        "listRouters",
        "Lists virtual routers",
        &[
            Parameter::id("networkid", Entity::Network),
            Parameter::text("state"),
            Parameter::id("zoneid", Entity::Zone),
        ],
        list_routers,
    )
    .answering(&ROUTER)
    .reaching(Reach::Owned)
    .for_root_admin(),
];

const HOST: Answer =
    Answer::of(&[ZONED, &["id", "name", "state:status", "resourcestate", "type:type", "hypervisor"]]);

const ROUTER: Answer = Answer::of(&[
    OWNED,
    ZONED,
    &["id", "name", "state:state", "created", "networkdomain", "gateway", "publicip", "guestipaddress"],
    &[
        "guestnetmask",
        "guestnetworkid",
        "guestnetworkname",
        "hypervisor",
        "isredundantrouter",
        "dns1",
        "publicnetmask",
        "podid",
        "podname",
        "hasannotations",
        "role",
    ],
]);

fn list_hosts(call: &Call<'_>) -> Result<Listing, ApiError> {
    let arguments = call.arguments;
    let catalogue = call.catalogue();
    let found = (0..call.settings.config.hosts).filter(|host| {
        call.wanted(catalogue.host_id(*host))
            && call.name_is(&catalogue.host_name(*host))
            && call.keyword_in(&[&catalogue.host_name(*host)])
            && call.text_is("type", "Routing")
            && call.text_is("state", "Up")
    });
    Listing::of("host", arguments, found, |host| {
        object([
            json!({
                "id": catalogue.host_id(host),
                "name": catalogue.host_name(host),
                "state": "Up",
                "resourcestate": "Enabled",
                "type": "Routing",
                "hypervisor": catalogue.hypervisor,
            }),
            call.view().zone(),
        ])
    })
}

fn list_routers(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.networks.iter().filter(|network| {
        network.state != NetworkState::Allocated
            && scope.includes(network.account)
            && arguments.id("networkid").is_none_or(|wanted| wanted == network.id)
            && call.text_is("state", state(network))
    });
    Listing::of("router", arguments, found, |network| router(call.view(), network))
}

fn state(network: &Network) -> &'static str {
    match network.state {
        NetworkState::Implementing => "Starting",
        NetworkState::Implemented => "Running",
        NetworkState::Shutdown => "Stopping",
        NetworkState::Allocated => "Stopped",
    }
}

/// A router has no record of its own: it is its network's, and has its id.
fn router(view: View<'_>, network: &Network) -> Value {
    let public = view.model.source_nat_of(network.id).map(|address| address.address.to_string());
    object([
        json!({
            "id": network.id,
            "name": format!("r-{}-VM", network.number),
            "state": state(network),
            "created": time(network.created),
            "networkdomain": network.domain,
            "gateway": view.settings.config.public.gateway.to_string(),
            "publicip": public,
            "guestipaddress": network.gateway.to_string(),
            "guestnetmask": network.range.netmask().to_string(),
            "guestnetworkid": network.id,
            "guestnetworkname": network.name,
            "hypervisor": view.settings.catalogue.hypervisor,
            "isredundantrouter": false,
            "role": "VIRTUAL_ROUTER",
            "dns1": view.settings.config.dns.to_string(),
            "publicnetmask": view.settings.config.public.range.netmask().to_string(),
            "podid": view.settings.catalogue.own_id("pod", "1"),
            "podname": "pod-1",
            "hasannotations": false,
        }),
        view.zone(),
        view.ownership(network.account),
    ])
}
