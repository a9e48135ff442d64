//! A Marathon instance. Whatever is asked of one that does not lead is passed on to the one that does, and only the
//! header `X-Marathon-Via` tells; so "the leader answered through this instance" is part of every answer here.

use std::sync::Arc;

use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use crate::http::{Answer, Daemon};
use crate::{Address, Connect, Error, Service};

/// A client for one Marathon instance.
#[derive(Debug, Clone)]
pub struct Marathon {
    daemon: Daemon,
}

/// How an instance answers a ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ping {
    /// It leads, and answered itself.
    Leading,
    /// The leader answered through it.
    Proxied {
        /// The instances passed, as `X-Marathon-Via` has them.
        via: String,
    },
    /// It runs, but knows of no leader (status 502).
    NoLeader,
}

/// What the leading Marathon says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its version.
    pub version: String,
    /// Where the leader is reached by the other instances.
    pub leader: Option<Address>,
    /// Its framework id with Mesos; absent before its first registration.
    pub framework_id: Option<String>,
    /// Whether the instance asked is itself the leader.
    pub is_leader: bool,
}

impl Marathon {
    /// The instance at `address` (port 8080 unless configured otherwise).
    pub fn new(connect: Arc<dyn Connect>, address: Address) -> Self {
        Self { daemon: Daemon::new(Service::Marathon, connect, address) }
    }

    /// Whether it answers, and who answers. An instance without a leader takes about 3 s to say so.
    ///
    /// # Errors
    /// It could not be asked, or answered with a status other than 200 and 502.
    pub async fn ping(&self, deadline: Instant) -> Result<Ping, Error> {
        let answer = self.daemon.get("/ping", deadline).await?;
        match answer.status {
            StatusCode::OK => Ok(via(&answer).map_or(Ping::Leading, |via| Ping::Proxied { via })),
            StatusCode::BAD_GATEWAY => Ok(Ping::NoLeader),
            _ => Err(answer.refused()),
        }
    }

    /// Version, leader and framework id, as the leader tells them.
    ///
    /// # Errors
    /// It could not be asked, there is no leader (status 502), or the answer could not be read.
    pub async fn info(&self, deadline: Instant) -> Result<Info, Error> {
        let answer = self.daemon.get("/v2/info", deadline).await?.ok()?;
        let proxied = via(&answer).is_some();
        let wire: InfoReply = answer.decode()?;
        Ok(wire.info(proxied))
    }

    /// Where the leader is; none when there is none.
    ///
    /// # Errors
    /// It could not be asked, or the answer could not be read.
    pub async fn leader(&self, deadline: Instant) -> Result<Option<Address>, Error> {
        let answer = self.daemon.get("/v2/leader", deadline).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::BAD_GATEWAY => Ok(None),
            _ => Ok(answer.json::<LeaderReply>()?.leader.and_then(|leader| leader.parse().ok())),
        }
    }
}

fn via(answer: &Answer) -> Option<String> {
    answer.header("x-marathon-via").map(str::to_owned)
}

#[derive(Deserialize)]
struct LeaderReply {
    leader: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InfoReply {
    #[serde(default)]
    version: String,
    leader: Option<String>,
    framework_id: Option<String>,
    elected: Option<bool>,
}

impl InfoReply {
    /// `elected` is the leader's own word even when it was passed on, so it only counts unpassed.
    fn info(self, proxied: bool) -> Info {
        Info {
            version: self.version,
            leader: self.leader.and_then(|leader| leader.parse().ok()),
            framework_id: self.framework_id,
            is_leader: !proxied && self.elected.unwrap_or(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::from_json;
    use proptest::prelude::*;

    #[test]
    fn a_proxied_answer_never_makes_the_asked_instance_the_leader() {
        let reply = || -> InfoReply {
            from_json(br#"{"name":"marathon","version":"1.11.24","elected":true,"leader":"10.0.0.11:8080","frameworkId":"f-0000"}"#).unwrap()
        };
        assert!(!reply().info(true).is_leader);
        let info = reply().info(false);
        assert!(info.is_leader);
        assert_eq!(info.leader, Some(Address::new("10.0.0.11", 8080)));
        assert_eq!(info.framework_id.as_deref(), Some("f-0000"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = from_json::<InfoReply>(&body);
            let _ = from_json::<LeaderReply>(&body);
        }
    }
}
