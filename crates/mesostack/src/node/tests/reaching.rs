//! Nodes behind the masters, reached through real SSH servers on loopback.

use std::{sync::Arc, time::Duration};

use remote::{Command, Identity, Session, Target};
use tokio::time::Instant;

#[expect(dead_code, reason = "other tests need the rest")]
#[path = "../../../../remote/tests/sshd/server.rs"]
mod server;

use self::server::Server;
use super::*;

/// A cluster of masters that are servers of their own, and agents that are all the same server.
struct Lab {
    masters: Vec<Option<Server>>,
    whereabouts: Arc<[Whereabouts]>,
    behind: Server,
    nodes: SshNodes,
}

impl Lab {
    /// `None`, with a printed reason, where there is no SSH server.
    fn of(masters: u16) -> Option<Self> {
        let identity = Identity::generate();
        let authorized = [identity.public_openssh()];
        let behind = Server::start(&authorized)?;
        let masters: Vec<_> = (0..masters).map(|_| Server::start(&authorized)).collect();
        let targets = masters.iter().flatten().map(Server::target).zip(1..);
        let whereabouts =
            targets.map(|(target, number)| at(Role::Master, number, &target, Some(target.port)));
        let whereabouts = whereabouts.collect();
        let user = behind.target().user;
        let mut nodes = SshNodes::new(user, identity);
        nodes.ssh = behind.target().port;
        Some(Self { masters, whereabouts, behind, nodes })
    }

    fn agent(&self, number: u16) -> Whereabouts {
        let agent = at(Role::Agent, number, &self.behind.target(), None);
        Whereabouts { masters: Arc::clone(&self.whereabouts), ..agent }
    }

    /// How many have logged in at a master.
    fn logins(&self, master: usize) -> usize {
        let server = self.masters[master].as_ref().expect("it runs");
        server.log().matches("Accepted publickey").count()
    }
}

