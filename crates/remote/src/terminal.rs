//! A person, or a pipe, at a machine's shell.
//!
//! [`Session::attach`] joins given streams to a shell or command and knows no local terminal; [`Session::interactive`] is
//! the thin layer that puts the local terminal into raw mode, and back whatever happens.

use std::{
    convert::Infallible,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use russh::{ChannelMsg, Pty};
use rustix::{
    fs::{Mode, OFlags},
    termios::{self, OptionalActions, Termios},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, unix::AsyncFd},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::Instant,
};

use crate::{
    Error, ExitStatus, Session,
    command::{Writer, signal_text},
    error::within,
};

/// How large a terminal is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Its width.
    pub columns: u16,
    /// Its height.
    pub rows: u16,
}

/// What to join to.
#[derive(Clone, Debug, Default)]
pub struct Attachment {
    /// A command line for the user's shell; the login shell itself when absent.
    pub command: Option<String>,
    /// A terminal of this kind (as in `TERM`) and size on the machine; plain pipes when absent.
    pub terminal: Option<(String, TerminalSize)>,
}

impl Session {
    /// Joins the given streams to a shell or command until it ends. `resizes` tells new sizes of the terminal. `deadline` is
    /// for its start only: a person may stay as long as they like.
    ///
    /// # Errors
    /// When it could not be started, or the connection ended before it did.
    pub async fn attach(
        &self,
        attachment: &Attachment,
        mut stdin: impl AsyncRead + Unpin + Send,
        mut stdout: impl AsyncWrite + Unpin + Send,
        mut stderr: impl AsyncWrite + Unpin + Send,
        mut resizes: mpsc::Receiver<TerminalSize>,
        deadline: Instant,
    ) -> Result<ExitStatus, Error> {
        const DOING: &str = "open a shell";
        let failed = |source| Error::from_russh(self.target(), DOING, source);
        let local = |source| Error::Terminal { source };
        let (_place, mut reader, writer) = within(deadline, self.target(), DOING, async {
            let place = self.commands().acquire().await;
            let (reader, half) = self.open_channel(DOING).await?.split();
            let writer = Writer::new(half);
            if let Some((kind, size)) = &attachment.terminal {
                let (columns, rows) = (u32::from(size.columns), u32::from(size.rows));
                let modes = [(Pty::TTY_OP_ISPEED, 38_400), (Pty::TTY_OP_OSPEED, 38_400)];
                writer.half.request_pty(false, kind, columns, rows, 0, 0, &modes).await.map_err(failed)?;
            }
            match &attachment.command {
                Some(command) => writer.half.exec(true, command.as_str()).await,
                None => writer.half.request_shell(true).await,
            }
            .map_err(failed)?;
            Ok((place, reader, writer))
        })
        .await?;

        // Input goes its own way: a machine that does not read must not keep its output from being shown.
        let input = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                match stdin.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(length) => {
                        if writer.half.data_bytes(buffer[..length].to_vec()).await.is_err() {
                            break;
                        }
                    }
                }
            }
            let _ = writer.half.eof().await;
            std::future::pending::<Infallible>().await
        };
        let sizes = async {
            while let Some(size) = resizes.recv().await {
                let (columns, rows) = (u32::from(size.columns), u32::from(size.rows));
                let _ = writer.half.window_change(columns, rows, 0, 0).await;
            }
            std::future::pending::<Infallible>().await
        };
        let output = async {
            let mut status = None;
            while let Some(message) = reader.wait().await {
                match message {
                    ChannelMsg::Data { data } => {
                        stdout.write_all(&data).await.map_err(local)?;
                        stdout.flush().await.map_err(local)?;
                    }
                    ChannelMsg::ExtendedData { data, ext: 1 } => {
                        stderr.write_all(&data).await.map_err(local)?;
                        stderr.flush().await.map_err(local)?;
                    }
                    ChannelMsg::ExitStatus { exit_status } => status = Some(ExitStatus::Code(exit_status)),
                    ChannelMsg::ExitSignal { signal_name, .. } => {
                        status = Some(ExitStatus::Signal(signal_text(&signal_name)));
                    }
                    ChannelMsg::Failure | ChannelMsg::Close => break,
                    _ => {}
                }
            }
            status.ok_or_else(|| Error::Closed { target: self.target().to_string(), doing: DOING })
        };
        let ended = tokio::select! {
            ended = output => ended,
            never = input => match never {},
            never = sizes => match never {},
        };
        if ended.is_ok() {
            writer.done();
        }
        ended
    }

    /// Gives the person at this process a login shell on the machine, with a terminal; or runs a command line there with this
    /// process's standard streams, without one. `deadline` is for its start only.
    ///
    /// # Errors
    /// As [`Session::attach`]; [`Error::Terminal`] when the local terminal cannot be used.
    pub async fn interactive(&self, command: Option<&str>, deadline: Instant) -> Result<ExitStatus, Error> {
        let local = |source| Error::Terminal { source };
        let (announce, resizes) = mpsc::channel(4);
        let command = command.map(str::to_owned);
        if command.is_some() || !termios::isatty(io::stdin()) {
            drop(announce);
            let attachment = Attachment { command, terminal: None };
            return self
                .attach(
                    &attachment,
                    piped_stdin(),
                    unbuffered(io::stdout()).map_err(local)?,
                    unbuffered(io::stderr()).map_err(local)?,
                    resizes,
                    deadline,
                )
                .await;
        }
        let keyboard = Keyboard::open().map_err(local)?;
        let kind = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
        let attachment = Attachment { command, terminal: Some((kind, terminal_size().map_err(local)?)) };
        let mut resized = signal(SignalKind::window_change()).map_err(local)?;
        let mut ended = signal(SignalKind::terminate()).map_err(local)?;
        let mut hung_up = signal(SignalKind::hangup()).map_err(local)?;
        let sizes = async {
            while resized.recv().await.is_some() {
                if let Ok(size) = terminal_size() {
                    let _ = announce.send(size).await;
                }
            }
            std::future::pending::<Infallible>().await
        };
        let _raw = RawMode::enter().map_err(local)?;
        let shell = self.attach(
            &attachment,
            keyboard,
            unbuffered(io::stdout()).map_err(local)?,
            unbuffered(io::stderr()).map_err(local)?,
            resizes,
            deadline,
        );
        tokio::select! {
            status = shell => status,
            never = sizes => match never {},
            _ = ended.recv() => Err(local(io::ErrorKind::Interrupted.into())),
            _ = hung_up.recv() => Err(local(io::ErrorKind::Interrupted.into())),
        }
    }
}

