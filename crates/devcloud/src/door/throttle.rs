//! How often an account may call: so many calls in a window of time, as CloudStack's `api.throttling` counts them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use uuid::Uuid;

use crate::command::Caller;
use crate::config::Throttle;
use crate::error::ApiError;

/// Each account's window: when it began, and the calls in it.
#[derive(Debug, Default)]
pub(crate) struct Windows(Mutex<BTreeMap<Uuid, (Instant, u32)>>);

impl Windows {
    /// Counts a call, and refuses it when it is one too many.
    pub(super) fn count(&self, caller: &Caller, throttle: Option<Throttle>) -> Result<(), ApiError> {
        let Some(throttle) = throttle.filter(|_| !caller.root_admin) else { return Ok(()) };
        let now = Instant::now();
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
}
