//! Makes one thing, once: attempts within the policy, and between them looks for what an attempt of unknown outcome made.

use std::time::Duration;

use super::{
    Run, StepError,
    policy::{self, Verdict},
};
use crate::events::Work;

/// What becomes of something that is asked for a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twice {
    /// The cloud says that it is there already.
    Refused,
    /// There are two of it: it is looked for with patience before it is asked for again.
    Made,
}

impl Run<'_> {
    /// Makes something, whatever it takes within the policy: `look` finds it by its identity (and fails when what is
    /// found is not what was wanted), `make` makes it, and the cloud refuses to make it twice.
    pub(super) async fn settle<T>(
        &self,
        work: &Work,
        look: impl AsyncFn() -> Result<Option<T>, StepError>,
        make: impl AsyncFn() -> Result<T, cloudstack::Error>,
    ) -> Result<T, StepError> {
        self.settle_if(work, async || Ok(()), (Twice::Refused, look), make).await
    }

    /// The same, if `may` says so right before each attempt.
    pub(super) async fn settle_if<T>(
        &self,
        work: &Work,
        may: impl AsyncFn() -> Result<(), StepError>,
        (twice, look): (Twice, impl AsyncFn() -> Result<Option<T>, StepError>),
        make: impl AsyncFn() -> Result<T, cloudstack::Error>,
    ) -> Result<T, StepError> {
        let mut attempt = 1;
        loop {
            may().await?;
            let error = match make().await {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            let verdict = policy::verdict(&error, attempt);
            let looks = match (verdict, twice) {
                (Verdict::Adopt, _) | (Verdict::LookThenAgain(_), Twice::Made) => policy::LOOKS,
                (Verdict::LookThenAgain(_), Twice::Refused) => &policy::LOOKS[..1],
                _ => &[],
            };
            if let Some(found) = self.find(work, looks, &look).await? {
                return Ok(found);
            }
            match verdict {
                Verdict::LookThenAgain(pause) | Verdict::Again(pause) => {
                    self.before_another_attempt(work, error, pause).await?;
                }
                Verdict::Adopt | Verdict::GiveUp | Verdict::Halt => return Err(error.into()),
            }
            attempt += 1;
        }
    }

    /// Looks for something, after each of these pauses: a list may show what was there some seconds ago, and not know ids
    /// that are newer. A run that is stopped looks no more.
    pub(super) async fn find<T>(
        &self,
        work: &Work,
        looks: &[Duration],
        look: &impl AsyncFn() -> Result<Option<T>, StepError>,
    ) -> Result<Option<T>, StepError> {
        let mut last = Ok(None);
        for pause in looks {
            if !pause.is_zero() {
                self.waiting(work, "the cloud to show what is there");
                tokio::select! {
                    () = tokio::time::sleep(*pause) => {}
                    () = self.halt.cancelled() => break,
                }
            }
            last = match look().await {
                Err(StepError::Cloud(error)) if error.is_not_found() => Ok(None),
                looked => looked,
            };
            // What is there and is not what was wanted may be what was there before.
            if !matches!(last, Ok(None) | Err(StepError::Clash { .. })) {
                break;
            }
        }
        last
    }

    /// Waits before another attempt after `error`. A run that is stopped makes none: then that was the last one.
    pub(super) async fn before_another_attempt(
        &self,
        work: &Work,
        error: impl Into<StepError>,
        pause: Duration,
    ) -> Result<(), StepError> {
        let error = error.into();
        self.waiting(work, format!("another attempt: {error}"));
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.halt.cancelled() => Err(error),
        }
    }

    /// The same, without keeping a place among the machines' jobs meanwhile.
    pub(super) async fn rest_before_another_attempt(
        &self,
        work: &Work,
        error: impl Into<StepError>,
        pause: Duration,
    ) -> Result<(), StepError> {
        let _resting = self.ramp.rest();
        self.widened.notify_one();
        self.before_another_attempt(work, error, pause).await
    }
}
