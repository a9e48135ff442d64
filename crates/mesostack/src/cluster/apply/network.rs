//! The network, its tags, and what stands beside it: key pair and affinity group.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use cloudstack::{Expect, Id, TagList, resource::*};
use ipnet::Ipv4Net;
use remote::HostKeyPair;
use tokio::time::{Instant, sleep};

use super::{Run, StepError, Verdict, policy, settle::Twice};
use crate::{
    cluster::{
        identity,
        observed::{MachineState, NetworkState},
    },
    events::Work,
};

/// Tags a call carries at most: a form of some 40 kB, with fewer than the 1,000 keys that a server may stop at.
const TAGS_A_CALL: usize = 400;
/// The resource type of a network in tag calls.
const NETWORK: &str = "Network";

impl Run<'_> {
    /// Waits until the network's router stands or is gone.
    pub(super) async fn await_network(&self, work: &Work) -> Result<(), StepError> {
        let id = self.network()?;
        let limit = self.context.limits.network;
        let deadline = Instant::now() + limit;
        loop {
            let networks = self.context.client.list(&ListNetworks::new().id(&id)).await?;
            let machines = self.context.client.list(&ListVirtualMachines::new().network_id(&id)).await?;
            let state = networks.first().map(|network| network.state.as_str()).unwrap_or_default();
            let on_its_way =
                |machine: &VirtualMachine| MachineState::of(machine.state.as_str()) == MachineState::Changing;
            if !NetworkState::of(state).is_changing(|| machines.iter().any(on_its_way)) {
                return Ok(());
            }
            self.waiting(work, format!("the network, which is {state}"));
            if Instant::now() >= deadline {
                let what = format!("the network did not leave the state {state}");
                return Err(StepError::TooLate { what, seconds: limit.as_secs() });
            }
            sleep(Duration::from_secs(2)).await;
        }
    }

    pub(super) async fn create_network(
        &self,
        work: &Work,
        name: &str,
        (range, gateway): (Ipv4Net, Ipv4Addr),
        offering: &Id,
        zone: &Id,
    ) -> Result<String, StepError> {
        let client = &self.context.client;
        // Says whose it is from the moment it exists: names may repeat, and a tag comes a call later.
        let display_text = identity::description(&self.plan.cluster);
        let command = CreateNetwork::new(name, offering, zone)
            .display_text(&display_text)
            .gateway(gateway)
            .netmask(range.netmask());
        let look = async || {
            let networks = client.list(&ListNetworks::new().zone_id(zone)).await?;
            let ours = |network: &Network| network.name == name && network.display_text == display_text;
            Ok(networks.into_iter().find(ours))
        };
        let make = async || client.call(&command).await;
        let network = self.settle_if(work, async || Ok(()), (Twice::Made, look), make).await?;
        self.known().network = Some(network.id);
        Ok(range.to_string())
    }

    /// Writes tags: those that are given, and a new host key for each of the machines.
    pub(super) async fn write_tags(
        &self,
        work: &Work,
        set: &[(String, String)],
        host_keys: &[String],
        drop: &[String],
    ) -> Result<(), StepError> {
        // Known to the cloud before the machine is made with the private half: no host is spoken to whose key was not
        // known before.
        let pairs =
            host_keys.iter().map(|name| (name.clone(), HostKeyPair::generate())).collect::<BTreeMap<_, _>>();
        let keys = pairs.iter().map(|(name, pair)| (identity::host_key_tag(name), pair.public.to_string()));
        let fingerprint = self.desired.key.as_ref().map(|key| key.fingerprint.as_str());
        let set = set.iter().cloned().map(|(key, value)| match fingerprint {
            Some(fingerprint) if identity::is_key_pair_tag(&key) => {
                let mark = identity::key_pair_mark(&value, fingerprint);
                (key, mark)
            }
            _ => (key, value),
        });
        let tags = set.chain(keys).collect();
        self.make_tags(work, &tags, drop).await?;
        self.known().host_keys.extend(pairs);
        Ok(())
    }

    /// Makes the network's tags so. A key can be written once only: what differs is removed first.
    pub(super) async fn make_tags(
        &self,
        work: &Work,
        tags: &BTreeMap<String, String>,
        drop: &[String],
    ) -> Result<(), StepError> {
        let network = self.network()?;
        let mut attempt = 1;
        loop {
            let Err(error) = self.try_tags(&network, tags, drop).await else { return Ok(()) };
            let pause = match policy::verdict(&error, attempt) {
                Verdict::GiveUp | Verdict::Halt => return Err(error.into()),
                Verdict::Adopt => match policy::LOOKS.get(attempt as usize - 1) {
                    Some(pause) => *pause,
                    None => return Err(error.into()),
                },
                Verdict::Again(pause) | Verdict::LookThenAgain(pause) => pause,
            };
            self.before_another_attempt(work, error, pause).await?;
            let there = self
                .context
                .client
                .list(&ListTags::new().resource_type(NETWORK).resource_id(&network))
                .await?;
            self.known().tags = there.into_iter().map(|tag| (tag.key, tag.value)).collect();
            attempt += 1;
        }
    }

    async fn try_tags(
        &self,
        network: &Id,
        tags: &BTreeMap<String, String>,
        drop: &[String],
    ) -> Result<(), cloudstack::Error> {
        let client = &self.context.client;
        let there = self.known().tags.clone();
        let stale =
            |key: &&String| tags.get(*key).map_or(drop.contains(key), |value| there.get(*key) != Some(value));
        // With their values: a call that comes late, or again, does not take away what has been written since.
        let stale = there.iter().filter(|(key, _)| stale(key)).collect::<Vec<_>>();
        for tags in stale.chunks(TAGS_A_CALL) {
            let list = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<TagList>();
            let command = DeleteTags::new(vec![network.clone()], NETWORK).tags(list);
            client.run(&command, Expect::Brief, self.brief()).await?;
            self.known().tags.retain(|key, _| !tags.iter().any(|(gone, _)| *gone == key));
        }
        let there = self.known().tags.clone();
        let missing = tags.iter().filter(|(key, _)| !there.contains_key(*key)).collect::<Vec<_>>();
        for tags in missing.chunks(TAGS_A_CALL) {
            let list = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<TagList>();
            client
                .run(&CreateTags::new(vec![network.clone()], NETWORK, list), Expect::Brief, self.brief())
                .await?;
            let written = tags.iter().map(|(key, value)| ((*key).clone(), (*value).clone()));
            self.known().tags.extend(written);
        }
        Ok(())
    }

    pub(super) async fn register_key_pair(&self, work: &Work, name: &str) -> Result<String, StepError> {
        let client = &self.context.client;
        let key = self.desired.key.as_ref();
        let key = key.ok_or_else(|| StepError::unknown("the operator's private key"))?;
        let look = async || {
            let pairs = client.list(&ListSshKeyPairs::new().name(name)).await?;
            match pairs.into_iter().next() {
                Some(pair) if pair.fingerprint != key.fingerprint => Err(StepError::Clash {
                    what: format!("the key pair {name}"),
                    problem: format!("its fingerprint is {}, and ours {}", pair.fingerprint, key.fingerprint),
                }),
                found => Ok(found),
            }
        };
        let command = RegisterSshKeyPair::new(name, &key.public);
        let pair = self.settle(work, look, async || client.call(&command).await).await?;
        Ok(pair.fingerprint)
    }

    /// Which key was registered for the cluster under that name, as the tag says.
    fn fingerprint_of(&self, name: &str) -> Option<String> {
        let known = self.known();
        let mut pairs = known.tags.iter().filter(|(key, _)| identity::is_key_pair_tag(key));
        pairs.find_map(|(_, mark)| match identity::marked_key_pair(mark) {
            (ours, fingerprint) if ours == name => fingerprint.map(str::to_owned),
            _ => None,
        })
    }

    pub(super) async fn create_affinity_group(&self, work: &Work, name: &str) -> Result<(), StepError> {
        let client = &self.context.client;
        let description = identity::description(&self.plan.cluster);
        let command = CreateAffinityGroup::new(name, identity::ANTI_AFFINITY).description(&description);
        let look = async || {
            let groups = client.list(&ListAffinityGroups::new().name(name)).await?;
            match groups.into_iter().next() {
                Some(group) if group.description.as_deref() != Some(&description) => Err(StepError::Clash {
                    what: format!("the affinity group {name}"),
                    problem: "it is not this cluster's".to_owned(),
                }),
                found => Ok(found.map(|group| group.id)),
            }
        };
        let make = async || Ok(client.run(&command, Expect::Brief, self.brief()).await?.id);
        let group = self.settle(work, look, make).await?;
        self.known().affinity_group = Some(group);
        Ok(())
    }

    pub(super) async fn delete_affinity_group(&self, work: &Work, group: &Id) -> Result<(), StepError> {
        let client = &self.context.client;
        let look = async || {
            let groups = client.list(&ListAffinityGroups::new().id(group)).await;
            gone(groups.map(|groups| groups.is_empty()))
        };
        let make =
            async || match client.run(&DeleteAffinityGroup::new(group), Expect::Brief, self.brief()).await {
                Err(error) if error.is_not_found() => Ok(()),
                other => other.map(|_| ()),
            };
        self.settle(work, look, make).await
    }

    /// Deletes the key pair, unless another machine was made with it, or its name is another key's by now.
    pub(super) async fn delete_key_pair(&self, work: &Work, name: &str) -> Result<Option<String>, StepError> {
        let client = &self.context.client;
        let network = self.network()?;
        // That the file's own is the operator's was seen when this was planned.
        if name != self.desired.spec.access.key_pair {
            let pairs = client.list(&ListSshKeyPairs::new().name(name)).await?;
            match (pairs.into_iter().next(), self.fingerprint_of(name)) {
                (None, _) => return Ok(None),
                (Some(pair), Some(ours)) if pair.fingerprint == ours => {}
                (Some(_), Some(_)) => return Ok(Some("kept: it is another key than ours was".to_owned())),
                (Some(_), None) => {
                    return Ok(Some("kept: which key ours was is not written down".to_owned()));
                }
            }
        }
        let users = client.list(&ListVirtualMachines::new().key_pair(name)).await?;
        let elsewhere = |machine: &&VirtualMachine| machine.nic.iter().all(|nic| nic.network_id != network);
        if let Some(user) = users.iter().find(elsewhere) {
            return Ok(Some(format!("kept: {} uses it", user.name)));
        }
        let look = async || {
            let pairs = client.list(&ListSshKeyPairs::new().name(name)).await;
            gone(pairs.map(|pairs| pairs.is_empty()))
        };
        let make = async || match client.call(&DeleteSshKeyPair::new(name)).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(|_| ()),
        };
        self.settle(work, look, make).await?;
        Ok(None)
    }

    /// Removes the network, which takes its rules and addresses along. The cloud refuses, without a reason, as long as
    /// any machine in it is not gone for good: those of ours that turned up late are destroyed, the rest is waited for.
    pub(super) async fn delete_network(&self, work: &Work, network: &Id) -> Result<(), StepError> {
        let client = &self.context.client;
        let limit = self.context.limits.network;
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_secs(1);
        loop {
            let error = match client.run(&DeleteNetwork::new(network), Expect::Long, self.long()).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_not_found() => return Ok(()),
                Err(error) => error,
            };
            if policy::verdict(&error, 1) == Verdict::Halt {
                return Err(error.into());
            }
            if client.list(&ListNetworks::new().id(network)).await.is_ok_and(|networks| networks.is_empty()) {
                return Ok(());
            }
            let machines = client.list(&ListVirtualMachines::new().network_id(network)).await?;
            for machine in &machines {
                if !identity::is_node_name(&self.plan.cluster, &machine.name) {
                    let problem = format!("{} is in it, and is not this cluster's", machine.name);
                    return Err(StepError::Clash { what: "the network".to_owned(), problem });
                }
                if MachineState::of(machine.state.as_str()) != MachineState::Going {
                    self.destroy(work, &machine.name, &machine.id).await?;
                }
            }
            let cannot_expunge = self.known().cannot_expunge;
            if Instant::now() + pause >= deadline {
                let what = match cannot_expunge {
                    true => "the cloud did not remove the destroyed machines for good (its delay for that may be a \
                             day; destroy again then), and the network with them"
                        .to_owned(),
                    false => format!("the network was not removed ({error})"),
                };
                return Err(StepError::TooLate { what, seconds: limit.as_secs() });
            }
            self.waiting(work, "the network's machines to be gone for good");
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(15));
        }
    }
}

/// Whether a look found nothing any more, in the shape `settle` wants.
pub(super) fn gone(empty: Result<bool, cloudstack::Error>) -> Result<Option<()>, StepError> {
    match empty {
        Ok(empty) => Ok(empty.then_some(())),
        Err(error) if error.is_not_found() => Ok(Some(())),
        Err(error) => Err(error.into()),
    }
}
