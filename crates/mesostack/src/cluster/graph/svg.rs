//! The graph as a drawing: layers from top to bottom, links behind the boxes.

use std::fmt::Write;

use super::{Box, Graph, Look, details, title};
use crate::{
    cluster::{action::Sign, plan::Plan},
    drawing::{self, CHARACTER, WIDTH, escaped, shortened},
};

/// Boxes side by side; a layer of more has several rows.
const ACROSS: usize = 6;
const WIDE: f64 = 150.0;
const HIGH: f64 = 34.0;
/// Between boxes side by side, rows of a layer, and layers.
const GAP: f64 = 14.0;
const ROWS: f64 = 8.0;
const LAYERS: f64 = 42.0;
const TOP: f64 = 64.0;
/// Characters in a line of a box.
const LINE: usize = ((WIDE - 12.0) / CHARACTER) as usize;

/// What a graph has beyond what every drawing has.
const STYLE: &str = ".box{stroke:#0004}.add{fill:#cfe8cf}.change{fill:#f6dfa8}.remove{fill:#f0bcbc}.node{fill:#cfdff2}\
.plain{fill:#e6e6e3}.link{stroke:#8a8a8a;stroke-width:1.1;fill:none;opacity:.75}.over{stroke-dasharray:4 3}.tip{fill:#8a8a8a}\
@media (prefers-color-scheme:dark){.box{stroke:#fff3}.add{fill:#2c4f2f}.change{fill:#5f4b17}.remove{fill:#6b2d2d}\
.node{fill:#2a415f}.plain{fill:#3a3d42}}";

const TIP: &str = "<defs><marker id=\"tip\" viewBox=\"0 0 6 6\" refX=\"6\" refY=\"3\" markerWidth=\"6\" markerHeight=\"6\" \
                   orient=\"auto\"><path class=\"tip\" d=\"M0 0L6 3L0 6z\"/></marker></defs>\n";

pub(super) fn svg(plan: &Plan, graph: &Graph) -> String {
    let (places, bottom) = places(graph);
    let mut out = drawing::begin(&title(plan), bottom.max(TOP) + 20.0, STYLE);
    out.push_str(TIP);
    if graph.boxes.is_empty() {
        out.push_str("<text class=\"faint\" x=\"12\" y=\"46\">nothing to do</text>\n</svg>\n");
        return out;
    }
    legend(&mut out);
    for link in &graph.links {
        let ((from_x, from_y), (x, y)) = (places[link.from], places[link.to]);
        let (from_x, x, from_y) = (from_x + WIDE / 2.0, x + WIDE / 2.0, from_y + HIGH);
        let bend = ((y - from_y) / 2.0).min(40.0);
        let class = if link.well { "link" } else { "link over" };
        let _ = writeln!(
            out,
            "<path class=\"{class}\" marker-end=\"url(#tip)\" d=\"M{from_x:.0} {from_y:.0}C{from_x:.0} {:.0} {x:.0} {:.0} {x:.0} {y:.0}\"/>",
            from_y + bend,
            y - bend
        );
    }
    for (one, place) in graph.boxes.iter().zip(&places) {
        draw(&mut out, plan, one, *place);
    }
    out.push_str("</svg>\n");
    out
}

/// Where each box is, its left and its top; and where the last ends. Within a layer boxes stand below what they wait for,
/// as far as there is room.
fn places(graph: &Graph) -> (Vec<(f64, f64)>, f64) {
    let mut places = vec![(0.0, 0.0); graph.boxes.len()];
    let mut top = TOP;
    let mut begin = 0;
    while begin < graph.boxes.len() {
        let layer = graph.boxes[begin].layer;
        let end = begin + graph.boxes[begin..].iter().take_while(|one| one.layer == layer).count();
        let middle = |at: usize| -> f64 {
            let before = graph.links.iter().filter(|link| link.to == at).map(|link| places[link.from].0);
            let (sum, count) = before.fold((0.0_f64, 0.0_f64), |(sum, count), x| (sum + x, count + 1.0));
            if count > 0.0 { sum / count } else { 0.0 }
        };
        let mut order = (begin..end).map(|at| (middle(at), at)).collect::<Vec<_>>();
        order.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        for row in order.chunks(ACROSS) {
            let wide = row.len() as f64 * (WIDE + GAP) - GAP;
            for (column, (_, at)) in row.iter().enumerate() {
                places[*at] = ((WIDTH - wide) / 2.0 + column as f64 * (WIDE + GAP), top);
            }
            top += HIGH + ROWS;
        }
        top += LAYERS - ROWS;
        begin = end;
    }
    (places, top - LAYERS)
}

fn draw(out: &mut String, plan: &Plan, one: &Box, (x, y): (f64, f64)) {
    let _ = write!(
        out,
        "<g class=\"step\"><title>{}</title><rect class=\"box {}\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"{WIDE}\" height=\"{HIGH}\" rx=\"5\"/>",
        escaped(&details(plan, one).join("\n")),
        class(one.look),
    );
    let lines = lines(&one.label);
    let first = y + HIGH / 2.0 + 4.0 - 6.5 * (lines.len() as f64 - 1.0);
    for (at, line) in lines.iter().enumerate() {
        let _ = write!(
            out,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            x + WIDE / 2.0,
            first + 13.0 * at as f64,
            escaped(line)
        );
    }
    out.push_str("</g>\n");
}

/// A box's label in two lines at most, broken between words.
fn lines(label: &[String]) -> Vec<String> {
    let [text] = label else { return label.iter().take(2).map(|line| shortened(line, LINE)).collect() };
    if text.chars().count() <= LINE {
        return vec![text.clone()];
    }
    let mut first = String::new();
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.peek() {
        let wide = first.chars().count() + word.chars().count() + usize::from(!first.is_empty());
        if wide > LINE {
            break;
        }
        if !first.is_empty() {
            first.push(' ');
        }
        first.push_str(word);
        words.next();
    }
    let rest = words.collect::<Vec<_>>().join(" ");
    match first.is_empty() {
        true => vec![shortened(&rest, LINE)],
        false => vec![first, shortened(&rest, LINE)],
    }
}

fn class(look: Look) -> &'static str {
    match look {
        Look::Signed(Sign::Add) => "add",
        Look::Signed(Sign::Change) => "change",
        Look::Signed(Sign::Remove) => "remove",
        Look::Signed(Sign::Foreign) | Look::Plain => "plain",
        Look::Node => "node",
    }
}

fn legend(out: &mut String) {
    let mut x = 12.0;
    for (look, text) in [
        (Look::Signed(Sign::Add), "added"),
        (Look::Signed(Sign::Change), "changed"),
        (Look::Signed(Sign::Remove), "removed"),
        (Look::Node, "on a node"),
        (Look::Plain, "goes without saying"),
    ] {
        let class = class(look);
        let _ = writeln!(
            out,
            "<rect class=\"box {class}\" x=\"{x:.0}\" y=\"33\" width=\"12\" height=\"12\" rx=\"3\"/><text class=\"faint\" x=\"{:.0}\" y=\"43\">{text}</text>",
            x + 18.0
        );
        x += 40.0 + CHARACTER * text.len() as f64;
    }
    let _ = writeln!(
        out,
        "<path class=\"link over\" d=\"M{x:.0} 39h26\"/><text class=\"faint\" x=\"{:.0}\" y=\"43\">once over, well or not</text>",
        x + 32.0
    );
}
