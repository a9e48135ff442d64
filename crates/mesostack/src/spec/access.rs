//! The section `[access]`: who may reach the cluster, as whom, and where.

use std::{net::Ipv4Addr, str::FromStr};

use ipnet::Ipv4Net;

use super::{
    Access, AgentAccess, Bootstrap,
    place::Place,
    problem::Problem,
    read::{choice, read_login},
    section::{Findings, Located, Section},
};

/// Where the first forwards are, and where the file says so.
pub(super) struct FirstPorts {
    pub(super) master: Located<u32>,
    pub(super) agent: Located<u32>,
    /// Whether agents have forwards at all.
    pub(super) agents: AgentAccess,
}

/// `None` only together with a problem.
pub(super) fn read_access(
    mut access: Section<'_>,
    found: &mut Findings,
    place: &Place,
) -> (Option<Access>, FirstPorts) {
    let key_pair = access.text_or(found, "key_pair", "mesostack").value;
    let private_key = place.resolve(&access.text_or(found, "private_key", "~/.ssh/mesostack").value);
    let user = read_login(&mut access, found, "debian");
    let allow = read_allow(&mut access, found);
    let bootstraps = [("ssh", Bootstrap::Ssh), ("user-data", Bootstrap::UserData)];
    let bootstrap = choice(&mut access, found, "bootstrap", bootstraps);
    let ways = [("forward", AgentAccess::Forward), ("bastion", AgentAccess::Bastion)];
    let agents = choice(&mut access, found, "agents", ways);
    let master = access.number_or(found, "first_master_port", 1..=65535, 1222);
    let agent = access.number_or(found, "first_agent_port", 1..=65535, 2222);
    access.finish(found);
    let port = |port: &Located<u32>| u16::try_from(port.value).unwrap_or(u16::MAX);
    let (first_master_port, first_agent_port) = (port(&master), port(&agent));
    let access = allow.map(|allow| Access {
        key_pair,
        private_key,
        user,
        allow,
        bootstrap,
        agents,
        first_master_port,
        first_agent_port,
    });
    (access, FirstPorts { master, agent, agents })
}

fn read_allow(access: &mut Section<'_>, found: &mut Findings) -> Option<Vec<Ipv4Net>> {
    const HELP: &str = "the networks operators come from, such as allow = [\"203.0.113.0/24\"]; to open the cluster \
                        to the world, write allow = [\"0.0.0.0/0\"]";
    let Some(entries) = access.texts(found, "allow") else {
        if !found.places.contains_key("access.allow") {
            let problem =
                Problem::new(access.span(), "`access.allow` has to be given: nothing is opened unasked");
            found.refuse(problem.help(HELP));
        }
        return None;
    };
    if entries.value.is_empty() {
        let problem = Problem::new(entries.span, "`access.allow` is empty: nobody could reach the cluster");
        found.refuse(problem.help(HELP));
        return None;
    }
    let mut allow = Vec::new();
    for entry in entries.value {
        match read_source(&entry.value) {
            Ok(range) => {
                if range.prefix_len() == 0 {
                    found.warn(entry.span, "SSH and both user interfaces are open to the whole world");
                }
                if !allow.contains(&range) {
                    allow.push(range);
                }
            }
            Err(complaint) => found.refuse(Problem::new(entry.span, complaint)),
        }
    }
    Some(allow)
}

/// A range, or one address without a prefix.
fn read_source(text: &str) -> Result<Ipv4Net, String> {
    if let Ok(address) = Ipv4Addr::from_str(text) {
        return Ok(Ipv4Net::from(address));
    }
    let range = Ipv4Net::from_str(text).map_err(|_| format!("`{text}` is not an IPv4 address or range"))?;
    if range.trunc() != range {
        return Err(format!("{range} has bits set beyond its prefix; {} is the range", range.trunc()));
    }
    Ok(range)
}
