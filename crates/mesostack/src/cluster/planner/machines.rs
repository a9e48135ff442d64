//! Machines and nodes: which are missing, which have to be started, which have to be set up.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Before,
    ensemble::{self, Standing},
    reasons, unfit,
};
use crate::{
    cluster::{
        action::{Action, Stage},
        desired::{Desired, WantedMachine},
        identity,
        observed::{Machine, MachineState, Named, Observed},
        plan::{Obstacle, Plan},
    },
    node::{self, Ensemble},
    spec::{Bootstrap, NodeName, Role},
};

impl WantedMachine {
    pub(in crate::cluster) fn is_master(&self) -> bool {
        self.node.role == Role::Master
    }
}

/// The wanted machines, by what has to be done with them.
#[derive(Debug, Default)]
pub(super) struct Sorted<'a> {
    /// They have to be made; where there is a machine, it goes first.
    pub(super) missing: Vec<&'a WantedMachine>,
    /// What is in the way of some of those: machines whose first start failed.
    pub(super) failed: BTreeMap<&'a str, &'a Machine>,
    /// And machines that are to be made anew.
    pub(super) replaced: BTreeMap<&'a str, &'a Machine>,
    /// They are written down and do not run.
    pub(super) sleeping: Vec<&'a WantedMachine>,
    /// Agents that are there and are not wanted.
    pub(super) surplus: Vec<&'a Machine>,
    /// Those to which nothing is done as things are.
    pub(super) unfit: unfit::Unfit<'a>,
}

impl Sorted<'_> {
    /// Whether the plan destroys a machine of that name, to make it anew or for good.
    pub(super) fn discards(&self, host_name: &str) -> bool {
        self.replaced.contains_key(host_name)
            || self.failed.contains_key(host_name)
            || self.surplus.iter().any(|machine| machine.named.name == host_name)
    }

    pub(super) fn any_to_start(&self) -> bool {
        !self.missing.is_empty() || !self.sleeping.is_empty()
    }
}

/// Sorts the wanted machines, and notes what makes one impossible.
pub(super) fn sort<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    obstacles: &mut Vec<Obstacle>,
) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    for wanted in &desired.machines {
        let machine = observed.machine(&wanted.host_name);
        let state = machine.map(|machine| machine.state);
        let replaced = machine.filter(|machine| {
            machine.state != MachineState::Going && desired.makes_anew(wanted, observed, machine)
        });
        let made = matches!(state, None | Some(MachineState::Failed)) || replaced.is_some();
        if made && let Some(holder) = unfit::holder_of_address(wanted, observed) {
            sorted.unfit.note_taken_address(desired, wanted, holder, obstacles);
            continue;
        }
        let Some(machine) = machine else {
            sorted.missing.push(wanted);
            continue;
        };
        if replaced.is_some() {
            sorted.missing.push(wanted);
            sorted.replaced.insert(&wanted.host_name, machine);
            continue;
        }
        let mut fit = || sorted.unfit.judge(wanted, machine, observed);
        match machine.state {
            MachineState::Running => {
                fit();
            }
            MachineState::Stopped | MachineState::Changing => {
                if fit() {
                    sorted.sleeping.push(wanted);
                }
            }
            MachineState::Failed => {
                sorted.missing.push(wanted);
                sorted.failed.insert(&wanted.host_name, machine);
            }
            MachineState::Going => {
                let message = format!("{} is being destroyed", wanted.host_name);
                obstacles.push(Obstacle::new("cluster", message).help("apply again when it is gone"));
            }
        }
    }
    sorted.unfit.check_masters(desired, obstacles);
    for machine in observed.machines.iter().filter(|machine| machine.state != MachineState::Going) {
        let name = &machine.named.name;
        match identity::node_of(desired.cluster(), name).filter(|_| desired.machine(name).is_none()) {
            Some(node) if node.role == Role::Agent => sorted.surplus.push(machine),
            Some(node) => obstacles.push(masters_stay(desired, node)),
            None => {}
        }
    }
    sorted
}

/// Fewer masters are another quorum of other members, for ZooKeeper and for the registry of Mesos: a cluster does not come
/// there one step at a time without having, in between, a majority that another one knows nothing of.
fn masters_stay(desired: &Desired, node: NodeName) -> Obstacle {
    let count = desired.spec.cluster.masters;
    let message =
        format!("{node} is there, and the file asks for {count} masters: masters are not taken away");
    Obstacle::new("cluster.masters", message).help(format!(
        "ask for as many masters as there are; a cluster with fewer is a new cluster: `mesostack destroy`, then apply, or \
         one beside it under another cluster.name and network.name, {count} masters from the start"
    ))
}

