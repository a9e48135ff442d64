//! Scripts run on a machine: what goes in, what comes out, how they end.

use std::{fmt, time::Duration};

use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig, client::Msg};
use tokio::time::Instant;

use crate::{Error, Session, error::within};

/// How much longer than ours the machine's own deadline is, so that it is ours that is reported.
const REMOTE_GRACE: Duration = Duration::from_secs(2);

/// A bash script to run on a machine, free of the user's start-up files. The script goes over the connection, not into the
/// arguments of a process, where everybody on the machine could read it.
#[derive(Clone)]
pub struct Command {
    script: String,
    stdin: Vec<u8>,
    as_root: bool,
}

impl Command {
    /// A script run as the user who is logged in.
    pub fn new(script: impl Into<String>) -> Self {
        Self { script: script.into(), stdin: Vec::new(), as_root: false }
    }

    /// The same as root, by `sudo -n` where the user is another.
    #[must_use]
    pub fn as_root(mut self) -> Self {
        self.as_root = true;
        self
    }

    /// What the script may read from its standard input; nothing unless given.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// What sshd is asked to run: a reader of the script's one line, bounded in time on that side too, because closing a
    /// connection does not end what root runs.
    fn line(&self, user: &str, remaining: Duration) -> String {
        let sudo = if self.as_root && user != "root" { "sudo -n " } else { "" };
        let seconds = (remaining + REMOTE_GRACE).as_secs() + 1;
        format!(
            "exec {sudo}timeout -k 5 {seconds} bash --noprofile --norc -c \
             'IFS= read -r script && eval \"$(printf %s \"$script\" | base64 -d)\"'"
        )
    }

    /// The script's one line, then its standard input.
    fn input(&self) -> Vec<u8> {
        let mut input = base64(self.script.as_bytes()).into_bytes();
        input.push(b'\n');
        input.extend_from_slice(&self.stdin);
        input
    }
}

impl fmt::Debug for Command {
    /// Leaves the standard input out: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("script", &self.script)
            .field("stdin", &format_args!("{} bytes", self.stdin.len()))
            .field("as_root", &self.as_root)
            .finish()
    }
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this status.
    Code(u32),
    /// By a signal, such as `KILL`.
    Signal(String),
}

impl ExitStatus {
    /// Whether the status is 0.
    pub fn success(&self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(name) => write!(f, "killed by SIG{name}"),
        }
    }
}

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text; what is no UTF-8 is replaced.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text; what is no UTF-8 is replaced.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The last lines of standard error, or of standard output when that is empty: what a person wants to see of a failure.
    pub fn last_words(&self) -> String {
        let said = if self.stderr.trim_ascii().is_empty() { &self.stdout } else { &self.stderr };
        let said = String::from_utf8_lossy(said);
        let lines: Vec<&str> = said.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(5)..].join("; ")
    }
}

impl Session {
    /// Runs a script to its end. `on_line` hears each line as it comes, without its end.
    ///
    /// Dropping the future closes the command's input and tells it TERM; what runs as root ends by its own deadline at the
    /// latest.
    ///
    /// # Errors
    /// When it could not be run to its end by `deadline`. An exit status other than 0 is no error here.
    pub async fn run(
        &self,
        command: &Command,
        deadline: Instant,
        mut on_line: impl FnMut(OutputStream, &str) + Send,
    ) -> Result<Output, Error> {
        const DOING: &str = "run a command";
        within(deadline, self.target(), DOING, async {
            let _place = self.commands().acquire().await;
            let remaining = deadline.saturating_duration_since(Instant::now());
            let line = command.line(&self.target().user, remaining);
            let (mut reader, writer) = self.execute(&line, DOING).await?;
            let input = command.input();
            let told = async {
                // A command may end without reading all of its input: how it ended counts, not what it left.
                let _ = writer.half.data_bytes(input).await;
                let _ = writer.half.eof().await;
                std::future::pending::<()>().await;
            };
            let ended = tokio::select! {
                ended = collect(&mut reader, &mut on_line) => ended,
                () = told => None,
            };
            writer.done();
            ended.ok_or_else(|| Error::Closed { target: self.target().to_string(), doing: DOING })
        })
        .await
    }

