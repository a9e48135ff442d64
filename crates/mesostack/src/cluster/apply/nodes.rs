//! Nodes: set up as each answers, waited for until the cluster works, and then marked.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};

use super::{Run, StepError, known::Known};
use crate::{
    cluster::{desired::WantedMachine, identity},
    events::{Event, Work},
    node::{self, Ensemble, Health, Nodes, SetUp, Whereabouts},
    spec::Node,
};

/// What a set-up takes at most, from the machine's start, unless something is wrong.
const USUAL: Duration = Duration::from_secs(60);
/// How long a node may take to say how it does; a master answers several questions, each in 5 s at most.
const CHECK: Duration = Duration::from_secs(20);
/// How long to wait before asking a node again how it does.
const PAUSE: Duration = Duration::from_millis(300);

impl Run<'_> {
    pub(super) fn nodes(&self) -> Result<&dyn Nodes, StepError> {
        self.context.nodes.as_deref().ok_or_else(|| StepError::unknown("the way to the nodes"))
    }

    pub(super) fn whereabouts(&self, host_name: &str, node: &Node) -> Result<Whereabouts, StepError> {
        let public_address = self.facts(host_name)?.public_address;
        let host_key = self.known().host_key(host_name);
        let host_key = host_key.ok_or_else(|| StepError::unknown(format!("the host key of {host_name}")))?;
        let masters = match node.ssh_port {
            Some(_) => Vec::new(),
            None => {
                let masters = self.desired.masters();
                let masters =
                    masters.filter(|machine| self.known().machines.contains_key(&machine.host_name));
                let known = |master: &WantedMachine| self.whereabouts(&master.host_name, &master.node);
                masters.filter_map(|master| known(master).ok()).collect()
            }
        };
        Ok(Whereabouts { node: node.clone(), public_address, host_key, masters: masters.into() })
    }

    /// Tells what is waited for on a node.
    pub(super) fn waiting_for(&self, work: &Work, node: &Node, what: &str) {
        let (work, node, waits_for) = (work.clone(), Some(node.name()), what.to_owned());
        self.tell(Event::Waiting { work, node, waits_for });
    }

    /// What says that a node's machine is set up, of an ensemble of masters.
    pub(super) fn set_up_mark(
        &self,
        host_name: &str,
        node: &Node,
        ensemble: Ensemble,
    ) -> Result<String, StepError> {
        let (machine, facts) = (self.machine(host_name)?, self.facts(host_name)?);
        Ok(self.desired.set_up_mark(node, ensemble, &machine, &facts))
    }

    /// Reaches the node as soon as it answers, and brings it to its configuration.
    pub(super) async fn set_up(
        &self,
        work: &Work,
        host_name: &str,
        node: &Node,
    ) -> Result<String, StepError> {
        let at = self.whereabouts(host_name, node)?;
        let configuration = node::render(&self.desired.spec, node, &self.facts(host_name)?);
        self.waiting(
            work,
            match node.ssh_port {
                Some(port) => format!("{host_name} to answer on port {port}"),
                None => format!("{host_name} to answer through a master"),
            },
        );
        let deadline = Instant::now() + self.context.limits.set_up;
        let done = tokio::select! {
            done = self.nodes()?.set_up(&at, &configuration, deadline) => done?,
            never = self.let_others_go_on() => match never {},
        };
        self.known().set_up.insert(host_name.to_owned());
        Ok(match done {
            SetUp::Unchanged => "nothing to change".to_owned(),
            SetUp::Changed { restarted } => format!("started {}", restarted.join(", ")),
        })
    }

    /// A node that has not answered for long most likely will not for long: it keeps no other from being set up. Never
    /// ends.
    async fn let_others_go_on(&self) -> Infallible {
        sleep(USUAL).await;
        let _resting = self.nodes_side_by_side.rest();
        self.widened.notify_one();
        std::future::pending().await
    }

    /// Waits until the nodes do what their roles ask of them: those that were set up, as far as enough masters are there
    /// for that. One that does not become healthy keeps no other from being waited for.
    pub(super) async fn await_health(&self, work: &Work, host_names: &[String]) -> Result<(), StepError> {
        let ready = self.among(host_names, |known| &known.set_up);
        if ready.is_empty() {
            return Err(StepError::Forgone { why: "none of its nodes was set up" });
        }
        self.check_enough_masters(host_names, &ready)?;
        let deadline = Instant::now() + self.context.limits.health;
        let of = ready.len();
        let waits = ready.into_iter().map(async |machine| {
            let node = machine.node.name();
            let tell = |lacks: &str| self.waiting_for(work, &machine.node, lacks);
            tell("its services");
            let healthy = async {
                let at = self.whereabouts(&machine.host_name, &machine.node)?;
                self.wait_until_healthy(&at, deadline, &tell).await
            };
            if let Err(error) = healthy.await {
                return Some((machine.host_name.clone(), error.to_string()));
            }
            self.known().healthy.insert(machine.host_name.clone());
            self.tell(Event::NodeReady { work: work.clone(), node });
            None
        });
        let all = waits.collect::<FuturesUnordered<_>>();
        let mut lacking = all.filter_map(std::future::ready).collect::<Vec<_>>().await;
        lacking.sort();
        if lacking.is_empty() { Ok(()) } else { Err(StepError::Unhealthy { lacking, of }) }
    }

    /// Asks a node again and again until it does what its role asks of it; `tell` hears what it lacks whenever that changes.
    /// Only while it is asked it has a place among the nodes that are worked on side by side: all are asked in turn, and
    /// each once at least, however long others ail.
    pub(super) async fn wait_until_healthy(
        &self,
        at: &Whereabouts,
        deadline: Instant,
        tell: &impl Fn(&str),
    ) -> Result<(), StepError> {
        let nodes = self.nodes()?;
        let began = Instant::now();
        let mut told = String::new();
        loop {
            let lacks = {
                // Nobody closes it.
                let _place = self.asked_side_by_side.acquire().await.ok();
                match nodes.check(at, Instant::now() + CHECK).await? {
                    Health::Well => return Ok(()),
                    Health::Lacks(lacks) => lacks,
                }
            };
            if lacks != told {
                tell(&lacks);
                told = lacks;
            }
            if Instant::now() + PAUSE >= deadline {
                let (node, waited) = (at.node.name(), began.elapsed());
                return Err(node::Error::Unhealthy { node, waited, lacks: told }.into());
            }
            sleep(PAUSE).await;
        }
    }

    /// The wanted machines of these names that the run knows to be so.
    fn among(&self, host_names: &[String], so: impl Fn(&Known) -> &BTreeSet<String>) -> Vec<&WantedMachine> {
        let known = self.known();
        let names = host_names.iter().filter(|name| so(&known).contains(*name));
        names.filter_map(|name| self.desired.machine(name)).collect()
    }

    /// Without a majority of the masters none leads, and nothing becomes healthy.
    fn check_enough_masters(&self, host_names: &[String], ready: &[&WantedMachine]) -> Result<(), StepError> {
        let desired = &self.desired;
        let masters = desired.masters().collect::<Vec<_>>();
        // Those that are not set up in this run have been before; and some have, and could not be told what is new.
        let before = |name: &String| !host_names.contains(name) || self.serves_still(name);
        let there = masters.iter().filter(|master| {
            before(&master.host_name) || ready.iter().any(|ready| ready.host_name == master.host_name)
        });
        let there = there.count();
        let needed = usize::from(desired.spec.quorum());
        if there < needed {
            return Err(StepError::NoQuorum { there, masters: masters.len(), needed });
        }
        Ok(())
    }

    /// Whether a machine that served before this run is still there.
    pub(super) fn serves_still(&self, host_name: &str) -> bool {
        let observed = &self.context.observed;
        let known = self.known();
        let ids = observed.machine(host_name).zip(known.machines.get(host_name));
        observed.serves(host_name) && ids.is_some_and(|(before, now)| before.named.id == now.id)
    }

    /// Writes down for which machines and configurations the set-up was finished: one call for all that are healthy. Only
    /// then does it not matter any more which machines they took the places of.
    pub(super) async fn mark_set_up(&self, work: &Work, host_names: &[String]) -> Result<(), StepError> {
        let healthy = self.among(host_names, |known| &known.healthy);
        if healthy.is_empty() {
            return Err(StepError::Forgone { why: "none of its nodes is healthy" });
        }
        let ensemble = Ensemble::of(self.desired.spec.cluster.masters);
        let replaced = healthy.iter().map(|machine| identity::leaving_tag(&machine.host_name));
        let replaced = replaced.filter(|tag| self.known().tags.contains_key(tag)).collect::<Vec<_>>();
        let marks = healthy
            .into_iter()
            .map(|machine| {
                let name = &machine.host_name;
                let mark = self.set_up_mark(name, &machine.node, ensemble)?;
                Ok((identity::set_up_tag(name), mark))
            })
            .collect::<Result<_, StepError>>()?;
        self.make_tags(work, &marks, &replaced).await?;
        let marked = marks.into_keys().collect::<BTreeSet<_>>();
        if let Some(untold) = self.all_masters_know(ensemble, &marked) {
            // From now on their own marks say so.
            if self.known().tags.contains_key(identity::TELLING) {
                self.make_tags(work, &untold, &[]).await?;
            }
            self.write_ensemble(work, ensemble.masters).await?;
            self.make_tags(work, &BTreeMap::new(), &[identity::TELLING.to_owned()]).await?;
        }
        Ok(())
    }

    /// Where each master's mark is one of this ensemble, and of the machine that is there: new marks for those that have, or
    /// may have, another configuration of it, since this run could not tell them anything. As long as one may believe in a
    /// smaller ensemble, that is what counts: no two may differ by more than one master.
    fn all_masters_know(
        &self,
        ensemble: Ensemble,
        marked: &BTreeSet<String>,
    ) -> Option<BTreeMap<String, String>> {
        let mut untold = BTreeMap::new();
        // An earlier run may have told them something else, and not have come to the end of it.
        let doubted = self.context.observed.tag(identity::TELLING).is_some();
        for master in self.desired.masters() {
            let key = identity::set_up_tag(&master.host_name);
            let mark = self.known().tags.get(&key).cloned()?;
            let wanted = self.set_up_mark(&master.host_name, &master.node, ensemble).ok()?;
            if marked.contains(&key) || mark == wanted && !doubted {
                continue;
            }
            if identity::marked_masters(&mark) != Some(ensemble.masters)
                || identity::marked_machine(&mark) != identity::marked_machine(&wanted)
            {
                return None;
            }
            untold.insert(key, identity::being_told(&mark));
        }
        Some(untold)
    }

    /// Writes down of how many masters the ensemble is.
    pub(super) async fn write_ensemble(&self, work: &Work, masters: u16) -> Result<(), StepError> {
        let tag = identity::masters_tag(masters);
        self.make_tags(work, &[(tag.clone(), identity::TOLD.to_owned())].into(), &[]).await?;
        let others = self.known().tags.keys().cloned().collect::<Vec<_>>();
        let others = others.into_iter().filter(|key| identity::masters_of_tag(key).is_some() && *key != tag);
        self.make_tags(work, &BTreeMap::new(), &others.collect::<Vec<_>>()).await
    }
}
