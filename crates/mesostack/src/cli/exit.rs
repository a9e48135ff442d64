//! How a run ends, as the shell sees it.

use std::process::ExitCode;

/// A run's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, nothing to do, or healthy.
    Done,
    /// Something failed; the error says what.
    Failed,
    /// `plan`: there is something to change.
    Changes,
    /// `status`: the cluster is not healthy.
    Unhealthy,
    /// Another run works on the cluster.
    Held,
    /// The command line itself was wrong.
    Usage,
    /// Interrupted by Ctrl-C.
    Interrupted,
    /// `ssh NODE -- command`: the command's own exit status.
    Command(u8),
}

impl Exit {
    /// The number the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Unhealthy => 3,
            Self::Held => 4,
            Self::Usage => 64,
            Self::Interrupted => 130,
            Self::Command(status) => status,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The codes and their meaning, as the help shows them.
pub(crate) const MEANINGS: &[(u8, &str)] = &[
    (0, "done; plan: nothing to change; status: healthy"),
    (1, "failed, or not all of it could be done; what is told says why, and what to do next"),
    (2, "plan: there is something to change"),
    (3, "status: the cluster is not healthy"),
    (4, "apply, destroy: another run works on the cluster; nothing was changed"),
    (64, "the command line was wrong"),
    (130, "interrupted"),
];
