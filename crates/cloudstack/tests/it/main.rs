//! The crate as its users see it: against servers on loopback that behave well or badly, and against a script on
//! simulated time.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod commands;
mod errors;
mod fence;
mod lists;
mod replies;
mod scripted;
mod secrets;
mod throttle;
mod tls;
mod waits;
mod wire;
