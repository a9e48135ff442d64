//! The front page of the help: commands in groups, variables and exit codes below.

use std::fmt::Write;

use clap::{Command, CommandFactory};

use super::{arguments::Cli, environment, exit};

/// Which commands belong together, in the order the help shows.
const GROUPS: &[(&str, &[&str])] = &[
    ("Image", &["image"]),
    ("Cluster", &["validate", "plan", "apply", "replace", "output", "timeline", "destroy"]),
    ("Operation", &["status", "ssh", "keypair"]),
    ("A cloud on this host", &["demo", "zone"]),
    ("Shell", &["completions"]),
];

/// The command line with its grouped front page.
pub(crate) fn command() -> Command {
    let command = Cli::command();
    let commands = grouped(&command);
    command
        .help_template(format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}Options:\n{{options}}{{after-help}}"))
        .after_help("`mesostack COMMAND --help` says more about a command, `mesostack --help` about variables and exit codes.")
        .after_long_help(appendix())
}

fn grouped(command: &Command) -> String {
    let width = command.get_subcommands().map(|one| one.get_name().len()).max().unwrap_or(0);
    let mut text = String::new();
    for (heading, names) in GROUPS {
        let _ = writeln!(text, "{heading}:");
        for name in *names {
            let about =
                command.find_subcommand(name).and_then(Command::get_about).cloned().unwrap_or_default();
            let _ = writeln!(text, "  {name:width$}  {about}");
        }
        text.push('\n');
    }
    text
}

fn appendix() -> String {
    let mut text = String::from("Environment variables:\n");
    for variable in environment::ALL {
        let _ = writeln!(text, "  {}\n          {}", variable.name, variable.purpose);
    }
    text.push_str("\nExit codes:\n");
    for (code, meaning) in exit::MEANINGS {
        let _ = writeln!(text, "  {code:<4} {meaning}");
    }
    text.push_str("\nInterrupted once, a command ends what it has begun in good order; interrupted twice, it ends at once.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_exactly_one_group() {
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        grouped.sort_unstable();
        let command = Cli::command();
        let mut all: Vec<_> =
            command.get_subcommands().filter(|one| !one.is_hide_set()).map(Command::get_name).collect();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }

    #[test]
    fn the_long_help_names_every_variable_and_exit_code() {
        let help = command().render_long_help().to_string();
        for variable in environment::ALL {
            assert!(help.contains(variable.name), "{}", variable.name);
        }
        for (_, meaning) in exit::MEANINGS {
            assert!(help.contains(meaning), "{meaning}");
        }
    }
}
