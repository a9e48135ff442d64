//! A zone as its clients see it: whole conversations through its door, most of them on a paused clock.

mod accounts;
mod asleep;
mod browser;
mod client;
mod door;
mod extras;
mod faults;
mod fuzz;
mod jobs;
mod killed;
mod kit;
mod line;
mod machines;
mod network_offerings;
mod networks;
mod own;
mod people;
mod recorded;
mod restart;
mod rules;
mod schema;
mod shape;
mod storage;
mod templates;
mod whole;
