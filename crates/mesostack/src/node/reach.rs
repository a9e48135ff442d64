//! The way to nodes over SSH: by a port of the public address, or through a master.
//!
//! There is one connection to each master, and everything to the nodes behind it goes over that one: sshd limits the
//! connections that are being made and the commands on one (MaxStartups, MaxSessions), but not the streams it carries.
//! How many there are is bounded by how many nodes are worked on at once, and by how many sessions are [`KEPT`].

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future};
use remote::{HostKey, Identity, Session, Target, wait_until_reachable, wait_until_reachable_through};
use tokio::{sync::Mutex, time::Instant};

use super::{Error, drain::Drainings};
use crate::spec::{Node, Role};

/// The port SSH listens on, on every node.
const SSH: u16 = 22;
/// How long the master whose turn it is is waited for before others are asked as well.
const HEAD_START: Duration = Duration::from_secs(2);
/// How many nodes' sessions are kept for later; beyond that, an agent's is closed when its work is done, or it was asked how
/// it does.
const KEPT: usize = 100;

/// Where a node is, and how it proves that it is the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// The node; its `ssh_port`, if it has one, is forwarded to it on the public address.
    pub node: Node,
    /// The cluster's public address.
    pub public_address: Ipv4Addr,
    /// The key the node has to show.
    pub host_key: HostKey,
    /// The masters it is reached through when it has no port of its own. Any of them will do.
    pub masters: Arc<[Whereabouts]>,
}

/// Nodes reached over SSH. Connections are kept and shared.
#[derive(Debug)]
pub struct SshNodes {
    user: String,
    identity: Identity,
    /// The port SSH listens on, on every node.
    pub(super) ssh: u16,
    /// A place for each node's session, so that nodes are reached side by side but none of them twice at once.
    places: Mutex<HashMap<(Ipv4Addr, u16), Arc<Place>>>,
    /// What drainings share.
    pub(super) drainings: Drainings,
}

/// Where a node's session is kept; locked while the node is being reached.
#[derive(Debug, Default)]
struct Place {
    session: Mutex<Option<Session>>,
    /// The last time others wanted to go through it, it kept them waiting.
    late: AtomicBool,
}

impl Place {
    /// The session, if there is one already.
    fn open(&self) -> Option<Session> {
        let place = self.session.try_lock().ok()?;
        place.as_ref().filter(|session| !session.is_closed()).cloned()
    }
}

impl SshNodes {
    /// Logs in to all nodes as `user` with `identity`.
    pub fn new(user: impl Into<String>, identity: Identity) -> Self {
        let (places, drainings) = (Mutex::default(), Drainings::default());
        Self { user: user.into(), identity, ssh: SSH, places, drainings }
    }

    /// A session with the node: the one there is, or a new one as soon as the node answers.
    ///
    /// # Errors
    /// When it is not reached by `deadline`, or shows another host key.
    pub async fn reach(&self, at: &Whereabouts, deadline: Instant) -> Result<Session, Error> {
        let failed = |source| Error::Remote { node: at.node.name(), source };
        if at.node.ssh_port.is_some() {
            return self.reach_directly(at, deadline).await.map_err(failed);
        }
        if at.masters.is_empty() {
            return Err(Error::NoMaster { node: at.node.name() });
        }
        let jump = |attempts| self.master_for(at, attempts, deadline);
        let target = self.target(at);
        let reach = wait_until_reachable_through(jump, &target, &self.identity, deadline);
        self.kept(at, &target, reach).await.map_err(failed)
    }

    async fn reach_directly(&self, at: &Whereabouts, deadline: Instant) -> Result<Session, remote::Error> {
        let target = self.target(at);
        self.kept(at, &target, wait_until_reachable(&target, &self.identity, deadline)).await
    }

    /// The session that is kept for a node, or the one `reach` comes to.
    async fn kept(
        &self,
        at: &Whereabouts,
        target: &Target,
        reach: impl Future<Output = Result<Session, remote::Error>>,
    ) -> Result<Session, remote::Error> {
        let place = self.place(at).await;
        let mut kept = place.session.lock().await;
        if let Some(session) =
            kept.as_ref().filter(|session| !session.is_closed() && session.target() == target)
        {
            return Ok(session.clone());
        }
        let session = reach.await?;
        place.late.store(false, Ordering::Relaxed);
        *kept = Some(session.clone());
        Ok(session)
    }

    /// A session with a master that the node may be reached through. Nodes take turns with the masters, and a node takes
    /// another one with every attempt. One that is not there at once is not waited for when another is.
    async fn master_for(
        &self,
        at: &Whereabouts,
        attempts: usize,
        deadline: Instant,
    ) -> Result<Session, remote::Error> {
        let first = (usize::from(at.node.number) + attempts) % at.masters.len();
        let (earlier, later) = at.masters.split_at(first);
        let mut places = Vec::new();
        for master in later.iter().chain(earlier) {
            places.push((master, self.place(master).await));
        }
        let open = |places: &[(&Whereabouts, Arc<Place>)]| places.iter().find_map(|(_, place)| place.open());
        let late = places[0].1.late.load(Ordering::Relaxed);
        let at_once = if late { open(&places) } else { places[0].1.open() };
        if let Some(session) = at_once {
            return Ok(session);
        }
        let others = async {
            tokio::time::sleep(HEAD_START).await;
            places[0].1.late.store(true, Ordering::Relaxed);
            match open(&places) {
                Some(session) => Ok(session),
                None => {
                    let all = at.masters.iter().map(|master| self.reach_directly(master, deadline).boxed());
                    future::select_ok(all).await.map(|(session, _)| session)
                }
            }
        };
        let own_turn = self.reach_directly(places[0].0, deadline);
        future::select_ok([own_turn.boxed(), others.boxed()]).await.map(|(session, _)| session)
    }

    /// Ends the connection to an agent whose work is done, when there are many.
    pub(super) async fn done_with(&self, at: &Whereabouts) {
        if at.node.role == Role::Agent && self.places.lock().await.len() > KEPT {
            self.forget(at).await;
        }
    }

    /// The next one to reach this node gets a new connection.
    pub(super) async fn forget(&self, at: &Whereabouts) {
        self.places.lock().await.remove(&self.address(at));
    }

    async fn place(&self, at: &Whereabouts) -> Arc<Place> {
        Arc::clone(self.places.lock().await.entry(self.address(at)).or_default())
    }

    fn target(&self, at: &Whereabouts) -> Target {
        let (host, port) = self.address(at);
        Target { host: host.to_string(), port, user: self.user.clone(), host_key: at.host_key.clone() }
    }

    /// Where the node's SSH answers: on the public address, or on its own where only a master can reach it.
    fn address(&self, at: &Whereabouts) -> (Ipv4Addr, u16) {
        match at.node.ssh_port {
            Some(port) => (at.public_address, port),
            None => (at.node.address, self.ssh),
        }
    }
}
