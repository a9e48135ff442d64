//! What the help says.

use insta::assert_snapshot;

use super::{mesostack, run};

fn help_of(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (code, text, errors) = run(mesostack(folder.path()).args(arguments));
    assert_eq!((code, errors.as_str()), (0, ""));
    text
}

#[test]
fn the_short_help_shows_commands_in_groups() {
    assert_snapshot!(help_of(&["-h"]));
}

#[test]
fn the_long_help_explains_variables_and_exit_codes() {
    assert_snapshot!(help_of(&["--help"]));
}

#[test]
fn a_command_s_help_says_what_it_does() {
    assert_snapshot!(help_of(&["apply", "--help"]));
}

#[test]
fn completions_are_printed_for_a_shell() {
    let script = help_of(&["completions", "bash"]);
    assert!(script.contains("_mesostack()"));
}
