//! What plans promise, tried on a cloud in the mind.

mod bastion;
mod fewer_agents;
mod first_and_last;
mod foreign;
mod key_pairs;
mod masters;
mod mending;
mod obstacles;
mod properties;
mod replacing;

use cloudstack::Id;
use proptest::prelude::*;

use super::plan;
use crate::{
    cluster::{
        Changes, OperatorKey,
        action::{Action, Lane, Phase, Sign},
        identity,
        model::*,
        observed::*,
        openings::Opening,
        plan::{Obstacle, Plan},
    },
    spec::{
        AgentAccess::{self, Bastion},
        NodeName, Role,
    },
};

fn has(plan: &Plan, what: impl Fn(&Action) -> bool) -> bool {
    plan.steps.iter().any(|step| what(&step.action))
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.lines().into_iter().map(|(sign, line)| format!("{} {line}", sign.as_char())).collect()
}

#[track_caller]
fn blocked(plan: &Plan, what: &str) {
    assert!(plan.steps.is_empty(), "nothing is done while something is in the way");
    assert!(plan.obstacles.iter().any(|obstacle| obstacle.message.contains(what)), "{:#?}", plan.obstacles);
}

/// So many masters and agents, and how agents are reached.
fn reached(agents_by: AgentAccess, masters: u16, agents: u16) -> crate::cluster::Desired {
    let nodes = format!("masters = {masters}\nagents = {agents}");
    let mut spec = desired_from(&nodes, "\"10.0.0.0/8\"").spec;
    spec.access.agents = agents_by;
    let key = OperatorKey { public: "ssh-ed25519 AAAA".to_owned(), fingerprint: "aa:bb".to_owned() };
    crate::cluster::Desired::of(&spec, Some(key))
}

/// The steps, by their names, from the first that goes to a node on.
fn on_nodes(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().skip_while(|step| step.action.phase() != Phase::Nodes);
    steps.map(|step| step.action.name()).collect()
}

/// The same, with a node that is to be made anew.
fn replacing(masters: u16, agents: u16, node: &str) -> crate::cluster::Desired {
    let replace = Some(node.parse().expect("a node's name"));
    desired(masters, agents).asking(Changes { replace, ..Changes::default() })
}

/// The same, with what nobody asked for to be removed.
fn pruning(desired: &crate::cluster::Desired) -> crate::cluster::Desired {
    desired.clone().asking(Changes { prune: true, ..desired.changes.clone() })
}

/// So many agents, with these asked to go.
fn without(masters: u16, agents: u16, remove: &[&str]) -> crate::cluster::Desired {
    let remove = remove.iter().map(|name| name.parse().expect("a node's name")).collect();
    desired(masters, agents).asking(Changes { remove, ..Changes::default() })
}

/// A cluster from which these agents were taken away by their names.
fn thinned(masters: u16, agents: u16, gone: &[&str]) -> Observed {
    let mut observed = whole(&desired(masters, agents));
    let fewer = without(masters, agents - u16::try_from(gone.len()).expect("few"), gone);
    let next = plan(&fewer, &observed);
    assert!(next.obstacles.is_empty(), "{next}");
    carry_out_all(&fewer, &mut observed, &next);
    observed
}

fn agents(observed: &Observed) -> Vec<&str> {
    let names = observed.machines.iter().map(|machine| machine.named.name.as_str());
    let mut names = names.filter_map(|name| name.strip_prefix("mesos-agent-")).collect::<Vec<_>>();
    names.sort_unstable();
    names
}

fn network(observed: &mut Observed) -> &mut Network {
    observed.network.as_mut().expect("a network")
}

/// Carries out a part of a plan as an interrupted run would: any step may be missing, and then all that need it are.
fn carry_out_some(
    desired: &crate::cluster::Desired,
    observed: &mut Observed,
    plan: &Plan,
    done: impl Fn(usize) -> bool,
) {
    let mut happened = vec![false; plan.steps.len()];
    for (at, step) in plan.steps.iter().enumerate() {
        // What has only to be over first has either happened or failed, so it does not hold anything up. The barrier
        // itself does nothing that could fail.
        if (done(at) || step.action == Action::WrittenDown)
            && step.after.iter().all(|before| happened[*before])
        {
            carry_out(desired, observed, &for_what_is_set_up(&step.action, plan, &happened));
            happened[at] = true;
        }
    }
}

/// Nodes are marked that were set up, whatever became of the others.
fn for_what_is_set_up(action: &Action, plan: &Plan, happened: &[bool]) -> Action {
    let Action::MarkSetUp { host_names } = action else { return action.clone() };
    let set_up = plan.steps.iter().zip(happened).filter(|(_, happened)| **happened);
    let set_up = set_up.filter(|(step, _)| matches!(step.action, Action::SetUp { .. }));
    let set_up = set_up.filter_map(|(step, _)| step.action.host_name()).collect::<Vec<_>>();
    let marked = host_names.iter().filter(|name| set_up.contains(&name.as_str()));
    Action::MarkSetUp { host_names: marked.cloned().collect() }
}
