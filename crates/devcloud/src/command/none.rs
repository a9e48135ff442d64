//! Lists of what this zone has none of. Clients that look for such things find that there are none, instead of an error.

use serde_json::Value;

use super::answer::Answer;
use super::{Call, Command, Entity, Listing, Parameter, Reach};
use crate::error::ApiError;

pub(super) const COMMANDS: &[Command] = &[
    Command::list("listVPCs", "Lists VPCs; there are none here", &[Parameter::text("name")], |call| {
        none(call, "vpc")
    })
    .answering(&NOTHING),
    Command::list(
        "listAutoScaleVmGroups",
        "Lists autoscale groups; there are none here",
        &[Parameter::id("lbruleid", Entity::LoadBalancerRule)],
        |call| none(call, "autoscalevmgroup"),
    )
    .answering(&NOTHING)
    .reaching(Reach::Owned),
    Command::list(
        "listSystemVms",
        "Lists system machines; there are none here, and virtual routers are listed by themselves",
        &[
            Parameter::text("name"),
            Parameter::text("systemvmtype"),
            Parameter::text("state"),
            Parameter::id("zoneid", Entity::Zone),
        ],
        |call| none(call, "systemvm"),
    )
    .answering(&NOTHING)
    .reaching(Reach::Catalogue)
    .for_root_admin(),
];

const NOTHING: Answer = Answer::of(&[&["id"]]);

fn none(call: &Call<'_>, object: &'static str) -> Result<Listing, ApiError> {
    Listing::of(object, call.arguments, std::iter::empty::<()>(), |()| Value::Null)
}
