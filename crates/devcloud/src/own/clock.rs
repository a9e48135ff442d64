//! The zone's clock: shown, and moved ahead.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::zone::Zone;

/// What a zone's clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ClockShown {
    /// The zone's time.
    pub now: Timestamp,
    /// How far it was moved ahead of its host's, in seconds.
    pub ahead_seconds: u64,
    /// The same for the expiry of signatures.
    pub signatures_ahead_seconds: u64,
}

/// How it is to be moved.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Move {
    /// By how much: `"25h"`, `"10m"`.
    pub(crate) forward: SignedDuration,
    /// Whether signatures expire by it, too.
    #[serde(default)]
    pub(crate) signatures: bool,
}

pub(super) async fn show(State(zone): State<Arc<Zone>>) -> Json<ClockShown> {
    Json(zone.clock())
}

/// Moves it, and answers when everything that fell due by it was done.
pub(super) async fn forward(State(zone): State<Arc<Zone>>, body: String) -> Response {
    let wanted: Move = match serde_json::from_str(&body) {
        Ok(wanted) => wanted,
        Err(error) => {
            let text =
                format!("wanted is {{\"forward\": \"25h\"}}, perhaps with \"signatures\": true: {error}\n");
            return (StatusCode::UNPROCESSABLE_ENTITY, text).into_response();
        }
    };
    let Ok(by) = Duration::try_from(wanted.forward) else {
        return (StatusCode::UNPROCESSABLE_ENTITY, "the clock can't be moved back\n").into_response();
    };
    match zone.forward(by, wanted.signatures).await {
        Ok(shown) => Json(shown).into_response(),
        Err(error) => (StatusCode::CONFLICT, format!("{error}\n")).into_response(),
    }
}
