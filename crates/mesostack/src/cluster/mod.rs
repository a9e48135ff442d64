//! The cluster in the cloud: what is wanted, what is there, the plan between them, and its execution.
//!
//! ```text
//! Spec ──▶ Desired ──┐
//!                    ├─▶ plan() ──▶ Plan ──▶ apply() ──▶ events
//! cloud ─▶ Observed ─┘
//! ```
//!
//! The cloud is the state: nothing is kept on disk. What a later run has to know is written into the network's tags:
//!
//! | tag | written | says |
//! | --- | --- | --- |
//! | `mesostack.cluster` | right after the network | whose the network is; before that, its display text does |
//! | `mesostack.hostkey.NODE` | before the machine | the host key the machine will have, whose private half it gets at birth |
//! | `mesostack.leaving.NODE` | before an agent is drained | that this machine is to go, and whether another takes its place |
//! | `mesostack.keypair` | before the key pair | that the key pair came with the cluster, and goes with it; which key it is |
//! | `mesostack.node.NODE` | when the cluster was healthy | for which machine and which configuration the set-up was finished |
//!
//! So a plan needs no SSH: a node without its mark, or with that of another machine or configuration, is set up (which
//! leaves a node alone that has all of it already). Marks are written once for all nodes of a run, after the cluster was
//! healthy: a run that is broken off before only looks at those nodes again.

mod action;
mod apply;
mod desired;
mod destroy;
mod document;
mod error;
mod graph;
mod identity;
pub mod lease;
mod look;
mod membership;
#[cfg(test)]
mod model;
mod observed;
mod openings;
mod operator_key;
mod output;
mod plan;
mod planner;
mod quota;
mod roster;
mod saved;

pub(crate) use self::look::{absent, named, zone_of};
pub use self::{
    action::{Action, Phase, RuleKind, Sign, Stage},
    apply::{Applied, Context, Detached, Failure, Limits, Missing, StepError, Unfinished, apply},
    desired::{Desired, OperatorKey, WantedBalancer, WantedMachine},
    destroy::plan_destruction,
    document::VERSION as PLAN_VERSION,
    error::Error,
    identity::host_key_tag,
    look::{Validation, validate},
    membership::{Changes, agents},
    observed::{
        Address, AffinityGroup, Balancer, Catalogue, EgressRule, FirewallRule, Forward, Going, Machine,
        MachineState, Named, Network, NetworkState, Observed,
    },
    openings::Opening,
    operator_key::{find_key, find_or_make_key},
    output::{Endpoint, Output, output},
    plan::{Drift, Obstacle, Plan, Step, Totals, refusal},
    planner::plan,
    quota::{Allowance, Quota, Resource, Size},
    roster::{Called, Roster},
    saved::{Difference, LARGEST as LARGEST_SAVED_PLAN, Moved, SavedPlan, Unusable},
};
