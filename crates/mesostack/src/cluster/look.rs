//! Looks at the cloud: a fixed, small number of paged list calls, side by side.
//!
//! A cluster that stands takes 12 calls: networks, templates, key pairs and service offerings; then the network's
//! machines, addresses and four kinds of rules; then the members of the two load balancer rules. A cluster that is not
//! there takes 6, or 7 where no template is in its zone. Nothing is asked one resource at a time.

mod catalogue;
pub(super) mod convert;

use cloudstack::{Client, Id, ListCommand, resource::*};
use futures::{future, try_join};

pub use self::catalogue::validate;
pub(crate) use self::catalogue::{absent, named};
use super::{
    desired::Desired,
    error::Error,
    identity,
    observed::{AffinityGroup, Balancer, Catalogue, Going, Network, Observed},
};

impl Observed {
    /// Everything of the cluster, and what new things would be made from.
    ///
    /// # Errors
    /// The keys are not accepted, or a list could not be read.
    pub async fn read(client: &Client, desired: &Desired) -> Result<Self, Error> {
        let spec = &desired.spec;
        let (networks, templates, key_pair, offerings) = try_join!(
            all(client, ListNetworks::new()),
            all(client, ListTemplates::new(TemplateFilter::Executable)),
            key_pair(client, desired),
            all(client, ListServiceOfferings::new()),
        )?;
        let Found { network, twins, namesakes } = find_network(desired, networks)?;
        let mut catalogue = Catalogue::default();
        let mut observed = match network {
            Some(network) => {
                catalogue.zone = Some(network.zone.clone());
                Self::read_network(client, desired, network).await?
            }
            None => {
                catalogue.zone = catalogue::zone_of(&spec.cloud.zone, &templates);
                let known = catalogue.zone.is_some();
                let zones =
                    async { if known { Ok(Vec::new()) } else { all(client, ListZones::new()).await } };
                let (zones, network_offerings, affinity_group) = try_join!(
                    zones,
                    all(client, ListNetworkOfferings::new()),
                    affinity_group(client, desired),
                )?;
                if !known {
                    catalogue.look_up_zone(&spec.cloud.zone, &zones);
                }
                catalogue.look_up_network_offering(&spec.network.offering, &network_offerings);
                Self { affinity_group, ..Self::default() }
            }
        };
        catalogue.look_up_offering("cluster.master_offering", &spec.cluster.master_offering, &offerings);
        catalogue.look_up_offering("cluster.agent_offering", &spec.cluster.agent_offering, &offerings);
        catalogue.look_up_image(&spec.image.name, &templates);
        observed.catalogue = catalogue;
        observed.key_pair = key_pair;
        observed.namesakes = namesakes;
        observed.twins = twins;
        Ok(observed)
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
        let affinity_group = match convert::affinity_group_of(&machines, desired) {
            Some(group) => Some(group),
            None => affinity_group(client, desired).await?,
        };
        Ok(Self {
            machines: machines.into_iter().map(|machine| convert::machine(machine, id)).collect(),
            addresses: addresses.into_iter().filter_map(convert::address).collect(),
            affinity_group,
            network: Some(network),
            ..Self::default()
        })
    }

    /// What is in the network.
    async fn read_network(client: &Client, desired: &Desired, network: Network) -> Result<Self, Error> {
        let id = &network.named.id;
        let (machines, addresses, firewall, egress, forwards, balancers) = try_join!(
            all(client, ListVirtualMachines::new().network_id(id)),
            all(client, ListPublicIpAddresses::new().associated_network_id(id)),
            all(client, ListFirewallRules::new().network_id(id)),
            all(client, ListEgressFirewallRules::new().network_id(id)),
            all(client, ListPortForwardingRules::new().network_id(id)),
            all(client, ListLoadBalancerRules::new().network_id(id)),
        )?;
        // A member tells of its group: only where no master is one yet, it has to be looked for.
        let known = convert::affinity_group_of(&machines, desired);
        let group = async {
            match known {
                Some(group) => Ok(Some(group)),
                None => affinity_group(client, desired).await,
            }
        };
        let balancers = future::try_join_all(balancers.into_iter().map(|rule| members(client, rule)));
        let (group, balancers) = try_join!(group, balancers)?;
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

async fn members(client: &Client, rule: LoadBalancerRule) -> Result<Option<Balancer>, cloudstack::Error> {
    if matches!(rule.state, RuleState::Revoke | RuleState::Deleting) {
        return Ok(None);
    }
    // A rule nothing was ever assigned to says so by its state.
    let members = match rule.state {
        RuleState::Add => Vec::new(),
        _ => all(client, ListLoadBalancerRuleInstances::new(&rule.id)).await?,
    };
    Ok(Some(convert::balancer(rule, members)))
}
