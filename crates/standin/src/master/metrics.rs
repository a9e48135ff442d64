//! The numbers of `/metrics/snapshot`: what is counted of agents, frameworks and tasks is 0 on a master that does not
//! lead.

use std::collections::BTreeMap;

use super::campaign::Standing;
use super::cluster::Cluster;

/// The snapshot. `running` in seconds since the start.
pub(super) fn snapshot(standing: &Standing, cluster: &Cluster, running: f64) -> BTreeMap<String, f64> {
    let count = |number: usize| number as f64;
    let one = |yes: bool| f64::from(u8::from(yes));
    let agents = || cluster.agents.values();
    let frameworks = || cluster.frameworks.values();
    let connected = agents().filter(|agent| agent.connected).count();
    let active = agents().filter(|agent| agent.connected && !agent.entry.deactivated).count();
    let frameworks_connected = frameworks().filter(|framework| framework.connected).count();
    let tasks: usize = frameworks().map(|framework| framework.subscription.tasks.len()).sum();
    let cpus = agents().fold(0.0, |sum, agent| sum + agent.entry.info.resources.cpus);
    let mem = agents().fold(0.0, |sum, agent| sum + agent.entry.info.resources.mem);
    [
        ("master/elected", one(standing.elected.is_some())),
        ("master/uptime_secs", running),
        ("master/slaves_active", count(active)),
        ("master/slaves_inactive", count(cluster.agents.len() - active)),
        ("master/slaves_connected", count(connected)),
        ("master/slaves_disconnected", count(cluster.agents.len() - connected)),
        ("master/slaves_unreachable", count(cluster.unreachable.len())),
        ("master/frameworks_active", count(frameworks_connected)),
        ("master/frameworks_inactive", count(cluster.frameworks.len() - frameworks_connected)),
        ("master/frameworks_connected", count(frameworks_connected)),
        ("master/frameworks_disconnected", count(cluster.frameworks.len() - frameworks_connected)),
        ("master/tasks_running", count(tasks)),
        ("master/cpus_total", cpus),
        ("master/mem_total", mem),
        ("registrar/log/recovered", one(standing.log_recovered)),
        ("registrar/log/ensemble_size", count(standing.replicas)),
        ("registrar/queued_operations", 0.0),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
