//! Telling whoever wants to know which jobs a piece of work starts, and when they end.
//!
//! Who hears is bound to the future that does the work, not to the client: so the same client serves many pieces of
//! work at once, and each job is told of where it was started.

use std::sync::Arc;

use crate::error::Error;
use crate::id::JobId;

/// What happened to a job.
#[derive(Clone, Copy, Debug)]
pub enum JobNews<'a> {
    /// The server has taken it.
    Started {
        /// The command that it carries out.
        command: &'a str,
        /// The job.
        job: &'a JobId,
    },
    /// It was waited for, and the wait is over.
    Ended {
        /// The job.
        job: &'a JobId,
        /// Why it did not end well, or is not waited for any longer.
        error: Option<&'a Error>,
    },
}

type Hear = Arc<dyn Fn(JobNews<'_>) + Send + Sync>;

tokio::task_local! {
    static HEAR: Hear;
}

/// Does `work`; `hear` is told of every job that it starts or waits for by any client. What it spawns is not heard.
///
/// ```no_run
/// # async fn example(client: &cloudstack::Client, deploy: &cloudstack::resource::DeployVirtualMachine) {
/// # let deadline = tokio::time::Instant::now();
/// use cloudstack::{Expect, JobNews, hearing_of_jobs};
///
/// let hear = |news: JobNews<'_>| println!("{news:?}");
/// let machine = hearing_of_jobs(hear, client.run(deploy, Expect::Long, deadline)).await;
/// # }
/// ```
pub async fn hearing_of_jobs<F: Future>(
    hear: impl Fn(JobNews<'_>) + Send + Sync + 'static,
    work: F,
) -> F::Output {
    HEAR.scope(Arc::new(hear), work).await
}

/// Tells it, where somebody hears.
pub(crate) fn tell(news: JobNews<'_>) {
    // Nobody hears: that is the usual case.
    let _ = HEAR.try_with(|hear| hear(news));
}
