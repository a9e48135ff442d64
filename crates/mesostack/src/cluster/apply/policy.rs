//! What to do when a call fails: one table for all of them.
//!
//! | what happened | codes | what is done |
//! | --- | --- | --- |
//! | not let in, not allowed, malformed | 401, 531, 432, 430 | the run halts: nothing else would fare better |
//! | a limit of the account | 535, 532 | the run halts |
//! | the lease is over | not sent | the run halts |
//! | it is there already | 537, 431 "already exists", 530 "already on" | look; adopt it when it is what was wanted |
//! | outcome unknown | broken connection, time-out, 5xx | look; adopt it, or send it again |
//! | internal error | 530 | look; adopt it, or send it again, twice |
//! | too busy | 429, 503 | wait, send it again |
//! | never sent | no connection | wait, send it again |
//! | no room | 533, 534 | wait longer, send it again, then give up on this step only |
//! | in use | 536 | wait for the holder |
//! | a deployment that is refused | 431 | look, send it again once: a new network under load refuses some |
//! | anything else | 431 … | give up on this step only |
//! | it takes too long | deadline | detach: the job goes on, and the next run finds what it makes |
//!
//! A look is one list; several, with pauses, where the cloud has said that the thing is there, or would make a second one of
//! it (a network, an address): lists may lag behind what was made.
//!
//! A machine that any of these leaves in the state `Error` is removed before the next attempt (`deploy`, `start`).

use std::time::Duration;

use cloudstack::Error;

/// The pauses before each of the looks for something that is there, or may be: a list may lag behind by seconds.
pub(super) const LOOKS: &[Duration] =
    &[Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Verdict {
    /// Look whether it is there; if so it is ours, if not give up.
    Adopt,
    /// Look whether it is there; if not, try again after a pause.
    LookThenAgain(Duration),
    /// Nothing was done: try again after a pause.
    Again(Duration),
    /// Give up on this step.
    GiveUp,
    /// Give up on the run.
    Halt,
}

/// The verdict on an attempt, counted from 1.
pub(in crate::cluster) fn verdict(error: &Error, attempt: u32) -> Verdict {
    let seconds = |first: u64| pause(first, attempt);
    let upto = |most: u32, verdict: Verdict| if attempt <= most { verdict } else { Verdict::GiveUp };
    if error.is_unauthorized() || error.is_forbidden() || error.is_limit() || error.code() == Some(430) {
        return Verdict::Halt;
    }
    if matches!(error, Error::Fenced { .. }) {
        return Verdict::Halt;
    }
    if matches!(error, Error::Deadline { .. }) {
        return Verdict::GiveUp;
    }
    if error.is_conflict() {
        return Verdict::Adopt;
    }
    if error.is_outcome_unknown() {
        return upto(5, Verdict::LookThenAgain(seconds(1)));
    }
    match (error.code(), error) {
        (Some(429 | 503), _) => upto(10, Verdict::Again(seconds(1))),
        (Some(530), _) => upto(2, Verdict::LookThenAgain(seconds(2))),
        (Some(533 | 534), _) => upto(3, Verdict::Again(seconds(5))),
        (Some(536), _) => upto(8, Verdict::Again(seconds(2))),
        (Some(431), _) if error.command() == "deployVirtualMachine" && !error.is_not_found() => {
            upto(1, Verdict::LookThenAgain(seconds(2)))
        }
        (None, Error::Transport { .. }) => upto(5, Verdict::Again(seconds(1))),
        _ => Verdict::GiveUp,
    }
}

/// The verdict when a record good for nothing was in the way of an attempt, and is removed.
pub(super) fn after_wreck(attempt: u32) -> Verdict {
    if attempt <= 4 { Verdict::Again(Duration::ZERO) } else { Verdict::GiveUp }
}

/// A pause of so many seconds after the first attempt, and twice as many after each further one, up to the fifth.
pub(super) fn pause(seconds: u64, attempt: u32) -> Duration {
    Duration::from_secs(seconds << attempt.clamp(1, 5).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use cloudstack::{ApiError, Failure, TransportError, TransportFailure};

    use super::*;

    fn api(code: u16, text: &str) -> Error {
        Error::Api(ApiError {
            command: "createFirewallRule".to_owned(),
            code,
            cs_code: None,
            text: text.to_owned(),
            http_status: code,
            ids: Vec::new(),
        })
    }

    fn unknown() -> Error {
        let broken = TransportError::bare(TransportFailure::Broken);
        Error::UnknownOutcome {
            command: "deployVirtualMachine".to_owned(),
            cause: Failure::Transport(broken),
        }
    }

    #[test]
    fn what_nobody_else_would_survive_halts_the_run() {
        for code in [401, 531, 432, 430, 535, 532] {
            assert_eq!(verdict(&api(code, ""), 1), Verdict::Halt, "{code}");
        }
    }

    #[test]
    fn what_is_there_already_is_looked_at_and_never_sent_again() {
        let clash = "The range specified, 1-2, conflicts with rule x which has 1-2";
        assert_eq!(verdict(&api(537, clash), 1), Verdict::Adopt);
        assert_eq!(verdict(&api(431, "a group with name X already exists."), 9), Verdict::Adopt);
        assert_eq!(verdict(&api(530, "tag a already on Network with id 7"), 1), Verdict::Adopt);
    }

    #[test]
    fn an_unknown_outcome_is_looked_at_before_anything_is_sent_again() {
        assert!(matches!(verdict(&unknown(), 1), Verdict::LookThenAgain(_)));
        assert!(matches!(verdict(&api(530, "Internal error"), 1), Verdict::LookThenAgain(_)));
    }

    #[test]
    fn a_refused_deployment_is_tried_once_more_and_nothing_else_that_is_refused() {
        let refused = |command: &str| {
            let Error::Api(error) = api(431, "Unable to acquire Guest IP address for network 7") else {
                unreachable!()
            };
            Error::Api(ApiError { command: command.to_owned(), ..error })
        };
        assert!(matches!(verdict(&refused("deployVirtualMachine"), 1), Verdict::LookThenAgain(_)));
        assert_eq!(verdict(&refused("deployVirtualMachine"), 2), Verdict::GiveUp);
        assert_eq!(verdict(&refused("createFirewallRule"), 1), Verdict::GiveUp);
    }

    #[test]
    fn nothing_is_tried_for_ever() {
        for error in
            [api(429, ""), api(503, ""), api(530, ""), api(533, ""), api(534, ""), api(536, ""), unknown()]
        {
            assert_eq!(verdict(&error, 11), Verdict::GiveUp, "{error}");
        }
        assert_eq!(verdict(&api(431, "entity does not exist"), 1), Verdict::GiveUp);
    }
}
