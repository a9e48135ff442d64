//! Firewall rules: what may come in to a public address. Egress rules share what is the same.

use ipnet::Ipv4Net;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Answer;
use super::call::{View, object};
use super::{Arguments, Begun, Call, Command, Entity, JobKind, Listing, Parameter, Running};
use crate::error::ApiError;
use crate::job::Lane;
use crate::model::{Clash, Direction, FirewallRule, Matcher, PortRange, RuleState};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createFirewallRule",
        "Lets traffic in to a public address",
        JobKind::new("user.firewall.CreateFirewallRuleCmd"),
        &[
            Parameter::id("ipaddressid", Entity::PublicIpAddress).required(),
            Parameter::text("protocol").required(),
            Parameter::integer("startport"),
            Parameter::integer("endport"),
            Parameter::texts("cidrlist"),
            Parameter::integer("icmptype"),
            Parameter::integer("icmpcode"),
            Parameter::boolean("fordisplay"),
            Parameter::text("type"),
        ],
        create,
    )
    .answering(&RULE),
    Command::list(
        "listFirewallRules",
        "Lists firewall rules of public addresses",
        &[
            Parameter::id("id", Entity::FirewallRule),
            Parameter::id("ipaddressid", Entity::PublicIpAddress),
            Parameter::id("networkid", Entity::Network),
            Parameter::boolean("fordisplay"),
        ],
        list,
    )
    .answering(&RULE),
    Command::job(
        "updateFirewallRule",
        "Changes whether a firewall rule is shown",
        JobKind::new("user.firewall.UpdateFirewallRuleCmd"),
        &[Parameter::id("id", Entity::FirewallRule).required(), Parameter::boolean("fordisplay")],
        update,
    )
    .answering(&RULE),
    Command::job(
        "deleteFirewallRule",
        "Takes a firewall rule away",
        JobKind::new("user.firewall.DeleteFirewallRuleCmd"),
        &[Parameter::id("id", Entity::FirewallRule).required()],
        delete,
    ),
];

/// What is told of a firewall rule, for traffic either way.
pub(super) const RULE: Answer = Answer::of(&[
    &["id", "protocol", "startport", "endport", "icmptype", "icmpcode", "ipaddressid", "ipaddress"],
    &["networkid", "state", "cidrlist", "destcidrlist", "traffictype", "tags:list", "fordisplay"],
])
.with(&[("tags", &super::tag::TAG)]);

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let address = call.arguments.required_id("ipaddressid")?;
    let network = super::public_ip_address::network_of(call, address)?;
    let matcher = matcher(call.arguments)?;
    if matcher == Matcher::All {
        return Err(ApiError::invalid("Protocol all is not supported in zone 1"));
    }
    let sources = sources(call.arguments, "cidrlist")?.unwrap_or_else(|| vec![anywhere()]);
    let rule = FirewallRule {
        number: call.model.next_number(),
        id: call.model.next_id(),
        account: owner(call, network),
        network,
        direction: Direction::Ingress,
        address: Some(address),
        matcher,
        sources,
        destinations: Vec::new(),
        state: RuleState::Staged,
        opened_for: None,
    };
    begin(call, rule)
}

pub(super) fn owner(call: &Call<'_>, network: Uuid) -> Uuid {
    call.model.networks.get(network).map_or(call.caller.account, |network| network.account)
}

pub(super) fn anywhere() -> Ipv4Net {
    Ipv4Net::default()
}

/// What a firewall rule is to match, from `protocol`, `startport`, `endport`, `icmptype` and `icmpcode`.
pub(super) fn matcher(arguments: &Arguments) -> Result<Matcher, ApiError> {
    let protocol = arguments.required_text("protocol")?.to_lowercase();
    let ports = match (arguments.integer("startport"), arguments.integer("endport")) {
        (None, None) => None,
        (first, last) => {
            let first = first.or(last).unwrap_or_default();
            Some(port_range(first, last.unwrap_or(first))?)
        }
    };
    let icmp = arguments.integer("icmptype").is_some() || arguments.integer("icmpcode").is_some();
    let icmp_value = |name: &str| -> Result<i16, ApiError> {
        let value = arguments.integer(name).unwrap_or(-1);
        let code = i16::try_from(value).ok().filter(|value| (-1..=255).contains(value));
        code.ok_or_else(|| ApiError::invalid(format!("Invalid {name}; should belong to [0-255] range")))
    };
    match protocol.as_str() {
        "tcp" | "udp" | "all" if icmp => {
            Err(ApiError::invalid("Can specify icmpCode and icmpType for ICMP protocol only"))
        }
        "tcp" => Ok(Matcher::Tcp(ports)),
        "udp" => Ok(Matcher::Udp(ports)),
        "icmp" if ports.is_some() => {
            Err(ApiError::invalid("Can't specify start/end port when protocol is ICMP"))
        }
        "icmp" => Ok(Matcher::Icmp { kind: icmp_value("icmptype")?, code: icmp_value("icmpcode")? }),
        "all" if ports.is_some() => {
            Err(ApiError::invalid("Can't specify start/end port when protocol is all"))
        }
        "all" => Ok(Matcher::All),
        other => Err(ApiError::invalid(format!("Protocol {other} is not supported in zone 1"))),
    }
}

