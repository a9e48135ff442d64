//! A way into a running machine from its host: this host's own `systemd-run` speaks to the machine's systemd over its bus, so
//! that nothing of the machine's runs outside of it, and it gets no descriptor of a terminal of this host.

use std::fs;
use std::path::Path;
use std::process::Command;

use uuid::Uuid;

use super::cgroup::{Group, Hierarchies};
use super::error::{HostError, Result};
use super::machine::group_of;
use crate::host::ZoneName;

/// What this host's programs are found by.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Tells systemd's programs, and nobody else on this host, that the process `$0` is the first of a machine called "machine",
/// then becomes the program. Machines are not registered: there may be no one here to register them with.
const INTRODUCE: &str = r#"mount -t tmpfs -o mode=755 tmpfs /run/systemd && mkdir /run/systemd/machines &&
printf 'LEADER=%s\nCLASS=container\n' "$0" > /run/systemd/machines/machine && exec "$@""#;

/// A machine that can be entered, by its first process.
#[derive(Debug)]
pub(crate) struct Entrance {
    first: i32,
}

impl Entrance {
    /// The way into a machine; none while it has not come so far that its systemd takes orders.
    ///
    /// # Errors
    /// When this host's control groups cannot be read.
    pub(crate) fn find(zone: &ZoneName, machine: Uuid) -> Result<Option<Self>, HostError> {
        let group = group_of(&Hierarchies::find()?.zone(zone), machine);
        let first = first_process(&group.child("payload"));
        Ok(first.filter(|first| takes_orders(*first)).map(|first| Self { first }))
    }

    /// A command line of this host that runs a command in the machine as its root, as a unit of that name. The machine's
    /// own systemd starts it, so that it is held by the machine's limits and ends with it. It is handed the standard
    /// streams: with `terminal`, those of a terminal of its own, of which this one shows what is on it.
    pub(crate) fn run(&self, unit: &str, command: &[String], terminal: bool) -> Command {
        let mut line = self.introduced("systemd-run");
        line.extend(["--quiet", "--wait", "--collect", "--pipe", "--unit", unit].map(str::to_owned));
        line.extend(["--working-directory=/root", "--setenv=HOME=/root"].map(str::to_owned));
        if let Some(kind) = std::env::var("TERM").ok().filter(|_| terminal) {
            line.push(format!("--setenv=TERM={kind}"));
        }
        line.push("--".to_owned());
        if terminal {
            // A terminal that is only handed over would not be the one that the command is controlled by.
            line.extend(["setsid", "--ctty", "--wait"].map(str::to_owned));
        }
        let mut words = command.iter();
        // Only what comes after the program's name is read for variables.
        line.extend(words.next().map(|word| if terminal { literal(word) } else { word.clone() }));
        line.extend(words.map(|word| literal(word)));
        match terminal {
            true => {
                let quoted: Vec<String> = line.iter().map(|word| quoted(word)).collect();
                let mut program = bare("script");
                program.args(["--quiet", "--return", "--command", &quoted.join(" "), "/dev/null"]);
                program
            }
            false => as_command(&line),
        }
    }

    /// A command line that ends what was run as that unit.
    pub(crate) fn end(&self, unit: &str) -> Command {
        let mut line = self.introduced("systemctl");
        line.extend(["--quiet", "stop", unit].map(str::to_owned));
        as_command(&line)
    }

    /// The beginning of a command line by which one of systemd's programs speaks to the machine.
    fn introduced(&self, program: &str) -> Vec<String> {
        let first = self.first.to_string();
        let line = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", INTRODUCE, &first];
        line.into_iter().chain([program, "--machine=machine"]).map(str::to_owned).collect()
    }
}

/// A program of this host that gets nothing of our environment.
fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("SHELL", "/bin/sh");
    // What `script` takes over for its terminal.
    command.envs(std::env::var_os("TERM").map(|kind| ("TERM", kind)));
    command
}

fn as_command(line: &[String]) -> Command {
    let mut command = bare(line.first().map_or("false", String::as_str));
    command.args(line.iter().skip(1));
    command
}

/// A word that a shell reads as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// An argument that systemd, which puts variables in, passes on as it is.
fn literal(argument: &str) -> String {
    argument.replace('$', "$$")
}

/// Whether the machine with this first process has its bus, by which its systemd is spoken to.
fn takes_orders(first: i32) -> bool {
    Path::new(&format!("/proc/{first}/root/run/dbus/system_bus_socket")).exists()
}

/// The process that is number 1 in the machine, by its number on this host.
pub(super) fn first_process(payload: &Group) -> Option<i32> {
    // systemd moves itself into a group of its own.
    [payload.child("init.scope"), payload.clone()].iter().flat_map(Group::members).find_map(|pid| {
        let pid = pid.as_raw_nonzero().get();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        is_first(&status).then_some(pid)
    })
}

/// Whether `/proc/PID/status` is of a process that is number 1 in its innermost namespace and another one outside.
fn is_first(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers: Vec<&str> = numbers.unwrap_or_default().split_whitespace().collect();
    numbers.len() > 1 && numbers.last() == Some(&"1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(of: &Command) -> Vec<String> {
        of.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_command_s_arguments_are_not_read_for_variables() {
        let command = ["sh", "-c", "echo $HOME $$"].map(str::to_owned);
        let line = arguments(&Entrance { first: 4711 }.run("unit", &command, false));
        let last = line.last().map(String::as_str);
        assert_eq!(last, Some("echo $$HOME $$$$"), "each $$ is one $ again when systemd has read it");
    }

    #[test]
    fn nothing_of_the_machine_s_own_is_run_from_outside() {
        let entrance = Entrance { first: 4711 };
        for line in [entrance.run("unit", &["id".to_owned()], false), entrance.end("unit")] {
            let words = arguments(&line);
            assert_eq!(line.get_program(), "unshare");
            assert!(words.contains(&"--machine=machine".to_owned()) && words.contains(&"4711".to_owned()));
            assert!(!words.iter().any(|word| word.contains("nsenter")), "{words:?}");
        }
    }

    #[test]
    fn at_a_terminal_a_shell_reads_each_word_as_it_is() {
        let command = ["printf", "it's $HOME", "a b"].map(str::to_owned);
        let line = arguments(&Entrance { first: 4711 }.run("unit", &command, true));
        let said = &line[line.iter().position(|word| word == "--command").expect("a command") + 1];
        let script = format!("for word in {said}; do printf '%s\\n' \"$word\"; done");
        let read = Command::new("sh").args(["-c", &script]).output().expect("sh").stdout;
        let read = String::from_utf8(read).expect("text");
        assert!(read.ends_with("setsid\n--ctty\n--wait\nprintf\nit's $$HOME\na b\n"), "{read}");
    }

    #[test]
    fn only_the_first_process_of_a_namespace_below_ours_is_a_machine_s() {
        assert!(is_first("Name:\tsystemd\nNSpid:\t4711\t1\nThreads:\t1\n"));
        assert!(!is_first("Name:\tsystemd\nNSpid:\t1\n"));
        assert!(!is_first("Name:\tsh\nNSpid:\t4712\t21\n"));
        assert!(!is_first("Name:\tsh\n"));
    }
}
