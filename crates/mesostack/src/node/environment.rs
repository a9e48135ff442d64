//! What Mesos and Marathon are told: environment variables in files, so that nothing stands in a process's arguments.
//!
//! Mesos reads every flag from `MESOS_<FLAG>` as well, Marathon (1.5 and later) from `MARATHON_<FLAG>`. Values hold no blanks
//! and no quotes: systemd and container engines would read those differently.

use super::{
    Facts, File, Unit,
    places::{self, AGENT_PORT, MARATHON_LIBPROCESS_PORT, MARATHON_PORT, MASTER_PORT},
};
use crate::spec::{self, Node, Spec};

/// The master's. It advertises the public address as its host name: redirects and the user interface's own requests then
/// lead back to the gateway. Daemons among themselves use `MESOS_IP`.
pub(super) fn master(spec: &Spec, (masters, quorum): (&[Node], u16), own: &Node, facts: &Facts) -> File {
    file(
        Unit::MesosMaster,
        "mesos-master",
        &[
            ("MESOS_ZK", places::zookeeper_url(masters, "mesos")),
            ("MESOS_QUORUM", quorum.to_string()),
            ("MESOS_CLUSTER", spec.cluster.name.clone()),
            ("MESOS_IP", own.address.to_string()),
            ("MESOS_PORT", MASTER_PORT.to_string()),
            ("MESOS_HOSTNAME", facts.public_address.to_string()),
            ("MESOS_WORK_DIR", "/var/lib/mesos/master".to_owned()),
            // Some builds have a wrong place compiled in.
            ("MESOS_WEBUI_DIR", "/usr/share/mesos/webui".to_owned()),
        ],
    )
}

/// The agent's. Tasks run with the posix launcher and isolators: they measure but do not confine, and work wherever the
/// agent runs, while the linux ones need a kind of cgroups that depends on the host, the distribution and Mesos' own version.
/// Support for systemd is off because it stops the agent on hosts with cgroups v2.
pub(super) fn agent(spec: &Spec, masters: &[Node], own: &Node, facts: &Facts) -> File {
    let mut variables = vec![
        ("MESOS_MASTER", places::zookeeper_url(masters, "mesos")),
        ("MESOS_IP", own.address.to_string()),
        ("MESOS_PORT", AGENT_PORT.to_string()),
        ("MESOS_HOSTNAME", places::host_name(spec, own)),
        ("MESOS_WORK_DIR", "/var/lib/mesos/agent".to_owned()),
        ("MESOS_FETCHER_CACHE_DIR", "/var/lib/mesos/fetcher-cache".to_owned()),
        ("MESOS_CONTAINERIZERS", "mesos".to_owned()),
        ("MESOS_LAUNCHER", "posix".to_owned()),
        ("MESOS_ISOLATION", "posix/cpu,posix/mem".to_owned()),
        ("MESOS_SYSTEMD_ENABLE_SUPPORT", "false".to_owned()),
        // A larger offering or a new attribute is no reason for an agent to refuse its own tasks.
        ("MESOS_RECONFIGURATION_POLICY", "additive".to_owned()),
    ];
    if let Some(template) = &facts.template {
        variables.push(("MESOS_ATTRIBUTES", format!("image:{}", attribute(template))));
    }
    file(Unit::MesosAgent, "mesos-agent", &variables)
}

/// Marathon's. Masters and agents call it back at `LIBPROCESS_*`, other instances at its host name.
pub(super) fn marathon(masters: &[Node], own: &Node, facts: &Facts) -> File {
    let own = own.address.to_string();
    file(
        Unit::Marathon,
        "marathon",
        &[
            ("MARATHON_MASTER", places::zookeeper_url(masters, "mesos")),
            ("MARATHON_ZK", places::zookeeper_url(masters, "marathon")),
            ("MARATHON_HOSTNAME", own.clone()),
            ("MARATHON_HTTP_ADDRESS", own.clone()),
            ("MARATHON_HTTP_PORT", MARATHON_PORT.to_string()),
            // Marathon's own user does not exist on agents.
            ("MARATHON_MESOS_USER", "root".to_owned()),
            ("MARATHON_WEBUI_URL", places::public_url(facts.public_address, spec::MARATHON)),
            ("MARATHON_MESOS_LEADER_UI_URL", places::public_url(facts.public_address, spec::MESOS)),
            ("LIBPROCESS_IP", own),
            ("LIBPROCESS_PORT", MARATHON_LIBPROCESS_PORT.to_string()),
            ("JAVA_OPTS", "-Xmx384m".to_owned()),
        ],
    )
}

fn file(unit: Unit, name: &str, variables: &[(&str, String)]) -> File {
    let mut text = "# Written by mesostack\n".to_owned();
    for (variable, value) in variables {
        text.push_str(&format!("{variable}={value}\n"));
    }
    // Not for everybody's eyes: this is where credentials will stand.
    let path = format!("{}/{name}.env", places::DIRECTORY);
    File { mode: 0o600, ..File::public(path, text, &[unit]) }
}

/// An attribute's text: Mesos takes letters, digits and a few signs.
fn attribute(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' }).collect()
}
