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
    /// How the first so many masters do.
    async fn masters_status(&self, count: u16) -> Result<Status, StepError> {
        let masters = self.desired.masters().filter(|wanted| wanted.node.number <= count);
        let masters = masters.map(|wanted| self.whereabouts(&wanted.host_name, &wanted.node));
        let masters = masters.collect::<Result<Vec<_>, _>>()?;
        Ok(self.nodes()?.status(&masters, &[], Instant::now() + ANSWERS).await)
    }

    /// Whether the quorum outlives a master, and another can take its place.
    pub(super) async fn check_quorum(&self, host_name: &str, node: &Node) -> Result<(), StepError> {
        self.check_name_is_freed(host_name).await?;
        let status = self.masters_status(self.desired.spec.cluster.masters).await?;
        status.survives_without(&node.name()).map_err(|why| StepError::Quorum { node: node.name(), why })
    }

    /// Brings masters through the stages, one at a time.
    pub(super) async fn roll_out(&self, work: &Work, stages: &[Stage]) -> Result<(), StepError> {
        // Masters that serve already; a new one among them is in the ensemble from its own stage on.
        let mut serving = stages.first().map_or(0, |stage| stage.ensemble.masters);
        for (at, stage) in stages.iter().enumerate() {
            let mut left = stage.nodes.clone();
            while !left.is_empty() {
                let node = self.next_to_tell(work, &mut left, serving).await?;
                self.tell_master(work, stage, &node).await?;
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

    /// Writes down that the newest master of a stage is one of them.
    async fn mark_joined(&self, work: &Work, stage: &Stage) -> Result<(), StepError> {
        let newest = self.desired.spec.node(Role::Master, stage.ensemble.masters);
        let newest = newest.ok_or_else(|| StepError::unknown("the newest master"))?;
        let host_name = node::host_name(&self.desired.spec, &newest);
        let mark = self.set_up_mark(&host_name, &newest, stage.ensemble)?;
        self.make_tags(work, &[(identity::set_up_tag(&host_name), mark)].into(), &[]).await
    }

    /// Takes out the one that is told next: somebody who can be missed, and who leads only when all others know.
    async fn next_to_tell(&self, work: &Work, left: &mut Vec<Node>, serving: u16) -> Result<Node, StepError> {
        let deadline = Instant::now() + self.context.limits.health;
        loop {
            // Asked anew each time: who leads changes with every restart.
            let status = self.masters_status(serving).await?;
            let follows = left.iter().position(|node| !status.leads(&node.name()));
            let at = follows.unwrap_or(0);
            let Err(why) = self.can_be_told(&status, &left[at], serving) else { return Ok(left.remove(at)) };
            if Instant::now() >= deadline {
                return Err(StepError::Quorum { node: left[at].name(), why });
            }
            self.waiting(work, format!("the quorum to be able to miss {}: {why}", left[at].name()));
            sleep(PAUSE).await;
        }
    }

    /// Whether a master may restart.
    fn can_be_told(&self, status: &Status, node: &Node, serving: u16) -> Result<(), String> {
        // One that is new is not missed; of two, either is, and there is no other way.
        let missed = node.number <= serving && serving > 2;
        // Where there is no quorum there is none to lose, and what is told may be what brings it back.
        if !missed || !status.has_quorum() {
            return Ok(());
        }
        status.survives_without(&node.name())
    }

    async fn tell_master(&self, work: &Work, stage: &Stage, node: &Node) -> Result<(), StepError> {
        let host_name = node::host_name(&self.desired.spec, node);
        let at = self.whereabouts(&host_name, node)?;
        let facts = self.facts(&host_name)?;
        let configuration = node::render_in(&self.desired.spec, stage.ensemble, node, &facts);
        let tell = |what: &str| self.waiting_for(work, node, what);
        tell("its configuration");
        let nodes = self.nodes()?;
        nodes.set_up(&at, &configuration, Instant::now() + self.context.limits.set_up).await?;
        tell("its services");
        nodes.wait_until_healthy(&at, Instant::now() + self.context.limits.health, &tell).await?;
        if stage.ensemble == Ensemble::of(self.desired.spec.cluster.masters) {
            self.known().set_up.insert(host_name);
        }
        Ok(())
    }

    /// Takes an agent out of service; says how that ended.
    pub(super) async fn drain(&self, work: &Work, node: &Node) -> Result<String, StepError> {
        let deadline = Instant::now() + self.context.limits.drain;
        // One that is not there cannot be asked, and another can.
        let masters = self.desired.masters();
        let masters = masters.filter_map(|wanted| self.whereabouts(&wanted.host_name, &wanted.node).ok());
        let masters = masters.collect::<Vec<_>>();
        let tell = |what: &str| self.waiting_for(work, node, what);
        let drained = self.nodes()?.drain(&masters, node, deadline, &tell).await;
        Ok(drained.to_string())
    }
}
