//! Stand-ins for mesos-master, mesos-agent and Marathon, for a rehearsal without the internet.
//!
//! One program plays all three, by the name it is called by. Each reads the flags and the environment of the real
//! one as strictly, listens on the same ports, takes part in a real election through a real ZooKeeper with the same
//! nodes there, and serves the endpoints that an operator relies on. What a stand-in does not do: it runs no tasks
//! (Marathon's are records), makes no offers, checks no credentials and speaks no TLS; and between themselves the
//! stand-ins talk a simple HTTP of their own under `/standin/` instead of Mesos' wire protocol. They say what they
//! are in their version, their log and their page.
//!
//! The program also writes the Debian packages that put it where the real ones are.

#![forbid(unsafe_code)]

mod address;
mod agent;
mod ending;
mod flags;
mod host;
mod http;
mod link;
mod log;
mod marathon;
mod master;
mod notice;
mod packages;
mod protocol;
mod resources;
mod zookeeper;

use std::process::ExitCode;

use self::ending::Ending;

/// The daemon a program name or first argument asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Master,
    Agent,
    Marathon,
}

impl Role {
    fn called(name: &str) -> Option<Self> {
        let name = name.rsplit('/').next().unwrap_or(name);
        match name {
            "mesos-master" => Some(Self::Master),
            "mesos-agent" | "mesos-slave" => Some(Self::Agent),
            "marathon" => Some(Self::Marathon),
            _ => None,
        }
    }
}

/// Runs the program as it was called: `mesos-master …`, or `mesostack-standin mesos-master …`, or
/// `mesostack-standin packages --out DIR`. Returns when the daemon ends, with its exit code.
pub fn run(arguments: Vec<String>, environment: Vec<(String, String)>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    let mut arguments: Vec<String> = arguments.collect();
    let role = Role::called(&program).or_else(|| {
        let role = arguments.first().and_then(|first| Role::called(first))?;
        arguments.remove(0);
        Some(role)
    });
    let Some(role) = role else {
        return packages::command::run(&program, &arguments);
    };
    let ending = match role {
        Role::Master => master::main(&arguments, &environment),
        Role::Agent => agent::main(&arguments, &environment),
        Role::Marathon => marathon::main(&arguments, &environment),
    };
    conclude(&ending)
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a daemon's last words, and --help and --version"
)]
fn conclude(ending: &Ending) -> ExitCode {
    match ending {
        Ending::Told { text } => print!("{text}"),
        Ending::Refused { text, .. } => eprint!("{text}"),
        Ending::Failed { reason, .. } => tracing::error!("{reason}"),
    }
    ExitCode::from(ending.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_follows_from_the_name_it_is_called_by() {
        assert_eq!(Role::called("/usr/bin/mesos-master"), Some(Role::Master));
        assert_eq!(Role::called("mesos-agent"), Some(Role::Agent));
        assert_eq!(Role::called("/usr/bin/marathon"), Some(Role::Marathon));
        assert_eq!(Role::called("/usr/lib/mesostack-standin/mesostack-standin"), None);
    }
}
