//! The bodies a master answers with, read leniently: only what an operator needs, and an absent field is an empty one.

use serde::Deserialize;

use crate::Address;
use crate::http::from_json;

/// `/state`, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Version (`1.11.0`).
    pub version: String,
    /// This master's id, new at every start.
    pub id: String,
    /// libprocess pid, `master@10.0.0.11:5050`.
    pub pid: String,
    /// The host name it advertises.
    pub hostname: String,
    /// The cluster's name, when it has one.
    pub cluster: Option<String>,
    /// Who leads.
    pub leader: Option<LeaderInfo>,
    /// Agents registered, active or not.
    pub agents: Vec<RegisteredAgent>,
    /// Frameworks registered.
    pub frameworks: Vec<Framework>,
}

/// Who leads, as the masters tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderInfo {
    /// The leader's id.
    pub id: String,
    /// Its libprocess pid.
    pub pid: String,
    /// The host name it advertises; the user interface sends browsers there.
    pub hostname: String,
    /// Its port.
    pub port: u16,
}

/// An agent in the leading master's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredAgent {
    /// The id the master gave it.
    pub id: String,
    /// The host name it advertises.
    pub hostname: String,
    /// Where it listens, from its pid.
    pub address: Option<Address>,
    /// Whether it is connected and gets offers.
    pub active: bool,
    /// Whether an operator deactivated it (draining included).
    pub deactivated: bool,
    /// Its version.
    pub version: String,
}

/// A framework in the leading master's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framework {
    /// The id the master gave it.
    pub id: String,
    /// Its name (`marathon`).
    pub name: String,
    /// The host it runs on.
    pub hostname: String,
    /// Whether it is connected and gets offers.
    pub active: bool,
}

#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) version: String,
}

impl State {
    /// Reads the reply's body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let reply: StateReply = from_json(body)?;
        Ok(Self {
            version: reply.version,
            id: reply.id,
            pid: reply.pid,
            hostname: reply.hostname,
            cluster: reply.cluster,
            leader: reply.leader_info.map(|leader| LeaderInfo {
                id: leader.id,
                pid: leader.pid,
                hostname: leader.hostname,
                port: leader.port,
            }),
            agents: reply.slaves.into_iter().map(AgentReply::agent).collect(),
            frameworks: reply.frameworks.into_iter().map(FrameworkReply::framework).collect(),
        })
    }
}

/// Reads the body of `/slaves`.
pub(super) fn agents(body: &[u8]) -> Result<Vec<RegisteredAgent>, String> {
    let reply: AgentsReply = from_json(body)?;
    Ok(reply.slaves.into_iter().map(AgentReply::agent).collect())
}

/// Whom a master's `Location` names, and the path there. It is without a scheme: `//host:5050/slaves`.
pub(super) fn location(text: &str) -> Option<(Address, String)> {
    let rest = text.split_once("//").filter(|(scheme, _)| matches!(*scheme, "" | "http:" | "https:"))?.1;
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    Some((authority.parse().ok()?, path.to_owned()))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct StateReply {
    version: String,
    id: String,
    pid: String,
    hostname: String,
    cluster: Option<String>,
    leader_info: Option<LeaderReply>,
    slaves: Vec<AgentReply>,
    frameworks: Vec<FrameworkReply>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LeaderReply {
    id: String,
    pid: String,
    hostname: String,
    port: u16,
}

#[derive(Deserialize)]
struct AgentsReply {
    slaves: Vec<AgentReply>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AgentReply {
    id: String,
    hostname: String,
    pid: String,
    active: bool,
    deactivated: bool,
    version: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FrameworkReply {
    id: String,
    name: String,
    hostname: String,
    active: bool,
}

impl AgentReply {
    fn agent(self) -> RegisteredAgent {
        RegisteredAgent {
            address: Address::from_pid(&self.pid),
            id: self.id,
            hostname: self.hostname,
            active: self.active,
            deactivated: self.deactivated,
            version: self.version,
        }
    }
}

impl FrameworkReply {
    fn framework(self) -> Framework {
        Framework { id: self.id, name: self.name, hostname: self.hostname, active: self.active }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_leaders_state_is_read() {
        let state = State::parse(
            br#"{"version":"1.11.0","id":"a","pid":"master@10.0.0.11:5050","hostname":"198.18.0.10","leader":"master@10.0.0.11:5050",
                "leader_info":{"id":"a","pid":"master@10.0.0.11:5050","port":5050,"hostname":"198.18.0.10"},
                "slaves":[{"id":"a-S0","hostname":"agent-1","port":5051,"pid":"slave(1)@10.0.0.21:5051","active":true,"version":"1.11.0"}],
                "frameworks":[{"id":"a-0000","name":"marathon","hostname":"10.0.0.11","active":true}],"flags":{}}"#,
        )
        .unwrap();
        assert_eq!(state.leader.unwrap().hostname, "198.18.0.10");
        assert_eq!(state.agents[0].address, Some(Address::new("10.0.0.21", 5051)));
        assert!(state.agents[0].active);
        assert_eq!(state.frameworks[0].name, "marathon");
    }

    #[test]
    fn a_reply_that_is_not_the_list_is_refused_with_the_fields_name() {
        assert!(agents(b"{}").unwrap_err().contains("slaves"));
        assert!(agents(br#"{"slaves":[{"id":7}]}"#).unwrap_err().contains("slaves[0].id"));
    }

    #[test]
    fn locations_are_read_with_and_without_scheme_and_path() {
        let leader = || Address::new("m1", 5050);
        assert_eq!(location("//m1:5050"), Some((leader(), String::new())));
        assert_eq!(location("//m1:5050/slaves?x=1"), Some((leader(), "/slaves?x=1".into())));
        assert_eq!(location("http://m1:5050/"), Some((leader(), "/".into())));
        assert_eq!(location("/elsewhere"), None);
        assert_eq!(location("ftp://m1:5050/"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,80}") {
            let _ = State::parse(&body);
            let _ = agents(&body);
            let _ = location(&text);
        }
    }
}
