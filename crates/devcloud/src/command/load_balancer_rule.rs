//! Load balancer rules.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, OWNED, ZONED};
use super::call::{View, object};
use super::firewall_rule::{anywhere, follow, open_for, owner, sources};
use super::port_forwarding_rule::conflict;
use super::{Arguments, Begun, Call, Command, Entity, JobKind, Listing, Parameter, Running};
use crate::driver::{Algorithm, Protocol};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{LoadBalancerRule, Matcher, PortRange, RuleState, Service};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createLoadBalancerRule",
        "Shares traffic to a port of a public address among machines",
        JobKind::new("user.loadbalancer.CreateLoadBalancerRuleCmd"),
        &[
            Parameter::text("algorithm").required(),
            Parameter::text("name").required(),
            Parameter::integer("privateport").required(),
            Parameter::integer("publicport").required(),
            Parameter::id("publicipid", Entity::PublicIpAddress),
            Parameter::id("networkid", Entity::Network),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::text("protocol"),
            Parameter::text("description").length(4096),
            Parameter::boolean("openfirewall")
                .about("opens the firewall for the public port too; the default"),
            Parameter::texts("cidrlist"),
            Parameter::text("account"),
            Parameter::id("domainid", Entity::Domain),
            Parameter::boolean("fordisplay"),
        ],
        create,
    )
    .answering(&RULE),
    Command::list(
        "listLoadBalancerRules",
        "Lists load balancer rules",
        &[
            Parameter::id("id", Entity::LoadBalancerRule),
            Parameter::text("name"),
            Parameter::id("publicipid", Entity::PublicIpAddress),
            Parameter::id("networkid", Entity::Network),
            Parameter::id("virtualmachineid", Entity::VirtualMachine),
            Parameter::id("zoneid", Entity::Zone),
            Parameter::boolean("fordisplay"),
        ],
        list,
    )
    .answering(&RULE),
    Command::job(
        "updateLoadBalancerRule",
        "Changes a load balancer rule",
        JobKind::new("user.loadbalancer.UpdateLoadBalancerRuleCmd"),
        &[
            Parameter::id("id", Entity::LoadBalancerRule).required(),
            Parameter::text("name"),
            Parameter::text("algorithm"),
            Parameter::text("description").length(4096),
            Parameter::text("protocol"),
            Parameter::texts("cidrlist"),
        ],
        update,
    )
    .answering(&RULE),
    Command::job(
        "deleteLoadBalancerRule",
        "Takes a load balancer rule away",
        JobKind::new("user.loadbalancer.DeleteLoadBalancerRuleCmd"),
        &[Parameter::id("id", Entity::LoadBalancerRule).required()],
        delete,
    ),
];

const RULE: Answer = Answer::of(&[
    OWNED,
    ZONED,
    &["id", "name", "description", "publicipid", "publicip", "publicport", "privateport", "algorithm"],
    &["networkid", "cidrlist", "state", "protocol", "tags:list", "fordisplay"],
])
.with(&[("tags", &super::tag::TAG)]);

fn algorithm(name: &str) -> Result<Algorithm, ApiError> {
    match name {
        "roundrobin" => Ok(Algorithm::RoundRobin),
        "leastconn" => Ok(Algorithm::LeastConn),
        "source" => Ok(Algorithm::Source),
        other => Err(ApiError::parameter(format!("Invalid algorithm: {other}"))),
    }
}

/// What a protocol, by its name in lower case, is to the router's load balancer.
fn balanced(name: &str) -> Result<Protocol, ApiError> {
    match name {
        "tcp" | "tcp-proxy" => Ok(Protocol::Tcp),
        "udp" | "ssl" => Err(ApiError::invalid(format!(
            "Protocol {name} is not supported by this zone's load balancer; use tcp or tcp-proxy"
        ))),
        other => Err(ApiError::invalid(format!("Protocol {other} is not supported by LB Provider"))),
    }
}

/// The ranges of `cidrlist` as the rule keeps them; they have been checked.
fn source_list(arguments: &Arguments) -> Option<String> {
    arguments.texts("cidrlist").filter(|list| !list.is_empty()).map(|list| list.join(" "))
}

