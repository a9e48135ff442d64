//! Behaviours of an Apache CloudStack, each named with its source, checked against whatever server it is pointed at.
//!
//! It takes whatever zone, offerings and template the server has, gives everything it makes a name that begins with
//! `conform-`, takes all of it away again, and tells what differs from what a real CloudStack 4.23 was seen to do. What the
//! server cannot offer is skipped, with the reason; what its settings may change is not held against it.
//!
//! Where the wire itself is judged, requests are written by hand; elsewhere they are signed calls. It knows nothing of the
//! server's making.

mod answer;
mod behaviour;
mod caller;
mod door;
mod finding;
mod ground;
mod made;
mod public_key;
mod report;
mod run;
mod stage;

pub use behaviour::{Behaviour, Source, all as behaviours};
pub use ground::Wishes;
pub use report::{Checked, Outcome, Report, Server, markdown};
pub use run::{Error, Login, Settings, clean, run};
