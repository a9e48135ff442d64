//! Configuring a node over SSH.

use remote::{Command, RemoteFile, Session};
use tokio::time::Instant;

use super::{Configuration, script};

/// What a set-up did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// The node was told something new, and these services were started (again).
    Changed {
        /// The services, by their units' names.
        restarted: Vec<String>,
    },
    /// Everything was as it should be: nothing was touched.
    Unchanged,
}

/// Brings a node to the configuration. On a node that has it already this is one quick question; else the files are
/// delivered and put into force, and a run that was broken off is taken up where it ended.
///
/// # Errors
/// When the connection breaks, files cannot be delivered, or a service cannot be enabled or started.
pub async fn set_up(
    session: &Session,
    configuration: &Configuration,
    deadline: Instant,
) -> Result<SetUp, remote::Error> {
    let check = Command::new(script::check(configuration));
    let state = session.run(&check, deadline, |_, _| ()).await?;
    if state.stdout.trim_ascii() == b"unchanged" {
        return Ok(SetUp::Unchanged);
    }
    let files: Vec<RemoteFile> = configuration.files.iter().map(RemoteFile::from).collect();
    session.deliver(&files, deadline).await?;
    let put_into_force = Command::new(script::put_into_force(configuration)).as_root();
    let output = session
        .run_checked("putting the configuration into force", &put_into_force, deadline, |_, _| ())
        .await?;
    Ok(SetUp::Changed { restarted: restarted(&output.stdout_text()) })
}

fn restarted(said: &str) -> Vec<String> {
    said.lines()
        .find_map(|line| line.strip_prefix("restarted "))
        .map(|units| units.split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default()
}