fn at(role: Role, number: u16, target: &Target, ssh_port: Option<u16>) -> Whereabouts {
    let address = target.host.parse().expect("an address");
    Whereabouts {
        node: Node { role, number, address, ssh_port },
        public_address: address,
        host_key: target.host_key.clone(),
        masters: Arc::new([]),
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

async fn answers(session: &Session) -> bool {
    let output = session.run(&Command::new("echo well"), deadline(), |_, _| ()).await;
    output.is_ok_and(|output| output.stdout_text() == "well\n")
}

#[tokio::test]
async fn agents_share_one_connection_to_each_master_and_take_turns() {
    let Some(lab) = Lab::of(2) else { return };
    let agents: Vec<_> = (1..=6).map(|number| lab.agent(number)).collect();
    // They are one server here, so that one is forgotten before the next is reached.
    for agent in &agents {
        assert!(answers(&lab.nodes.reach(agent, deadline()).await.expect("reached")).await);
        lab.nodes.forget(agent).await;
    }
    assert_eq!([lab.logins(0), lab.logins(1)], [1, 1]);
    assert_eq!(lab.behind.log().matches("Accepted publickey").count(), 6);
}

#[tokio::test]
async fn a_master_that_is_gone_costs_a_moment_once_and_then_nothing() {
    let Some(mut lab) = Lab::of(2) else { return };
    // The first agent's turn is the second master's.
    lab.masters[1] = None;
    let began = Instant::now();
    assert!(answers(&lab.nodes.reach(&lab.agent(1), deadline()).await.expect("reached")).await);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    lab.nodes.forget(&lab.agent(3)).await;
    let began = Instant::now();
    assert!(answers(&lab.nodes.reach(&lab.agent(3), deadline()).await.expect("reached")).await);
    assert!(began.elapsed() < Duration::from_millis(1900), "{:?}", began.elapsed());
    assert_eq!(lab.logins(0), 1);
}

#[tokio::test]
async fn a_lost_master_costs_a_status_seconds_and_not_its_whole_time() {
    let Some(mut lab) = Lab::of(3) else { return };
    lab.masters[1] = None;
    let began = Instant::now();
    let status =
        status(&lab.nodes, &lab.whereabouts, &spec(3, 1).agents(), began + Duration::from_secs(120)).await;
    // Nothing but SSH runs there; each was asked all the same, the lost one through another.
    assert_eq!(status.zookeeper.len(), 3);
    assert!(status.problems.iter().all(|problem| !problem.contains("not reached")), "{:?}", status.problems);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn when_the_master_in_between_dies_another_takes_its_place() {
    let Some(mut lab) = Lab::of(2) else { return };
    let agent = lab.agent(1);
    let session = lab.nodes.reach(&agent, deadline()).await.expect("reached");
    assert_eq!([lab.logins(0), lab.logins(1)], [0, 1]);
    lab.masters[1].as_ref().expect("it runs").end_connections();
    lab.masters[1] = None;
    while !session.is_closed() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(answers(&lab.nodes.reach(&agent, deadline()).await.expect("reached again")).await);
    assert_eq!(lab.logins(0), 1);
}

#[tokio::test]
async fn neither_a_master_nor_an_agent_with_another_key_is_spoken_to() {
    let Some(lab) = Lab::of(1) else { return };
    let other = remote::HostKeyPair::generate().public;
    let agent = Whereabouts { host_key: other.clone(), ..lab.agent(1) };
    let error = lab.nodes.reach(&agent, deadline()).await.expect_err("refused").to_string();
    assert!(error.contains("agent-1") && error.contains("host key"), "{error}");
    let master = Whereabouts { host_key: other, ..lab.whereabouts[0].clone() };
    let agent = Whereabouts { masters: Arc::new([master]), ..lab.agent(2) };
    let nodes = SshNodes::new(lab.behind.target().user, Identity::generate());
    let error = nodes.reach(&agent, deadline()).await.expect_err("refused").to_string();
    assert!(error.contains("host key"), "{error}");
    assert_eq!(lab.behind.log().matches("Accepted publickey").count(), 0);
}

#[tokio::test]
async fn without_a_master_there_is_no_way_to_an_agent() {
    let Some(lab) = Lab::of(0) else { return };
    let error = lab.nodes.reach(&lab.agent(1), deadline()).await.expect_err("no way").to_string();
    assert!(error.contains("there is none"), "{error}");
}

#[tokio::test]
async fn of_many_agents_that_ail_no_session_is_kept() {
    let Some(lab) = Lab::of(1) else { return };
    let ailing = lab.agent(1);
    let lacks = async || {
        let health = lab.nodes.check(&ailing, deadline()).await.expect("asked");
        assert!(matches!(health, Health::Lacks(_)), "{health:?}: nothing but SSH runs there");
    };
    let logins = || lab.behind.log().matches("Accepted publickey").count();
    lacks().await;
    lacks().await;
    assert_eq!(logins(), 1, "of a few it is kept");
    for last in 1..=100 {
        let mut other = lab.agent(last);
        other.node.address = Ipv4Addr::new(192, 0, 2, u8::try_from(last).expect("small"));
        lab.nodes.reach(&other, Instant::now()).await.expect_err("nobody is there");
    }
    lacks().await;
    lacks().await;
    lacks().await;
    assert_eq!(logins(), 3, "each of the last two had to log in anew");
}

#[tokio::test]
async fn a_machine_that_does_not_take_our_key_yet_is_asked_again() {
    let Some(lab) = Lab::of(1) else { return };
    let nodes = SshNodes::new(lab.behind.target().user, Identity::generate());
    // As long as a busy host may take to be refused once.
    let soon = Instant::now() + Duration::from_secs(8);
    let health = nodes.check(&lab.whereabouts[0], soon).await.expect("no reason to give up");
    assert_eq!(health, Health::Lacks("SSH to accept our key".to_owned()));
}