/// Whether one job can make a machine and start it: nothing else is to be written down between the two, since no rule
/// leads to it.
fn is_launched(wanted: &WantedMachine) -> bool {
    !wanted.is_master() && wanted.node.ssh_port.is_none()
}

/// Steps that write missing machines down, by the machine's name; not those that are made and started at once.
pub(super) fn deploy(
    desired: &Desired,
    observed: &Observed,
    machines: &Sorted<'_>,
    before: &Before,
    discarded: &BTreeMap<String, usize>,
    plan: &mut Plan,
) -> BTreeMap<String, usize> {
    let mut deployed = BTreeMap::new();
    for wanted in machines.missing.iter().filter(|wanted| !is_launched(wanted)) {
        let Some((offering, template)) = made_from(wanted, observed) else { continue };
        let after = before_making(desired, wanted, before, discarded);
        let (host_name, node) = (wanted.host_name.clone(), wanted.node.clone());
        let apart = wanted.is_master();
        let action = Action::Deploy { host_name: host_name.clone(), node, offering, template, apart };
        let step = plan.add(action, after, []);
        plan.explain(step, reasons::of_making(wanted, observed, machines));
        deployed.insert(host_name, step);
    }
    deployed
}

/// Steps that start machines, new and old, by the machine's name; in a sleeping network once everything is `written`.
pub(super) fn start(
    (desired, observed): (&Desired, &Observed),
    machines: &Sorted<'_>,
    (before, discarded): (&Before, &BTreeMap<String, usize>),
    deployed: &BTreeMap<String, usize>,
    written: Option<usize>,
    plan: &mut Plan,
) -> BTreeMap<String, usize> {
    let mut started = BTreeMap::new();
    let (launched, written_down): (Vec<_>, Vec<_>) =
        machines.missing.iter().copied().partition(|wanted| is_launched(wanted));
    let fresh = written_down.into_iter().map(|wanted| (wanted, true));
    let old = machines.sleeping.iter().map(|wanted| (*wanted, false));
    for (wanted, fresh) in fresh.chain(old) {
        let host_name = wanted.host_name.clone();
        let after = deployed.get(&host_name).copied().into_iter().chain(written);
        let action = Action::Start { host_name: host_name.clone(), fresh };
        let step = plan.add(action, after.chain(before.network.iter().copied()).collect::<Vec<_>>(), []);
        plan.explain(step, (!fresh).then(|| reasons::of_starting(wanted, observed)).flatten());
        started.insert(host_name, step);
    }
    for wanted in launched {
        let Some((offering, template)) = made_from(wanted, observed) else { continue };
        let mut after = before_making(desired, wanted, before, discarded);
        after.extend(written);
        let (host_name, node) = (wanted.host_name.clone(), wanted.node.clone());
        let action = Action::Launch { host_name: host_name.clone(), node, offering, template };
        let step = plan.add(action, after, []);
        plan.explain(step, reasons::of_making(wanted, observed, machines));
        started.insert(host_name, step);
    }
    started
}

/// The offering and the image of a machine that is made.
fn made_from(wanted: &WantedMachine, observed: &Observed) -> Option<(Named, Named)> {
    let catalogue = &observed.catalogue;
    Some((catalogue.offerings.get(&wanted.offering)?.clone(), catalogue.template.clone()?))
}

/// The steps before a machine can be made; one of them removes what is in its way.
fn before_making(
    desired: &Desired,
    wanted: &WantedMachine,
    before: &Before,
    discarded: &BTreeMap<String, usize>,
) -> Vec<usize> {
    // User-data that carries the configuration names the public address.
    let address = match desired.spec.access.bootstrap {
        Bootstrap::UserData => before.address.as_slice(),
        Bootstrap::Ssh => &[],
    };
    before.deploy.iter().chain(address).chain(discarded.get(&wanted.host_name)).copied().collect()
}

/// Steps that a node has to wait for until it can be reached.
pub(super) struct Reached {
    pub(super) started: BTreeMap<String, usize>,
    pub(super) forwards: BTreeMap<String, usize>,
    pub(super) openings: Vec<usize>,
    /// Those that make the masters, where there is none yet: whoever is behind them is reached through any of them.
    pub(super) ways: Vec<usize>,
    /// The step after which no mark says of a node that is told something else what it had before.
    pub(super) unmarked: Option<usize>,
}