    /// Runs a script to its end, and takes another status than 0 as an error that says what it was for (`doing`).
    ///
    /// # Errors
    /// As [`Session::run`], and [`Error::Failed`].
    pub async fn run_checked(
        &self,
        doing: &str,
        command: &Command,
        deadline: Instant,
        on_line: impl FnMut(OutputStream, &str) + Send,
    ) -> Result<Output, Error> {
        let output = self.run(command, deadline, on_line).await?;
        if output.status.success() {
            return Ok(output);
        }
        Err(Error::Failed {
            target: self.target().to_string(),
            doing: doing.to_owned(),
            detail: output.last_words(),
            status: output.status,
        })
    }

    async fn execute(&self, line: &str, doing: &'static str) -> Result<(ChannelReadHalf, Writer), Error> {
        let failed = |source| Error::from_russh(self.target(), doing, source);
        let channel = self.open_channel(doing).await?;
        let (reader, half) = channel.split();
        let writer = Writer::new(half);
        writer.half.exec(true, line).await.map_err(failed)?;
        Ok((reader, writer))
    }
}

/// The writing side of a running command, which ends it when dropped too early.
pub(crate) struct Writer {
    pub(crate) half: std::sync::Arc<ChannelWriteHalf<Msg>>,
    running: bool,
}

impl Writer {
    pub(crate) fn new(half: ChannelWriteHalf<Msg>) -> Self {
        Self { half: std::sync::Arc::new(half), running: true }
    }

    /// It ended by itself.
    pub(crate) fn done(mut self) {
        self.running = false;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let half = std::sync::Arc::clone(&self.half);
        let running = self.running;
        // Outside a runtime the connection is gone as well, and the command with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if running {
                    let _ = half.signal(Sig::TERM).await;
                }
                let _ = half.close().await;
            });
        }
    }
}

/// Reads a command's output to its end; `None` when the connection ended before its status came.
async fn collect(
    reader: &mut ChannelReadHalf,
    on_line: &mut (impl FnMut(OutputStream, &str) + Send),
) -> Option<Output> {
    let mut status = None;
    let mut stdout = Lines::default();
    let mut stderr = Lines::default();
    while let Some(message) = reader.wait().await {
        match message {
            ChannelMsg::Data { data } => stdout.take(&data, |line| on_line(OutputStream::Stdout, line)),
            ChannelMsg::ExtendedData { data, ext: 1 } => {
                stderr.take(&data, |line| on_line(OutputStream::Stderr, line));
            }
            ChannelMsg::ExitStatus { exit_status } => status = Some(ExitStatus::Code(exit_status)),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                status = Some(ExitStatus::Signal(signal_text(&signal_name)));
            }
            ChannelMsg::Failure | ChannelMsg::Close => break,
            _ => {}
        }
    }
    stdout.end(|line| on_line(OutputStream::Stdout, line));
    stderr.end(|line| on_line(OutputStream::Stderr, line));
    Some(Output { status: status?, stdout: stdout.all, stderr: stderr.all })
}

pub(crate) fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

/// Bytes as they come, cut into lines.
#[derive(Debug, Default)]
struct Lines {
    all: Vec<u8>,
    told: usize,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], mut tell: impl FnMut(&str)) {
        let mut from = self.all.len();
        self.all.extend_from_slice(bytes);
        while let Some(at) = self.all[from..].iter().position(|byte| *byte == b'\n') {
            let end = from + at;
            tell(text(&self.all[self.told..end]).as_ref());
            self.told = end + 1;
            from = self.told;
        }
    }

    fn end(&mut self, mut tell: impl FnMut(&str)) {
        if self.told < self.all.len() {
            tell(text(&self.all[self.told..]).as_ref());
            self.told = self.all.len();
        }
    }
}

fn text(line: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))
}

fn base64(bytes: &[u8]) -> String {
    use russh::keys::ssh_key::encoding::base64::{Base64, Encoding};
    Base64::encode_string(bytes)
}
