//! What the account may still have, against what a plan adds: limits that would be met halfway are told beforehand, all
//! in one report.

use std::fmt;

use super::{
    desired::{Desired, WantedMachine},
    observed::{Catalogue, Machine, Observed},
    plan::Obstacle,
};

/// What an account's limits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Virtual machines.
    Machines,
    /// Volumes; each machine has one.
    Volumes,
    /// Processors of machines.
    Processors,
    /// Memory of machines, in MiB.
    Memory,
    /// Primary storage of machines' disks, in GiB.
    PrimaryStorage,
    /// Networks.
    Networks,
    /// Public addresses.
    Addresses,
    /// Templates.
    Templates,
}

impl Resource {
    /// What `listResourceLimits` calls it, for whoever raises the limit.
    fn name(self) -> &'static str {
        match self {
            Self::Machines => "user_vm",
            Self::Volumes => "volume",
            Self::Processors => "cpu",
            Self::Memory => "memory",
            Self::PrimaryStorage => "primary_storage",
            Self::Networks => "network",
            Self::Addresses => "public_ip",
            Self::Templates => "template",
        }
    }

    /// The file's key that asks for it.
    fn path(self) -> &'static str {
        match self {
            Self::Machines | Self::Volumes | Self::Processors | Self::Memory | Self::PrimaryStorage => {
                "cluster.agents"
            }
            Self::Networks | Self::Addresses => "network.name",
            Self::Templates => "image.name",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machines => "virtual machines",
            Self::Volumes => "volumes",
            Self::Processors => "processors",
            Self::Memory => "MiB of memory",
            Self::PrimaryStorage => "GiB of primary storage",
            Self::Networks => "networks",
            Self::Addresses => "public addresses",
            Self::Templates => "templates",
        })
    }
}

/// A limit, and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What is limited.
    pub resource: Resource,
    /// How much there may be.
    pub limit: u64,
    /// How much there is.
    pub used: u64,
}

/// What the account may have, as far as it was asked for and the cloud told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The account's name; empty when it is not known.
    pub account: String,
    /// Its limits; what is missing has none.
    pub quotas: Vec<Quota>,
    /// Whether the zone has a public address to give; none when it was not asked, or not told.
    pub free_address: Option<bool>,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
}

/// The size of a service offering, or of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Processors.
    pub processors: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Its root disk in GiB, rounded up; 0 is the template's.
    pub root_disk_gib: u64,
}

/// What is about to be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    machines: u64,
    processors: u64,
    memory_mib: u64,
    storage_gib: u64,
    networks: u64,
    addresses: u64,
    templates: u64,
}

impl Needs {
    /// For the network, its address and the `missing` machines; those that take the place of a machine which is there need
    /// no more than they are larger. An offering that the zone lacks has no size; it is missed elsewhere.
    pub(crate) fn of(observed: &Observed, missing: &[&WantedMachine]) -> Self {
        let sizes = &observed.catalogue.sizes;
        // One whose first start failed has given back what it had.
        let counts = |machine: &&Machine| machine.state.is_there_to_stay();
        let gives_back = |wanted: &WantedMachine| observed.machine(&wanted.host_name).filter(counts);
        let size_of = |machine: &Machine| {
            let known = sizes.iter().find(|(offering, _)| machine.offering.is(offering));
            known.map_or(machine.size, |(_, size)| *size)
        };
        let templates = &observed.catalogue.template_sizes;
        let image = observed.catalogue.template.as_ref().and_then(|image| templates.get(&image.id)).copied();
        // A disk is as large as its template, if the offering does not ask for more.
        let disk = |size: Size, template: Option<u64>| template.map(|gib| gib.max(size.root_disk_gib));
        let more = |wanted: &&WantedMachine| {
            let size = sizes.get(&wanted.offering).copied().unwrap_or_default();
            let before = gives_back(wanted);
            let given_back = before.map(size_of).unwrap_or_default();
            // What cannot be known is left to the cloud to tell, and refuses nothing here.
            let needed = disk(size, image).unwrap_or(size.root_disk_gib);
            let freed = before.map_or(0, |machine| {
                let template = templates.get(&machine.template.id).copied();
                disk(given_back, template).unwrap_or(needed)
            });
            (
                u64::from(size.processors.saturating_sub(given_back.processors)),
                size.memory_mib.saturating_sub(given_back.memory_mib),
                needed.saturating_sub(freed),
            )
        };
        let (mut processors, mut memory_mib, mut storage_gib) = (0, 0, 0);
        for (more_processors, more_mib, more_gib) in missing.iter().map(more) {
            processors += more_processors;
            memory_mib += more_mib;
            storage_gib += more_gib;
        }
        Self {
            machines: missing.iter().filter(|wanted| gives_back(wanted).is_none()).count() as u64,
            processors,
            memory_mib,
            storage_gib,
            networks: u64::from(observed.network.is_none()),
            addresses: u64::from(observed.public_address().is_none()),
            templates: 0,
        }
    }

