//! How long things may take, and how many may go on side by side.

use std::{collections::BTreeMap, time::Duration};

use crate::{cluster::action::Lane, spec::Spec};

/// What running steps get to end once the run is stopped.
const GRACE: Duration = Duration::from_secs(10);

/// How long things may take, and how many may go on side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A job that takes a moment: a rule, an address, a tag, a machine that is only written down.
    pub brief: Duration,
    /// A job that takes its time: starting and destroying a machine.
    pub long: Duration,
    /// A network's router coming up or going down, and a network's removal.
    pub network: Duration,
    /// From a machine's start to its node's set-up.
    pub set_up: Duration,
    /// From the last set-up to a healthy cluster.
    pub health: Duration,
    /// From the request to drain an agent until its machine goes, whatever is left on it.
    pub drain: Duration,
    /// What running steps get to end once the run is stopped.
    pub grace: Duration,
    /// Machines' jobs side by side.
    pub machines: usize,
    /// Nodes set up side by side.
    pub nodes: usize,
}

impl Limits {
    /// How many steps of each lane may go on side by side, as events tell it.
    pub fn lanes(&self) -> BTreeMap<String, usize> {
        let held = [Lane::NetworkQueue, Lane::Machines, Lane::Nodes];
        held.iter().filter_map(|lane| Some((lane.name()?.to_owned(), self.width(*lane)))).collect()
    }

    /// The same, with no more grace than that.
    #[must_use]
    pub fn within(self, grace: Duration) -> Self {
        Self { grace: self.grace.min(grace), ..self }
    }

    pub(super) fn width(&self, lane: Lane) -> usize {
        match lane {
            Lane::NetworkQueue => 1,
            Lane::Machines => self.machines,
            Lane::Nodes => self.nodes,
            Lane::Free => usize::MAX,
        }
    }
}

impl From<&Spec> for Limits {
    /// What the file says.
    fn from(spec: &Spec) -> Self {
        let (deadlines, parallel) = (&spec.deadlines, &spec.parallel);
        Self {
            brief: deadlines.record,
            long: deadlines.machine,
            network: deadlines.network,
            set_up: deadlines.set_up,
            health: deadlines.health,
            drain: deadlines.drain,
            grace: GRACE,
            machines: parallel.machines.into(),
            nodes: parallel.nodes.into(),
        }
    }
}
