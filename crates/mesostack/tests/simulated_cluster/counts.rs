//! How often things were tried that end well each time: what a reader of a test run wants to know. Written down where
//! `MESOSTACK_COUNTS` says, a line at a time; `scripts/test.sh` adds them up.

use std::{
    fmt::Display,
    fs::OpenOptions,
    io::{self, Write},
};

/// Writes down that something was tried so often, and never ended badly.
pub(crate) fn note(what: &str, how_often: impl Display) {
    let Some(path) = std::env::var_os("MESOSTACK_COUNTS") else { return };
    let line = format!("{how_often} {what}\n");
    let written = OpenOptions::new().create(true).append(true).open(path);
    written
        .and_then(|mut file: std::fs::File| -> io::Result<()> { file.write_all(line.as_bytes()) })
        .expect("counts");
}
