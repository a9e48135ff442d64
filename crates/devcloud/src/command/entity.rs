//! What ids are of, and how they are found.

use uuid::Uuid;

use super::Settings;
use crate::model::{self, Model};

/// What an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entity {
    Account,
    AffinityGroup,
    DiskOffering,
    Domain,
    Event,
    FirewallRule,
    Job,
    KeyPair,
    LoadBalancerRule,
    Network,
    NetworkOffering,
    OsCategory,
    OsType,
    PortForwardingRule,
    PublicIpAddress,
    Role,
    ServiceOffering,
    Template,
    User,
    VirtualMachine,
    Volume,
    Zone,
    /// Something this zone has none of: projects, hosts, VPCs.
    Nothing,
}

/// What an id leads to.
pub(crate) struct Resolved {
    pub(crate) id: Uuid,
    /// The account whose it is, for things that are someone's.
    pub(super) owner: Option<Uuid>,
    /// Whether it is still there.
    pub(super) live: bool,
}

impl Entity {
    pub(super) fn listed_by(self) -> &'static str {
        match self {
            Self::Account => "listAccounts",
            Self::AffinityGroup => "listAffinityGroups",
            Self::DiskOffering => "listDiskOfferings",
            Self::Event => "listEvents",
            Self::FirewallRule => "listFirewallRules,listEgressFirewallRules",
            Self::Job => "listAsyncJobs",
            Self::KeyPair => "listSSHKeyPairs",
            Self::LoadBalancerRule => "listLoadBalancerRules",
            Self::Network => "listNetworks",
            Self::NetworkOffering => "listNetworkOfferings",
            Self::OsCategory => "listOsCategories",
            Self::OsType => "listOsTypes",
            Self::PortForwardingRule => "listPortForwardingRules",
            Self::PublicIpAddress => "listPublicIpAddresses",
            Self::ServiceOffering => "listServiceOfferings",
            Self::Template => "listTemplates",
            Self::User => "listUsers",
            Self::VirtualMachine => "listVirtualMachines",
            Self::Volume => "listVolumes",
            Self::Zone => "listZones",
            Self::Domain | Self::Role | Self::Nothing => "",
        }
    }

    /// What an id (or an internal number, which the real server takes too) leads to.
    pub(super) fn resolve(self, text: &str, model: &Model, settings: &Settings) -> Option<Resolved> {
        let id = text.parse::<Uuid>().ok();
        let number = text.parse::<u64>().ok();
        let catalogue = &settings.catalogue;
        let fixed = |mut ids: Box<dyn Iterator<Item = Uuid> + '_>| {
            ids.find(|fixed| Some(*fixed) == id).map(|id| Resolved { id, owner: None, live: true })
        };
        macro_rules! kept {
            ($table:ident: $entity:ty, $owner:expr) => {{
                let table = &model.$table;
                let found = id
                    .and_then(|id| table.get(id))
                    .or_else(|| number.and_then(|number| table.numbered(number)));
                let owner: fn(&$entity) -> Option<Uuid> = $owner;
                found
                    .map(|found| Resolved { id: model::Entity::id(found), owner: owner(found), live: true })
                    .or_else(|| {
                        let gone = model
                            .removed
                            .iter()
                            .find(|gone| Some(gone.id) == id && gone.kind == kind_of(table))?;
                        Some(Resolved { id: gone.id, owner: None, live: false })
                    })
            }};
        }
        match self {
            Self::Account => kept!(accounts: model::Account, |account| Some(account.id)),
            Self::User => model
                .accounts
                .iter()
                .find(|account| Some(account.user.id) == id)
                .map(|account| Resolved { id: account.user.id, owner: Some(account.id), live: true }),
            Self::AffinityGroup => kept!(affinity_groups: model::AffinityGroup, |group| Some(group.account)),
            Self::Event => kept!(events: model::Event, |event| Some(event.account)),
            Self::FirewallRule => kept!(firewall_rules: model::FirewallRule, |rule| Some(rule.account)),
            Self::Job => kept!(jobs: model::Job, |job| Some(job.account)),
            Self::KeyPair => kept!(key_pairs: model::KeyPair, |pair| Some(pair.account)),
            Self::LoadBalancerRule => {
                kept!(load_balancer_rules: model::LoadBalancerRule, |rule| Some(rule.account))
            }
            Self::Network => kept!(networks: model::Network, |network| Some(network.account)),
            Self::PortForwardingRule => {
                kept!(port_forwarding_rules: model::PortForwardingRule, |rule| Some(rule.account))
            }
            Self::PublicIpAddress => {
                kept!(public_ip_addresses: model::PublicIpAddress, |address| address.account)
            }
            Self::Template => kept!(templates: model::Template, |template| template.account),
            Self::VirtualMachine => {
                kept!(virtual_machines: model::VirtualMachine, |machine| Some(machine.account))
            }
            Self::Volume => kept!(volumes: model::Volume, |volume| Some(volume.account)),
            Self::Zone => fixed(Box::new(std::iter::once(catalogue.zone_id))),
            Self::Domain => fixed(Box::new(std::iter::once(catalogue.domain_id))),
            Self::Role => fixed(Box::new([catalogue.user_role, catalogue.admin_role].into_iter())),
            Self::DiskOffering => {
                fixed(Box::new(catalogue.disk_offerings.iter().map(|offering| offering.id)))
            }
            Self::NetworkOffering => {
                fixed(Box::new(catalogue.network_offerings.iter().map(|offering| offering.id)))
            }
            Self::ServiceOffering => {
                fixed(Box::new(catalogue.service_offerings.iter().map(|offering| offering.id)))
            }
            Self::OsType => fixed(Box::new(catalogue.os_types.iter().map(|os_type| os_type.id))),
            Self::OsCategory => fixed(Box::new(catalogue.os_categories.iter().map(|category| category.id))),
            Self::Nothing => None,
        }
    }
}

fn kind_of<T: model::Entity>(_: &model::Table<T>) -> &'static str {
    T::KIND
}
