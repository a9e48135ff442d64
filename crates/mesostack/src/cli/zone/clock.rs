//! The zone's clock: shown, and moved ahead.

use std::time::Duration;

use devcloud::{ClockShown, host};

use super::places;
use crate::cli::{arguments::ZoneClock, exit::Exit, report::While, run::Run};

/// `mesostack zone clock`
pub(super) async fn clock(run: &Run, clock: &ZoneClock) -> miette::Result<Exit> {
    let (places, name) = (places()?, &clock.zone.name);
    let shown = match clock.forward {
        None => run.carry_out(host::clock(&places, name)).await?.tried("the clock cannot be shown")?,
        Some(by) => {
            let by = Duration::try_from(by).tried("a clock can't be moved back")?;
            let moved = run.carry_out(host::forward(&places, name, by, clock.signatures)).await?;
            moved
                .tried(format!("the clock of zone {name} was not moved, or not all that fell due is done"))?
        }
    };
    run.answer(&shown, || text(name.as_str(), &shown))?;
    Ok(Exit::Done)
}

fn text(name: &str, shown: &ClockShown) -> String {
    let ahead = |seconds: u64| {
        format!("{:#}", jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
    };
    let lead = match (shown.ahead_seconds, shown.signatures_ahead_seconds) {
        (0, _) => "as this host's is".to_owned(),
        (all, 0) => format!("{} ahead of this host's", ahead(all)),
        (all, signatures) => {
            format!("{} ahead of this host's; signatures expire {} early", ahead(all), ahead(signatures))
        }
    };
    format!("the clock of zone {name} is at {:.0}, {lead}", shown.now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_says_how_far_it_is_ahead() {
        let shown = |ahead_seconds, signatures_ahead_seconds| ClockShown {
            now: "2026-01-02T03:04:05.6Z".parse().expect("a time"),
            ahead_seconds,
            signatures_ahead_seconds,
        };
        let at = "the clock of zone z is at 2026-01-02T03:04:05Z";
        assert_eq!(text("z", &shown(0, 0)), format!("{at}, as this host's is"));
        assert_eq!(text("z", &shown(90_000, 0)), format!("{at}, 25h ahead of this host's"));
        let both = format!("{at}, 25h ahead of this host's; signatures expire 10m early");
        assert_eq!(text("z", &shown(90_000, 600)), both);
    }
}
