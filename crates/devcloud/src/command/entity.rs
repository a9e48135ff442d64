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
    /// Hosts, pods, clusters, storage and the physical network.
    Infrastructure,
    InstanceGroup,
    IpForwardingRule,
    Job,
    KeyPair,
    LoadBalancerRule,
    Network,
    NetworkOffering,
    Nic,
    OsCategory,
    OsType,
    PortForwardingRule,
    Project,
    PublicIpAddress,
    Role,
    SecondaryIp,
    ServiceOffering,
    Snapshot,
    StickinessPolicy,
    Template,
    User,
    UserData,
    VirtualMachine,
    Volume,
    Zone,
    /// Something this zone has none of: VPCs, backup offerings.
    Nothing,
}

/// What an id leads to.
pub(crate) struct Resolved {
    pub(crate) id: Uuid,
    /// The account whose it is, for things that are someone's.
    pub(super) owner: Option<Uuid>,
    /// Whether it is still there.
    pub(super) live: bool,
    /// The server's own number of it; 0 where none is told.
    pub(super) number: u64,
}

impl Entity {
    pub(super) fn listed_by(self) -> &'static str {
        match self {
            Self::Account => "listAccounts",
            Self::AffinityGroup => "listAffinityGroups",
            Self::DiskOffering => "listDiskOfferings",
            Self::Event => "listEvents",
            Self::FirewallRule => "listFirewallRules,listEgressFirewallRules",
            Self::InstanceGroup => "listInstanceGroups",
            Self::IpForwardingRule => "listIpForwardingRules",
            Self::Snapshot => "listSnapshots",
            Self::Infrastructure => "listHosts",
            Self::Nic | Self::SecondaryIp => "listNics",
            Self::UserData => "listUserData",
            Self::StickinessPolicy => "listLBStickinessPolicies",
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
            Self::Domain => "listDomains",
            Self::Project => "listProjects",
            Self::Role => "listRoles",
            Self::Nothing => "",
        }
    }

    /// Whether the server keeps a row of one that was removed, as it does not of rules.
    pub(super) fn leaves_a_row(self) -> bool {
        matches!(
            self,
            Self::Account
                | Self::Domain
                | Self::Network
                | Self::Snapshot
                | Self::Template
                | Self::VirtualMachine
                | Self::Volume
        )
    }

    /// What one is called in a sentence.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Domain => "domain",
            Self::Network => "network",
            Self::Snapshot => "snapshot",
            Self::Template => "template",
            Self::VirtualMachine => "virtual machine",
            Self::Volume => "volume",
            _ => "resource",
        }
    }

    /// What jobs about one say that they are about.
    pub(super) fn job_instance(self) -> Option<&'static str> {
        match self {
            Self::Account => Some("Account"),
            Self::Domain => Some("Domain"),
            Self::Network => Some("Network"),
            Self::Snapshot => Some("Snapshot"),
            Self::Template => Some("Template"),
            Self::VirtualMachine => Some("VirtualMachine"),
            Self::Volume => Some("Volume"),
            _ => None,
        }
    }

    /// What an id (or an internal number, which the real server takes too) leads to.
    pub(super) fn resolve(self, text: &str, model: &Model, settings: &Settings) -> Option<Resolved> {
        let id = text.parse::<Uuid>().ok();
        let number = text.parse::<u64>().ok();
        let catalogue = &settings.catalogue;
        let fixed = |mut ids: Box<dyn Iterator<Item = Uuid> + '_>| {
            // What comes with the zone is numbered from 1.
            let found = match number {
                Some(number) => ids.nth(usize::try_from(number.checked_sub(1)?).ok()?),
                None => ids.find(|fixed| Some(*fixed) == id),
            };
            found.map(|id| Resolved { id, owner: None, live: true, number: 0 })
        };
        macro_rules! kept {
            ($table:ident: $entity:ty, $owner:expr) => {{
                let table = &model.$table;
                let found = id
                    .and_then(|id| table.get(id))
                    .or_else(|| number.and_then(|number| table.numbered(number)));
                let owner: fn(&$entity) -> Option<Uuid> = $owner;
                found
                    .map(|found| Resolved {
                        id: model::Entity::id(found),
                        owner: owner(found),
                        live: true,
                        number: model::Entity::number(found),
                    })
                    .or_else(|| {
                        let gone = model
                            .removed
                            .iter()
                            .find(|gone| Some(gone.id) == id && gone.kind == kind_of(table))?;
                        Some(Resolved { id: gone.id, owner: None, live: false, number: gone.number })
                    })
            }};
        }
        match self {
            Self::Account => kept!(accounts: model::Account, |account| Some(account.id)),
            Self::User => id.and_then(|id| model.user(id)).map(|(account, user)| Resolved {
                id: user.id,
                owner: Some(account.id),
                live: true,
                number: 0,
            }),
            Self::AffinityGroup => kept!(affinity_groups: model::AffinityGroup, |group| Some(group.account)),
            Self::Event => kept!(events: model::Event, |event| Some(event.account)),
            Self::FirewallRule => kept!(firewall_rules: model::FirewallRule, |rule| Some(rule.account)),
            Self::InstanceGroup => kept!(instance_groups: model::InstanceGroup, |group| Some(group.account)),
            Self::IpForwardingRule => {
                kept!(ip_forwarding_rules: model::IpForwardingRule, |rule| Some(rule.account))
            }
            Self::Snapshot => kept!(snapshots: model::Snapshot, |snapshot| Some(snapshot.account)),
            Self::StickinessPolicy => {
                let id = id?;
                super::load_balancer_policy::rule_of(model, id).map(|rule| Resolved {
                    id,
                    owner: Some(rule.account),
                    live: true,
                    number: 0,
                })
            }
            Self::Infrastructure => {
                let below = ["pod", "cluster", "storage pool", "image store"];
                let below = below.map(|kind| catalogue.own_id(kind, "1"));
                let below = below.into_iter().chain([catalogue.physical_network]);
                let host = number.and_then(|number| u32::try_from(number.checked_sub(1)?).ok());
                let host =
                    host.filter(|host| *host < settings.config.hosts).map(|host| catalogue.host_id(host));
                let mut hosts = (0..settings.config.hosts).map(|host| catalogue.host_id(host)).chain(below);
                host.or_else(|| hosts.find(|known| Some(*known) == id)).map(|id| Resolved {
                    id,
                    owner: None,
                    live: true,
                    number: 0,
                })
            }
            Self::Nic => held(id?, super::virtual_machine::nic::holder(model, id?)),
            Self::SecondaryIp => held(id?, super::virtual_machine::nic::holder_of_address(model, id?)),
            Self::UserData => kept!(user_data: model::UserData, |data| Some(data.account)),
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
            Self::Domain => fixed(Box::new(std::iter::once(catalogue.domain_id)))
                .or_else(|| kept!(domains: model::Domain, |_| None)),
            Self::Project => kept!(projects: model::Project, |_| None),
            Self::Role => fixed(Box::new(catalogue.roles().map(|role| role.id))),
            Self::DiskOffering => kept!(disk_offerings: model::DiskOffering, |_| None),
            Self::NetworkOffering => kept!(network_offerings: model::NetworkOffering, |_| None),
            Self::ServiceOffering => kept!(service_offerings: model::ServiceOffering, |_| None),
            Self::OsType => fixed(Box::new(catalogue.os_types.iter().map(|os_type| os_type.id))),
            Self::OsCategory => fixed(Box::new(catalogue.os_categories.iter().map(|category| category.id))),
            Self::Nothing => None,
        }
    }
}

/// What is part of a machine and found by it.
fn held(id: Uuid, machine: Option<&model::VirtualMachine>) -> Option<Resolved> {
    machine.map(|machine| Resolved { id, owner: Some(machine.account), live: true, number: 0 })
}

fn kind_of<T: model::Entity>(_: &model::Table<T>) -> &'static str {
    T::KIND
}
