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
    Command::list(
        "listSecurityGroups",
        "Lists security groups; there are none here, since networks have firewalls",
        &[
            Parameter::id("id", Entity::Nothing),
            Parameter::text("securitygroupname"),
            Parameter::id("virtualmachineid", Entity::VirtualMachine),
        ],
        |call| none(call, "securitygroup"),
    )
    .answering(&NOTHING),
    Command::list(
        "listNetworkACLs",
        "Lists rules of VPCs' access lists; there are none here",
        &[
            Parameter::id("id", Entity::Nothing),
            Parameter::id("aclid", Entity::Nothing),
            Parameter::id("networkid", Entity::Network),
            Parameter::text("traffictype"),
            Parameter::text("protocol"),
            Parameter::text("action"),
        ],
        |call| none(call, "networkacl"),
    )
    .answering(&NOTHING),
    Command::list(
        "listNetworkACLLists",
        "Lists VPCs' access lists; there are none here",
        &[
            Parameter::id("id", Entity::Nothing),
            Parameter::text("name"),
            Parameter::id("networkid", Entity::Network),
            Parameter::id("vpcid", Entity::Nothing),
        ],
        |call| none(call, "networkacllist"),
    )
    .answering(&NOTHING)
    .reaching(Reach::Owned),
    Command::list(
        "listVPCOfferings",
        "Lists what VPCs could be like; there are none here",
        &[
            Parameter::id("id", Entity::Nothing),
            Parameter::text("name"),
            Parameter::text("displaytext"),
            Parameter::text("state"),
            Parameter::boolean("isdefault"),
            Parameter::id("zoneid", Entity::Zone),
        ],
        |call| none(call, "vpcoffering"),
    )
    .answering(&NOTHING)
    .reaching(Reach::Catalogue),
    Command::list(
        "listSnapshotPolicies",
        "Lists when snapshots are made by themselves; none are here",
        &[Parameter::id("id", Entity::Nothing), Parameter::id("volumeid", Entity::Volume)],
        |call| none(call, "snapshotpolicy"),
    )
    .answering(&NOTHING)
    .reaching(Reach::Owned),
    Command::list(
        "listSslCerts",
        "Lists certificates of load balancers; there are none here",
        &[
            Parameter::id("certid", Entity::Nothing),
            Parameter::id("accountid", Entity::Account),
            Parameter::id("lbruleid", Entity::LoadBalancerRule),
            Parameter::project(),
        ],
        |call| none(call, "sslcert"),
    )
    .answering(&NOTHING)
    .reaching(Reach::Nothing),
    Command::list(
        "listVpnGateways",
        "Lists VPCs' VPN gateways; there are none here",
        &[Parameter::id("id", Entity::Nothing), Parameter::id("vpcid", Entity::Nothing)],
        |call| none(call, "vpngateway"),
    )
    .answering(&NOTHING)
    .reaching(Reach::Owned),
    Command::list(
        "listVpnConnections",
        "Lists VPCs' VPN connections; there are none here",
        &[Parameter::id("id", Entity::Nothing), Parameter::id("vpcid", Entity::Nothing)],
        |call| none(call, "vpnconnection"),
    )
    .answering(&NOTHING)
    .reaching(Reach::Owned),
    nothing("listVMSnapshot", "Lists snapshots of whole machines; none are here").reaching(Reach::Tagged),
    nothing("listProjectInvitations", "Lists invitations to projects; members are added at once here")
        .reaching(Reach::Owned),
    nothing("listRemoteAccessVpns", "Lists addresses at which VPNs end; there are none here")
        .reaching(Reach::Owned),
    nothing("listVpnUsers", "Lists users of VPNs; there are none here").reaching(Reach::Owned),
    nothing("listVpnCustomerGateways", "Lists the other ends of VPNs; there are none here")
        .reaching(Reach::Owned),
    nothing("listStaticRoutes", "Lists routes of VPCs; there are none here").reaching(Reach::Tagged),
    nothing("listPrivateGateways", "Lists private gateways of VPCs; there are none here")
        .reaching(Reach::Owned),
    nothing("listAutoScalePolicies", "Lists when groups of machines grow; there are none here")
        .reaching(Reach::Owned),
    nothing("listAutoScaleVmProfiles", "Lists what autoscaled machines are like; there are none here")
        .reaching(Reach::Owned),
    nothing("listBackupOfferings", "Lists ways to back machines up; there are none here")
        .reaching(Reach::Accounts),
    nothing("listBackups", "Lists backups; there are none here").reaching(Reach::Owned),
    nothing("listBackupSchedule", "Lists when machines are backed up; none are here").reaching(Reach::Owned),
];

const NOTHING: Answer = Answer::of(&[&["id"]]);

/// A list of what there is none of, whose filters all leave nothing.
const fn nothing(name: &'static str, description: &'static str) -> Command {
    Command::list(name, description, &[], |call| none(call, "none")).answering(&NOTHING)
}

fn none(call: &Call<'_>, object: &'static str) -> Result<Listing, ApiError> {
    Listing::of(object, call.arguments, std::iter::empty::<()>(), |()| Value::Null)
}
