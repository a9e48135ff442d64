//! What the stand-ins say of themselves, in one place, so that nobody takes one for the real thing.

/// The Mesos release they stand in for.
pub(crate) const MESOS_VERSION: &str = "1.11.0";
/// The Marathon release they stand in for.
pub(crate) const MARATHON_VERSION: &str = "1.11.24";

/// The answer to `--version`.
pub(crate) fn version(daemon: &str, version: &str) -> String {
    format!(
        "{daemon} {version} (mesostack stand-in {}, for rehearsals; not the real one)\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// A log's first line.
pub(crate) fn first_line(daemon: &str, version: &str) -> String {
    format!("This is mesostack's stand-in for {daemon} {version}: it runs no tasks and checks no credentials")
}

/// The page at `/`.
pub(crate) fn page(daemon: &str, version: &str, facts: &[(&str, String)]) -> String {
    let rows: String = facts
        .iter()
        .map(|(name, value)| format!("<tr><th align=left>{name}</th><td>{}</td></tr>\n", escape(value)))
        .collect();
    format!(
        "<!doctype html>\n<title>{daemon} (stand-in)</title>\n<h1>A stand-in for {daemon} {version}</h1>\n\
         <p>This is mesostack's stand-in, made for rehearsals. It is not {daemon}: elections, registrations and \
         endpoints are real, tasks are not.</p>\n<table>\n{rows}</table>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
