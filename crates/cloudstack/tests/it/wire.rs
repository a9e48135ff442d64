//! HTTP as it is on a wire: a real server on loopback that answers well, badly, late or not at all.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::any;
use cloudstack::resource::*;
use cloudstack::{BuildError, Client, ClientBuilder, Credentials, Effect, Error, TransportFailure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Something that ends with its test.
struct Peer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    async fn http(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { address, task }
    }

    /// A peer that reads a whole request from each connection and then does as told.
    async fn tcp<F>(then: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            for number in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                read_request(&mut stream).await;
                then(stream, number).await;
            }
        });
        Self { address, task }
    }

    fn builder(&self) -> ClientBuilder {
        let endpoint = format!("http://{}/client/api", self.address).parse().unwrap();
        Client::builder(endpoint, Credentials::new("apple", "sesame")).attempts(3).jitter_seed(1)
    }

    fn client(&self) -> Client {
        self.builder().build().unwrap()
    }
}

async fn read_request(stream: &mut TcpStream) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => read.extend_from_slice(&buffer[..n]),
        }
    }
}

type Recorded = Arc<Mutex<Vec<(String, String, HeaderMap, String)>>>;

fn recording(body: &'static str) -> (Recorded, Router) {
    let recorded = Recorded::default();
    let record = Arc::clone(&recorded);
    let router = Router::new().route(
        "/client/api",
        any(move |method: axum::http::Method, uri: Uri, headers: HeaderMap, content: Bytes| {
            let content = String::from_utf8(content.to_vec()).unwrap();
            record.lock().unwrap().push((method.to_string(), uri.to_string(), headers, content));
            async move { ([(header::CONTENT_TYPE, "application/json;charset=utf-8")], body) }
        }),
    );
    (recorded, router)
}

