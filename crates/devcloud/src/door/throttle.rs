//! How often an account may call: so many calls in a window of time, as CloudStack's `api.throttling` counts them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::command::Caller;
use crate::config::Throttle;
use crate::error::ApiError;

/// Each account's window: when it began, and the calls in it.
#[derive(Debug, Default)]
pub(crate) struct Windows(Mutex<BTreeMap<Uuid, (Instant, u32)>>);

impl Windows {
    /// Counts a call at this moment of the zone's clock, and refuses it when it is one too many.
    pub(super) fn count(
        &self,
        caller: &Caller,
        throttle: Option<Throttle>,
        now: Instant,
    ) -> Result<(), ApiError> {
        let Some(throttle) = throttle.filter(|_| !caller.root_admin) else { return Ok(()) };
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, calls) = windows.entry(caller.account).or_insert((now, 0));
        if now >= *began + throttle.window {
            (*began, *calls) = (now, 0);
        }
        *calls = calls.saturating_add(1);
        if *calls <= throttle.calls {
            return Ok(());
        }
        Err(ApiError::throttled((*began + throttle.window - now).as_millis()))
    }

    /// How many calls an account has made in the window it is in, and how long that one lasts still.
    pub(crate) fn standing(&self, account: Uuid, throttle: Throttle) -> (u32, Duration) {
        let now = Instant::now();
        let windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&account).filter(|(began, _)| now < *began + throttle.window);
        window.map_or((0, throttle.window), |(began, calls)| (*calls, *began + throttle.window - now))
    }

    /// Counts an account's calls anew, or everyone's.
    pub(crate) fn forget(&self, account: Option<Uuid>) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|known, _| account.is_some_and(|account| account != *known));
    }
}
