//! Which action is done by what.

use std::collections::BTreeMap;

use super::{Run, StepError};
use crate::{cluster::action::Action, events::Work};

impl Run<'_> {
    /// Does one action; says what a reader wants to know of it.
    pub(super) async fn act(&self, work: &Work, action: &Action) -> Result<Option<String>, StepError> {
        match action {
            Action::AwaitNetwork => self.await_network(work).await.map(|()| None),
            Action::CreateNetwork { name, range, gateway, offering, zone } => {
                self.create_network(work, name, (*range, *gateway), &offering.id, &zone.id).await.map(Some)
            }
            Action::WriteTags { set, host_keys, drop } => {
                self.write_tags(work, set, host_keys, drop).await.map(|()| None)
            }
            Action::RegisterKeyPair { name } => self.register_key_pair(work, name).await.map(Some),
            Action::CreateAffinityGroup { name } => {
                self.create_affinity_group(work, name).await.map(|()| None)
            }
            Action::AcquireAddress => {
                self.acquire_address(work).await.map(|address| Some(address.to_string()))
            }
            Action::ClosePorts { rule, .. } => self.close_ports(work, rule).await.map(|()| None),
            Action::OpenPorts { opening } => self.open_ports(work, opening).await.map(|()| None),
            Action::OpenEgress { range } => self.open_egress(work, *range).await.map(|()| None),
            Action::CreateBalancer { name, public_port, private_port } => {
                self.create_balancer(work, name, *public_port, *private_port).await.map(|()| None)
            }
            Action::AssignBalancer { public_port, machines, .. } => {
                self.assign_balancer(work, *public_port, machines).await.map(|()| None)
            }
            Action::RemoveRule { rule, id, .. } => self.remove_rule(work, *rule, id).await.map(|()| None),
            Action::RemoveMember { rule, machine, .. } => {
                self.remove_member(work, rule, machine).await.map(|()| None)
            }
            Action::ReleaseAddress { id, .. } => self.release_address(work, id).await.map(|()| None),
            Action::MarkLeaving { host_names, tags } => {
                self.mark_leaving(work, host_names, tags).await.map(|()| None)
            }
            Action::Drain { node, .. } => self.drain(work, node).await.map(Some),
            Action::CheckQuorum { host_name, node } => {
                self.check_quorum(host_name, node).await.map(|()| None)
            }
            Action::RollOut { stages, .. } => self.roll_out(work, stages).await.map(|()| None),
            Action::Discard { host_name, machine, .. } => {
                self.discard(work, host_name, machine).await.map(|()| None)
            }
            Action::Destroy { host_name, machine } => {
                self.destroy(work, host_name, machine).await.map(|()| None)
            }
            Action::ForgetNodes { tags, .. } | Action::Disband { tags } => {
                self.make_tags(work, &BTreeMap::new(), tags).await.map(|()| None)
            }
            Action::Deploy { host_name, node, offering, template, apart } => {
                self.deploy(work, host_name, node, (&offering.id, &template.id), *apart).await.map(Some)
            }
            Action::Launch { host_name, node, offering, template } => {
                self.launch(work, host_name, node, (&offering.id, &template.id)).await.map(Some)
            }
            Action::Forward { host_name, public_port } => {
                self.forward(work, host_name, *public_port).await.map(|()| None)
            }
            Action::RemoveForward { rule, .. } => self.remove_forward(work, rule).await.map(|()| None),
            Action::WrittenDown => Ok(None),
            Action::Start { host_name, .. } => self.start(work, host_name).await,
            Action::SetUp { host_name, node, .. } => self.set_up(work, host_name, node).await.map(Some),
            Action::AwaitHealth { host_names } => self.await_health(work, host_names).await.map(|()| None),
            Action::MarkSetUp { host_names } => self.mark_set_up(work, host_names).await.map(|()| None),
            Action::DeleteAffinityGroup { group, .. } => {
                self.delete_affinity_group(work, group).await.map(|()| None)
            }
            Action::DeleteKeyPair { name, tag } => {
                let kept = self.delete_key_pair(work, name).await?;
                // One that somebody else has taken into use is not the cluster's alone any more.
                self.make_tags(work, &BTreeMap::new(), tag.as_slice()).await?;
                Ok(kept)
            }
            Action::DeleteNetwork { network, .. } => self.delete_network(work, network).await.map(|()| None),
        }
    }
}
