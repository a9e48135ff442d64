//! The zone's faults while it is served: shown, set and cleared as the text of a [`FaultsFile`].

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::faults::FaultsFile;
use crate::zone::Zone;

/// The file in force; empty when there is none.
pub(super) async fn show(State(zone): State<Arc<Zone>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/toml")], zone.core().faults_text())
}

/// From now on this file is in force, and everything is counted anew. Of a file with problems nothing is taken.
pub(super) async fn set(State(zone): State<Arc<Zone>>, text: String) -> Response {
    let file = match FaultsFile::parse(&text) {
        Ok(file) => file,
        Err(problems) => {
            let problems: Vec<_> = problems
                .iter()
                .map(|problem| {
                    json!({
                        "message": problem.message,
                        "from": problem.span.start,
                        "to": problem.span.end,
                        "help": problem.help,
                    })
                })
                .collect();
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "problems": problems }))).into_response();
        }
    };
    take_up(&zone, &file)
}

/// From now on nothing goes wrong on purpose: as with an empty file.
pub(super) async fn clear(State(zone): State<Arc<Zone>>) -> Response {
    match FaultsFile::parse("") {
        Ok(file) => take_up(&zone, &file),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn take_up(zone: &Zone, file: &FaultsFile) -> Response {
    match zone.take_up(file) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::CONFLICT, format!("{error}\n")).into_response(),
    }
}
