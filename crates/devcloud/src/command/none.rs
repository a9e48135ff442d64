//! Lists of what this zone has none of. Clients that look for such things find that there are none, instead of an error.

use serde_json::Value;

use super::{Call, Command, Entity, Listing, Parameter};
use crate::error::ApiError;

pub(super) const COMMANDS: &[Command] = &[
    Command::list(
        "listProjects",
        "Lists projects; there are none here",
        &[Parameter::text("name")],
        |call| none(call, "project"),
    ),
    Command::list(
        "listIsos",
        "Lists ISO images; there are none here",
        &[Parameter::text("isofilter"), Parameter::text("name"), Parameter::id("zoneid", Entity::Zone)],
        |call| none(call, "iso"),
    ),
    Command::list(
        "listSnapshots",
        "Lists snapshots; there are none here",
        &[Parameter::id("volumeid", Entity::Volume), Parameter::text("name")],
        |call| none(call, "snapshot"),
    ),
    Command::list("listVPCs", "Lists VPCs; there are none here", &[Parameter::text("name")], |call| {
        none(call, "vpc")
    }),
    Command::list(
        "listAutoScaleVmGroups",
        "Lists autoscale groups; there are none here",
        &[Parameter::id("lbruleid", Entity::LoadBalancerRule)],
        |call| none(call, "autoscalevmgroup"),
    ),
];

fn none(call: &Call<'_>, object: &'static str) -> Result<Listing, ApiError> {
    Listing::of(object, call.arguments, std::iter::empty::<()>(), |()| Value::Null)
}
