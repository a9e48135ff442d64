//! Looks at the cloud: a fixed, small number of paged list calls, side by side, in two rounds.
//!
//! A cluster that stands takes 12 calls. The first round tells whether there is a cluster, and what one is made from:
//! networks, templates, key pairs, service offerings, and the account's load balancer rules, of whatever network, so
//! that their members can be asked for with everything else. The second is the network's: machines, addresses, three
//! kinds of rules, and the members of the two load balancer rules. A cluster that is not there takes 8, with what
//! the account may still have. Only when something is missing from a network that stands, a third round asks for that.
//! Nothing is asked one resource at a time.

mod account;
mod catalogue;
pub(super) mod convert;

use cloudstack::{Client, Id, ListCommand, resource::*};
use futures::{future, try_join};

pub use self::catalogue::{Validation, validate};
pub(crate) use self::catalogue::{absent, named, zone_of};
use super::{
    desired::Desired,
    error::Error,
    identity,
    observed::{AffinityGroup, Balancer, Catalogue, Going, Network, Observed},
    quota,
};

impl Observed {
    /// Everything of the cluster, and what new things would be made from.
    ///
    /// # Errors
    /// The keys are not accepted, or a list could not be read.
    pub async fn read(client: &Client, desired: &Desired) -> Result<Self, Error> {
        let (standing, made_from) = try_join!(Standing::read(client, desired), MadeFrom::read(client))?;
        Self::second_round(client, desired, standing, &made_from).await
    }

    /// What of the cluster exists; for what only reads it or takes it down, to which rules do not matter: they go with
    /// the network. Up to 5 calls.
    ///
    /// # Errors
    /// The keys are not accepted, or a list could not be read.
    pub async fn read_existing(client: &Client, desired: &Desired) -> Result<Self, Error> {
        let (networks, key_pair) = try_join!(all(client, ListNetworks::new()), key_pair(client, desired))?;
        let Found { network, twins, namesakes } = find_network(desired, networks)?;
        let observed = match network {
            Some(network) => Self::read_machines(client, desired, network).await?,
            None => Self { affinity_group: affinity_group(client, desired).await?, ..Self::default() },
        };
        Ok(Self { key_pair, twins, namesakes, ..observed })
    }

    /// What is in the network, without its rules.
    async fn read_machines(client: &Client, desired: &Desired, network: Network) -> Result<Self, Error> {
        let id = &network.named.id;
        let (machines, addresses) = try_join!(
            all(client, ListVirtualMachines::new().network_id(id)),
            all(client, ListPublicIpAddresses::new().associated_network_id(id)),
        )?;
        let affinity_group = group_of(client, desired, &machines).await?;
        Ok(Self {
            machines: machines.into_iter().map(|machine| convert::machine(machine, id)).collect(),
            addresses: addresses.into_iter().filter_map(convert::address).collect(),
            affinity_group,
            network: Some(network),
            ..Self::default()
        })
    }

    /// What the first round showed, with all there is to add.
    async fn second_round(
        client: &Client,
        desired: &Desired,
        standing: Standing,
        made_from: &MadeFrom,
    ) -> Result<Self, Error> {
        let spec = &desired.spec;
        let Standing { network, twins, namesakes, balancers, key_pair } = standing;
        let mut catalogue = Catalogue::default();
        let mut observed = match network {
            Some(network) => {
                let zone = network.zone.clone();
                let mut observed = Self::read_network(client, desired, network, balancers).await?;
                if quota::matters(&desired.given(&observed), &observed) {
                    let needs_address = observed.public_address().is_none();
                    observed.allowance = account::allowance(client, Some(&zone.id), needs_address).await?;
                }
                catalogue.zone = Some(zone);
                observed
            }
            None => {
                // Templates say where they are, which saves asking for zones.
                let zone = zone_of(&spec.cloud.zone, &made_from.templates);
                let zones = async {
                    match zone {
                        Some(_) => Ok(Vec::new()),
                        None => all(client, ListZones::new()).await,
                    }
                };
                let zone_id = zone.as_ref().map(|zone| &zone.id);
                // Where there is no network, hardly ever is there a group: the step that makes it adopts ours and refuses
                // another's, which saves a call here.
                let (zones, network_offerings, allowance) = try_join!(
                    zones,
                    all(client, ListNetworkOfferings::new()),
                    account::allowance(client, zone_id, true),
                )?;
                match zone {
                    Some(zone) => catalogue.zone = Some(zone),
                    None => catalogue.look_up_zone(&spec.cloud.zone, &zones),
                }
                catalogue.look_up_network_offering(&spec.network.offering, &network_offerings);
                Self { allowance, ..Self::default() }
            }
        };
        let MadeFrom { templates, offerings } = made_from;
        catalogue.look_up_offering("cluster.master_offering", &spec.cluster.master_offering, offerings);
        catalogue.look_up_offering("cluster.agent_offering", &spec.cluster.agent_offering, offerings);
        catalogue.look_up_image(&spec.image.name, templates);
        observed.catalogue = catalogue;
        observed.key_pair = key_pair;
        observed.namesakes = namesakes;
        observed.twins = twins;
        Ok(observed)
    }

