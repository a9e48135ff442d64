//! A way into a running machine from its host.

use std::fs;
use std::path::Path;
use std::process::Command;

use uuid::Uuid;

use super::cgroup::{Group, Hierarchies};
use super::error::{HostError, Result};
use super::machine::group_of;
use crate::host::ZoneName;

/// What a command in a machine finds its programs by.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
    /// own systemd starts it, so that it is held by the machine's limits and ends with it.
    pub(crate) fn run(&self, unit: &str, command: &[String], terminal: bool) -> Command {
        let mut program = self.enter("systemd-run");
        program
            .args(["--quiet", "--wait", "--collect", "--unit", unit])
            .arg(if terminal { "--pty" } else { "--pipe" })
            .args(["--working-directory=/root", "--setenv=HOME=/root"])
            .args(
                std::env::var("TERM")
                    .ok()
                    .filter(|_| terminal)
                    .map(|terminal| format!("--setenv=TERM={terminal}")),
            )
            .arg("--")
            .args(command.first())
            .args(command.iter().skip(1).map(|argument| literal(argument)));
        program
    }

    /// A command line that ends what was run as that unit.
    pub(crate) fn end(&self, unit: &str) -> Command {
        let mut program = self.enter("systemctl");
        program.args(["--quiet", "stop", unit]);
        program
    }

    fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--", program])
            .env_clear()
            .env("PATH", PATH);
        command
    }
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
fn first_process(payload: &Group) -> Option<i32> {
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

    #[test]
    fn a_command_s_arguments_are_not_read_for_variables() {
        let command = ["sh", "-c", "echo $HOME $$"].map(str::to_owned);
        let line = Entrance { first: 4711 }.run("unit", &command, false);
        let last = line.get_args().last().and_then(|argument| argument.to_str());
        assert_eq!(last, Some("echo $$HOME $$$$"), "each $$ is one $ again when systemd has read it");
    }

    #[test]
    fn only_the_first_process_of_a_namespace_below_ours_is_a_machine_s() {
        assert!(is_first("Name:\tsystemd\nNSpid:\t4711\t1\nThreads:\t1\n"));
        assert!(!is_first("Name:\tsystemd\nNSpid:\t1\n"));
        assert!(!is_first("Name:\tsh\nNSpid:\t4712\t21\n"));
        assert!(!is_first("Name:\tsh\n"));
    }
}