pub(super) fn port_range(first: i64, last: i64) -> Result<PortRange, ApiError> {
    let port = |port: i64| {
        u16::try_from(port)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| ApiError::invalid(format!("publicPort is an invalid value: {port}")))
    };
    let (first, last) = (port(first)?, port(last)?);
    PortRange::new(first, last).ok_or_else(|| ApiError::invalid("Start port can't be bigger than end port"))
}

/// The ranges of a list parameter, if it is there and not empty.
pub(super) fn sources(arguments: &Arguments, name: &str) -> Result<Option<Vec<Ipv4Net>>, ApiError> {
    let Some(texts) = arguments.texts(name).filter(|texts| !texts.is_empty()) else { return Ok(None) };
    let ranges = texts.iter().map(|text| {
        let address = text.parse::<std::net::Ipv4Addr>().map(Ipv4Net::from);
        address
            .or_else(|_| text.parse::<Ipv4Net>())
            .map(|range| range.trunc())
            .map_err(|_| ApiError::parameter(format!("Source CIDRs formatting error {text}")))
    });
    ranges.collect::<Result<_, _>>().map(Some)
}

/// Writes a rule down, unless it is in the way of another, and begins the job that makes it so.
pub(super) fn begin(call: &mut Call<'_>, rule: FirewallRule) -> Result<Begun, ApiError> {
    no_clash(call, &rule)?;
    let (id, network) = (rule.id, rule.network);
    call.model.firewall_rules.insert(rule);
    Ok(Begun::making(id, "FirewallRule", Lane::Network(network), move |running| async move {
        running
            .core
            .change(|model, _| {
                // It may have been deleted while it waited for its turn.
                let rule = model.firewall_rules.edit(id).filter(|rule| rule.state == RuleState::Staged);
                let rule = rule.ok_or_else(|| ApiError::internal("Failed to create firewall rule"))?;
                rule.state = RuleState::Adding;
                model.touch(network);
                Ok(())
            })
            .await?;
        if let Err(error) = running.core.apply_rules(network).await {
            tracing::info!(%error, rule = %id, "a firewall rule was not applied");
            running
                .core
                .change(|model, _| {
                    model.firewall_rules.remove(id);
                    model.tags.remove(id);
                    model.touch(network);
                    Ok(())
                })
                .await?;
            return Err(ApiError::internal("Failed to create firewall rule"));
        }
        running
            .core
            .change(|model, _| {
                if let Some(rule) =
                    model.firewall_rules.edit(id).filter(|rule| rule.state == RuleState::Adding)
                {
                    rule.state = RuleState::Active;
                }
                Ok(())
            })
            .await?;
        running.firewall_rule_answer(id)
    }))
}

/// Whether a rule could be written down.
pub(super) fn no_clash(call: &Call<'_>, rule: &FirewallRule) -> Result<(), ApiError> {
    let mut rules = call.model.firewall_rules.iter();
    let Some((old, clash)) = rules.find_map(|old| Some((old, rule.clash(old)?))) else { return Ok(()) };
    let protocol = rule.matcher.protocol();
    Err(match clash {
        Clash::Ports(ports) => {
            let text = format!(
                "The range specified, {}, conflicts with rule FirewallRule \
                 {{\"id\":{},\"networkId\":{},\"purpose\":\"Firewall\",\"state\":\"{}\",\"uuid\":\"{}\"}} which has {ports}",
                rule.matcher.ports().map(|ports| ports.to_string()).unwrap_or_default(),
                old.number,
                call.model.networks.get(old.network).map_or(0, |network| network.number),
                old.state.name(),
                old.id
            );
            let error = ApiError::conflict(text);
            if rule.direction == Direction::Egress { error.with_cs_code(9999) } else { error }
        }
        Clash::Everything => ApiError::conflict(format!(
            "There is already a firewall rule specified with protocol = {protocol} and no ports"
        )),
        Clash::Icmp => ApiError::invalid(format!("New rule conflicts with existing rule: {}", old.id)),
    })
}

impl Running {
    fn firewall_rule_answer(&self, id: Uuid) -> Result<Value, ApiError> {
        self.look(|look| {
            look.model.firewall_rules.get(id).map(|rule| json!({ "firewallrule": view(look, rule) }))
        })
        .ok_or_else(|| ApiError::internal("Failed to create firewall rule"))
    }
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    list_direction(call, Direction::Ingress)
}

