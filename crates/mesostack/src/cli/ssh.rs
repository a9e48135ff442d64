//! `mesostack ssh`: a shell on a node, or a command there.

use std::time::Duration;

use remote::ExitStatus;

use super::{
    arguments,
    cluster::Cluster,
    exit::Exit,
    report::{Refused, While},
    run::Run,
};

/// How long a node may take to let us in; how long one stays is not limited.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn ssh(run: &Run, arguments: arguments::Ssh) -> miette::Result<Exit> {
    let deadline = run.deadline(PATIENCE);
    let session = run
        .ask(deadline, async {
            let cluster = Cluster::open(run).await?;
            cluster.reach(&arguments.node, deadline).await
        })
        .await?;
    run.progress.finish();
    // As ssh does it: the words are joined, and the node's shell reads them.
    let command = (!arguments.command.is_empty()).then(|| arguments.command.join(" "));
    let ended = session.interactive(command.as_deref(), deadline);
    let status = tokio::select! {
        // A terminal in raw mode hands Ctrl-C to the node; here it comes from a command without one.
        () = run.stop.cancelled() => return Ok(Exit::Interrupted),
        status = ended => status.tried(format!("the connection to {} ended", arguments.node))?,
    };
    session.close().await;
    Ok(match status {
        ExitStatus::Code(0) => Exit::Done,
        ExitStatus::Code(code) => Exit::Command(u8::try_from(code).unwrap_or(u8::MAX)),
        signal @ ExitStatus::Signal(_) => {
            return Err(
                Refused::new(format!("the command was {signal}"), "the node's journal may say why").into()
            );
        }
    })
}
