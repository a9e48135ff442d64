//! The network's address and its rules. The server runs one network's rule jobs one after another, so these are too.

use std::{
    net::Ipv4Addr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cloudstack::{Id, resource::*};
use ipnet::Ipv4Net;

use super::{Run, StepError, policy, settle::Twice};
use crate::{
    cluster::{look::convert, openings::Opening},
    events::Work,
};

/// The port SSH listens on, on every node.
const SSH: u16 = 22;

impl Run<'_> {
    /// Takes the network's public address. The first one of a sleeping network becomes its source NAT address.
    pub(super) async fn acquire_address(&self, work: &Work) -> Result<Ipv4Addr, StepError> {
        let network = self.network()?;
        let command = AssociateIpAddress::new().network_id(&network);
        let sent = AtomicUsize::new(0);
        let look =
            async || Ok(self.addresses(&network).await?.into_iter().find(|address| address.is_source_nat));
        let make = async || {
            sent.fetch_add(1, Ordering::Relaxed);
            self.run_queued(&command).await
        };
        let made = self.settle_if(work, async || Ok(()), (Twice::Made, look), make).await?;
        let address = match (made.is_source_nat, sent.into_inner()) {
            (true, 1) => made,
            (_, sent) => self.only_address(work, &network, made, sent).await?,
        };
        let public = address.ip_address.ok_or_else(|| StepError::unknown("the public address"))?;
        self.known().address = Some((address.id, public));
        Ok(public)
    }

    async fn addresses(&self, network: &Id) -> Result<Vec<PublicIpAddress>, cloudstack::Error> {
        self.context.client.list(&ListPublicIpAddresses::new().associated_network_id(network)).await
    }

    /// The network's source NAT address, where there may be others: a call whose reply was lost has taken one, or one that
    /// something between us repeated, and told us of the second. Those that this run has taken are given back.
    async fn only_address(
        &self,
        work: &Work,
        network: &Id,
        made: PublicIpAddress,
        sent: usize,
    ) -> Result<PublicIpAddress, StepError> {
        let observed = &self.context.observed.addresses;
        let is_new = |address: &&PublicIpAddress| observed.iter().all(|before| before.id != address.id);
        let last = Mutex::new(Vec::new());
        // A call may have been lost, and not its reply: then there are fewer than were asked for, and it is waited in vain.
        let all_are_shown = async || {
            let all = self.addresses(network).await?;
            let shown = all.iter().any(|address| address.id == made.id)
                && all.iter().any(|address| address.is_source_nat)
                && all.iter().filter(is_new).count() >= sent;
            *last.lock().unwrap_or_else(PoisonError::into_inner) = all;
            Ok(shown.then_some(()))
        };
        self.find(work, &[policy::LOOKS, &[Duration::from_secs(8)]].concat(), &all_are_shown).await?;
        let all = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        let first = all.iter().find(|address| address.is_source_nat).cloned().unwrap_or(made);
        for extra in all.iter().filter(is_new).filter(|address| address.id != first.id) {
            self.release_address(work, &extra.id).await?;
        }
        Ok(first)
    }

    fn address(&self) -> Result<Id, StepError> {
        let address = self.known().address.as_ref().map(|(id, _)| id.clone());
        address.ok_or_else(|| StepError::unknown("the public address"))
    }

    pub(super) async fn close_ports(&self, work: &Work, rule: &Id) -> Result<(), StepError> {
        self.take_away(work, &ListFirewallRules::new().id(rule), &DeleteFirewallRule::new(rule)).await
    }

    pub(super) async fn open_ports(&self, work: &Work, opening: &Opening) -> Result<(), StepError> {
        let client = &self.context.client;
        let (address, network) = (self.address()?, self.network()?);
        let command = CreateFirewallRule::new(&address, Protocol::Tcp)
            .start_port(opening.first)
            .end_port(opening.last)
            .cidr_list(opening.sources.iter().map(ToString::to_string));
        let look = async || {
            let rules = client.list(&ListFirewallRules::new().network_id(&network)).await?;
            let same = |rule: FirewallRule| {
                let rule = convert::firewall_rule(rule, Some(&address))?.opening?;
                let covers = rule.first <= opening.first && opening.last <= rule.last;
                let sources = opening
                    .sources
                    .iter()
                    .all(|source| rule.sources.iter().any(|open| open.contains(source)));
                (covers && sources).then_some(())
            };
            Ok(rules.into_iter().find_map(same))
        };
        self.settle(work, look, async || self.run_queued(&command).await.map(|_| ())).await
    }

    pub(super) async fn open_egress(&self, work: &Work, range: Ipv4Net) -> Result<(), StepError> {
        let client = &self.context.client;
        let network = self.network()?;
        // Without a list of sources the rule is for the whole range, which is also how 0.0.0.0/0 would come back.
        let command = CreateEgressFirewallRule::new(&network, Protocol::All);
        let look = async || {
            let rules = client.list(&ListEgressFirewallRules::new().network_id(&network)).await?;
            let open =
                |rule| convert::egress_rule(rule, range).is_some_and(|rule| rule.everything).then_some(());
            Ok(rules.into_iter().find_map(open))
        };
        self.settle(work, look, async || self.run_queued(&command).await.map(|_| ())).await
    }

    pub(super) async fn create_balancer(
        &self,
        work: &Work,
        name: &str,
        public_port: u16,
        private_port: u16,
    ) -> Result<(), StepError> {
        let client = &self.context.client;
        let (address, network) = (self.address()?, self.network()?);
        // The gateway on any master leads to the leader, so how a master is chosen does not matter. The firewall is
        // opened by rules of its own, for the operator's networks only.
        let command =
            CreateLoadBalancerRule::new(name, &address, public_port, private_port, Algorithm::RoundRobin)
                .network_id(&network)
                .protocol("tcp")
                .open_firewall(false);
        let look = async || {
            let rules = client.list(&ListLoadBalancerRules::new().network_id(&network)).await?;
            match rules
                .into_iter()
                .find(|rule| rule.public_ip_id == address && rule.public_port == public_port)
            {
                Some(rule) if rule.private_port != private_port => Err(StepError::Clash {
                    what: format!("a load balancer rule on port {public_port}"),
                    problem: format!("it leads to port {}, not {private_port}", rule.private_port),
                }),
                found => Ok(found.map(|rule| rule.id)),
            }
        };
        let make = async || Ok(self.run_queued(&command).await?.id);
        let rule = self.settle(work, look, make).await?;
        self.known().balancers.insert(public_port, rule);
        Ok(())
    }

    /// Puts those of the machines behind a load balancer rule that are there: one that could not be deployed keeps no
    /// other out, and one that is being made again gets its rules by that.
    pub(super) async fn assign_balancer(
        &self,
        work: &Work,
        public_port: u16,
        machines: &[String],
    ) -> Result<(), StepError> {
        let there = || {
            let known = self.known();
            let settled = machines.iter().filter(|name| !known.mending.contains(*name));
            settled.filter_map(|name| Some(known.machines.get(name)?.id.clone())).collect::<Vec<_>>()
        };
        let mending = || machines.iter().any(|name| self.known().mending.contains(name));
        let members = there();
        match (members.is_empty(), mending()) {
            (true, true) => return Ok(()),
            (true, false) => return Err(StepError::Forgone { why: "none of its machines is there" }),
            (false, _) => {}
        }
        match self.make_members(work, public_port, members).await {
            // One of them was removed meanwhile to be made again, and the call is for all or none.
            Err(_) if mending() && !there().is_empty() => self.make_members(work, public_port, there()).await,
            other => other,
        }
    }

    pub(super) async fn make_members(
        &self,
        work: &Work,
        public_port: u16,
        wanted: Vec<Id>,
    ) -> Result<(), StepError> {
        let client = &self.context.client;
        let rule = self.known().balancers.get(&public_port).cloned();
        let rule =
            rule.ok_or_else(|| StepError::unknown(format!("the load balancer rule on port {public_port}")))?;
        let unassigned = async || {
            let members = client.list(&ListLoadBalancerRuleInstances::new(&rule)).await?;
            let is_member = |id: &Id| members.iter().any(|member| member.id == *id);
            Ok::<_, cloudstack::Error>(wanted.iter().filter(|id| !is_member(id)).cloned().collect::<Vec<_>>())
        };
        let look = async || Ok(unassigned().await?.is_empty().then_some(()));
        let assign = async |machines: Vec<Id>| {
            let command = AssignToLoadBalancerRule::new(&rule, machines);
            self.run_queued(&command).await.map(|_| ())
        };
        let make = async || match assign(wanted.clone()).await {
            // Some of them are members already, and the call is for all or none.
            Err(error) if error.is_conflict() => match unassigned().await? {
                rest if rest.is_empty() => Ok(()),
                rest => assign(rest).await,
            },
            other => other,
        };
        self.settle(work, look, make).await
    }

    /// Forwards a port to a machine; to one that is being made again, whoever makes it does that.
    pub(super) async fn forward(
        &self,
        work: &Work,
        host_name: &str,
        public_port: u16,
    ) -> Result<(), StepError> {
        match self.make_forward(work, host_name, public_port).await {
            Err(_) if self.known().mending.contains(host_name) => Ok(()),
            other => other,
        }
    }

    pub(super) async fn make_forward(
        &self,
        work: &Work,
        host_name: &str,
        public_port: u16,
    ) -> Result<(), StepError> {
        let client = &self.context.client;
        let (address, network, machine) = (self.address()?, self.network()?, self.machine(host_name)?);
        let command = CreatePortForwardingRule::new(&address, Protocol::Tcp, public_port, &machine, SSH)
            .open_firewall(false)
            .network_id(&network);
        let look = async || {
            let rules = client.list(&ListPortForwardingRules::new().network_id(&network)).await?;
            let rule = rules.into_iter().filter_map(convert::forward).find(|rule| {
                rule.address == address
                    && rule.protocol == "tcp"
                    && (rule.public.0..=rule.public.1).contains(&public_port)
            });
            match rule {
                Some(rule) if rule.machine != machine || rule.private != SSH => Err(StepError::Clash {
                    what: format!("a port forwarding rule on port {public_port}"),
                    problem: format!("it does not lead to {host_name}"),
                }),
                found => Ok(found.map(|_| ())),
            }
        };
        self.settle(work, look, async || self.run_queued(&command).await.map(|_| ())).await
    }

    pub(super) async fn remove_forward(&self, work: &Work, rule: &Id) -> Result<(), StepError> {
        let listed = ListPortForwardingRules::new().id(rule);
        self.take_away(work, &listed, &DeletePortForwardingRule::new(rule)).await
    }
}
