//! What a build is going to do and in which order, for whoever draws or remembers it.

use super::run::PHASE;
use crate::{
    events::{Event, GraphStep, Work},
    spec::BuildAccess,
};

/// The graph of a build whose recipe has `steps`.
pub(super) fn graph(access: BuildAccess, steps: &[&'static str]) -> Event {
    let mut graph = Graph::default();
    graph.then("look up");
    graph.then("prepare network");
    let trying: &[&str] = match access {
        BuildAccess::None => {
            graph.then("let the machine build itself");
            &["try the template"]
        }
        BuildAccess::Forward | BuildAccess::Guest => {
            ["start build machine", "reach build machine", "deliver files"]
                .iter()
                .chain(steps)
                .chain(&["stop build machine"])
                .for_each(|name| graph.then(name));
            &["start a machine from the template", "reach the machine from the template", "try the template"]
        }
    };
    graph.then("make template");
    let template = graph.last();
    trying.iter().for_each(|name| graph.then(name));
    let tried = graph.last();
    graph.add("destroy build machine", template);
    let both = [tried, graph.last()].concat();
    graph.add("publish", both);
    graph.then("clean up");
    Event::Graph { lanes: [].into(), steps: graph.0 }
}

#[derive(Default)]
struct Graph(Vec<GraphStep>);

impl Graph {
    fn last(&self) -> Vec<usize> {
        self.0.len().checked_sub(1).into_iter().collect()
    }

    fn then(&mut self, name: &str) {
        self.add(name, self.last());
    }

    fn add(&mut self, name: &str, after: Vec<usize>) {
        self.0.push(GraphStep {
            work: Work::new(name),
            kind: name.replace(' ', "_").to_lowercase(),
            phase: PHASE.to_owned(),
            lane: None,
            node: None,
            after,
        });
    }
}
