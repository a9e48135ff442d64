//! Tickets for consoles: a machine's owner asks for one by CloudStack's API, and its address shows that machine's console to
//! whoever has it, for a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a ticket is good for.
const LIFE: Duration = Duration::from_secs(600);

/// The tickets that were given out, each with its machine.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<BTreeMap<String, (Uuid, Instant)>>);

impl std::fmt::Debug for Tickets {
    // Whoever has a ticket sees a console.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    /// A ticket for a machine's console.
    pub(crate) fn give(&self, machine: Uuid) -> String {
        let ticket = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, (_, given)| given.elapsed() < LIFE);
        tickets.insert(ticket.clone(), (machine, Instant::now()));
        ticket
    }

    /// The machine that a ticket is for, while it is good.
    pub(crate) fn machine(&self, ticket: &str) -> Option<Uuid> {
        let tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.get(ticket).filter(|(_, given)| given.elapsed() < LIFE).map(|(machine, _)| *machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ticket_is_good_for_its_machine_and_for_a_while() {
        let tickets = Tickets::default();
        let ticket = tickets.give(Uuid::nil());
        assert_eq!(tickets.machine(&ticket), Some(Uuid::nil()));
        assert_eq!(tickets.machine("another"), None);
        tokio::time::advance(LIFE).await;
        assert_eq!(tickets.machine(&ticket), None);
    }
}
