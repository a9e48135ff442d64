//! A ZooKeeper server, asked by its four-letter words over plain TCP: who leads, and do all follow.

mod words;

use std::fmt;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

pub use self::words::{Mode, Monitor, Srvr};

use self::words::Unread;
use crate::error::excerpt;
use crate::{Address, Connect, Error, Peer, Service};

/// Longest reply read: `mntr` is about 10 kB.
const LARGEST_REPLY: u64 = 1 << 20;

/// A client for one ZooKeeper server.
#[derive(Clone)]
pub struct Server {
    connect: Arc<dyn Connect>,
    peer: Peer,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Server").field(&self.peer).finish()
    }
}

impl Server {
    /// The server at `address` (its client port, 2181 unless configured otherwise).
    pub fn new(connect: Arc<dyn Connect>, address: Address) -> Self {
        Self { connect, peer: Peer { service: Service::ZooKeeper, address } }
    }

    /// `srvr`: version and mode. A server that runs outside a quorum answers too: [`Mode::NotServing`].
    ///
    /// # Errors
    /// It could not be asked, or its answer not be read.
    pub async fn srvr(&self, deadline: Instant) -> Result<Srvr, Error> {
        let reply = self.ask("srvr", deadline).await?;
        Srvr::parse(&reply).map_err(|unread| self.unreadable("srvr", unread, &reply))
    }

    /// `mntr`: mode and, on a leader, how many followers are in step.
    ///
    /// # Errors
    /// It could not be asked, its answer could not be read, or the word is not in the server's whitelist
    /// (`4lw.commands.whitelist`; by default only `srvr` is).
    pub async fn mntr(&self, deadline: Instant) -> Result<Monitor, Error> {
        let reply = self.ask("mntr", deadline).await?;
        Monitor::parse(&reply).map_err(|unread| self.unreadable("mntr", unread, &reply))
    }

    /// Whether the process runs (`ruok` → `imok`): nothing about a quorum.
    ///
    /// # Errors
    /// It could not be asked, or answered anything but `imok`.
    pub async fn ruok(&self, deadline: Instant) -> Result<(), Error> {
        let reply = self.ask("ruok", deadline).await?;
        words::imok(&reply).map_err(|unread| self.unreadable("ruok", unread, &reply))
    }

    async fn ask(&self, word: &'static str, deadline: Instant) -> Result<Vec<u8>, Error> {
        match timeout_at(deadline, self.exchange(word)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Deadline { peer: self.peer.clone(), question: word.to_owned() }),
        }
    }

    async fn exchange(&self, word: &'static str) -> Result<Vec<u8>, Error> {
        let Address { host, port } = &self.peer.address;
        let mut stream = self.connect.connect(host, *port).await.map_err(|source| Error::Connect {
            peer: self.peer.clone(),
            question: word.to_owned(),
            source,
        })?;
        let mut reply = Vec::new();
        let outcome = async {
            stream.write_all(word.as_bytes()).await?;
            stream.flush().await?;
            // Not shut down on our side: the server closes when it has answered, and drops a half-closed asker.
            stream.take(LARGEST_REPLY).read_to_end(&mut reply).await
        };
        match outcome.await {
            Ok(_) => Ok(reply),
            // A server may reset after its last byte; what came before is the answer.
            Err(_) if !reply.is_empty() => Ok(reply),
            Err(error) => Err(Error::Broken {
                peer: self.peer.clone(),
                question: word.to_owned(),
                source: Box::new(error),
            }),
        }
    }

    fn unreadable(&self, word: &str, unread: Unread, reply: &[u8]) -> Error {
        Error::Unreadable {
            peer: self.peer.clone(),
            question: word.to_owned(),
            reason: unread.to_string(),
            text: excerpt(reply),
        }
    }
}
