//! A plan as a graph to look at: its steps in layers, each below all it waits for.
//!
//! Steps of a kind that wait for the same, and that the same wait for, share a box: nothing is lost by it. In a large plan
//! all of a kind that lie in one layer do, masters and agents apart: layers are as many as the longest chain is long,
//! whatever the number of nodes. What is implied by a longer way is not drawn.

mod dot;
mod svg;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    action::{Phase, Sign},
    plan::{Plan, Step},
};

/// A plan of more steps is large.
const LARGE: usize = 60;
/// So many steps of a kind share a box of a large plan.
const SHARED: usize = 4;
/// So many steps are named when a box is pointed at.
const NAMED: usize = 12;

impl Plan {
    /// The plan's graph in Graphviz's language.
    pub fn dot(&self) -> String {
        dot::dot(self, &Graph::of(self))
    }

    /// The plan's graph as a drawing: an SVG file of its own.
    pub fn svg(&self) -> String {
        svg::svg(self, &Graph::of(self))
    }
}

/// Boxes in the order of their layers, and what waits for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Graph {
    boxes: Vec<Box>,
    links: Vec<Link>,
}

/// A step, or several of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Box {
    /// How many boxes the longest way to it has.
    layer: usize,
    /// What it is, and which, where it is several.
    label: Vec<String>,
    look: Look,
    /// Its steps, by their place in the plan.
    steps: Vec<usize>,
}

/// What a box is coloured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// A line that the plan shows.
    Signed(Sign),
    /// Work on a node that goes without saying.
    Node,
    /// Waiting, or what else goes without saying.
    Plain,
}

/// One box waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    from: usize,
    to: usize,
    /// It has to have ended well; else it has to be over.
    well: bool,
}

impl Graph {
    fn of(plan: &Plan) -> Self {
        let layers = layers(&plan.steps);
        let (boxes, places) = boxes(&plan.steps, &layers);
        let mut links: BTreeMap<(usize, usize), bool> = BTreeMap::new();
        for (at, step) in plan.steps.iter().enumerate() {
            let well = step.after.iter().map(|before| (before, true));
            for (before, well) in well.chain(step.once_over.iter().map(|before| (before, false))) {
                *links.entry((places[*before], places[at])).or_default() |= well;
            }
        }
        let links = links.into_iter().map(|((from, to), well)| Link { from, to, well }).collect();
        let links = without_the_implied(boxes.len(), links);
        Self { boxes, links }
    }
}

/// The layer of each step: a step only ever waits for earlier ones.
fn layers(steps: &[Step]) -> Vec<usize> {
    let mut layers: Vec<usize> = Vec::with_capacity(steps.len());
    for step in steps {
        let before = step.after.iter().chain(&step.once_over);
        layers.push(before.map(|before| layers[*before] + 1).max().unwrap_or(0));
    }
    layers
}

/// The boxes in the order of their layers, and each step's.
fn boxes(steps: &[Step], layers: &[usize]) -> (Vec<Box>, Vec<usize>) {
    let mut groups = match steps.len() > LARGE {
        true => by_kind(steps, layers),
        false => by_place(steps),
    };
    groups.sort_by_key(|group| (layers[group[0]], group[0]));
    let mut places = vec![0; steps.len()];
    for (place, group) in groups.iter().enumerate() {
        group.iter().for_each(|at| places[*at] = place);
    }
    let boxes = groups.into_iter().map(|group| Box {
        layer: layers[group[0]],
        label: label(steps, &group),
        look: look(&steps[group[0]]),
        steps: group,
    });
    (boxes.collect(), places)
}

/// Steps that are in the same place of the graph, and of a kind.
fn by_place(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut waiting: Vec<Vec<(usize, bool)>> = vec![Vec::new(); steps.len()];
    for (at, step) in steps.iter().enumerate() {
        step.after.iter().for_each(|before| waiting[*before].push((at, true)));
        step.once_over.iter().for_each(|before| waiting[*before].push((at, false)));
    }
    let mut places: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        let place = (step.action.kind(), &step.after, &step.once_over, &waiting[at]);
        places.entry(place).or_default().push(at);
    }
    places.into_values().collect()
}

