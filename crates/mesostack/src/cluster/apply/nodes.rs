//! Nodes: set up as each answers, waited for until the cluster works, and then marked.

use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use super::{Run, StepError};
use crate::{
    cluster::{desired::WantedMachine, identity},
    events::{Event, Work},
    node::{self, Nodes, SetUp, Whereabouts},
    spec::{Node, Role},
};

impl Run<'_> {
    fn nodes(&self) -> Result<&dyn Nodes, StepError> {
        self.context.nodes.as_deref().ok_or_else(|| StepError::unknown("the way to the nodes"))
    }

    fn whereabouts(&self, host_name: &str, node: &Node) -> Result<Whereabouts, StepError> {
        let public_address = self.facts(host_name)?.public_address;
        let host_key = self.known().host_key(host_name);
        let host_key = host_key.ok_or_else(|| StepError::unknown(format!("the host key of {host_name}")))?;
        let masters = match node.ssh_port {
            Some(_) => Vec::new(),
            None => {
                let masters = self.context.desired.machines.iter().filter(|machine| {
                    machine.node.role == Role::Master
                        && self.known().machines.contains_key(&machine.host_name)
                });
                let known = |master: &WantedMachine| self.whereabouts(&master.host_name, &master.node);
                masters.filter_map(|master| known(master).ok()).collect()
            }
        };
        Ok(Whereabouts { node: node.clone(), public_address, host_key, masters: masters.into() })
    }

    fn digest(&self, host_name: &str, node: &Node) -> Result<String, StepError> {
        Ok(node::render(&self.context.desired.spec, node, &self.facts(host_name)?).digest)
    }

    /// Reaches the node as soon as it answers, and brings it to its configuration.
    pub(super) async fn set_up(
        &self,
        work: &Work,
        host_name: &str,
        node: &Node,
    ) -> Result<String, StepError> {
        let at = self.whereabouts(host_name, node)?;
        let configuration = node::render(&self.context.desired.spec, node, &self.facts(host_name)?);
        self.waiting(
            work,
            match node.ssh_port {
                Some(port) => format!("{host_name} to answer on port {port}"),
                None => format!("{host_name} to answer through a master"),
            },
        );
        let deadline = Instant::now() + self.context.limits.set_up;
        match self.nodes()?.set_up(&at, &configuration, deadline).await? {
            SetUp::Unchanged => Ok("nothing to change".to_owned()),
            SetUp::Changed { restarted } => Ok(format!("started {}", restarted.join(", "))),
        }
    }

    /// Waits until the nodes do what their roles ask of them.
    pub(super) async fn await_health(&self, work: &Work, host_names: &[String]) -> Result<(), StepError> {
        let nodes = self.nodes()?;
        let deadline = Instant::now() + self.context.limits.health;
        let wanted = host_names.iter().filter_map(|name| self.context.desired.machine(name));
        let waits = wanted.map(async |machine| {
            let at = self.whereabouts(&machine.host_name, &machine.node)?;
            let node = machine.node.name();
            let tell = |lacks: &str| {
                let (work, node, waits_for) = (work.clone(), Some(node.clone()), lacks.to_owned());
                self.tell(Event::Waiting { work, node, waits_for });
            };
            tell("its services");
            nodes.wait_until_healthy(&at, deadline, &tell).await?;
            self.tell(Event::NodeReady { work: work.clone(), node });
            Ok::<_, StepError>(())
        });
        let waits = waits.collect::<Vec<_>>();
        stream::iter(waits).buffer_unordered(self.context.limits.nodes.max(1)).try_collect::<()>().await
    }

    /// Writes down for which machines and configurations the set-up was finished: one call for all of them.
    pub(super) async fn mark_set_up(&self, work: &Work, host_names: &[String]) -> Result<(), StepError> {
        let wanted = host_names.iter().filter_map(|name| self.context.desired.machine(name));
        let marks = wanted
            .map(|machine| {
                let name = &machine.host_name;
                let mark =
                    identity::set_up_mark(self.machine(name)?.as_str(), &self.digest(name, &machine.node)?);
                Ok((identity::set_up_tag(name), mark))
            })
            .collect::<Result<_, StepError>>()?;
        self.make_tags(work, &marks, &[]).await
    }
}
