//! Into a zone's machines from their host: a command, a console.

use std::time::Duration;

use devcloud::host::{self, ZoneName};
use serde_json::json;

use super::places;
use crate::cli::{exit::Exit, report::While, run::Run};

/// How long the zone may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a command in a machine; how long it takes is its own affair.
pub(super) async fn exec(
    run: &Run,
    zone: &ZoneName,
    machine: &str,
    command: &[String],
) -> miette::Result<Exit> {
    let places = places()?;
    run.progress.finish();
    let ended = host::exec(&places, zone, machine, command, &run.stop).await;
    let Some(ended) = ended.tried(format!("nothing was run in {machine}"))? else {
        return Ok(Exit::Interrupted);
    };
    Ok(match ended.code() {
        Some(0) => Exit::Done,
        code => Exit::Command(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)),
    })
}

/// Prints the end of a machine's console.
pub(super) async fn console(run: &Run, zone: &ZoneName, machine: &str) -> miette::Result<Exit> {
    let places = places()?;
    let text = run
        .ask(run.deadline(PATIENCE), async {
            host::console(&places, zone, machine).await.tried(format!("{machine} has no console to be shown"))
        })
        .await?;
    run.answer(&json!({ "machine": machine, "console": text }), || printable(&text))?;
    Ok(Exit::Done)
}

/// What a machine says may hold anything; a terminal is only shown text.
fn printable(text: &str) -> String {
    let shown = console::strip_ansi_codes(text);
    shown.chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_cannot_steer_the_terminal_its_console_is_shown_on() {
        assert_eq!(printable("\u{1b}[31mred\u{1b}[0m\r\nnext\u{7}\tend\u{9b}"), "red\nnext\tend");
    }
}
