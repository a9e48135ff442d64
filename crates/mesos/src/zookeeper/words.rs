//! What the four-letter words answer, as text, and how it reads.

use std::fmt;

/// The part a server plays in its ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Leads the quorum.
    Leader,
    /// Follows and votes.
    Follower,
    /// Follows without a vote.
    Observer,
    /// Serves alone, not part of any ensemble.
    Standalone,
    /// Cut off from the quorum, serving reads only.
    ReadOnly,
    /// Runs, but is in no quorum.
    NotServing,
}

impl Mode {
    /// Whether clients are served with reads and writes.
    pub fn is_serving(self) -> bool {
        !matches!(self, Self::NotServing | Self::ReadOnly)
    }

    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "leader" => Self::Leader,
            "follower" => Self::Follower,
            "observer" => Self::Observer,
            "standalone" => Self::Standalone,
            "read-only" => Self::ReadOnly,
            _ => return None,
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::Standalone => "standalone",
            Self::ReadOnly => "read-only",
            Self::NotServing => "not serving",
        })
    }
}

/// The answer to `srvr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srvr {
    /// The part it plays.
    pub mode: Mode,
    /// Its version, without the build's date; none while it is not serving.
    pub version: Option<String>,
    /// How many nodes its tree has.
    pub node_count: Option<u64>,
}

/// The answer to `mntr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// The part it plays.
    pub mode: Mode,
    /// Its version, without the build's date.
    pub version: Option<String>,
    /// On a leader: how many followers are in step with it (one less than the servers, when all is well).
    pub synced_followers: Option<u32>,
    /// On a leader: how many voting servers the ensemble has.
    pub quorum_size: Option<u32>,
    /// Clients connected now.
    pub connections: Option<u32>,
}

/// Why an answer could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    #[error("the word is not in the server's 4lw.commands.whitelist")]
    NotAllowed,
    #[error("it names no mode")]
    NoMode,
    #[error("it is not imok")]
    NotOk,
}

const NOT_SERVING: &str = "is not currently serving requests";
const NOT_ALLOWED: &str = "is not in the whitelist";

impl Srvr {
    pub(super) fn parse(reply: &[u8]) -> Result<Self, Unread> {
        let text = String::from_utf8_lossy(reply);
        if text.contains(NOT_SERVING) {
            return Ok(Self { mode: Mode::NotServing, version: None, node_count: None });
        }
        let field = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.trim() == name)
                .map(|(_, value)| value.trim())
        };
        let mode = field("Mode").and_then(Mode::read).ok_or_else(|| unread(&text))?;
        Ok(Self {
            mode,
            version: field("Zookeeper version").map(without_build_date),
            node_count: field("Node count").and_then(|count| count.parse().ok()),
        })
    }
}

impl Monitor {
    pub(super) fn parse(reply: &[u8]) -> Result<Self, Unread> {
        let text = String::from_utf8_lossy(reply);
        if text.contains(NOT_SERVING) {
            return Ok(Self {
                mode: Mode::NotServing,
                version: None,
                synced_followers: None,
                quorum_size: None,
                connections: None,
            });
        }
        let field = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once('\t'))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim())
        };
        let mode = field("zk_server_state").and_then(Mode::read).ok_or_else(|| unread(&text))?;
        Ok(Self {
            mode,
            version: field("zk_version").map(without_build_date),
            synced_followers: field("zk_synced_followers").and_then(count),
            quorum_size: field("zk_quorum_size").and_then(count),
            connections: field("zk_num_alive_connections").and_then(count),
        })
    }
}

pub(super) fn imok(reply: &[u8]) -> Result<(), Unread> {
    let text = String::from_utf8_lossy(reply);
    if text.trim() == "imok" {
        return Ok(());
    }
    Err(if text.contains(NOT_ALLOWED) { Unread::NotAllowed } else { Unread::NotOk })
}

fn unread(text: &str) -> Unread {
    if text.contains(NOT_ALLOWED) { Unread::NotAllowed } else { Unread::NoMode }
}

/// `3.8.0-5a02a05, built on 2022-02-25 08:49 UTC` → `3.8.0-5a02a05`.
fn without_build_date(text: &str) -> String {
    text.split(',').next().unwrap_or_default().trim().to_owned()
}

/// Some releases print counts as doubles.
fn count(text: &str) -> Option<u32> {
    text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|n| *n >= 0.0).map(|n| n as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MODES: [Mode; 5] = [Mode::Leader, Mode::Follower, Mode::Observer, Mode::Standalone, Mode::ReadOnly];

    #[test]
    fn a_server_outside_a_quorum_is_not_serving() {
        let reply = b"This ZooKeeper instance is not currently serving requests\n";
        assert_eq!(Srvr::parse(reply).unwrap().mode, Mode::NotServing);
        assert_eq!(Monitor::parse(reply).unwrap().mode, Mode::NotServing);
    }

    #[test]
    fn a_word_outside_the_whitelist_is_told_apart() {
        let reply = b"mntr is not executed because it is not in the whitelist.";
        assert_eq!(Monitor::parse(reply), Err(Unread::NotAllowed));
        assert_eq!(
            imok(b"ruok is not executed because it is not in the whitelist."),
            Err(Unread::NotAllowed)
        );
        assert_eq!(imok(b"imok"), Ok(()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(reply in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Srvr::parse(&reply);
            let _ = Monitor::parse(&reply);
            let _ = imok(&reply);
        }

        #[test]
        fn srvr_reads_mode_version_and_nodes(mode in proptest::sample::select(&MODES[..]), nodes: u64, version in "3\\.[0-9]\\.[0-9](-[a-z0-9$.{}]{1,20})?") {
            let reply = format!("Zookeeper version: {version}, built on 2023-10-11 19:34 UTC\nLatency min/avg/max: 0/0.0/0\nReceived: 1\nSent: 0\nConnections: 1\nOutstanding: 0\nZxid: 0x100000000\nMode: {mode}\nNode count: {nodes}\n");
            prop_assert_eq!(Srvr::parse(reply.as_bytes()), Ok(Srvr { mode, version: Some(version), node_count: Some(nodes) }));
        }

        #[test]
        fn mntr_reads_the_leaders_synced_followers(followers in 0u32..10, float: bool) {
            let point = if float { ".0" } else { "" };
            let reply = format!("zk_version\t3.8.0, built on x\nzk_server_state\tleader\nzk_synced_followers\t{followers}{point}\nzk_quorum_size\t{}\nzk_num_alive_connections\t4\n", followers + 1);
            let monitor = Monitor::parse(reply.as_bytes()).unwrap();
            prop_assert_eq!(monitor.mode, Mode::Leader);
            prop_assert_eq!(monitor.synced_followers, Some(followers));
            prop_assert_eq!(monitor.quorum_size, Some(followers + 1));
        }
    }
}
