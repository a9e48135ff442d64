//! What can be changed of a network: its texts, its domain, and which offering it is of.

use serde_json::{Value, json};
use uuid::Uuid;

use super::network_view::{NETWORK, view};
use super::{Arguments, Begun, Call, Command, Entity, JobKind, Parameter, Running};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Model, NetworkOffering, Service};

pub(super) const COMMANDS: &[Command] = &[Command::job(
    "updateNetwork",
    "Changes a network's texts, its domain, or the offering it is of",
    JobKind::new("user.network.UpdateNetworkCmd"),
    &[
        Parameter::id("id", Entity::Network).required(),
        Parameter::text("name"),
        Parameter::text("displaytext"),
        Parameter::text("networkdomain"),
        Parameter::id("networkofferingid", Entity::NetworkOffering),
        Parameter::boolean("changecidr").about("only false is taken"),
        Parameter::boolean("updateinsequence").about("says nothing here: a network has one router"),
        Parameter::boolean("forced").about("says nothing here: a network has one router"),
        Parameter::text("guestvmcidr").about(REFUSED),
        Parameter::text("customid").about(REFUSED),
        Parameter::boolean("displaynetwork").about("only true is taken"),
        Parameter::boolean("hideipaddressusage").about("only false is taken"),
        Parameter::boolean("keepmacaddressonpublicnic").about("only true is taken"),
        Parameter::text("dns1").about(REFUSED),
        Parameter::text("dns2").about(REFUSED),
        Parameter::text("ip6dns1").about(REFUSED),
        Parameter::text("ip6dns2").about(REFUSED),
        Parameter::integer("privatemtu").about("only what it is is taken"),
        Parameter::integer("publicmtu").about("only what it is is taken"),
        Parameter::text("sourcenatipaddress").about(REFUSED),
    ],
    update,
)
.answering(&NETWORK)];

const REFUSED: &str = "is refused: this zone has no way to change it";

/// The largest packets of every network here.
const MTU: i64 = 1500;

fn update(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let arguments = call.arguments.clone();
    // As on the real server, what is wrong with the call is found in the job.
    Ok(Begun::doing(Some(("Network", Some(id))), Lane::Network(id), move |running| async move {
        let core = &running.core;
        let before = core.read(|model| model.networks.get(id).map(|network| network.offering));
        core.change(|model, _| change(model, id, &arguments)).await?;
        let moved = core.read(|model| model.networks.get(id).map(|network| network.offering)) != before;
        if moved && let Err(error) = core.apply_rules(id).await {
            core.change(|model, _| {
                if let (Some(network), Some(before)) = (model.networks.edit(id), before) {
                    network.offering = before;
                }
                model.touch(id);
                Ok(())
            })
            .await?;
            return Err(ApiError::internal(format!("Failed to update network: {error}")));
        }
        running.network_answer(id)
    }))
}

impl Running {
    /// A network as its job's result.
    fn network_answer(&self, id: Uuid) -> Result<Value, ApiError> {
        self.look(|look| look.model.networks.get(id).map(|network| json!({ "network": view(look, network) })))
            .ok_or_else(|| ApiError::internal("The network is gone"))
    }
}

fn change(model: &mut Model, id: Uuid, arguments: &Arguments) -> Result<(), ApiError> {
    refuse_what_is_not_served(arguments)?;
    let domain = arguments.network_domain()?;
    let has_machines = model.machines_in(id).next().is_some();
    if domain.is_some() && has_machines {
        return Err(ApiError::invalid(
            "All user vm/vr in network should be stopped for updating domain suffix",
        ));
    }
    let before = model.networks.get(id).ok_or_else(gone)?.offering;
    let offering = arguments.id("networkofferingid").filter(|wanted| *wanted != before);
    if let Some(wanted) = offering {
        may_become(model, id, before, wanted)?;
    }
    let network = model.networks.edit(id).ok_or_else(gone)?;
    if let Some(name) = arguments.text("name") {
        name.clone_into(&mut network.name);
    }
    if let Some(text) = arguments.text("displaytext") {
        text.clone_into(&mut network.display_text);
    }
    if offering.is_some() || domain.is_some() {
        network.offering = offering.unwrap_or(before);
        network.domain = domain.unwrap_or_else(|| network.domain.clone());
        model.touch(id);
    }
    Ok(())
}

fn gone() -> ApiError {
    ApiError::invalid("Unable to find network")
}

fn refuse_what_is_not_served(arguments: &Arguments) -> Result<(), ApiError> {
    let texts = ["guestvmcidr", "customid", "dns1", "dns2", "ip6dns1", "ip6dns2", "sourcenatipaddress"];
    let text = texts.into_iter().find(|name| arguments.text(name).is_some());
    let wanted = [
        ("changecidr", false),
        ("displaynetwork", true),
        ("hideipaddressusage", false),
        ("keepmacaddressonpublicnic", true),
    ];
    let boolean = || {
        let mut wanted = wanted.into_iter();
        wanted.find(|(name, as_it_is)| arguments.boolean(name).is_some_and(|wanted| wanted != *as_it_is))
    };
    let number = || {
        let mut numbers = ["privatemtu", "publicmtu"].into_iter();
        numbers.find(|name| arguments.integer(name).is_some_and(|wanted| wanted != MTU))
    };
    match text.or_else(|| Some(boolean()?.0)).or_else(number) {
        Some(name) => {
            Err(ApiError::invalid(format!("{name} of a network can't be changed in this zone; leave it out")))
        }
        None => Ok(()),
    }
}

/// That a network can go on as one of another offering: that has to be there for use, and has to have all services that
/// the network uses.
fn may_become(model: &Model, network: Uuid, before: Uuid, wanted: Uuid) -> Result<(), ApiError> {
    let offering = model.network_offerings.get(wanted).filter(|offering| offering.enabled);
    let Some(offering) = offering else {
        let text = "Network offering is not in Enabled state, can't upgrade to it";
        return Err(ApiError::invalid(text).about(wanted, "networkOfferingId"));
    };
    if used(model, network).all(|service| offering.services.contains(&service)) {
        return Ok(());
    }
    let name = |offering: Option<&NetworkOffering>| offering.map_or_else(String::new, |it| it.name.clone());
    Err(ApiError::invalid(format!(
        "Can't upgrade from network offering {} to {}; check logs for more information",
        name(model.network_offerings.get(before)),
        offering.name
    )))
}

/// What the network's router is needed for now.
fn used(model: &Model, network: Uuid) -> impl Iterator<Item = Service> {
    let addresses = || model.addresses_of(network);
    [
        (Service::SourceNat, addresses().any(|address| address.source_nat)),
        (Service::StaticNat, addresses().any(|address| address.static_nat.is_some())),
        (Service::PortForwarding, model.port_forwarding_rules.iter().any(|rule| rule.network == network)),
        (Service::Lb, model.load_balancer_rules.iter().any(|rule| rule.network == network)),
        (Service::Firewall, model.firewall_rules.iter().any(|rule| rule.network == network)),
        (Service::Dhcp, model.machines_in(network).next().is_some()),
    ]
    .into_iter()
    .filter_map(|(service, needed)| needed.then_some(service))
}
