//! Runs the host's own programs (`ip`, `nft`, `mount`), each with a deadline, and keeps what they said when they fail.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::error::{HostError, Result};

/// Most programs here do their work in milliseconds; one that hangs is stuck in the kernel and is given up.
const DEADLINE: Duration = Duration::from_secs(60);

/// A command line to be run to its end.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    arguments: Vec<String>,
    deadline: Duration,
}

impl Program {
    /// A program found on the path.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), arguments: Vec::new(), deadline: DEADLINE }
    }

    /// Adds arguments.
    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<str>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Adds arguments written in one line; none of them may contain white space.
    pub(crate) fn line(self, arguments: &str) -> Self {
        let arguments: Vec<_> = arguments.split_whitespace().map(str::to_owned).collect();
        self.args(arguments)
    }

    /// Gives it so long instead of a minute.
    pub(crate) fn within_time(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The same program within a network namespace.
    pub(crate) fn within(self, namespace: &str) -> Self {
        let mut arguments =
            vec![format!("--net={}/{namespace}", super::namespace::DIRECTORY), "--".into(), self.name];
        arguments.extend(self.arguments);
        Self { name: "nsenter".into(), arguments, ..self }
    }

    /// Runs it; what it wrote to its standard output.
    pub(crate) fn run(&self) -> Result<String> {
        self.run_with(&[])
    }

    /// Runs it with something to read.
    pub(crate) fn run_with(&self, input: &[u8]) -> Result<String> {
        let output = self.output(input)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let status = match output.status.code() {
            Some(124) => format!("gave no answer in {} s", self.deadline.as_secs()),
            _ => output.status.to_string(),
        };
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        Err(HostError::Command { command: self.to_string(), status, output: said })
    }

    fn output(&self, input: &[u8]) -> Result<Output> {
        let failed = |source| HostError::Start { program: self.name.clone(), source };
        let mut child = Command::new("timeout")
            .args(["--kill-after=5", &self.deadline.as_secs().to_string(), &self.name])
            .args(self.arguments.iter().map(OsStr::new))
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            // A program that fails early does not read to the end; its own message is the better one.
            let _ = pipe.write_all(input);
        }
        child.wait_with_output().map_err(failed)
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.name, self.arguments.join(" "))
    }
}

/// `ip` in the host's own namespace.
pub(crate) fn ip(arguments: &str) -> Program {
    Program::new("ip").line(arguments)
}

/// `ip` in another namespace.
pub(crate) fn ip_in(namespace: &str, arguments: &str) -> Program {
    Program::new("ip").args(["-netns", namespace]).line(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_as_long_as_it_is_given() {
        let error = Program::new("sleep").args(["60"]).within_time(Duration::from_secs(1)).run();
        let error = error.expect_err("it is too slow").to_string();
        assert!(error.contains("gave no answer in 1 s"), "{error}");
        Program::new("sleep").args(["0.1"]).run().expect("quick enough");
    }
}
