//! The file that tells a simulated zone of `mesostack zone up` how quick it is, what its limits are and what goes wrong.
//! Read once, into the types of the simulator; what is wrong with it is told with its place in the text.

mod read;
mod rules;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::Faults;
use crate::config::{Delays, Limits, Throttle};
use crate::simulator::{Capacity, Latencies, Pace};

/// What a file of faults says.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultsFile {
    /// The text it was read from.
    pub text: String,
    /// How long the driver's operations take.
    pub latencies: Latencies,
    /// How long calls and jobs take.
    pub pace: Pace,
    /// How much the hosts can run.
    pub capacity: Capacity,
    /// How much an account may have; CloudStack's own limits when the file says nothing.
    pub limits: Limits,
    /// How often an account may call.
    pub throttle: Option<Throttle>,
    /// How long the zone waits before it does what nobody asks for.
    pub delays: Delays,
    /// What goes wrong, and the seed of all draws.
    pub faults: Faults,
}

/// Something in the file that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FileProblem {
    /// What is wrong.
    pub message: String,
    /// The bytes of the text it is about.
    pub span: Range<usize>,
    /// What to write instead.
    pub help: Option<String>,
}

impl FaultsFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Everything that is wrong with it; of what is not TOML or of no right type, the first.
    pub fn parse(text: &str) -> Result<Self, Vec<FileProblem>> {
        read::read(text)
    }
}

impl FileProblem {
    fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span, help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