/// Steps of a kind in one layer.
fn by_kind(steps: &[Step], layers: &[usize]) -> Vec<Vec<usize>> {
    let mut kinds: BTreeMap<(usize, &str, &str), Vec<usize>> = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        let role = step.action.host_name().map_or("", role);
        kinds.entry((layers[at], step.action.kind(), role)).or_default().push(at);
    }
    let groups = kinds.into_values().flat_map(|kind| match kind.len() >= SHARED {
        true => vec![kind],
        false => kind.into_iter().map(|at| vec![at]).collect(),
    });
    groups.collect()
}

/// A host name without its number.
fn role(host_name: &str) -> &str {
    host_name.trim_end_matches(|character: char| character.is_ascii_digit())
}

fn label(steps: &[Step], group: &[usize]) -> Vec<String> {
    let (first, last) = (&steps[group[0]].action, &steps[group[group.len() - 1]].action);
    if group.len() == 1 {
        return vec![first.name()];
    }
    let mut label = vec![format!("{} ({})", first.kind().replace('_', " "), group.len())];
    if let (Some(first), Some(last)) = (first.host_name(), last.host_name()) {
        let same_role = role(first) == role(last);
        label.push(format!("{first} … {}", if same_role { &last[role(last).len()..] } else { last }));
    }
    label
}

fn look(step: &Step) -> Look {
    match step.line() {
        Some((sign, _)) => Look::Signed(sign),
        None if step.action.phase() == Phase::Nodes => Look::Node,
        None => Look::Plain,
    }
}

/// What there is to say of a box, a line each.
fn details(plan: &Plan, one: &Box) -> Vec<String> {
    let line = |at: &usize| {
        let step = &plan.steps[*at];
        match step.line() {
            Some((sign, line)) => format!("{} {line}", sign.as_char()),
            None => step.action.name(),
        }
    };
    let mut lines = one.steps.iter().take(NAMED).map(line).collect::<Vec<_>>();
    if one.steps.len() > NAMED {
        lines.push(format!("and {} more", one.steps.len() - NAMED));
    }
    lines
}

/// `plan of cluster mesos: 27 to add, 0 to change, 0 to remove; 41 steps`.
fn title(plan: &Plan) -> String {
    format!("plan of cluster {}: {}; {} steps", plan.cluster, plan.totals(), plan.steps.len())
}