#[tokio::test]
async fn a_read_is_a_query_and_a_change_is_a_form_whose_address_holds_nothing() {
    let (recorded, router) = recording(r#"{"xresponse":{"network":{"id":"n"}}}"#);
    let peer = Peer::http(router).await;
    let client = peer.client();
    client.raw("listZones", Effect::Read, &[("name", "a b~*/é&=")]).await.unwrap();
    client.call(&CreateNetwork::new("n", "o", "z")).await.unwrap();
    let recorded = recorded.lock().unwrap();
    let (method, uri, _, content) = &recorded[0];
    assert_eq!((method.as_str(), content.as_str()), ("GET", ""));
    assert!(uri.starts_with("/client/api?command=listZones&response=json&"), "{uri}");
    assert!(uri.contains("&name=a%20b%7E%2A%2F%C3%A9%26%3D&"), "{uri}");
    let (method, uri, headers, content) = &recorded[1];
    assert_eq!((method.as_str(), uri.as_str()), ("POST", "/client/api"));
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert!(content.contains("command=createNetwork&") && content.contains("&name=n&"), "{content}");
}

#[tokio::test]
async fn an_error_status_with_an_answer_of_the_api_is_that_answer() {
    let router = Router::new().fallback(|| async {
        let body =
            r#"{"listzonesresponse":{"uuidList":[],"errorcode":431,"cserrorcode":9999,"errortext":"no"}}"#;
        (StatusCode::from_u16(431).unwrap(), body)
    });
    let error = Peer::http(router).await.client().list(&ListZones::new()).await.unwrap_err();
    assert!(matches!(&error, Error::Api(refusal) if refusal.cs_code == Some(9999)), "{error:?}");
}

#[tokio::test]
async fn a_servlet_container_s_error_page_survives() {
    let router = Router::new().fallback(|| async {
        let page = "<html><head><title>Error 414</title></head><body><h2>HTTP ERROR 414 URI Too Long</h2></body></html>";
        (StatusCode::URI_TOO_LONG, [(header::CONTENT_TYPE, "text/html")], page).into_response()
    });
    let error = Peer::http(router).await.client().list(&ListZones::new()).await.unwrap_err();
    assert!(matches!(error, Error::NotTheApi { status: 414, .. }));
    assert!(error.to_string().contains("URI Too Long"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_signed_request() {
    let (recorded, elsewhere) = recording("{}");
    let elsewhere = Peer::http(elsewhere).await;
    let target = format!("http://{}/client/api", elsewhere.address);
    let router = Router::new()
        .fallback(move || async move { (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target)]) });
    let client = Peer::http(router).await;
    let error = client.client().call(&CreateNetwork::new("n", "o", "z")).await.unwrap_err();
    assert!(matches!(error, Error::NotTheApi { status: 307, .. }), "{error:?}");
    assert!(recorded.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_change_whose_reply_got_lost_is_sent_once_and_unknown() {
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    let peer = Peer::tcp(move |stream, _| {
        *counted.lock().unwrap() += 1;
        async move { drop(stream) }
    })
    .await;
    let error = peer.client().start(&AssociateIpAddress::new().network_id("n")).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert_eq!(*count.lock().unwrap(), 1);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("apple") && !shown.contains("signature="), "{shown}");
}

#[tokio::test]
async fn a_change_on_a_connection_that_was_used_before_is_not_sent_again_either() {
    // The first request on each connection is answered, the second is read and met with silence and an end: the trap
    // of clients that send again by themselves when a pooled connection breaks.
    let changes = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&changes);
    let peer = Peer::tcp(move |mut stream, _| {
        let counted = Arc::clone(&counted);
        async move {
            let body = r#"{"r":{}}"#;
            let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(reply.as_bytes()).await.unwrap();
            read_request(&mut stream).await;
            *counted.lock().unwrap() += 1;
        }
    })
    .await;
    let client = peer.client();
    client.raw("listZones", Effect::Read, &[]).await.unwrap();
    let error = client.start(&AssociateIpAddress::new().network_id("n")).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert_eq!(*changes.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_lost() {
    let peer = Peer::tcp(|mut stream, _| async move {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"a\"";
        stream.write_all(head.as_bytes()).await.unwrap();
    })
    .await;
    let error = peer.client().start(&DeleteNetwork::new("n")).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
}

#[tokio::test]
async fn a_read_whose_connection_broke_is_sent_again() {
    let peer = Peer::tcp(|mut stream, number| async move {
        if number >= 2 {
            let body = r#"{"listzonesresponse":{"count":1,"zone":[{"id":"z"}]}}"#;
            let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = peer.client();
    assert_eq!(client.list(&ListZones::new()).await.unwrap()[0].id, "z");
    assert_eq!(client.counts().of("listZones"), 3);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let peer = Peer::tcp(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let client = peer.builder().call_timeout(Duration::from_millis(200)).attempts(1).build().unwrap();
    let error = client.raw("listZones", Effect::Read, &[]).await.unwrap_err();
    let Error::Transport { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind, TransportFailure::TimedOut);
}

#[tokio::test]
async fn a_refused_connection_changed_nothing_and_shows_no_key() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = format!("http://{address}/client/api").parse().unwrap();
    let client = Client::builder(endpoint, Credentials::new("apple", "sesame")).attempts(2).build().unwrap();
    for effect in [Effect::Read, Effect::Write] {
        let error = client.raw("createNetwork", effect, &[]).await.unwrap_err();
        let Error::Transport { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.kind, TransportFailure::NotSent);
        assert!(!error.is_outcome_unknown());
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("apple") && !shown.contains("signature="), "{shown}");
        assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
    }
    assert_eq!(client.counts().of("createNetwork"), 4);
}

#[tokio::test]
async fn a_plain_429_is_waited_out() {
    let turns = Arc::new(Mutex::new(0));
    let router = Router::new().fallback(move || {
        let turns = Arc::clone(&turns);
        async move {
            let mut turns = turns.lock().unwrap();
            *turns += 1;
            match *turns {
                1 => (StatusCode::TOO_MANY_REQUESTS, "slow down"),
                _ => (StatusCode::OK, r#"{"r":{"jobid":"j"}}"#),
            }
        }
    });
    let peer = Peer::http(router).await;
    let begun = std::time::Instant::now();
    peer.client().start(&DeleteNetwork::new("n")).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_proxy_of_the_environment_is_not_used_for_loopback() {
    // The environment of a running process cannot be changed safely, so another test is run in a process of its own.
    let nowhere = "http://127.0.0.1:1";
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "wire::an_error_status_with_an_answer_of_the_api_is_that_answer"])
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, nowhere)))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn addresses_that_cannot_be_used_are_refused_before_anything_is_sent() {
    for address in [
        "ftp://cloud.example/client/api",
        "http://user:pass@cloud.example/client/api",
        "http://cloud.example/client/api?apikey=x",
    ] {
        let built = Client::builder(address.parse().unwrap(), Credentials::new("apple", "sesame")).build();
        assert!(matches!(built, Err(BuildError::Endpoint { .. })), "{address}");
    }
}

#[test]
fn a_file_without_certificates_is_refused() {
    let endpoint = "https://cloud.example/client/api".parse().unwrap();
    let built = Client::builder(endpoint, Credentials::new("a", "s")).ca_file("no certificate").build();
    assert!(matches!(built, Err(BuildError::CaFile { .. })));
}