    /// What is in the network, one round; `balancers` are the account's load balancer rules.
    async fn read_network(
        client: &Client,
        desired: &Desired,
        network: Network,
        balancers: Vec<LoadBalancerRule>,
    ) -> Result<Self, Error> {
        let id = &network.named.id;
        let balancers = balancers.into_iter().filter(|rule| rule.network_id == *id);
        let balancers = future::try_join_all(balancers.map(|rule| balancer(client, desired, rule)));
        let forwards = desired.machines.iter().filter(|machine| machine.node.ssh_port.is_some()).count();
        let (on_network, forwarded) =
            (ListVirtualMachines::new().network_id(id), ListPortForwardingRules::new().network_id(id));
        let (machines, addresses, firewall, egress, forwards, balancers) = try_join!(
            client.list_expecting(&on_network, desired.machines.len()),
            all(client, ListPublicIpAddresses::new().associated_network_id(id)),
            all(client, ListFirewallRules::new().network_id(id)),
            all(client, ListEgressFirewallRules::new().network_id(id)),
            client.list_expecting(&forwarded, forwards),
            balancers,
        )?;
        let group = group_of(client, desired, &machines).await?;
        let addresses = addresses.into_iter().filter_map(convert::address).collect::<Vec<_>>();
        let ours = addresses.iter().find(|address| address.source_nat).map(|address| address.id.clone());
        let range = desired.range();
        let (going, firewall): (Vec<_>, Vec<_>) =
            firewall.into_iter().partition(|rule| convert::is_going(&rule.state));
        let (going_forwards, forwards): (Vec<_>, Vec<_>) =
            forwards.into_iter().partition(|rule| convert::is_going(&rule.state));
        let firewall_rule = |rule| convert::any_firewall_rule(rule, ours.as_ref());
        let going = Going {
            firewall: going.into_iter().map(firewall_rule).collect(),
            forwards: going_forwards.into_iter().map(convert::any_forward).collect(),
        };
        Ok(Self {
            going,
            machines: machines.into_iter().map(|machine| convert::machine(machine, id)).collect(),
            firewall: firewall.into_iter().map(firewall_rule).collect(),
            egress: egress.into_iter().filter_map(|rule| convert::egress_rule(rule, range)).collect(),
            forwards: forwards.into_iter().map(convert::any_forward).collect(),
            balancers: balancers.into_iter().flatten().collect(),
            addresses,
            affinity_group: group,
            network: Some(network),
            ..Self::default()
        })
    }
}

/// The first round: what tells whether there is a cluster. 3 calls.
struct Standing {
    network: Option<Network>,
    twins: Vec<Id>,
    namesakes: Vec<Id>,
    /// The account's, of all networks.
    balancers: Vec<LoadBalancerRule>,
    key_pair: Option<String>,
}

impl Standing {
    async fn read(client: &Client, desired: &Desired) -> Result<Self, Error> {
        let (networks, balancers, key_pair) = try_join!(
            all(client, ListNetworks::new()),
            all(client, ListLoadBalancerRules::new()),
            key_pair(client, desired),
        )?;
        let Found { network, twins, namesakes } = find_network(desired, networks)?;
        Ok(Self { network, twins, namesakes, balancers, key_pair })
    }
}

