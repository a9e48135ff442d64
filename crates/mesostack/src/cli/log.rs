//! What our libraries log, to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::{arguments::Global, environment};

/// Starts logging; gives whether anything is logged, so that no live tree is drawn over it.
pub(crate) fn start(options: &Global) -> bool {
    let wanted = std::env::var(environment::LOG.name).ok();
    let filter = match (&wanted, options.verbose) {
        (Some(filter), _) => filter.as_str(),
        (None, 0) => "error",
        (None, 1) => "warn,mesostack=info,cloudstack=info,remote=info,devcloud=info",
        (None, _) => "info,mesostack=debug,cloudstack=debug,remote=debug,devcloud=debug,mesos=debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(options.verbose > 1)
        .init();
    wanted.is_some() || options.verbose > 0
}
