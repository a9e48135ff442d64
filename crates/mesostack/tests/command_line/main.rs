//! The command line as a user meets it: the built program, its exit codes, its words.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bad_input;
mod documents;
mod help;
mod interrupt;
mod plans;
mod zone;

use std::path::Path;

use assert_cmd::Command;

/// The program in a folder of its own, without the user's settings.
fn mesostack(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesostack"));
    command.current_dir(folder).env_clear().env("HOME", folder).env("TERM", "dumb");
    command
}

/// What a run ended with: exit code, standard output, standard error.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}
