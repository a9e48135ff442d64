//! Image builds at work in the cluster's network: their machines, and the ports of our address that lead to those. They are
//! nobody's to remove but the builds' own, and `mesostack image gc`'s once a build is dead.

use std::collections::BTreeSet;

use cloudstack::Id;

use crate::{
    cluster::observed::{FirewallRule, Forward, Observed},
    image::build::BuildId,
};

/// What builds have in the network.
#[derive(Clone, Debug, Default)]
pub(super) struct Builds<'a> {
    machines: BTreeSet<&'a Id>,
    ports: BTreeSet<u16>,
}

impl<'a> Builds<'a> {
    /// Why these are left alone, as a plan shows it.
    pub(super) const NOTE: &'static str =
        "an image build's; left alone (`mesostack image gc` removes what a dead build has left)";

    pub(super) fn of(observed: &'a Observed) -> Self {
        let machines = observed.machines.iter().map(|machine| &machine.named);
        let machines = machines.filter(|named| BuildId::of_name(&named.name).is_some());
        let mut builds = Self { machines: machines.map(|named| &named.id).collect(), ..Self::default() };
        let forwards = observed.forwards.iter().filter(|forward| builds.has_forward(forward));
        builds.ports = forwards.map(|forward| forward.public.0).collect();
        builds
    }

    pub(super) fn has_machine(&self, id: &Id) -> bool {
        self.machines.contains(id)
    }

    pub(super) fn has_forward(&self, forward: &Forward) -> bool {
        self.machines.contains(&forward.machine)
    }

    /// A build opens two neighbouring ports, and leads one of them to a machine of its own after the other.
    pub(super) fn has_rule(&self, rule: &FirewallRule) -> bool {
        rule.opening.as_ref().is_some_and(|opening| {
            opening.last - opening.first <= 1
                && self.ports.range(opening.first..=opening.last).next().is_some()
        })
    }
}
