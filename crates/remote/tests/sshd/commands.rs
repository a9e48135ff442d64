//! Scripts: what goes in, what comes out, how they end.

use std::time::Duration;

use futures::future::join_all;
use remote::{Command, Error, ExitStatus, OutputStream};
use tokio::time::Instant;

use crate::{deadline, logged_in};

#[tokio::test]
async fn the_way_a_script_ends_is_told() {
    let Some((_server, session)) = logged_in().await else { return };
    for (script, status) in [
        ("true", ExitStatus::Code(0)),
        ("exit 3", ExitStatus::Code(3)),
        ("false", ExitStatus::Code(1)),
        ("set -e; false; exit 0", ExitStatus::Code(1)),
        ("no-such-program-anywhere", ExitStatus::Code(127)),
    ] {
        let output = session.run(&Command::new(script), deadline(), |_, _| ()).await.unwrap();
        assert_eq!(output.status, status, "{script}");
    }
}

#[tokio::test]
async fn a_failure_is_told_with_its_last_words() {
    let Some((_server, session)) = logged_in().await else { return };
    let command = Command::new("echo fine; echo 'disk is full' >&2; exit 7");
    let error = session.run_checked("copying", &command, deadline(), |_, _| ()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("copying failed on ") && text.ends_with("(exit status 7): disk is full"),
        "{text}"
    );
}

#[tokio::test]
async fn lines_are_heard_as_they_come_from_either_stream() {
    let Some((_server, session)) = logged_in().await else { return };
    let mut heard = Vec::new();
    let script = "echo one; printf 'tw'; printf 'o\\r\\n'; echo three >&2; printf 'no end'";
    let output = session
        .run(&Command::new(script), deadline(), |stream, line| heard.push((stream, line.to_owned())))
        .await
        .unwrap();
    let of = |wanted| -> Vec<&str> {
        heard.iter().filter(|(stream, _)| *stream == wanted).map(|(_, line)| line.as_str()).collect()
    };
    assert_eq!(of(OutputStream::Stdout), ["one", "two", "no end"]);
    assert_eq!(of(OutputStream::Stderr), ["three"]);
    assert_eq!(output.stdout, b"one\ntwo\r\nno end");
}

#[tokio::test]
async fn a_script_keeps_every_character() {
    let Some((_server, session)) = logged_in().await else { return };
    let script = "cat <<'END'\n'single' \"double\" $dollar `tick` \\back ünï\tcode !bang\nEND\n";
    let output = session.run(&Command::new(script), deadline(), |_, _| ()).await.unwrap();
    assert_eq!(output.stdout_text(), "'single' \"double\" $dollar `tick` \\back ünï\tcode !bang\n");
}

#[tokio::test]
async fn a_script_is_not_seen_among_the_processes() {
    let Some((_server, session)) = logged_in().await else { return };
    // The pattern does not match itself.
    let script = "secret=hunt''er2-in-a-script; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'hunter2-in[-]a' || true";
    let output = session.run(&Command::new(script), deadline(), |_, _| ()).await.unwrap();
    assert_eq!(output.stdout_text().trim(), "0");
}

#[tokio::test]
async fn a_large_input_comes_back_as_it_went() {
    let Some((_server, session)) = logged_in().await else { return };
    let input: Vec<u8> = (0..8_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let command = Command::new("cat").stdin(input.clone());
    let output = session.run(&command, deadline(), |_, _| ()).await.unwrap();
    assert_eq!(output.status, ExitStatus::Code(0));
    assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
}

#[tokio::test]
async fn a_script_need_not_read_its_input() {
    let Some((_server, session)) = logged_in().await else { return };
    let command = Command::new("exit 4").stdin(vec![b'x'; 16 << 20]);
    let output = session.run(&command, deadline(), |_, _| ()).await.unwrap();
    assert_eq!(output.status, ExitStatus::Code(4));
}

#[tokio::test]
async fn twenty_commands_run_on_one_connection_though_the_server_allows_ten_at_once() {
    let Some((_server, session)) = logged_in().await else { return };
    let outputs = join_all((0..20).map(|number| {
        let session = session.clone();
        async move {
            let script = format!("head -c 100000 /dev/zero; echo {number} >&2; exit {number}");
            session.run(&Command::new(script), deadline(), |_, _| ()).await
        }
    }))
    .await;
    for (number, output) in outputs.into_iter().enumerate() {
        let output = output.unwrap();
        assert_eq!(output.status, ExitStatus::Code(number as u32));
        assert_eq!(output.stdout.len(), 100_000);
        assert_eq!(output.stderr_text(), format!("{number}\n"));
    }
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_given_up_and_ended() {
    let Some((server, session)) = logged_in().await else { return };
    let mark = server.scratch().join("ended");
    let script = format!("trap 'touch {}; exit' TERM; echo started; sleep 60 & wait", mark.display());
    let began = Instant::now();
    let error = session
        .run(&Command::new(script), Instant::now() + Duration::from_secs(2), |_, _| ())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
    // On its own side too it ends, at the latest by its own deadline, which is a few seconds after ours.
    while !mark.exists() {
        assert!(Instant::now() < began + Duration::from_secs(30), "the command still runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The connection is as good as before.
    let output = session.run(&Command::new("echo still here"), deadline(), |_, _| ()).await.unwrap();
    assert_eq!(output.stdout_text(), "still here\n");
}

#[tokio::test]
async fn a_dropped_command_frees_its_place() {
    let Some((_server, session)) = logged_in().await else { return };
    for _ in 0..30 {
        let script = Command::new("echo started; cat");
        // Closed input ends `cat`; what is dropped is the wait for it.
        let dropped = session.run(&script, deadline(), |_, _| ());
        let _ = tokio::time::timeout(Duration::from_millis(20), dropped).await;
    }
    let output = session.run(&Command::new("echo done"), deadline(), |_, _| ()).await.unwrap();
    assert_eq!(output.stdout_text(), "done\n");
}
