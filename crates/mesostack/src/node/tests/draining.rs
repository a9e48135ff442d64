//! Whom a draining asks, and what it makes of the answers: masters in memory, with the clock paused.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mesos::{Connect, Stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::{
    super::drain::{Drainings, Way, drain},
    *,
};

/// The agent that is drained, as a leading master lists it.
const LISTED: &str =
    r#"{"slaves":[{"id":"a-S0","hostname":"agent-1","pid":"slave(1)@172.16.0.100:5051","active":true}]}"#;

/// How long a draining may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How a master does.
#[derive(Clone, Copy, Debug)]
enum Doing {
    /// Nobody gets a connection to it, nor an error.
    Lost,
    Follows,
    /// It leads, and answers a request to drain with this status.
    Leads(&'static str),
}

/// Masters by their numbers.
#[derive(Debug)]
struct Masters {
    doing: Vec<Doing>,
    /// How long each takes to answer.
    takes: Duration,
    /// How often they were asked which agents they know.
    looked: Arc<AtomicUsize>,
    /// How often a draining was asked for.
    asked: Arc<AtomicUsize>,
}

impl Masters {
    fn new(doing: &[Doing], takes: Duration) -> Self {
        Self { doing: doing.to_vec(), takes, looked: Arc::default(), asked: Arc::default() }
    }
}

/// A connection to one of them.
struct ToOne {
    doing: Doing,
    takes: Duration,
    looked: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl Way for Masters {
    async fn to(&self, master: &Whereabouts, _: Instant) -> Option<Arc<dyn Connect>> {
        match self.doing[usize::from(master.node.number) - 1] {
            // Without a look at the deadline, as one who waits for a lock.
            Doing::Lost => std::future::pending().await,
            doing => Some(Arc::new(ToOne {
                doing,
                takes: self.takes,
                looked: Arc::clone(&self.looked),
                asked: Arc::clone(&self.asked),
            })),
        }
    }
}

#[async_trait]
impl Connect for ToOne {
    async fn connect(&self, _: &str, _: u16) -> io::Result<Box<dyn Stream>> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let (doing, takes) = (self.doing, self.takes);
        let (looked, asked) = (Arc::clone(&self.looked), Arc::clone(&self.asked));
        tokio::spawn(async move {
            let mut question = [0; 4096];
            let read = theirs.read(&mut question).await.unwrap_or(0);
            let to_drain = question[..read].starts_with(b"POST");
            asked.fetch_add(usize::from(to_drain), Ordering::Relaxed);
            looked.fetch_add(usize::from(!to_drain), Ordering::Relaxed);
            tokio::time::sleep(takes).await;
            let (status, body) = match doing {
                Doing::Leads(status) if to_drain => (status, "not this one"),
                Doing::Leads(_) => ("200 OK", LISTED),
                _ => ("307 Temporary Redirect\r\nLocation: //172.16.0.22:5050/slaves", ""),
            };
            let reply = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = theirs.write_all(reply.as_bytes()).await;
            tokio::time::sleep(Duration::from_secs(3600)).await;
        });
        Ok(Box::new(ours))
    }
}

/// Drains agent-1 in five minutes; how it ended, after how long, and how often it was asked for.
async fn drained(doing: &[Doing]) -> (Drained, Duration, usize) {
    let spec = spec(3, 1);
    let way = Masters::new(doing, Duration::ZERO);
    let began = Instant::now();
    let agent = spec.node(Role::Agent, 1).expect("agent-1");
    let ended = drain(&way, &Drainings::default(), &masters(&spec), &agent, LIMIT, &|_| {}).await;
    (ended, began.elapsed(), way.asked.load(Ordering::Relaxed))
}

fn masters(spec: &Spec) -> Vec<Whereabouts> {
    let key = remote::HostKeyPair::generate().public;
    let masters = spec.masters().into_iter().map(|node| Whereabouts {
        node,
        public_address: Ipv4Addr::new(198, 18, 0, 10),
        host_key: key.clone(),
        masters: Arc::new([]),
    });
    masters.collect()
}

#[tokio::test(start_paused = true)]
async fn two_hundred_drainings_share_their_looks_and_each_gets_its_whole_time() {
    let spec = spec(3, 1);
    let (masters, agent) = (masters(&spec), spec.node(Role::Agent, 1).expect("agent-1"));
    let way = Masters::new(&[Doing::Follows, Doing::Leads("200 OK"), Doing::Lost], Duration::from_secs(4));
    let drainings = Drainings::default();
    let all = (0..200).map(|_| drain(&way, &drainings, &masters, &agent, LIMIT, &|_| {}));
    let began = Instant::now();
    let ended = futures::future::join_all(all).await;
    // All were asked for, though asking for the last came about a minute after the first, and given up no sooner.
    assert!(ended.iter().all(|ended| *ended == Drained::TooLate), "{ended:?}");
    assert_eq!(way.asked.load(Ordering::Relaxed), 200);
    assert!(began.elapsed() > LIMIT + Duration::from_secs(40), "{:?}", began.elapsed());
    // Two of them answer, every few seconds.
    let looked = way.looked.load(Ordering::Relaxed);
    assert!(looked < 200, "{looked}");
}

#[tokio::test(start_paused = true)]
async fn among_many_drainings_none_takes_others_time_for_a_cluster_without_a_leader() {
    let spec = spec(3, 1);
    let (masters, agent) = (masters(&spec), spec.node(Role::Agent, 1).expect("agent-1"));
    let way = Masters::new(&[Doing::Lost, Doing::Lost, Doing::Lost], Duration::ZERO);
    let drainings = Drainings::default();
    let all = (0..200).map(|_| async {
        let began = Instant::now();
        let ended = drain(&way, &drainings, &masters, &agent, LIMIT, &|_| {}).await;
        (ended, began.elapsed())
    });
    for (ended, took) in futures::future::join_all(all).await {
        assert_eq!(ended, Drained::NoLeader);
        assert!((60..80).contains(&took.as_secs()), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_master_keeps_no_draining_from_the_one_that_leads() {
    let (ended, _, asked) = drained(&[Doing::Lost, Doing::Follows, Doing::Leads("200 OK")]).await;
    assert_eq!(asked, 1);
    // Its tasks never end here.
    assert_eq!(ended, Drained::TooLate);
}

#[tokio::test(start_paused = true)]
async fn where_no_master_is_reached_a_draining_is_given_up_after_a_minute() {
    let (ended, took, _) = drained(&[Doing::Lost, Doing::Lost, Doing::Lost]).await;
    assert_eq!(ended, Drained::NoLeader);
    assert!(took < Duration::from_secs(70), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_master_that_refuses_is_asked_once_and_its_reason_told() {
    let (ended, took, asked) =
        drained(&[Doing::Leads("400 Bad Request"), Doing::Follows, Doing::Follows]).await;
    assert_eq!(asked, 1);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let told = ended.to_string();
    assert!(
        told.starts_with("not drained: ") && told.contains("400") && told.contains("not this one"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_master_that_cannot_answer_is_asked_again_and_what_failed_is_told() {
    let unwell = Doing::Leads("503 Service Unavailable");
    let (ended, took, asked) = drained(&[unwell, Doing::Follows, Doing::Follows]).await;
    assert!(asked > 100 && took > Duration::from_secs(290), "{asked} times in {took:?}");
    assert!(ended.to_string().contains("503"), "{ended}");
}