/// The first round: what machines are made from. 2 calls.
struct MadeFrom {
    templates: Vec<Template>,
    offerings: Vec<ServiceOffering>,
}

impl MadeFrom {
    async fn read(client: &Client) -> Result<Self, Error> {
        let (templates, offerings) = try_join!(
            all(client, ListTemplates::new(TemplateFilter::Executable)),
            all(client, ListServiceOfferings::new()),
        )?;
        Ok(Self { templates, offerings })
    }
}

/// All pages of a list.
async fn all<C: ListCommand>(client: &Client, command: C) -> Result<Vec<C::Item>, cloudstack::Error> {
    client.list(&command).await
}

#[derive(Debug, Default)]
struct Found {
    network: Option<Network>,
    twins: Vec<Id>,
    namesakes: Vec<Id>,
}

/// The cluster's network among all of the account's: by its tag; by its name and display text where a run was broken
/// off before the tag. Names may repeat: another one with name and display text and no tag is a call's that something
/// between us repeated.
fn find_network(desired: &Desired, networks: Vec<cloudstack::resource::Network>) -> Result<Found, Error> {
    let spec = &desired.spec;
    let mut found = Found::default();
    let mut described = Vec::new();
    for network in networks {
        let (network, display_text) = (convert::network(&network), network.display_text);
        if !network.zone.is(&spec.cloud.zone) {
            continue;
        }
        let same_name = network.named.name.eq_ignore_ascii_case(&spec.network.name);
        match (network.tags.get(identity::CLUSTER), &found.network) {
            (Some(cluster), Some(other)) if cluster == desired.cluster() => {
                return Err(Error::Twice {
                    cluster: desired.cluster().to_owned(),
                    first: other.named.id.clone(),
                    second: network.named.id,
                });
            }
            (Some(cluster), None) if cluster == desired.cluster() => found.network = Some(network),
            (None, _) if same_name && display_text == identity::description(desired.cluster()) => {
                described.push(network);
            }
            _ => found.namesakes.extend(same_name.then_some(network.named.id)),
        }
    }
    // Whoever looks takes the same one.
    described.sort_by(|one, other| one.named.id.as_str().cmp(other.named.id.as_str()));
    let mut described = described.into_iter();
    found.network = found.network.or_else(|| described.next());
    found.twins = described.map(|network| network.named.id).collect();
    Ok(found)
}

async fn key_pair(client: &Client, desired: &Desired) -> Result<Option<String>, cloudstack::Error> {
    let name = &desired.spec.access.key_pair;
    let pairs = all(client, ListSshKeyPairs::new().name(name)).await?;
    Ok(pairs.into_iter().find(|pair| pair.name.eq_ignore_ascii_case(name)).map(|pair| pair.fingerprint))
}

/// The masters' group. A member tells of it: only where no master is one yet, it has to be looked for.
async fn group_of(
    client: &Client,
    desired: &Desired,
    machines: &[VirtualMachine],
) -> Result<Option<AffinityGroup>, cloudstack::Error> {
    match convert::affinity_group_of(machines, desired) {
        Some(group) => Ok(Some(group)),
        None => affinity_group(client, desired).await,
    }
}

async fn affinity_group(
    client: &Client,
    desired: &Desired,
) -> Result<Option<AffinityGroup>, cloudstack::Error> {
    let groups = all(client, ListAffinityGroups::new().name(&desired.affinity_group)).await?;
    Ok(groups
        .into_iter()
        .find(|group| group.name == desired.affinity_group)
        .map(|group| convert::affinity_group(group, desired)))
}

/// A load balancer rule that stays, with its members where they matter: in the ports that are ours.
async fn balancer(
    client: &Client,
    desired: &Desired,
    rule: LoadBalancerRule,
) -> Result<Option<Balancer>, cloudstack::Error> {
    if convert::is_going(&rule.state) {
        return Ok(None);
    }
    let ours = desired.balancers.iter().any(|wanted| wanted.public_port == rule.public_port);
    // A rule nothing was ever assigned to says so by its state.
    let members = match rule.state {
        RuleState::Add => Vec::new(),
        _ if !ours => Vec::new(),
        _ => all(client, ListLoadBalancerRuleInstances::new(&rule.id)).await?,
    };
    Ok(Some(convert::balancer(rule, members)))
}
