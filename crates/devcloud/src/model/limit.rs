//! How much an account may have, and has.

use uuid::Uuid;

use super::{MachineState, Model};
use crate::config::Limits;

/// What is limited here. The numbers are CloudStack's resource types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Machines = 0,
    PublicAddresses = 1,
    Volumes = 2,
    Snapshots = 3,
    Templates = 4,
    Projects = 5,
    Networks = 6,
    Processors = 8,
    Memory = 9,
    /// GiB of volumes.
    PrimaryStorage = 10,
    /// GiB of templates and snapshots.
    SecondaryStorage = 11,
}

/// Every resource type the API knows: its number, its name, and the limit of those this zone has none of.
pub(crate) const RESOURCE_TYPES: [(u8, &str, i64); 17] = [
    (0, "user_vm", 20),
    (1, "public_ip", 20),
    (2, "volume", 20),
    (3, "snapshot", 20),
    (4, "template", 20),
    (5, "project", 10),
    (6, "network", 20),
    (7, "vpc", 20),
    (8, "cpu", 40),
    (9, "memory", 40_960),
    (10, "primary_storage", 200),
    (11, "secondary_storage", 400),
    (12, "backup", 20),
    (13, "backup_storage", 400),
    (14, "bucket", 20),
    (15, "object_storage", 400),
    (16, "gpu", 20),
];

impl Resource {
    pub(crate) const ALL: [Self; 11] = [
        Self::Machines,
        Self::PublicAddresses,
        Self::Volumes,
        Self::Snapshots,
        Self::Templates,
        Self::Projects,
        Self::Networks,
        Self::Processors,
        Self::Memory,
        Self::PrimaryStorage,
        Self::SecondaryStorage,
    ];

    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn name(self) -> &'static str {
        RESOURCE_TYPES[usize::from(self.number())].1
    }

    fn default_limit(self, limits: &Limits) -> i64 {
        match self {
            Self::Machines => limits.machines,
            Self::PublicAddresses => limits.public_addresses,
            Self::Volumes => limits.volumes,
            Self::Snapshots => limits.snapshots,
            Self::Templates => limits.templates,
            Self::Projects => limits.projects,
            Self::Networks => limits.networks,
            Self::Processors => limits.processors,
            Self::Memory => limits.memory_mib,
            Self::PrimaryStorage => limits.primary_storage_gib,
            Self::SecondaryStorage => limits.secondary_storage_gib,
        }
    }
}

impl Model {
    /// The account's limit; `-1` is none. Root admins have none.
    pub(crate) fn limit(&self, account: Uuid, resource: Resource, limits: &Limits) -> i64 {
        match self.accounts.get(account) {
            Some(account) if account.root_admin => -1,
            Some(account) => account
                .limits
                .get(&resource.number())
                .copied()
                .unwrap_or_else(|| resource.default_limit(limits)),
            None => 0,
        }
    }

    /// A domain's limit, by the number of the resource's type; `-1` is none. ROOT has none.
    pub(crate) fn domain_limit(&self, domain: Option<Uuid>, number: u8) -> i64 {
        let domain = domain.and_then(|domain| self.domains.get(domain));
        domain.and_then(|domain| domain.limits.get(&number).copied()).unwrap_or(-1)
    }

    /// What the accounts of a domain and of those below it have together.
    pub(crate) fn domain_usage(&self, domain: Option<Uuid>, resource: Resource) -> i64 {
        let inside = self.accounts.iter().filter(|account| self.domain_holds(domain, account.domain));
        inside.map(|account| self.usage(account.id, resource)).sum()
    }

    /// The innermost of an account's domains that may not have this much more: its number, its limit, and what it has.
    pub(crate) fn full_domain_of(
        &self,
        account: Uuid,
        resource: Resource,
        more: i64,
    ) -> Option<(u64, i64, i64)> {
        let account = self.accounts.get(account)?;
        self.domains_up_from(account.domain).find_map(|domain| {
            let limit = domain.limits.get(&resource.number()).copied().filter(|limit| *limit >= 0)?;
            let used = self.domain_usage(Some(domain.id), resource);
            (used + more > limit).then_some((domain.number, limit, used))
        })
    }

    /// What the account has. Stopped machines count; destroyed and failed ones don't.
    pub(crate) fn usage(&self, account: Uuid, resource: Resource) -> i64 {
        let machines = || {
            self.virtual_machines.iter().filter(|machine| {
                machine.account == account
                    && !matches!(
                        machine.state,
                        MachineState::Destroyed | MachineState::Error | MachineState::Expunging
                    )
            })
        };
        let volumes = || self.volumes.iter().filter(|volume| volume.account == account);
        let snapshots = || self.snapshots.iter().filter(|snapshot| snapshot.account == account);
        let templates = || self.templates.iter().filter(|template| template.account == Some(account));
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let gigabytes = |bytes: u64| i64::try_from(bytes.div_ceil(1 << 30)).unwrap_or(i64::MAX);
        match resource {
            Resource::Machines => count(machines().count()),
            Resource::PublicAddresses => count(
                self.public_ip_addresses.iter().filter(|address| address.account == Some(account)).count(),
            ),
            Resource::Volumes => count(volumes().count()),
            Resource::Snapshots => count(snapshots().count()),
            Resource::Templates => count(templates().count()),
            Resource::Projects => count(
                self.projects.iter().filter(|project| project.members.first() == Some(&account)).count(),
            ),
            Resource::Networks => {
                count(self.networks.iter().filter(|network| network.account == account).count())
            }
            Resource::Processors => {
                machines().map(|machine| i64::from(self.size_of(machine).processors)).sum()
            }
            Resource::Memory => machines()
                .map(|machine| i64::try_from(self.size_of(machine).memory_mib).unwrap_or(i64::MAX))
                .sum(),
            Resource::PrimaryStorage => volumes().map(|volume| gigabytes(volume.bytes)).sum(),
            Resource::SecondaryStorage => {
                templates().map(|template| gigabytes(template.bytes)).sum::<i64>()
                    + snapshots().map(|snapshot| gigabytes(snapshot.bytes)).sum::<i64>()
            }
        }
    }
}
