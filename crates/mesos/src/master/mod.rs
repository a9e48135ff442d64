//! A Mesos master. Some questions any master answers for itself (health, metrics, version, who leads); the others
//! only the leading one answers, and every other points to it: that is [`Reply`].

mod replies;

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::Instant;

pub use self::replies::{Framework, LeaderInfo, RegisteredAgent, State};

use crate::http::{Answer, Daemon};
use crate::{Address, Connect, Error, Metrics, Service};

/// A client for one Mesos master.
#[derive(Debug, Clone)]
pub struct Master {
    daemon: Daemon,
}

/// The answer to a question that only the leading master answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<T> {
    /// The master asked leads, and this is its answer.
    Leading(T),
    /// It does not lead; it points to the leader's *advertised* address, or knows of none.
    NotLeading(Option<Address>),
}

impl<T> Reply<T> {
    /// The answer, if the master asked leads.
    pub fn leading(self) -> Option<T> {
        match self {
            Self::Leading(answer) => Some(answer),
            Self::NotLeading(_) => None,
        }
    }
}

impl Master {
    /// The master at `address` (port 5050 unless configured otherwise).
    pub fn new(connect: Arc<dyn Connect>, address: Address) -> Self {
        Self { daemon: Daemon::new(Service::Master, connect, address) }
    }

    /// Where it is asked.
    pub fn address(&self) -> &Address {
        self.daemon.address()
    }

    /// Whether it runs and answers: nothing about leadership.
    ///
    /// # Errors
    /// It could not be asked, or answered with anything but 200.
    pub async fn health(&self, deadline: Instant) -> Result<(), Error> {
        self.daemon.get("/health", deadline).await?.ok().map(drop)
    }

    /// Its metrics, among them whether it is elected and whether its log has recovered.
    ///
    /// # Errors
    /// It could not be asked, or its answer not be read.
    pub async fn metrics(&self, deadline: Instant) -> Result<Metrics, Error> {
        let answer = self.daemon.get("/metrics/snapshot", deadline).await?.ok()?;
        Metrics::parse(&answer.body).map_err(|reason| answer.unreadable(reason))
    }

    /// Its version (`1.11.0`).
    ///
    /// # Errors
    /// It could not be asked, or its answer not be read.
    pub async fn version(&self, deadline: Instant) -> Result<String, Error> {
        Ok(self.daemon.get("/version", deadline).await?.json::<replies::Version>()?.version)
    }

    /// The leader's advertised host name and port, as this master's `/redirect` has them; none when none is elected.
    ///
    /// # Errors
    /// It could not be asked, or its answer not be read.
    pub async fn leader(&self, deadline: Instant) -> Result<Option<Address>, Error> {
        let answer = self.daemon.get("/redirect", deadline).await?;
        match redirected(&answer) {
            Some(leader) => Ok(leader),
            None => Err(answer.refused()),
        }
    }

    /// The whole state: large on a large cluster (about 2 kB an agent).
    ///
    /// # Errors
    /// It could not be asked, or its answer not be read.
    pub async fn state(&self, deadline: Instant) -> Result<Reply<State>, Error> {
        self.ask_leader("/state", deadline, |answer| {
            State::parse(&answer.body).map_err(|reason| answer.unreadable(reason))
        })
        .await
    }

    /// The agents registered with it.
    ///
    /// # Errors
    /// It could not be asked, or its answer not be read.
    pub async fn agents(&self, deadline: Instant) -> Result<Reply<Vec<RegisteredAgent>>, Error> {
        self.ask_leader("/slaves", deadline, |answer| {
            replies::agents(&answer.body).map_err(|reason| answer.unreadable(reason))
        })
        .await
    }

    /// Takes an agent out of service for good: it gets no more tasks, those it has are ended within `grace`, and once none
    /// is left (and their frameworks know) the master knows the agent no more, and takes it back never again. That takes
    /// time; [`agents`](Self::agents) tells when it is over. It cannot be undone.
    ///
    /// # Errors
    /// It could not be asked, or refused: it knows no such agent, or the agent is part of a maintenance schedule.
    pub async fn drain(&self, agent: &str, grace: Duration, deadline: Instant) -> Result<Reply<()>, Error> {
        let body = serde_json::json!({
            "type": "DRAIN_AGENT",
            "drain_agent": {
                "agent_id": { "value": agent },
                "max_grace_period": { "seconds": grace.as_secs() },
                "mark_gone": true,
            },
        });
        let answer = self.daemon.post("/api/v1", &body, "DRAIN_AGENT", deadline).await?;
        leaders(answer, |answer| answer.ok().map(drop))
    }

    async fn ask_leader<T>(
        &self,
        path: &str,
        deadline: Instant,
        read: impl FnOnce(Answer) -> Result<T, Error>,
    ) -> Result<Reply<T>, Error> {
        let answer = self.daemon.get(path, deadline).await?;
        leaders(answer, |answer| read(answer.ok()?))
    }
}

/// What a question that only the leader answers came to.
fn leaders<T>(answer: Answer, read: impl FnOnce(Answer) -> Result<T, Error>) -> Result<Reply<T>, Error> {
    match redirected(&answer) {
        Some(leader) => Ok(Reply::NotLeading(leader)),
        None => read(answer).map(Reply::Leading),
    }
}

/// Whether the answer points elsewhere: to the leader, or to nobody since none is elected. A 503 of another kind
/// (a fresh leader that has not finished recovery) is not that.
fn redirected(answer: &Answer) -> Option<Option<Address>> {
    match answer.status {
        StatusCode::TEMPORARY_REDIRECT => {
            answer.header("location").and_then(replies::location).map(|leader| Some(leader.0))
        }
        StatusCode::SERVICE_UNAVAILABLE if contains(&answer.body, b"No leader elected") => Some(None),
        _ => None,
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
