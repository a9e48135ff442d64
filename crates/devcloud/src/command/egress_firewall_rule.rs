//! Egress rules: what may leave a network, or (where the offering lets everything out) what may not.

use super::firewall_rule::{RULE, begin, begin_delete, list_direction, matcher, owner, sources, update};
use super::{Begun, Call, Command, Entity, JobKind, Listing, Parameter};
use crate::error::ApiError;
use crate::model::{Direction, FirewallRule, RuleState};

pub(super) const COMMANDS: &[Command] = &[
    Command::job(
        "createEgressFirewallRule",
        "Makes an exception from a network's egress policy",
        JobKind::new("user.firewall.CreateEgressFirewallRuleCmd"),
        &[
            Parameter::id("networkid", Entity::Network).required(),
            Parameter::text("protocol").required(),
            Parameter::integer("startport"),
            Parameter::integer("endport"),
            Parameter::texts("cidrlist"),
            Parameter::texts("destcidrlist"),
            Parameter::integer("icmptype"),
            Parameter::integer("icmpcode"),
            Parameter::boolean("fordisplay"),
            Parameter::text("type"),
        ],
        create,
    )
    .answering(&RULE),
    Command::list(
        "listEgressFirewallRules",
        "Lists egress rules",
        &[
            Parameter::id("id", Entity::FirewallRule),
            Parameter::id("networkid", Entity::Network),
            Parameter::id("ipaddressid", Entity::PublicIpAddress),
            Parameter::boolean("fordisplay"),
        ],
        list,
    )
    .answering(&RULE),
    Command::job(
        "updateEgressFirewallRule",
        "Changes whether an egress rule is shown",
        JobKind::new("user.firewall.UpdateEgressFirewallRuleCmd"),
        &[Parameter::id("id", Entity::FirewallRule).required(), Parameter::boolean("fordisplay")],
        update,
    )
    .answering(&RULE),
    Command::job(
        "deleteEgressFirewallRule",
        "Takes an egress rule away",
        JobKind::new("user.firewall.DeleteEgressFirewallRuleCmd"),
        &[Parameter::id("id", Entity::FirewallRule).required()],
        delete,
    ),
];

fn create(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    let id = call.arguments.required_id("networkid")?;
    let network =
        call.model.networks.get(id).ok_or_else(|| ApiError::invalid("Unable to find network by id"))?;
    let guests = network.range;
    let matcher = matcher(call.arguments)?;
    let sources = sources(call.arguments, "cidrlist")?.unwrap_or_else(|| vec![guests]);
    let sources = sources
        .into_iter()
        .map(|source| match source {
            // The server keeps "anyone" as the guest range.
            source if source.prefix_len() == 0 => Ok(guests),
            source if guests.contains(&source) => Ok(source),
            source => {
                Err(ApiError::parameter(format!("[{source}] is not within the guest CIDR [{guests}]. ")))
            }
        })
        .collect::<Result<_, _>>()?;
    let destinations = super::firewall_rule::sources(call.arguments, "destcidrlist")?.unwrap_or_default();
    let rule = FirewallRule {
        number: call.model.next_number(),
        id: call.model.next_id(),
        account: owner(call, id),
        network: id,
        direction: Direction::Egress,
        address: None,
        matcher,
        sources,
        destinations,
        state: RuleState::Staged,
        opened_for: None,
    };
    begin(call, rule)
}

fn list(call: &Call<'_>) -> Result<Listing, ApiError> {
    list_direction(call, Direction::Egress)
}

fn delete(call: &mut Call<'_>) -> Result<Begun, ApiError> {
    begin_delete(call, Direction::Egress)
}
