//! The stand-ins as programs, around a real ZooKeeper, seen through the clients of the `mesos` crate. Needs Java and
//! Debian's `libzookeeper-java`; without them each test that needs ZooKeeper says that it is skipped. All traffic is on
//! loopback; all processes are killed at each test's end, also a failed one's.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and tells")]

mod daemon;
mod drain;
mod election;
mod leaving;
mod marathon;
mod program;
mod zookeeper;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mesos::{Agent, Connect, Marathon, Master, TcpConnect};
use tokio::time::{Instant, sleep};

use daemon::Daemon;

/// How long anything may take before a test fails: generous, for a machine that is busy with other builds.
const PATIENCE: Duration = Duration::from_secs(60);

fn tcp() -> Arc<dyn Connect> {
    Arc::new(TcpConnect)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn master(daemon: &Daemon) -> Master {
    Master::new(tcp(), daemon.address())
}

fn agent(daemon: &Daemon) -> Agent {
    Agent::new(tcp(), daemon.address())
}

fn marathon_at(daemon: &Daemon) -> Marathon {
    Marathon::new(tcp(), daemon.address())
}

/// Asks until there is an answer; fails with what was waited for.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The one among `masters` that leads and has recovered, by its index.
async fn leading(masters: &[Option<Daemon>]) -> usize {
    until("one master leads", || async {
        let mut elected = Vec::new();
        for (index, daemon) in masters.iter().enumerate() {
            let Some(daemon) = daemon else { continue };
            let metrics = master(daemon).metrics(soon()).await.ok()?;
            if metrics.elected() && metrics.log_recovered() {
                elected.push(index);
            }
        }
        assert!(elected.len() <= 1, "two masters lead: {elected:?}");
        elected.first().copied()
    })
    .await
}

/// Waits until so many agents are active on the leader, and returns their ids.
async fn active_agents(leader: &Daemon, count: usize) -> Vec<String> {
    until(&format!("{count} agents are active"), || async {
        let agents = master(leader).agents(soon()).await.ok()?.leading()?;
        let mut ids: Vec<_> = agents.into_iter().filter(|agent| agent.active).map(|agent| agent.id).collect();
        ids.sort();
        (ids.len() == count).then_some(ids)
    })
    .await
}
