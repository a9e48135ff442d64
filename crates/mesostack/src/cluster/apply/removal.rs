//! A machine that leaves a cluster that stays.

use cloudstack::{AsyncCommand, Id, ListCommand, resource::*};

use super::{Run, StepError, network::gone};
use crate::{
    cluster::{action::RuleKind, identity},
    events::Work,
};

impl Run<'_> {
    /// Removes a rule nobody asked for, of whatever kind.
    pub(super) async fn remove_rule(&self, work: &Work, kind: RuleKind, id: &Id) -> Result<(), StepError> {
        match kind {
            RuleKind::Firewall => self.close_ports(work, id).await,
            RuleKind::Forward => self.remove_forward(work, id).await,
            RuleKind::Egress => {
                let listed = ListEgressFirewallRules::new().id(id);
                self.take_away(work, &listed, &DeleteEgressFirewallRule::new(id)).await
            }
            RuleKind::Balancer => {
                let listed = ListLoadBalancerRules::new().id(id);
                self.take_away(work, &listed, &DeleteLoadBalancerRule::new(id)).await
            }
        }
    }

    /// Takes a machine out of a load balancer rule.
    pub(super) async fn remove_member(&self, work: &Work, rule: &Id, machine: &Id) -> Result<(), StepError> {
        let client = &self.context.client;
        let look = async || {
            let members = client.list(&ListLoadBalancerRuleInstances::new(rule)).await;
            gone(members.map(|members| members.iter().all(|member| member.id != *machine)))
        };
        let command = RemoveFromLoadBalancerRule::new(rule, vec![machine.clone()]);
        let make = async || match self.run_queued(&command).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(drop),
        };
        self.settle(work, look, make).await
    }

    /// Gives a public address back, and with it the rules that are on it.
    pub(super) async fn release_address(&self, work: &Work, id: &Id) -> Result<(), StepError> {
        self.take_away(work, &ListPublicIpAddresses::new().id(id), &DisassociateIpAddress::new(id)).await
    }

    /// Takes one thing away: what is gone already was taken.
    pub(super) async fn take_away(
        &self,
        work: &Work,
        listed: &impl ListCommand,
        command: &impl AsyncCommand,
    ) -> Result<(), StepError> {
        let client = &self.context.client;
        let look = async || gone(client.list(listed).await.map(|found| found.is_empty()));
        let make = async || match self.run_queued(command).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(drop),
        };
        self.settle(work, look, make).await
    }

    /// Writes down which agents are about to go, by their tags.
    pub(super) async fn mark_leaving(
        &self,
        work: &Work,
        host_names: &[String],
        tags: &[(String, String)],
    ) -> Result<(), StepError> {
        let anew = host_names.iter().zip(tags).find(|(_, (_, mark))| identity::is_made_anew(mark));
        if let Some((host_name, _)) = anew {
            self.check_name_is_freed(host_name).await?;
        }
        self.make_tags(work, &tags.iter().cloned().collect(), &[]).await
    }

    /// Whether a machine's name and address can be had again as soon as it is destroyed.
    pub(super) async fn check_name_is_freed(&self, host_name: &str) -> Result<(), StepError> {
        match self.context.client.call(&ListCapabilities::new()).await?.allow_user_expunge_recover_vm {
            true => Ok(()),
            false => Err(StepError::CannotExpunge { host_name: host_name.to_owned() }),
        }
    }

    /// Destroys a machine, and with it everything that leads to it.
    pub(super) async fn discard(&self, work: &Work, host_name: &str, machine: &Id) -> Result<(), StepError> {
        // Its step may have waited for its turn, and does so between attempts: the quorum may not be what it was.
        self.destroy_if(work, host_name, machine, async || self.check_goes(host_name).await).await?;
        if !self.known().cannot_expunge {
            // The cloud removes its rules together with it.
            return Ok(());
        }
        let network = self.network()?;
        let rules = self.context.client.list(&ListPortForwardingRules::new().network_id(&network)).await?;
        for rule in rules.into_iter().filter(|rule| rule.virtual_machine_id == *machine) {
            self.remove_forward(work, &rule.id).await?;
        }
        Ok(())
    }
}