/// One of this process's output streams, without the line buffer that would hold back a prompt.
fn unbuffered(stream: impl AsFd) -> io::Result<tokio::fs::File> {
    Ok(tokio::fs::File::from_std(std::fs::File::from(stream.as_fd().try_clone_to_owned()?)))
}

fn terminal_size() -> io::Result<TerminalSize> {
    let size = termios::tcgetwinsize(io::stdin())?;
    // Some terminals do not know their size, and say 0.
    let or = |value, otherwise| if value == 0 { otherwise } else { value };
    Ok(TerminalSize { columns: or(size.ws_col, 80), rows: or(size.ws_row, 24) })
}

/// The local terminal in raw mode; as it was when dropped.
struct RawMode {
    before: Termios,
}

impl RawMode {
    fn enter() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// The controlling terminal, read without a blocking thread, which would swallow the next key after the session's end.
struct Keyboard {
    terminal: AsyncFd<OwnedFd>,
}

impl Keyboard {
    fn open() -> io::Result<Self> {
        // Opened anew: making standard input itself non-blocking would do so for the shell that started us, too.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open("/dev/tty", flags, Mode::empty())?;
        #[expect(deprecated, reason = "its danger is a type whose descriptor changes; an OwnedFd's does not")]
        let terminal = AsyncFd::new(terminal)?;
        Ok(Self { terminal })
    }
}

impl AsyncRead for Keyboard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.terminal.poll_read_ready(cx))?;
            let read = ready.try_io(|terminal| {
                rustix::io::read(terminal.get_ref(), buf.initialize_unfilled()).map_err(io::Error::from)
            });
            match read {
                Ok(length) => {
                    buf.advance(length?);
                    return Poll::Ready(Ok(()));
                }
                Err(_would_block) => {}
            }
        }
    }
}

/// Standard input, read by a thread that the runtime does not wait for: the command may end before its input does.
fn piped_stdin() -> impl AsyncRead + Unpin + Send {
    let (mut writer, reader) = tokio::io::duplex(64 * 1024);
    let (pass, mut passed) = mpsc::channel::<Vec<u8>>(4);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match io::stdin().read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    if pass.blocking_send(buffer[..length].to_vec()).is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    });
    tokio::spawn(async move {
        while let Some(bytes) = passed.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
    reader
}
