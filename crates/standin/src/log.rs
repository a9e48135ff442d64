//! The log on stderr, in the shape the Mesos daemons use: `I1123 08:26:01.123456 4242 master] text`.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

struct Glog;

impl<S, N> FormatEvent<S, N> for Glog
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let severity = match *metadata.level() {
            Level::ERROR => 'E',
            Level::WARN => 'W',
            _ => 'I',
        };
        let now = jiff::Zoned::now();
        let room = metadata.target().strip_prefix("standin::").unwrap_or(metadata.target());
        write!(
            out,
            "{severity}{} {} {}] ",
            now.strftime("%m%d %H:%M:%S.%6f"),
            std::process::id(),
            room.replace("::", "/")
        )?;
        ctx.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// Starts the log. `level` is Mesos' `--logging_level` (INFO, WARNING, ERROR); what libraries say is left out below
/// a warning.
pub(crate) fn start(level: &str) {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let own = match level.to_ascii_uppercase().as_str() {
        "WARNING" | "WARN" => LevelFilter::WARN,
        "ERROR" | "FATAL" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    let filter = tracing_subscriber::filter::Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_target("standin", own);
    let layer = tracing_subscriber::fmt::layer().event_format(Glog).with_writer(std::io::stderr);
    // A second start in one process (a test) keeps the first log.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}
