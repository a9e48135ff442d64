//! Processes that outlive the daemon: a session of their own, a control group of their own, a log instead of a pipe.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use super::cgroup::{Group, Limits};
use super::error::{At, HostError, Result};

/// Joins the groups whose files come first (one argument, separated by blanks), then becomes the program.
const JOIN_AND_BECOME: &str = r#"for group in $0; do echo $$ > "$group" || exit 125; done; exec "$@""#;

/// A program to be started detached.
#[derive(Debug)]
pub(crate) struct Detached<'a> {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// The namespace its sockets live in; none for that of the host.
    pub(crate) namespace: Option<&'a str>,
    /// The group it belongs to.
    pub(crate) group: &'a Group,
    /// What the group may use.
    pub(crate) limits: Limits,
    /// Where its output goes; what was there before is lost.
    pub(crate) log: &'a Path,
    /// Settings added to its environment.
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

impl Detached<'_> {
    /// Starts it. The runtime reaps the child when its handle is dropped; it is not killed.
    pub(crate) fn start(self) -> Result<tokio::process::Child> {
        let name = self.command.join(" ");
        tokio::process::Command::from(self.prepare()?)
            .spawn()
            .map_err(|source| HostError::Start { program: name, source })
    }

    /// Starts a program that goes to the background by itself as soon as it serves, and fails when it cannot.
    pub(crate) fn run_until_it_forks(self) -> Result<()> {
        let (name, log) = (self.command.join(" "), self.log);
        let status =
            self.prepare()?.status().map_err(|source| HostError::Start { program: name.clone(), source })?;
        if status.success() {
            return Ok(());
        }
        Err(HostError::Command {
            command: name,
            status: status.to_string(),
            output: tail(log, 2000)?.trim().into(),
        })
    }

    fn prepare(&self) -> Result<Command> {
        let files = self.group.make(self.limits)?;
        let files: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
        let log = File::create(self.log).at("make", self.log)?;
        let second = log.try_clone().at("open", self.log)?;
        let mut command = Command::new("sh");
        command.args(["-c", JOIN_AND_BECOME, &files.join(" "), "setsid"]);
        if let Some(namespace) = self.namespace {
            command.args(["nsenter", &format!("--net={}/{namespace}", super::namespace::DIRECTORY), "--"]);
        }
        command
            .args(&self.command)
            .envs(self.environment.iter().copied())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(second);
        Ok(command)
    }
}

/// The last part of a log, whole lines, at most `bytes` long.
pub(crate) fn tail(log: &Path, bytes: u64) -> Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(log).at("open", log)?;
    let length = file.metadata().at("look at", log)?.len();
    let from = length.saturating_sub(bytes);
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut text)).at("read", log)?;
    let text = String::from_utf8_lossy(&text);
    let whole = if from == 0 { &text } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
    Ok(whole.to_owned())
}
