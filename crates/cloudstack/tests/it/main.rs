//! The crate as its users see it: against servers on loopback that behave well or badly, and against a script on
//! simulated time.

mod commands;
mod errors;
mod lists;
mod replies;
mod scripted;
mod secrets;
mod waits;
mod wire;
