//! A plan as a JSON document: what `plan --json` prints, described in docs/plan.md.
//!
//! A field that is there keeps its name and its meaning as long as the version is the same; new ones may come. What a
//! reader is shown (`text`, `what`, `note`, `message`) is for readers, and may be worded anew at any time.

use std::net::Ipv4Addr;

use serde::{Serialize, Serializer};

use super::{
    action::{Action, Sign},
    plan::{Drift, Obstacle, Plan, Totals},
};

/// The version of the document.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    cluster: &'a str,
    public_address: Option<Ipv4Addr>,
    summary: Totals,
    steps: Vec<StepDocument<'a>>,
    drift: &'a [Drift],
    obstacles: &'a [Obstacle],
    remarks: &'a [String],
}

#[derive(Serialize)]
struct StepDocument<'a> {
    name: String,
    phase: &'static str,
    sign: Option<Sign>,
    text: Option<String>,
    why: Option<&'a str>,
    after: &'a [usize],
    once_over: &'a [usize],
    action: &'a Action,
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let steps = self.steps.iter().map(|step| {
            let (sign, text) = step.line().unzip();
            StepDocument {
                name: step.action.name(),
                phase: step.action.phase().name(),
                sign,
                text,
                why: step.why.as_deref().or_else(|| step.action.why()),
                after: &step.after,
                once_over: &step.once_over,
                action: &step.action,
            }
        });
        let document = Document {
            version: VERSION,
            cluster: &self.cluster,
            public_address: self.public_address,
            summary: self.totals(),
            steps: steps.collect(),
            drift: &self.drift,
            obstacles: &self.obstacles,
            remarks: &self.remarks,
        };
        document.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_json_snapshot;

    use crate::cluster::{model::*, plan};

    #[test]
    fn the_document_of_a_first_plan() {
        let desired = desired(1, 1);
        assert_json_snapshot!(plan(&desired, &empty(&desired)));
    }

    #[test]
    fn the_document_tells_drift_and_obstacles() {
        let desired = desired(1, 1);
        let mut observed = whole(&desired);
        observed.machines[1].offering = named("t1.large");
        observed.egress.push(foreign_egress_rule());
        observed.balancers[0].private_port = 1;
        assert_json_snapshot!(plan(&desired, &observed));
    }
}