/// The steps that make the masters, where all of them are made.
pub(super) fn ways(desired: &Desired, deployed: &BTreeMap<String, usize>) -> Vec<usize> {
    let made = desired.masters().map(|master| deployed.get(&master.host_name).copied());
    made.collect::<Option<_>>().unwrap_or_default()
}

/// The nodes that are told something: new ones, and those whose mark does not say that they have this configuration.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    /// Masters that need nobody's leave: none serves yet, or one alone.
    first: Vec<&'a WantedMachine>,
    /// Masters that know nothing, each for itself.
    empty: Vec<&'a WantedMachine>,
    /// Masters that serve, one at a time.
    knowing: Vec<&'a WantedMachine>,
    /// Agents.
    last: Vec<&'a WantedMachine>,
    /// Those of them whose machines are made, and those whose machines are started.
    pub(super) fresh: BTreeSet<&'a str>,
    pub(super) started: BTreeSet<&'a str>,
    /// Masters that serve and would be told something, while the others could not do without one of them.
    held_back: Vec<&'a WantedMachine>,
}

impl<'a> Told<'a> {
    pub(super) fn of(
        desired: &'a Desired,
        observed: &Observed,
        (machines, standing): (&Sorted<'a>, &Standing),
    ) -> Self {
        let masters = desired.spec.cluster.masters;
        let grows = standing.grows(masters);
        let fresh = machines.missing.iter().map(|wanted| wanted.host_name.as_str()).collect::<BTreeSet<_>>();
        let started = machines.sleeping.iter().map(|wanted| wanted.host_name.as_str());
        let started = started.collect::<BTreeSet<_>>();
        // Made in the place of one that knew something: it learns that from the others.
        let is_empty = |wanted: &WantedMachine| {
            fresh.contains(wanted.host_name.as_str()) || !standing.holds(wanted.node.number)
        };
        let starts = |wanted: &WantedMachine| {
            fresh.contains(wanted.host_name.as_str()) || started.contains(wanted.host_name.as_str())
        };
        let ensemble = Ensemble::of(masters);
        let lacking = desired.machines.iter().filter(|wanted| !machines.unfit.has(&wanted.host_name));
        let lacking =
            lacking.filter(|wanted| !is_set_up(desired, wanted, observed, ensemble) || starts(wanted));
        let mut told = Self::default();
        for wanted in lacking {
            let serves = || !starts(wanted) && (observed.serves(&wanted.host_name) || standing.teaches());
            // One alone has nobody to wait for.
            let rolled = wanted.is_master()
                && masters > 1
                && (grows || serves() || standing.teaches() && is_empty(wanted));
            match (wanted.is_master(), rolled) {
                (false, _) => told.last.push(wanted),
                (true, false) => told.first.push(wanted),
                (true, true) if !grows && is_empty(wanted) => told.empty.push(wanted),
                (true, true) => told.knowing.push(wanted),
            }
        }
        (told.fresh, told.started) = (fresh.clone(), started.clone());
        if !machines.unfit.can_miss_a_master(desired) {
            told.held_back = std::mem::take(&mut told.knowing);
        }
        told
    }

    /// Shows the masters that are not told what they would be, and why.
    pub(super) fn describe_held_back(&self, plan: &mut Plan) {
        if self.held_back.is_empty() {
            return;
        }
        let names = self.held_back.iter().map(|wanted| wanted.host_name.as_str()).collect::<Vec<_>>();
        let note = "not as long as others can be neither asked nor told anything: the quorum may not outlive the one that \
                    is told";
        plan.held_up(format!("node {}: set up", names.join(", ")), note);
    }

    /// All of them, in the order in which they are told.
    fn all(&self) -> impl Iterator<Item = &'a WantedMachine> {
        [&self.first, &self.empty, &self.knowing, &self.last].into_iter().flatten().copied()
    }
}