/// Links without those that longer ways imply: what has to have ended well follows only from ways all of whose links say
/// so. Boxes are in the order of their layers, so every way to one leads through earlier ones.
fn without_the_implied(boxes: usize, links: Vec<Link>) -> Vec<Link> {
    let mut to: Vec<Vec<Link>> = vec![Vec::new(); boxes];
    links.iter().for_each(|link| to[link.to].push(*link));
    // By any way, and by ways that end well alone.
    let mut before: Vec<[BTreeSet<usize>; 2]> = Vec::with_capacity(boxes);
    let mut kept = Vec::new();
    for links in &to {
        let implied = |link: &Link| {
            let way = usize::from(link.well);
            let others = links.iter().filter(|other| other.from != link.from && (!link.well || other.well));
            others.into_iter().any(|other| before[other.from][way].contains(&link.from))
        };
        kept.extend(links.iter().filter(|link| !implied(link)).copied());
        let mut own: [BTreeSet<usize>; 2] = Default::default();
        for link in links {
            own[0].insert(link.from);
            own[0].extend(&before[link.from][0]);
            if link.well {
                own[1].insert(link.from);
                own[1].extend(&before[link.from][1]);
            }
        }
        before.push(own);
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::{
        action::Action,
        model::{desired, empty, whole},
        plan,
    };

    fn first_plan(masters: u16, agents: u16) -> Plan {
        let desired = desired(masters, agents);
        plan(&desired, &empty(&desired))
    }

    #[test]
    fn a_small_plan_shows_each_node_s_way_and_a_large_one_loses_no_step() {
        let small = Graph::of(&first_plan(3, 3));
        let shared = small.boxes.iter().filter(|one| one.steps.len() > 1);
        assert_eq!(shared.map(|one| &*one.label[0]).collect::<Vec<_>>(), ["open ports (4)"]);
        for agents in [3, 50, 150] {
            let plan = first_plan(3, agents);
            let graph = Graph::of(&plan);
            assert!(graph.boxes.len() < 40, "{}", graph.boxes.len());
            let mut drawn = graph.boxes.iter().flat_map(|one| one.steps.clone()).collect::<Vec<_>>();
            drawn.sort_unstable();
            assert_eq!(drawn, (0..plan.steps.len()).collect::<Vec<_>>());
        }
        let large = Graph::of(&first_plan(3, 50));
        let agents = large.boxes.iter().find(|one| one.steps.len() == 50).expect("agents");
        assert_eq!(agents.label, ["deploy (50)", "mesos-agent-1 … 50"]);
    }

    #[test]
    fn a_longer_way_implies_a_shorter_one_only_if_it_ends_well_throughout() {
        let link = |from, to, well| Link { from, to, well };
        let all = vec![link(0, 1, true), link(0, 2, true), link(1, 2, true)];
        assert_eq!(without_the_implied(3, all), [link(0, 1, true), link(1, 2, true)]);
        let some = vec![link(0, 1, true), link(0, 2, true), link(1, 2, false)];
        assert_eq!(without_the_implied(3, some.clone()), some);
        let over = vec![link(0, 1, true), link(0, 2, false), link(1, 2, false)];
        assert_eq!(without_the_implied(3, over), [link(0, 1, true), link(1, 2, false)]);
    }

    #[test]
    fn a_first_plan_s_graph_is_pinned() {
        insta::assert_snapshot!(first_plan(1, 1).dot());
    }

    #[test]
    fn the_drawing_of_fifty_agents_is_no_larger_than_that_of_three() {
        let (small, large) = (first_plan(3, 3).svg(), first_plan(3, 50).svg());
        assert!(large.len() < small.len() * 2, "{} and {}", large.len(), small.len());
    }

    #[test]
    fn nothing_to_do_can_be_drawn() {
        let desired = desired(1, 1);
        let plan = plan(&desired, &whole(&desired));
        assert!(plan.dot().starts_with("digraph"));
        assert!(plan.svg().contains("nothing to do"));
    }

    #[test]
    fn a_name_cannot_break_out_of_either_form() {
        let mut plan = Plan::default();
        let name = "</text><script>\"];\\\n".to_owned();
        plan.add(Action::DeleteKeyPair { name, tag: None }, [], []);
        assert!(!plan.svg().contains("<script"), "{}", plan.svg());
        let dot = plan.dot();
        let label = dot.lines().find(|line| line.contains("script")).expect("the box");
        assert!(label.contains(r#"<script>\"];\\"#), "{label}");
    }

    proptest! {
        /// Whatever waits for whatever: what could be reached still can, and nothing else.
        #[test]
        fn dropping_what_is_implied_changes_no_way(
            edges in prop::collection::btree_map((0usize..12, 0usize..12), any::<bool>(), 0..40),
        ) {
            let links = edges.into_iter().filter(|((from, to), _)| from < to)
                .map(|((from, to), well)| Link { from, to, well }).collect::<Vec<_>>();
            let ways = |links: &[Link], well: bool| {
                let mut reached = vec![BTreeSet::new(); 12];
                for to in 0..12usize {
                    for link in links.iter().filter(|link| link.to == to && (link.well || !well)) {
                        let further = reached[link.from].clone();
                        reached[to].extend(further);
                        reached[to].insert(link.from);
                    }
                }
                reached
            };
            let kept = without_the_implied(12, links.clone());
            prop_assert!(kept.len() <= links.len());
            for well in [false, true] {
                prop_assert_eq!(ways(&kept, well), ways(&links, well));
            }
        }

        #[test]
        fn any_size_can_be_drawn(masters in 1u16..6, agents in 0u16..40) {
            let plan = first_plan(masters, agents);
            let drawing = plan.svg();
            prop_assert!(!drawing.contains("NaN") && !drawing.contains("inf"));
            prop_assert_eq!(drawing.matches("<g class").count(), Graph::of(&plan).boxes.len());
        }
    }
}