fn port(call: &Call<'_>, name: &str, shown: &str) -> Result<u16, ApiError> {
    let port = call.arguments.integer(name).unwrap_or_default();
    let legal = u16::try_from(port).ok().filter(|port| *port > 0);
    legal.ok_or_else(|| ApiError::invalid(format!("{shown} is an invalid value: {port}")))
}

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let algorithm = algorithm(arguments.required_text("algorithm")?)?;
    let Some(address) = arguments.id("publicipid") else {
        return Err(ApiError::invalid(
            "publicipid must be given: an address is not taken for a load balancer by itself here",
        ));
    };
    let network = super::public_ip_address::network_of(call, address)?;
    super::network_offering::serves(call, network, address, Service::Lb)?;
    if call.model.public_ip_addresses.get(address).is_some_and(|address| address.static_nat.is_some()) {
        return Err(ApiError::invalid("Can't use ip with static nat enabled for load balancing"));
    }
    let named_protocol = arguments.text("protocol").map(str::to_lowercase);
    let protocol = named_protocol.as_deref().map_or(Ok(Protocol::Tcp), balanced)?;
    let (public_port, private_port) =
        (port(call, "publicport", "publicPort")?, port(call, "privateport", "privatePort")?);
    let wanted = PortRange { first: public_port, last: public_port };
    if let Some(holder) = call.model.port_holder(address, protocol, wanted, None) {
        return Err(conflict(call, network, wanted, &holder).with_cs_code(9999));
    }
    let id = call.model.next_id();
    let allowed = sources(arguments, "cidrlist")?;
    if arguments.boolean("openfirewall").unwrap_or(true) {
        let allowed = allowed.unwrap_or_else(|| vec![anywhere()]);
        open_for(call, id, (network, address), Matcher::Tcp(Some(wanted)), allowed)?;
    }
    let rule = LoadBalancerRule {
        number: call.model.next_number(),
        id,
        account: owner(call, network),
        network,
        address,
        name: arguments.required_text("name")?.to_owned(),
        description: arguments.text("description").map(str::to_owned),
        public_port,
        private_port,
        algorithm,
        protocol,
        named_protocol,
        source_list: source_list(arguments),
        members: Vec::new(),
        stickiness: Vec::new(),
        state: RuleState::Staged,
        assigned: false,
    };
    call.model.load_balancer_rules.insert(rule);
    Ok(Begun::making(id, "FirewallRule", Lane::Network(network), move |running| apply(running, id, network)))
}

async fn apply(running: Running, id: Uuid, network: Uuid) -> Result<Value, ApiError> {
    let failed = || ApiError::internal("Failed to create load balancer rule");
    let core = &running.core;
    core.change(|model, _| {
        // It may have been deleted while it waited for its turn.
        let rule = model.load_balancer_rules.edit(id).filter(|rule| rule.state == RuleState::Staged);
        rule.ok_or_else(failed)?.state = RuleState::Adding;
        follow(model, id, Some(RuleState::Adding));
        model.touch(network);
        Ok(())
    })
    .await?;
    if let Err(error) = core.apply_rules(network).await {
        tracing::info!(%error, rule = %id, "a load balancer rule was not applied");
        core.change(|model, _| {
            model.load_balancer_rules.remove(id);
            model.tags.remove(id);
            follow(model, id, None);
            model.touch(network);
            Ok(())
        })
        .await?;
        return Err(failed());
    }
    core.change(|model, _| {
        if let Some(rule) = model.load_balancer_rules.edit(id).filter(|rule| rule.state == RuleState::Adding)
        {
            rule.state = RuleState::Active;
            follow(model, id, Some(RuleState::Active));
        }
        Ok(())
    })
    .await?;
    running.load_balancer_answer(id)
}

impl Running {
    fn load_balancer_answer(&self, id: Uuid) -> Result<Value, ApiError> {
        self.look(|look| {
            look.model.load_balancer_rules.get(id).map(|rule| json!({ "loadbalancer": view(look, rule) }))
        })
        .ok_or_else(|| ApiError::internal("The load balancer rule is gone"))
    }
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    let found = call.model.load_balancer_rules.iter().filter(|rule| {
        scope.includes(rule.account)
            && call.wanted(rule.id)
            && call.name_is(&rule.name)
            && call.keyword_in(&[&rule.name])
            && call.tags_match(rule.id)
            && arguments.boolean("fordisplay") != Some(false)
            && arguments.id("publicipid").is_none_or(|address| rule.address == address)
            && arguments.id("networkid").is_none_or(|network| rule.network == network)
            && arguments
                .id("virtualmachineid")
                .is_none_or(|machine| rule.members.iter().any(|member| member.virtual_machine == machine))
    });
    Listing::of("loadbalancerrule", arguments, found, |rule| view(call.view(), rule))
}