/// Steps that set nodes up. Masters that serve are told one at a time.
pub(super) fn set_up(
    (desired, observed): (&Desired, &Observed),
    (told, standing): (&Told<'_>, &Standing),
    reached: &Reached,
    plan: &mut Plan,
) {
    let (from, masters) = (standing.masters, desired.spec.cluster.masters);
    let is_fresh = |wanted: &WantedMachine| told.fresh.contains(wanted.host_name.as_str());
    let mut done = Vec::new();
    let one = |wanted: &WantedMachine, rolls: &[usize], plan: &mut Plan| {
        let name = &wanted.host_name;
        let action =
            Action::SetUp { host_name: name.clone(), node: wanted.node.clone(), fresh: is_fresh(wanted) };
        // Masters that could not be made or told keep no other node from being set up.
        let ways = reached.ways.iter().filter(|_| wanted.node.ssh_port.is_none()).copied();
        let after = reached.before(wanted).collect::<Vec<_>>();
        let step = plan.add(action, after, ways.chain(rolls.iter().copied()));
        if !is_fresh(wanted) {
            plan.explain(step, Some(reasons::of_telling(desired, wanted, observed, told)));
        }
        step
    };
    done.extend(told.first.iter().map(|wanted| one(wanted, &[], plan)));
    let mut rolls = Vec::new();
    let mut roll = |those: &[&WantedMachine], done: &[usize], plan: &mut Plan| {
        let nodes = those.iter().map(|wanted| wanted.node.clone()).collect();
        let stages = match standing.grows(masters) {
            true => ensemble::stages(&desired.spec, from, masters),
            false => vec![Stage { ensemble: Ensemble::of(masters), nodes }],
        };
        let after = those.iter().flat_map(|wanted| reached.before(wanted)).collect::<BTreeSet<_>>();
        let host_names = those.iter().map(|wanted| wanted.host_name.clone()).collect();
        let once_over = done.iter().chain(&rolls).copied().collect::<Vec<_>>();
        let step = plan.add(Action::RollOut { host_names, stages }, after, once_over);
        let why = reasons::of_rolling_out(desired, those, observed, (told, standing));
        plan.explain(step, Some(why));
        rolls.push(step);
    };
    // Those that know nothing first, each for itself: the more serve, the better can one be missed. One that cannot be had
    // keeps the others from nothing.
    told.empty.iter().for_each(|wanted| roll(&[wanted], &done, plan));
    if !told.knowing.is_empty() {
        roll(&told.knowing, &done, plan);
    }
    done.extend(&rolls);
    // Agents ask the masters they are told of.
    done.extend(told.last.iter().map(|wanted| one(wanted, &rolls, plan)));
    if done.is_empty() {
        return;
    }
    let host_names = told.all().map(|wanted| wanted.host_name.clone()).collect::<Vec<_>>();
    // A node that cannot be had keeps no other from being waited for and marked.
    let healthy = plan.add(Action::AwaitHealth { host_names: host_names.clone() }, [], done);
    plan.add(Action::MarkSetUp { host_names }, [], [healthy]);
}

impl Reached {
    /// The steps after which a node can be reached.
    fn before(&self, wanted: &WantedMachine) -> impl Iterator<Item = usize> {
        let steps = [&self.started, &self.forwards].into_iter();
        let own = steps.filter_map(|steps| steps.get(&wanted.host_name));
        own.chain(&self.openings).chain(&self.unmarked).copied()
    }
}

/// What the tags have to say while nodes are told something else than they have. An agent's mark says so itself.
pub(super) fn being_told(desired: &Desired, observed: &Observed, told: &Told<'_>) -> Vec<(String, String)> {
    let ensemble = Ensemble::of(desired.spec.cluster.masters);
    let told = told.all().filter(|wanted| !is_set_up(desired, wanted, observed, ensemble));
    let marks = told.filter_map(|wanted| {
        let (key, machine) = (identity::set_up_tag(&wanted.host_name), observed.machine(&wanted.host_name)?);
        let mark = observed.tag(&key)?;
        let this = identity::marked_machine(mark) == Some(machine.named.id.as_str());
        this.then(|| match wanted.is_master() {
            true => (identity::TELLING.to_owned(), identity::TOLD.to_owned()),
            false => (key, identity::being_told(mark)),
        })
    });
    marks.collect()
}

/// Whether the mark says that this very machine has this very configuration, for such an ensemble of masters.
fn is_set_up(desired: &Desired, wanted: &WantedMachine, observed: &Observed, ensemble: Ensemble) -> bool {
    if wanted.is_master() && observed.tag(identity::TELLING).is_some() {
        return false;
    }
    let (Some(machine), Some(address)) = (observed.machine(&wanted.host_name), observed.public_address())
    else {
        return false;
    };
    let facts =
        node::Facts { public_address: address.address, template: Some(machine.template.id.to_string()) };
    let mark = desired.set_up_mark(&wanted.node, ensemble, &machine.named.id, &facts);
    observed.tag(&identity::set_up_tag(&wanted.host_name)) == Some(&mark)
}
