//! `mesostack status`: how does the cluster do?

use std::{fmt::Write, time::Duration};

use mesostack::node::{Status, ZooKeeperRole};

use super::{cluster::Cluster, exit::Exit, run::Run};

/// How long all answers may take; a node that is gone answers nothing at all.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn status(run: &Run) -> miette::Result<Exit> {
    let deadline = run.deadline(PATIENCE);
    let status = run
        .ask(deadline, async {
            let cluster = Cluster::open(run).await?;
            cluster.status(deadline).await
        })
        .await?;
    run.answer(&status, || text(&status))?;
    Ok(if status.healthy { Exit::Done } else { Exit::Unhealthy })
}

/// The answers, a line a subject; what is wrong below.
pub(super) fn text(status: &Status) -> String {
    let mut text = String::new();
    let zookeeper: Vec<_> =
        status.zookeeper.iter().map(|server| format!("{} {}", server.node, role(server.role))).collect();
    let masters = status.masters.iter().map(|master| (master.node.as_str(), master.answers, master.leading));
    let marathon = status.marathon.iter().map(|one| (one.node.as_str(), one.answers, one.leading));
    let registered = status.agents.iter().filter(|agent| agent.registered && agent.active).count();
    let _ = writeln!(text, "cluster    {}", if status.healthy { "healthy" } else { "not healthy" });
    let _ = writeln!(text, "ZooKeeper  {}", zookeeper.join(", "));
    let _ = writeln!(text, "Mesos      {}", leadership(masters));
    let _ = writeln!(text, "Marathon   {}", leadership(marathon));
    let _ = writeln!(text, "agents     {registered} of {} registered", status.agents.len());
    if !status.unexpected_agents.is_empty() {
        let _ = writeln!(text, "           not in the file: {}", status.unexpected_agents.join(", "));
    }
    for problem in &status.problems {
        let _ = writeln!(text, "! {problem}");
    }
    text
}

fn role(role: ZooKeeperRole) -> &'static str {
    match role {
        ZooKeeperRole::Leader => "leads",
        ZooKeeperRole::Follower => "follows",
        ZooKeeperRole::Standalone => "is alone",
        ZooKeeperRole::Observer => "observes",
        ZooKeeperRole::NotServing => "has no quorum",
        ZooKeeperRole::Down => "does not run",
        _ => "does not answer",
    }
}

/// Of instances that may lead: who does, who could, who is silent.
fn leadership<'a>(instances: impl Iterator<Item = (&'a str, bool, bool)>) -> String {
    let (mut leads, mut ready, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for (node, answers, leading) in instances {
        match (answers, leading) {
            (_, true) => leads.push(node),
            (true, false) => ready.push(node),
            (false, false) => silent.push(node),
        }
    }
    [(leads, "leading"), (ready, "ready"), (silent, "silent")]
        .into_iter()
        .filter(|(nodes, _)| !nodes.is_empty())
        .map(|(nodes, state)| format!("{} {state}", nodes.join(", ")))
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use mesostack::node::{AgentStatus, MarathonStatus, MasterStatus, ZooKeeperStatus};

    use super::*;

    #[test]
    fn a_status_reads_as_a_line_a_subject_with_the_problems_below() {
        let status = Status {
            healthy: false,
            problems: vec!["agent-2 is not registered".into()],
            zookeeper: vec![
                ZooKeeperStatus { node: "master-1".into(), role: ZooKeeperRole::Leader },
                ZooKeeperStatus { node: "master-2".into(), role: ZooKeeperRole::Unreachable },
            ],
            masters: vec![
                MasterStatus { node: "master-1".into(), answers: true, recovered: true, leading: true },
                MasterStatus { node: "master-2".into(), answers: false, recovered: false, leading: false },
                MasterStatus { node: "master-3".into(), answers: true, recovered: true, leading: false },
            ],
            leading_master: Some("master-1".into()),
            agents: vec![
                AgentStatus { node: "agent-1".into(), registered: true, active: true, id: None },
                AgentStatus { node: "agent-2".into(), registered: false, active: false, id: None },
            ],
            unexpected_agents: vec!["agent-9".into()],
            marathon: vec![MarathonStatus { node: "master-1".into(), answers: true, leading: true }],
            leading_marathon: Some("master-1".into()),
        };
        assert_eq!(
            text(&status),
            "cluster    not healthy\n\
             ZooKeeper  master-1 leads, master-2 does not answer\n\
             Mesos      master-1 leading; master-3 ready; master-2 silent\n\
             Marathon   master-1 leading\n\
             agents     1 of 2 registered\n           not in the file: agent-9\n\
             ! agent-2 is not registered\n"
        );
    }
}
