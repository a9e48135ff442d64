//! A way into a running machine from its host.

use std::fs;
use std::process::Command;

use uuid::Uuid;

use super::cgroup::{Group, Hierarchies};
use super::error::{HostError, Result};
use super::machine::group_of;
use crate::host::ZoneName;

/// What a command in a machine finds its programs by.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command line of this host that runs a command in a machine as its root. The machine's own systemd starts it, so
/// that it is held by the machine's limits and ends with it.
///
/// # Errors
/// When the machine does not run, or has not come so far that it can be entered.
pub fn command_in(
    zone: &ZoneName,
    machine: Uuid,
    command: &[String],
    terminal: bool,
) -> Result<Command, HostError> {
    let group = group_of(&Hierarchies::find()?.zone(zone), machine);
    let Some(first) = first_process(&group.child("payload")) else {
        return Err(HostError::Other(format!(
            "machine {machine} has no first process: it does not run, or only just began"
        )));
    };
    let mut program = Command::new("nsenter");
    program
        .args(["--target", &first.to_string(), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"])
        .args(["--", "systemd-run", "--quiet", "--wait", "--collect"])
        .arg(if terminal { "--pty" } else { "--pipe" })
        .args(["--working-directory=/root", "--setenv=HOME=/root"])
        .args(
            std::env::var("TERM")
                .ok()
                .filter(|_| terminal)
                .map(|terminal| format!("--setenv=TERM={terminal}")),
        )
        .arg("--")
        .args(command)
        .env_clear()
        .env("PATH", PATH);
    Ok(program)
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
    fn only_the_first_process_of_a_namespace_below_ours_is_a_machine_s() {
        assert!(is_first("Name:\tsystemd\nNSpid:\t4711\t1\nThreads:\t1\n"));
        assert!(!is_first("Name:\tsystemd\nNSpid:\t1\n"));
        assert!(!is_first("Name:\tsh\nNSpid:\t4712\t21\n"));
        assert!(!is_first("Name:\tsh\n"));
    }
}
