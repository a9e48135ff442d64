//! The graph in Graphviz's language.

use std::fmt::Write;

use super::{Graph, Look, details, title};
use crate::cluster::{action::Sign, plan::Plan};

pub(super) fn dot(plan: &Plan, graph: &Graph) -> String {
    let title = quoted(&title(plan));
    let mut out = format!(
        "digraph plan {{\n  graph [label={title}, labelloc=t, rankdir=TB, fontname=\"Helvetica\", tooltip={title}];\n  \
         node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=10, color=\"#00000040\"];\n  \
         edge [color=\"#777777\", arrowsize=0.6];\n"
    );
    for (at, one) in graph.boxes.iter().enumerate() {
        let _ = writeln!(
            out,
            "  s{at} [label={}, fillcolor=\"{}\", tooltip={}];",
            quoted(&one.label.join("\n")),
            colour(one.look),
            quoted(&details(plan, one).join("\n")),
        );
    }
    for link in &graph.links {
        // Dashed: it has to be over, well or not.
        let style = if link.well { "" } else { " [style=dashed]" };
        let _ = writeln!(out, "  s{} -> s{}{style};", link.from, link.to);
    }
    out.push_str("}\n");
    out
}

fn colour(look: Look) -> &'static str {
    match look {
        Look::Signed(Sign::Add) => "#cfe8cf",
        Look::Signed(Sign::Change) => "#f6dfa8",
        Look::Signed(Sign::Remove) => "#f0bcbc",
        Look::Signed(Sign::Foreign) | Look::Plain => "#e6e6e3",
        Look::Node => "#cfdff2",
    }
}

/// A text in quotes, as Graphviz reads it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            character if character.is_control() => {}
            character => out.push(character),
        }
    }
    out.push('"');
    out
}
