//! A table: what is measured, what the peers take, what has to be reached, and what is.

use std::fmt::Display;

/// The heading's lines.
pub(crate) fn head(title: &str) {
    println!("\n{title}\n");
    println!("| what | peers | to be reached | measured | |");
    println!("| --- | --- | --- | --- | --- |");
}

/// A line, with whether it is reached.
pub(crate) fn row(
    what: impl Display,
    peers: impl Display,
    allowed: impl Display,
    measured: impl Display,
    reached: bool,
) {
    let reached = if reached { "✓" } else { "✗" };
    println!("| {what} | {peers} | {allowed} | {measured} | {reached} |");
}
