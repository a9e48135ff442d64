//! What the work takes, in calls, in simulated time and in memory: `make bench`.
//!
//! Calls and times are counted on devcloud's simulator, in this process and on simulated time, so that they are the same in
//! every run. Memory and processor time are those of the real program, which talks to a simulated zone in another process.
#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod bound;
mod counts;
mod large;
mod own;
mod process;
mod rehearsal;
mod slow;
mod table;

use std::error::Error;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [own::ZONE] => own::serve_zone(),
        [] => ["counts", "slow", "large", "own"].into_iter().try_for_each(run),
        ref some => some.iter().copied().try_for_each(run),
    }
}

fn run(which: &str) -> Outcome {
    match which {
        "counts" => simulated(counts::run()),
        "slow" => simulated(slow::run()),
        "large" => simulated(large::run()),
        "own" => own::run(),
        other => Err(format!("there is no part {other}: counts, slow, large, own").into()),
    }
}

/// On simulated time.
fn simulated(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(work)
}