pub(super) fn network_of(call: &Call<'_>, id: Uuid) -> Result<Uuid, ApiError> {
    let rule = call.model.load_balancer_rules.get(id);
    rule.map(|rule| rule.network)
        .ok_or_else(|| ApiError::invalid(format!("Unable to find load balancer rule: {id}")))
}

/// A rule as it was before the router refused what was to become of it.
pub(super) async fn put_back(
    running: &Running,
    before: Option<LoadBalancerRule>,
    network: Uuid,
) -> Result<(), ApiError> {
    running
        .core
        .change(|model, _| {
            if let Some(before) = before
                && let Some(rule) = model.load_balancer_rules.edit(before.id)
            {
                *rule = before;
            }
            model.touch(network);
            Ok(())
        })
        .await
}

fn update(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let arguments = call.arguments;
    let id = arguments.required_id("id")?;
    let network = network_of(call, id)?;
    let new_algorithm = arguments.text("algorithm").map(algorithm).transpose()?;
    let text = |name: &str| arguments.text(name).map(str::to_owned);
    let (name, description) = (text("name"), text("description"));
    let named_protocol = text("protocol").map(|name| name.to_lowercase());
    let protocol = named_protocol.as_deref().map(balanced).transpose()?;
    sources(arguments, "cidrlist")?;
    let allowed = source_list(arguments);
    Ok(Begun::on_rule(id, network, move |running| async move {
        let core = &running.core;
        let before = core.read(|model| model.load_balancer_rules.get(id).cloned());
        core.change(|model, _| {
            let gone = || ApiError::invalid(format!("Unable to find load balancer rule: {id}"));
            let rule = model.load_balancer_rules.edit(id).ok_or_else(gone)?;
            rule.algorithm = new_algorithm.unwrap_or(rule.algorithm);
            if let Some(name) = name {
                rule.name = name;
            }
            rule.description = description.or(rule.description.take());
            rule.protocol = protocol.unwrap_or(rule.protocol);
            rule.named_protocol = named_protocol.or(rule.named_protocol.take());
            rule.source_list = allowed.or(rule.source_list.take());
            model.touch(network);
            Ok(())
        })
        .await?;
        if let Err(error) = core.apply_rules(network).await {
            put_back(&running, before, network).await?;
            return Err(ApiError::internal(format!("Failed to update load balancer rule: {error}")));
        }
        running.load_balancer_answer(id)
    }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let network = network_of(call, id)?;
    let before = call.model.load_balancer_rules.get(id).cloned();
    if let Some(rule) = call.model.load_balancer_rules.edit(id) {
        rule.state = RuleState::Revoked;
    }
    follow(call.model, id, Some(RuleState::Revoked));
    call.model.touch(network);
    Ok(Begun::on_rule(id, network, move |running| async move {
        let core = &running.core;
        if let Err(error) = core.apply_rules(network).await {
            put_back(&running, before, network).await?;
            core.change(|model, _| {
                follow(model, id, Some(RuleState::Active));
                Ok(())
            })
            .await?;
            return Err(ApiError::internal(format!("Failed to delete load balancer: {error}")));
        }
        core.change(|model, _| {
            model.load_balancer_rules.remove(id);
            model.tags.remove(id);
            follow(model, id, None);
            Ok(())
        })
        .await?;
        Ok(json!({ "success": true }))
    }))
}

fn view(view: View<'_>, rule: &LoadBalancerRule) -> Value {
    let address = view.model.public_ip_addresses.get(rule.address);
    object([
        json!({
            "id": rule.id,
            "name": rule.name,
            "description": rule.description,
            "publicipid": rule.address,
            "publicip": address.map(|address| address.address.to_string()),
            "publicport": rule.public_port.to_string(),
            "privateport": rule.private_port.to_string(),
            "algorithm": match rule.algorithm {
                Algorithm::RoundRobin => "roundrobin",
                Algorithm::LeastConn => "leastconn",
                Algorithm::Source => "source",
            },
            "networkid": rule.network,
            "cidrlist": rule.source_list,
            "state": rule.state_name(),
            "protocol": rule.named_protocol,
            "tags": view.tags(rule.id),
            "fordisplay": view.root_admin.then_some(true),
        }),
        view.zone(),
        view.ownership(rule.account),
    ])
}
