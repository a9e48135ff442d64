//! The builder's way into its machines: a small trait, so that a build can be tried without any machine.

use std::fmt::Debug;

use async_trait::async_trait;
use remote::{Command, Identity, OutputStream, RemoteFile, Session, Target, wait_until_reachable};
use tokio::time::Instant;

use crate::image::recipe::File;

/// Why a machine could not be worked on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Hears a script's output, a line at a time.
pub type Hear<'a> = dyn FnMut(&str) + Send + 'a;

/// Opens shells on machines.
#[async_trait]
pub trait Access: Send + Sync + Debug {
    /// Waits until the machine answers, and logs in. Its host key has to be the expected one.
    async fn reach(
        &self,
        target: &Target,
        identity: &Identity,
        deadline: Instant,
    ) -> Result<Box<dyn Shell>, Failure>;
}

/// A machine that has been reached.
#[async_trait]
pub trait Shell: Send + Sync {
    /// Puts files into their places, as root.
    async fn deliver(&self, files: &[File], deadline: Instant) -> Result<(), Failure>;

    /// Runs a script as root; `on_line` hears its output, a line at a time.
    async fn run(&self, script: &str, deadline: Instant, on_line: &mut Hear<'_>) -> Result<Ran, Failure>;
}

/// How a script ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Whether it ended well.
    pub success: bool,
    /// How it ended, for people: `exit status 1`.
    pub status: String,
    /// All of its standard output.
    pub stdout: String,
    /// The last lines that matter of a failure.
    pub last_words: String,
}

/// The real way: SSH.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ssh;

#[async_trait]
impl Access for Ssh {
    async fn reach(
        &self,
        target: &Target,
        identity: &Identity,
        deadline: Instant,
    ) -> Result<Box<dyn Shell>, Failure> {
        Ok(Box::new(wait_until_reachable(target, identity, deadline).await?))
    }
}

#[async_trait]
impl Shell for Session {
    async fn deliver(&self, files: &[File], deadline: Instant) -> Result<(), Failure> {
        let files: Vec<RemoteFile> = files
            .iter()
            .map(|file| RemoteFile {
                path: file.path.clone(),
                mode: file.mode,
                owner: "root:root".to_owned(),
                contents: file.contents.to_vec(),
            })
            .collect();
        Ok(Session::deliver(self, &files, deadline).await?)
    }

    async fn run(&self, script: &str, deadline: Instant, on_line: &mut Hear<'_>) -> Result<Ran, Failure> {
        let command = Command::new(script).as_root();
        let output = Session::run(self, &command, deadline, |stream: OutputStream, line: &str| {
            // The manifest comes on standard output as one long line; people read the rest.
            if stream == OutputStream::Stderr || !line.starts_with('{') {
                on_line(line);
            }
        })
        .await?;
        Ok(Ran {
            success: output.status.success(),
            status: output.status.to_string(),
            stdout: output.stdout_text(),
            last_words: output.last_words(),
        })
    }
}
