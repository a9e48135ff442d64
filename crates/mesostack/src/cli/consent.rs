//! Asking before something is changed or removed.

use std::io::{BufRead, IsTerminal, Write};

use super::{
    arguments::Consent,
    report::{Interrupted, Refused, While},
    run::Run,
};

impl Consent {
    /// Asks unless consent was given beforehand; refuses where there is no terminal to ask on. Whether to go on.
    pub(crate) async fn ask(self, run: &Run, text: &str) -> miette::Result<bool> {
        if self.yes {
            return Ok(true);
        }
        run.progress.finish();
        tokio::select! {
            () = run.stop.cancelled() => Err(Interrupted::default().into()),
            answer = question(text) => answer,
        }
    }
}

/// Asks a question on the terminal; refuses where there is none.
pub(crate) async fn question(text: &str) -> miette::Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Refused::new(
            "this needs your consent, and there is no terminal to ask on",
            "add --yes to consent beforehand",
        )
        .into());
    }
    let text = text.to_owned();
    // A blocking read on its own thread: Ctrl-C must not wait for it.
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = answer.send(read(&text));
    });
    let line = answered.await.tried("the terminal went away")?.tried("could not read the answer")?;
    Ok(is_yes(&line))
}

fn read(question: &str) -> std::io::Result<String> {
    let mut terminal = std::io::stderr();
    write!(terminal, "{question} [y/N] ")?;
    terminal.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}

/// Only a plain yes is a yes.
fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        for yes in ["y\n", " Yes ", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "yess", "ok", "ye s"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