    /// For an image that has still to be built.
    pub(crate) fn of_image(catalogue: &Catalogue) -> Self {
        Self { templates: u64::from(catalogue.template.is_none()), ..Self::default() }
    }

    fn of_resource(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Machines | Resource::Volumes => self.machines,
            Resource::Processors => self.processors,
            Resource::Memory => self.memory_mib,
            Resource::PrimaryStorage => self.storage_gib,
            Resource::Networks => self.networks,
            Resource::Addresses => self.addresses,
            Resource::Templates => self.templates,
        }
    }
}

/// Whether a look at the cluster shows that something is to be added, or made anew and perhaps larger, so that it matters
/// what may be.
pub(crate) fn matters(desired: &Desired, observed: &Observed) -> bool {
    observed.public_address().is_none()
        || desired.machines.iter().any(|wanted| {
            observed.machine(&wanted.host_name).is_none_or(|machine| {
                !machine.state.is_there_to_stay() || desired.makes_anew(wanted, observed, machine)
            })
        })
}

/// Limits that stand in the way of `needs`.
pub(crate) fn check(needs: &Needs, allowance: &Allowance, obstacles: &mut Vec<Obstacle>) {
    for Quota { resource, limit, used } in &allowance.quotas {
        let need = needs.of_resource(*resource);
        let lacking = used.saturating_add(need).saturating_sub(*limit);
        if need == 0 || lacking == 0 {
            continue;
        }
        let message = format!(
            "not enough {resource}: the account {} may have {limit} and has {used}, and {need} more are needed, {lacking} \
             too many",
            allowance.account
        );
        let help = format!(
            "have the limit of {} raised to {}, or give up something the account has",
            resource.name(),
            used.saturating_add(need)
        );
        obstacles.push(Obstacle::new(resource.path(), message).help(help));
    }
    if needs.addresses > 0 && allowance.free_address == Some(false) {
        let message = "the zone has no free public address, and the network needs one";
        let help = "give one back that is not needed, or ask whoever runs the cloud for more";
        obstacles.push(Obstacle::new("cloud.zone", message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::{Changes, model::*};

    fn quota(resource: Resource, limit: u64, used: u64) -> Quota {
        Quota { resource, limit, used }
    }

    fn allowed(quotas: Vec<Quota>) -> Allowance {
        Allowance { account: "ops".to_owned(), quotas, ..Allowance::default() }
    }

    #[test]
    fn every_limit_that_is_too_small_is_told_with_what_is_missing() {
        let desired = desired(3, 3);
        let mut observed = empty(&desired);
        let offering = desired.spec.cluster.master_offering.clone();
        observed.catalogue.sizes.insert(offering, Size { processors: 2, memory_mib: 2048, root_disk_gib: 0 });
        let template = observed.catalogue.template.as_ref().expect("an image").id.clone();
        observed.catalogue.template_sizes.insert(template, 3);
        observed.allowance = allowed(vec![
            quota(Resource::Machines, 20, 18),
            quota(Resource::Volumes, 20, 14),
            quota(Resource::Processors, 10, 0),
            quota(Resource::Memory, 12 * 1024, 0),
            quota(Resource::PrimaryStorage, 200, 190),
            quota(Resource::Networks, 1, 1),
            quota(Resource::Addresses, 0, 0),
            quota(Resource::Templates, 0, 0),
        ]);
        observed.allowance.free_address = Some(false);
        let plan = crate::cluster::plan(&desired, &observed);
        let told = plan.obstacles.iter().map(|obstacle| format!("{}: {}", obstacle.path, obstacle.message));
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
        assert!(plan.is_empty());
    }

    #[test]
    fn a_cluster_that_stands_needs_nothing_whatever_the_limits_are() {
        let desired = desired(3, 3);
        let mut observed = whole(&desired);
        assert!(!matters(&desired, &observed));
        observed.allowance = allowed(vec![quota(Resource::Machines, 0, 6), quota(Resource::Addresses, 0, 1)]);
        observed.allowance.free_address = Some(false);
        let plan = crate::cluster::plan(&desired, &observed);
        assert!(plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
    }

    #[test]
    fn a_machine_that_takes_anothers_place_needs_no_more_than_it_is_larger() {
        let (before, mut desired) = (desired(1, 1), desired(1, 1));
        let mut observed = whole(&before);
        desired.spec.cluster.agent_offering = "t1.large".to_owned();
        let replace = Some("agent-1".parse().expect("a node's name"));
        let desired =
            Desired::of(&desired.spec, desired.key).asking(Changes { replace, ..Changes::default() });
        observed.catalogue.offerings.insert("t1.large".to_owned(), named("t1.large"));
        for (offering, processors, memory_mib) in [("t1.medium", 2, 2048), ("t1.large", 4, 3072)] {
            let size = Size { processors, memory_mib, ..Size::default() };
            observed.catalogue.sizes.insert(offering.to_owned(), size);
        }
        let full = [quota(Resource::Machines, 2, 2), quota(Resource::Volumes, 2, 2)];
        let larger = [quota(Resource::Processors, 6, 4), quota(Resource::Memory, 5120, 4096)];
        observed.allowance = allowed(full.into_iter().chain(larger).collect());
        let plan = crate::cluster::plan(&desired, &observed);
        assert!(!plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
        observed.allowance.quotas[2].used = 5;
        let plan = crate::cluster::plan(&desired, &observed);
        assert_eq!(plan.obstacles.len(), 1, "{plan}");
        assert!(plan.obstacles[0].message.contains("2 more are needed, 1 too many"), "{plan}");
    }

    #[test]
    fn a_replacement_alone_is_refused_where_it_would_be_larger_than_may_be() {
        let (before, mut larger) = (desired(1, 1), desired(1, 1));
        let mut observed = whole(&before);
        larger.spec.cluster.agent_offering = "t1.large".to_owned();
        let asking = |desired: &Desired, node: Option<&str>| {
            let replace = node.map(|node| node.parse().expect("a node's name"));
            Desired::of(&desired.spec, desired.key.clone()).asking(Changes { replace, ..Changes::default() })
        };
        assert!(!matters(&asking(&larger, None), &observed), "nothing is made");
        let larger = asking(&larger, Some("agent-1"));
        assert!(matters(&larger, &observed));
        // The old offering is named by nobody any more: the machine itself says how large it is.
        observed.machines[1].size = Size { processors: 2, memory_mib: 2048, root_disk_gib: 0 };
        observed.machines[1].offering = named("t1.small");
        observed.catalogue.offerings.insert("t1.large".to_owned(), named("t1.large"));
        let size = Size { processors: 4, memory_mib: 4096, root_disk_gib: 20 };
        observed.catalogue.sizes.insert("t1.large".to_owned(), size);
        let template = observed.machines[1].template.id.clone();
        observed.catalogue.template_sizes.insert(template, 3);
        let quotas = |processors, memory, storage| {
            allowed(vec![
                quota(Resource::Processors, processors, 4),
                quota(Resource::Memory, memory, 4096),
                quota(Resource::PrimaryStorage, storage, 6),
            ])
        };
        observed.allowance = quotas(6, 6144, 23);
        let plan = crate::cluster::plan(&larger, &observed);
        assert!(!plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
        observed.allowance = quotas(5, 6143, 22);
        let plan = crate::cluster::plan(&larger, &observed);
        let told = plan.obstacles.iter().map(|obstacle| obstacle.message.as_str()).collect::<Vec<_>>();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[2].contains("GiB of primary storage") && told[2].contains("17 more are needed"),
            "{told:?}"
        );
    }

    #[test]
    fn what_could_not_be_seen_is_a_remark_and_no_obstacle() {
        let desired = desired(1, 1);
        let mut observed = empty(&desired);
        observed.allowance.unseen.push("the account's limits: not allowed".to_owned());
        let plan = crate::cluster::plan(&desired, &observed);
        assert!(!plan.is_empty() && plan.obstacles.is_empty(), "{plan}");
        assert_eq!(plan.remarks, observed.allowance.unseen);
    }

    proptest! {
        #[test]
        fn a_plan_is_refused_exactly_when_a_limit_would_be_met(
            masters in 1u16..6, agents in 0u16..30, limit in 0u64..60, used in 0u64..60,
        ) {
            let desired = desired(masters, agents);
            let mut observed = empty(&desired);
            observed.allowance = allowed(vec![quota(Resource::Machines, limit, used)]);
            let plan = crate::cluster::plan(&desired, &observed);
            let fits = used + u64::from(masters + agents) <= limit;
            prop_assert_eq!(plan.obstacles.is_empty(), fits);
        }
    }
}
