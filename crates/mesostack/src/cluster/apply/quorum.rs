//! What is done to masters that serve: never to one that the quorum needs at that moment, and to who leads last.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Run, StepError};
use crate::{
    cluster::{action::Stage, identity},
    events::Work,
    node::{self, Ensemble, Status},
    spec::{Node, Role},
};

/// How long all masters' answers may take.
const ANSWERS: Duration = Duration::from_secs(30);
/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_secs(2);

impl Run<'_> {
    /// How the first so many masters do. Whoever is not there, or not known by its key, is one that cannot stand in.
    async fn masters_status(&self, count: u16) -> Result<Status, StepError> {
        let (mut there, mut absent) = (Vec::new(), Vec::new());
        for wanted in self.desired.masters().filter(|wanted| wanted.node.number <= count) {
            match self.whereabouts(&wanted.host_name, &wanted.node) {
                Ok(at) => there.push(at),
                Err(_) => absent.push(wanted.node.name()),
            }
        }
        let status = self.nodes()?.status(&there, &[], Instant::now() + ANSWERS).await;
        Ok(absent.into_iter().fold(status, Status::with_absent))
    }

    /// Whether the quorum outlives a master, and another can take its place.
    pub(super) async fn check_quorum(&self, host_name: &str, node: &Node) -> Result<(), StepError> {
        self.check_name_is_freed(host_name).await?;
        self.check_outlived(node).await
    }

    /// Whether the quorum outlives a master that is about to go, whether or not that one can be asked.
    async fn check_outlived(&self, node: &Node) -> Result<(), StepError> {
        let status = self.masters_status(self.desired.spec.cluster.masters).await?;
        status.survives_without(&node.name()).map_err(|why| StepError::Quorum { node: node.name(), why })
    }

    /// The same right before a machine is destroyed, where it is a master's that serves: its step may have waited long.
    pub(super) async fn check_goes(&self, host_name: &str) -> Result<(), StepError> {
        let master = self.desired.masters().find(|wanted| wanted.host_name == *host_name);
        match master.filter(|master| self.desired.changes.replaces(&master.node)) {
            Some(master) => self.check_outlived(&master.node).await,
            None => Ok(()),
        }
    }

    /// Brings masters through the stages, one at a time.
    pub(super) async fn roll_out(&self, work: &Work, stages: &[Stage]) -> Result<(), StepError> {
        // Masters that serve already; a new one among them is in the ensemble from its own stage on.
        let mut serving = stages.first().map_or(0, |stage| stage.ensemble.masters);
        // Several stages are those of growth.
        if stages.len() > 1 {
            if stages[0].takes_in().is_some() {
                serving -= 1;
            }
            self.reach_new_masters(work, stages, serving).await?;
        }
        for (at, stage) in stages.iter().enumerate() {
            let mut left = stage.nodes.clone();
            while !left.is_empty() {
                let node = self.next_to_tell(work, &mut left, serving).await?;
                self.tell_master(work, stage, &node, stages.len() > 1).await?;
            }
            serving = stage.ensemble.masters;
            // All who serve know of the newest one: only then may there be another, and nobody goes back to before it.
            let known_to_all = stage.nodes.iter().all(|node| node.number < stage.ensemble.masters);
            if known_to_all && at + 1 < stages.len() {
                self.mark_joined(work, stage).await?;
            }
        }
        Ok(())
    }

    /// Waits until those that are taken in answer: a quorum of more is not asked for before there can be more.
    async fn reach_new_masters(&self, work: &Work, stages: &[Stage], masters: u16) -> Result<(), StepError> {
        let deadline = Instant::now() + self.context.limits.set_up;
        for node in stages.iter().filter_map(Stage::takes_in) {
            let at = self.whereabouts(&node::host_name(&self.desired.spec, node), node)?;
            self.waiting_for(work, node, "SSH to answer, before the others are told of it");
            self.nodes()?.answers(&at, deadline).await.map_err(|source| StepError::NotTakenIn {
                node: node.name(),
                masters,
                source: Box::new(source),
            })?;
        }
        Ok(())
    }

    /// Writes down that the newest master of a stage is one of them.
    async fn mark_joined(&self, work: &Work, stage: &Stage) -> Result<(), StepError> {
        let newest = self.desired.spec.node(Role::Master, stage.ensemble.masters);
        let newest = newest.ok_or_else(|| StepError::unknown("the newest master"))?;
        let host_name = node::host_name(&self.desired.spec, &newest);
        self.mark_told(work, &host_name, &newest, stage.ensemble).await?;
        self.write_ensemble(work, stage.ensemble.masters).await
    }

    /// Takes out the one that is told next: somebody who can be missed, and who leads only when all others know.
    async fn next_to_tell(&self, work: &Work, left: &mut Vec<Node>, serving: u16) -> Result<Node, StepError> {
        let deadline = Instant::now() + self.context.limits.health;
        loop {
            // Asked anew each time: who leads changes with every restart.
            let status = self.masters_status(serving).await?;
            // Followers first; and of them one that can be missed, which may be the one that is down for want of this.
            let (mut order, leaders): (Vec<_>, Vec<_>) =
                (0..left.len()).partition(|at| !status.leads(&left[*at].name()));
            if order.is_empty() {
                order.extend(leaders.first());
            }
            let mut first = None;
            for at in order {
                match self.can_be_told(&status, &left[at], serving) {
                    Ok(()) => return Ok(left.remove(at)),
                    Err(why) => first.get_or_insert((left[at].name(), why)),
                };
            }
            let (node, why) = first.ok_or_else(|| StepError::unknown("the next master"))?;
            if Instant::now() >= deadline {
                return Err(StepError::Quorum { node, why });
            }
            self.waiting(work, format!("the quorum to be able to miss {node}: {why}"));
            sleep(PAUSE).await;
        }
    }

    /// Whether a master may restart.
    fn can_be_told(&self, status: &Status, node: &Node, serving: u16) -> Result<(), String> {
        // One that is new is not missed; of two, either is, and there is no other way.
        let missed = node.number <= serving && serving > 2;
        // Where there is no quorum there is none to lose, and what is told may be what brings it back; unless that would be
        // one more who knows nothing.
        let knows = self.serves_still(&node::host_name(&self.desired.spec, node));
        if !missed || knows && status.lacks_quorum() {
            return Ok(());
        }
        status.survives_without(&node.name())
    }

    async fn tell_master(
        &self,
        work: &Work,
        stage: &Stage,
        node: &Node,
        grows: bool,
    ) -> Result<(), StepError> {
        let host_name = node::host_name(&self.desired.spec, node);
        let at = self.whereabouts(&host_name, node)?;
        let facts = self.facts(&host_name)?;
        let configuration = node::render_in(&self.desired.spec, stage.ensemble, node, &facts);
        let tell = |what: &str| self.waiting_for(work, node, what);
        tell("its configuration");
        self.nodes()?.set_up(&at, &configuration, Instant::now() + self.context.limits.set_up).await?;
        tell("its services");
        self.wait_until_healthy(&at, Instant::now() + self.context.limits.health, &tell).await?;
        if stage.ensemble != Ensemble::of(self.desired.spec.cluster.masters) {
            return Ok(());
        }
        self.known().set_up.insert(host_name.clone());
        if grows {
            // All of them are marked when all know.
            return Ok(());
        }
        // At once: it counts among those that know what the cluster knows, whatever becomes of this run.
        self.mark_told(work, &host_name, node, stage.ensemble).await
    }

    /// Writes down that a master was told of an ensemble.
    async fn mark_told(
        &self,
        work: &Work,
        host_name: &str,
        node: &Node,
        ensemble: Ensemble,
    ) -> Result<(), StepError> {
        let mark = self.set_up_mark(host_name, node, ensemble)?;
        self.make_tags(work, &[(identity::set_up_tag(host_name), mark)].into(), &[]).await
    }

    /// Takes an agent out of service; says how that ended.
    pub(super) async fn drain(&self, work: &Work, node: &Node) -> Result<String, StepError> {
        // One that is not there cannot be asked, and another can.
        let masters = self.desired.masters();
        let masters = masters.filter_map(|wanted| self.whereabouts(&wanted.host_name, &wanted.node).ok());
        let masters = masters.collect::<Vec<_>>();
        let tell = |what: &str| self.waiting_for(work, node, what);
        let drained = self.nodes()?.drain(&masters, node, self.context.limits.drain, &tell).await;
        Ok(drained.to_string())
    }
}