pub(super) fn list_direction(call: &Call<'_>, direction: Direction) -> Result<Listing, ApiError> {
    let scope = call.scope()?;
    let arguments = call.arguments;
    super::public_ip_address::ready_for(call, "firewall")?;
    let found = call.model.firewall_rules.iter().rev().filter(|rule| {
        rule.direction == direction
            && scope.includes(rule.account)
            && call.wanted(rule.id)
            && call.tags_match(rule.id)
            && arguments.boolean("fordisplay") != Some(false)
            && call.keyword_in(&[&rule.id.to_string(), rule.matcher.protocol()])
            && arguments.id("ipaddressid").is_none_or(|address| rule.address == Some(address))
            && arguments.id("networkid").is_none_or(|network| rule.network == network)
    });
    Listing::of("firewallrule", arguments, found, |rule| view(call.view(), rule))
}

// There is nothing else that can be changed of it, and everybody is shown it here.
pub(super) fn update(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    Ok(Begun::doing(None, Lane::Free, move |running| async move { running.firewall_rule_answer(id) }))
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    begin_delete(call, Direction::Ingress)
}

pub(super) fn begin_delete(call: &mut Call<'_>, direction: Direction) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("id")?;
    let rule = call.model.firewall_rules.edit(id).filter(|rule| rule.direction == direction);
    let rule =
        rule.ok_or_else(|| ApiError::invalid(format!("Unable to find the firewall rule by id {id}")))?;
    rule.state = RuleState::Revoked;
    let network = rule.network;
    call.model.touch(network);
    Ok(Begun::on_rule(id, network, move |running| async move {
        if let Err(error) = running.core.apply_rules(network).await {
            tracing::info!(%error, rule = %id, "a firewall rule was not taken away");
            running
                .core
                .change(|model, _| {
                    if let Some(rule) = model.firewall_rules.edit(id) {
                        rule.state = RuleState::Active;
                    }
                    model.touch(network);
                    Ok(())
                })
                .await?;
            return Err(ApiError::internal("Failed to delete firewall rule"));
        }
        running
            .core
            .change(|model, _| {
                model.firewall_rules.remove(id);
                model.tags.remove(id);
                Ok(())
            })
            .await?;
        Ok(json!({ "success": true }))
    }))
}

/// Ranges as a list parameter has them.
pub(super) fn joined(ranges: &[Ipv4Net]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn view(view: View<'_>, rule: &FirewallRule) -> Value {
    let address = rule.address.and_then(|address| view.model.public_ip_addresses.get(address));
    let ports = rule.matcher.ports();
    let icmp = rule.matcher.icmp();
    object([json!({
        "id": rule.id,
        "protocol": rule.matcher.protocol(),
        "startport": ports.map(|ports| ports.first),
        "endport": ports.map(|ports| ports.last),
        "icmptype": icmp.map(|(kind, _)| kind),
        "icmpcode": icmp.map(|(_, code)| code),
        "ipaddressid": address.map(|address| address.id),
        "ipaddress": address.map(|address| address.address.to_string()),
        "networkid": rule.network,
        "state": rule.state.name(),
        "cidrlist": joined(&rule.sources),
        "destcidrlist": joined(&rule.destinations),
        "traffictype": match rule.direction {
            Direction::Ingress => "Ingress",
            Direction::Egress => "Egress",
        },
        "tags": view.tags(rule.id),
        "fordisplay": view.root_admin.then_some(true),
    })])
}

/// Opens the firewall for a rule that asked for it: a rule of its own, unless one lets the same traffic in already.
pub(super) fn open_for(
    call: &mut Call<'_>,
    rule: Uuid,
    (network, address): (Uuid, Uuid),
    matcher: Matcher,
    sources: Vec<Ipv4Net>,
) -> Result<(), ApiError> {
    let identical = call.model.firewall_rules.iter().any(|old| {
        old.address == Some(address)
            && old.matcher == matcher
            && old.sources == sources
            && old.state != RuleState::Revoked
    });
    if identical {
        return Ok(());
    }
    let opened = FirewallRule {
        number: call.model.next_number(),
        id: call.model.next_id(),
        account: owner(call, network),
        network,
        direction: Direction::Ingress,
        address: Some(address),
        matcher,
        sources,
        destinations: Vec::new(),
        state: RuleState::Staged,
        opened_for: Some(rule),
    };
    no_clash(call, &opened)?;
    call.model.firewall_rules.insert(opened);
    Ok(())
}

/// Moves the rules that were opened for another one along with it; gone with it when there is no new state.
pub(super) fn follow(model: &mut crate::model::Model, rule: Uuid, state: Option<RuleState>) {
    let opened: Vec<Uuid> = model
        .firewall_rules
        .iter()
        .filter(|opened| opened.opened_for == Some(rule))
        .map(|opened| opened.id)
        .collect();
    for id in opened {
        match state {
            Some(state) => {
                if let Some(opened) = model.firewall_rules.edit(id) {
                    opened.state = state;
                }
            }
            None => {
                model.firewall_rules.remove(id);
                model.tags.remove(id);
            }
        }
    }
}
