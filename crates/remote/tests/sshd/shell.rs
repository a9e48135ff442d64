//! A terminal on the machine.

use std::time::Duration;

use remote::{Attachment, ExitStatus, TerminalSize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use crate::{deadline, logged_in};

#[tokio::test]
async fn a_shell_has_a_terminal_of_our_size_follows_its_changes_and_tells_how_it_ended() {
    let Some((_server, session)) = logged_in().await else { return };
    let size = TerminalSize { columns: 101, rows: 33 };
    let attachment = Attachment {
        command: Some("exec bash --noprofile --norc -i".to_owned()),
        terminal: Some(("xterm".to_owned(), size)),
    };
    let (resize, resizes) = mpsc::channel(1);
    let (mut keyboard, stdin) = tokio::io::duplex(1024);
    let (mut screen, stdout) = tokio::io::duplex(64 * 1024);
    let attached = tokio::spawn(async move {
        session.attach(&attachment, stdin, stdout, tokio::io::sink(), resizes, deadline()).await
    });
    let mut shown = String::new();
    keyboard.write_all(b"tty; stty size\n").await.unwrap();
    see(&mut screen, &mut shown, "33 101").await;
    assert!(shown.contains("/dev/pts/"), "{shown}");
    resize.send(TerminalSize { columns: 55, rows: 22 }).await.unwrap();
    // The change travels on its own; ask until it has arrived.
    while !shown.contains("22 55") {
        keyboard.write_all(b"stty size; echo asked\n").await.unwrap();
        shown.clear();
        see(&mut screen, &mut shown, "asked\r\n").await;
    }
    keyboard.write_all(b"exit 42\n").await.unwrap();
    let status = tokio::time::timeout(Duration::from_secs(60), attached).await.unwrap().unwrap().unwrap();
    assert_eq!(status, ExitStatus::Code(42));
}

#[tokio::test]
async fn a_command_without_a_terminal_is_a_pipe() {
    let Some((_server, session)) = logged_in().await else { return };
    let attachment =
        Attachment { command: Some("tr a-z A-Z; echo err >&2; exit 5".to_owned()), terminal: None };
    let (_resize, resizes) = mpsc::channel(1);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = session
        .attach(&attachment, b"hello\n".as_slice(), &mut stdout, &mut stderr, resizes, deadline())
        .await
        .unwrap();
    assert_eq!(status, ExitStatus::Code(5));
    assert_eq!(stdout, b"HELLO\n");
    assert_eq!(stderr, b"err\n");
}

/// Reads the screen until it shows `text`.
async fn see(screen: &mut (impl tokio::io::AsyncRead + Unpin), shown: &mut String, text: &str) {
    let mut buffer = [0; 4096];
    while !shown.contains(text) {
        let read = tokio::time::timeout(Duration::from_secs(60), screen.read(&mut buffer)).await;
        let length = read.unwrap_or_else(|_| panic!("{text:?} was not shown: {shown}")).unwrap();
        assert!(length > 0, "the shell ended: {shown}");
        shown.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
}
