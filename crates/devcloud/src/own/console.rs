//! A machine found by its name, and what it says on its console.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{MachineState, Model};
use crate::zone::Zone;

/// A machine of the zone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Found {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) state: String,
    /// The zone's hypervisor.
    pub(crate) driver: String,
}

/// The machine of this name or id.
pub(super) async fn find(State(zone): State<Arc<Zone>>, Path(wanted): Path<String>) -> Response {
    match look(&zone, &wanted) {
        Ok(found) => Json(found).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// The end of its console.
pub(super) async fn show(State(zone): State<Arc<Zone>>, Path(wanted): Path<String>) -> Response {
    match look(&zone, &wanted) {
        Ok(found) => end_of(&zone, &found).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// The same, for whoever has a ticket to this one.
pub(super) async fn with_ticket(State(zone): State<Arc<Zone>>, Path(ticket): Path<String>) -> Response {
    let Some(machine) = zone.core().tickets.machine(&ticket) else {
        let text =
            "this address was good for a while, and is not any more; ask createConsoleEndpoint for another\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    match look(&zone, &machine.to_string()) {
        Ok(found) => end_of(&zone, &found).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn end_of(zone: &Zone, found: &Found) -> Response {
    match zone.core().driver().console(found.id).await {
        Ok(Some(text)) => text.into_response(),
        Ok(None) if found.driver == "Simulator" => {
            let text =
                "the zone is simulated: its machines are records, and a record says nothing on a console\n";
            (StatusCode::CONFLICT, text).into_response()
        }
        Ok(None) => {
            (StatusCode::CONFLICT, format!("machine {} has never been started\n", found.name)).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn look(zone: &Zone, wanted: &str) -> Result<Found, (StatusCode, String)> {
    let driver = zone.core().driver().hypervisor();
    zone.core().read(|model| find_in(model, driver, wanted))
}

/// Names may repeat: then only an id says which one is meant.
fn find_in(model: &Model, driver: &str, wanted: &str) -> Result<Found, (StatusCode, String)> {
    let id = Uuid::try_parse(wanted).ok();
    let mut found = model.virtual_machines.iter().filter(|machine| {
        Some(machine.id) == id || machine.name == wanted && machine.state != MachineState::Expunging
    });
    let Some(machine) = found.next() else {
        let mut names: Vec<&str> =
            model.virtual_machines.iter().map(|machine| machine.name.as_str()).collect();
        names.sort_unstable();
        names.truncate(20);
        let there = if names.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        return Err((StatusCode::NOT_FOUND, format!("the zone has no machine {wanted}; {there}\n")));
    };
    let others: Vec<String> = found.map(|other| other.id.to_string()).collect();
    if !others.is_empty() {
        let text = format!(
            "several machines are called {wanted}; name one by its id: {}, {}\n",
            machine.id,
            others.join(", ")
        );
        return Err((StatusCode::CONFLICT, text));
    }
    Ok(Found {
        id: machine.id,
        name: machine.name.clone(),
        state: machine.state.name().to_owned(),
        driver: driver.to_owned(),
    })
}
