//! How a daemon ends: these let themselves crash and be started again by their supervisor, with a code and a reason.

/// The end of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was only asked for something (`--help`, `--version`).
    Told { text: String },
    /// Its flags were refused.
    Refused { code: u8, text: String },
    /// It ran and had to stop.
    Failed { code: u8, reason: String },
}

impl Ending {
    pub(crate) fn failed(code: u8, reason: impl Into<String>) -> Self {
        Self::Failed { code, reason: reason.into() }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Told { .. } => 0,
            Self::Refused { code, .. } | Self::Failed { code, .. } => *code,
        }
    }
}
