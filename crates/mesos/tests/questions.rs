//! The clients against scripted daemons on in-memory streams, with the clock paused.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mesos::zookeeper::{Mode, Server};
use mesos::{Address, Connect, Error, Marathon, Master, Ping, Reply, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

/// Answers every connection with the same bytes once a question has come.
struct Scripted {
    /// `None`: never answers.
    reply: Option<Vec<u8>>,
    /// Closes after the answer, as a daemon asked with `Connection: close` does.
    closes: bool,
}

#[async_trait]
impl Connect for Scripted {
    async fn connect(&self, _: &str, _: u16) -> io::Result<Box<dyn Stream>> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let (reply, closes) = (self.reply.clone(), self.closes);
        tokio::spawn(async move {
            let mut question = [0; 4096];
            let asked = theirs.read(&mut question).await.unwrap_or(0);
            if let (Some(reply), true) = (reply, asked > 0) {
                let _ = theirs.write_all(&reply).await;
                if closes {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_secs(3600)).await;
        });
        Ok(Box::new(ours))
    }
}

fn http(head: &str, body: &str) -> Arc<dyn Connect> {
    let reply = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    Arc::new(Scripted { reply: Some(reply.into_bytes()), closes: false })
}

fn master(connect: Arc<dyn Connect>) -> Master {
    Master::new(connect, Address::new("10.0.0.11", 5050))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test(start_paused = true)]
async fn a_master_that_does_not_lead_points_to_the_leader() {
    let to_leader = || http("307 Temporary Redirect\r\nLocation: //198.18.0.10:5050/slaves", "");
    let leader = Address::new("198.18.0.10", 5050);
    assert_eq!(master(to_leader()).agents(soon()).await.unwrap(), Reply::NotLeading(Some(leader.clone())));
    assert_eq!(master(to_leader()).leader(soon()).await.unwrap(), Some(leader));
}

/// Hears one question, and says that it is done.
#[derive(Clone, Default)]
struct Hearing(Arc<std::sync::Mutex<String>>);

#[async_trait]
impl Connect for Hearing {
    async fn connect(&self, _: &str, _: u16) -> io::Result<Box<dyn Stream>> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let hearing = self.clone();
        tokio::spawn(async move {
            let mut question = [0; 4096];
            let whole = |heard: &str| {
                let body = heard.split("\r\n\r\n").nth(1);
                body.is_some_and(|body| serde_json::from_str::<serde_json::Value>(body).is_ok())
            };
            while !whole(&hearing.0.lock().expect("no panic")) {
                let asked = theirs.read(&mut question).await.unwrap_or(0);
                hearing.0.lock().expect("no panic").push_str(&String::from_utf8_lossy(&question[..asked]));
            }
            let _ = theirs.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            tokio::time::sleep(Duration::from_secs(3600)).await;
        });
        Ok(Box::new(ours))
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_drained_with_its_id_and_a_grace_in_seconds_as_json() {
    let hearing = Hearing::default();
    let drained = master(Arc::new(hearing.clone())).drain("a-S0", Duration::from_secs(90), soon()).await;
    assert_eq!(drained.unwrap(), Reply::Leading(()));
    let heard = hearing.0.lock().unwrap().to_ascii_lowercase();
    assert!(
        heard.starts_with("post /api/v1 http/1.1\r\n") && heard.contains("content-type: application/json")
    );
    let body = heard.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(body).unwrap(),
        serde_json::json!({"type": "drain_agent", "drain_agent": {
            "agent_id": {"value": "a-s0"}, "max_grace_period": {"seconds": 90}, "mark_gone": true,
        }})
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_refused_or_led_elsewhere_with_who_said_so() {
    let refused = master(http("400 Bad Request", "Unknown agent")).drain("x", Duration::ZERO, soon()).await;
    let Err(Error::Status { status: 400, text, question, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((text.as_str(), question.as_str()), ("Unknown agent", "POST /api/v1 DRAIN_AGENT"));
    let elsewhere = http("307 Temporary Redirect\r\nLocation: //198.18.0.10:5050/api/v1", "");
    let led = master(elsewhere).drain("x", Duration::ZERO, soon()).await.unwrap();
    assert_eq!(led, Reply::NotLeading(Some(Address::new("198.18.0.10", 5050))));
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_there_is_nobody_to_point_to() {
    let nobody = || http("503 Service Unavailable", "No leader elected");
    assert_eq!(master(nobody()).leader(soon()).await.unwrap(), None);
    assert_eq!(master(nobody()).agents(soon()).await.unwrap(), Reply::NotLeading(None));
}

#[tokio::test(start_paused = true)]
async fn a_leader_still_recovering_is_an_error_and_not_an_absent_leader() {
    let error = master(http("503 Service Unavailable", "Master has not finished recovery"))
        .agents(soon())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the Mesos master at 10.0.0.11:5050 answered GET /slaves with status 503: Master has not finished recovery"
    );
}

#[tokio::test(start_paused = true)]
async fn the_leaders_agents_are_listed() {
    let body = r#"{"slaves":[{"id":"m-S0","hostname":"agent-1","pid":"slave(1)@10.0.0.21:5051","active":true,"version":"1.11.0"}]}"#;
    let agents = master(http("200 OK", body)).agents(soon()).await.unwrap().leading().unwrap();
    assert_eq!(agents[0].address, Some(Address::new("10.0.0.21", 5051)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_daemon_is_given_up_at_the_deadline() {
    let silent: Arc<dyn Connect> = Arc::new(Scripted { reply: None, closes: false });
    let begun = Instant::now();
    let error = master(silent.clone()).health(soon()).await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    let server = Server::new(silent, Address::new("10.0.0.11", 2181));
    assert!(matches!(server.srvr(soon()).await, Err(Error::Deadline { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_breaks_off_is_told_as_such() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let connect = Arc::new(Scripted { reply: Some(half), closes: true });
    let error = master(connect).version(soon()).await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_not_http_is_told_as_such() {
    let connect = Arc::new(Scripted { reply: Some(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), closes: true });
    assert!(matches!(master(connect).version(soon()).await, Err(Error::Broken { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_no_json_names_question_and_text() {
    let error = master(http("200 OK", "<html>\n</html>")).version(soon()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("GET /version") && text.contains("<html>"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn marathon_tells_who_answered_a_ping() {
    let ping = |connect| async move {
        Marathon::new(connect, Address::new("10.0.0.11", 8080)).ping(soon()).await.unwrap()
    };
    assert_eq!(ping(http("200 OK", "pong")).await, Ping::Leading);
    assert_eq!(
        ping(http("200 OK\r\nX-Marathon-Via: 1.1 10.0.0.12:8080", "pong")).await,
        Ping::Proxied { via: "1.1 10.0.0.12:8080".into() }
    );
    assert_eq!(ping(http("502 Bad Gateway", "no leader")).await, Ping::NoLeader);
}

#[tokio::test(start_paused = true)]
async fn a_zookeeper_server_tells_its_mode() {
    let reply = b"Zookeeper version: 3.8.0-x, built on y\nMode: follower\nNode count: 7\n".to_vec();
    let connect = Arc::new(Scripted { reply: Some(reply), closes: true });
    let answer = Server::new(connect, Address::new("10.0.0.11", 2181)).srvr(soon()).await.unwrap();
    assert_eq!((answer.mode, answer.version.as_deref()), (Mode::Follower, Some("3.8.0-x")));
}
