//! HTTP between the daemons: one request over one connection, with a deadline; and serving until told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Larger replies are refused; a master's reply to Marathon lists every agent.
const LARGEST_REPLY: usize = 64 << 20;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, std::io::Error),
    #[error("{0} did not answer in time")]
    Deadline(SocketAddr),
    #[error("the connection to {0} broke: {1}")]
    Broken(SocketAddr, Box<dyn std::error::Error + Send + Sync>),
    #[error("{0} answered {1}: {2}")]
    Status(SocketAddr, StatusCode, String),
    #[error("the answer of {0} could not be read: {1}")]
    Unreadable(SocketAddr, serde_json::Error),
}

impl Failure {
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(_, status, _) => Some(*status),
            _ => None,
        }
    }
}

/// A connection that requests can be sent over, and the future that moves it and ends when it is closed.
pub(crate) async fn connect(
    peer: SocketAddr,
    patience: Duration,
) -> Result<(SendRequest<Body>, impl Future<Output = ()> + Send), Failure> {
    let connecting = async {
        let stream = TcpStream::connect(peer).await.map_err(|error| Failure::Connect(peer, error))?;
        let _ = stream.set_nodelay(true);
        handshake(TokioIo::new(stream)).await.map_err(|error| Failure::Broken(peer, Box::new(error)))
    };
    let (sender, connection) = timeout(patience, connecting).await.map_err(|_| Failure::Deadline(peer))??;
    Ok((sender, async move {
        // Its error reaches whoever waits for a reply.
        let _ = connection.await;
    }))
}

/// Sends a JSON body to `path` and reads a JSON answer. Anything but 200 is a failure.
pub(crate) async fn post<T: DeserializeOwned>(
    peer: SocketAddr,
    path: &str,
    body: &impl Serialize,
    patience: Duration,
) -> Result<T, Failure> {
    let exchange = async {
        let (mut sender, connection) = connect(peer, patience).await?;
        let connection = tokio::spawn(connection);
        let reply = send(&mut sender, peer, path, body).await;
        connection.abort();
        reply
    };
    let (status, reply) = timeout(patience, exchange).await.map_err(|_| Failure::Deadline(peer))??;
    if status != StatusCode::OK {
        return Err(Failure::Status(
            peer,
            status,
            String::from_utf8_lossy(&reply).chars().take(300).collect(),
        ));
    }
    serde_json::from_slice(&reply).map_err(|error| Failure::Unreadable(peer, error))
}

/// Sends one JSON body over an open connection.
pub(crate) async fn send(
    sender: &mut SendRequest<Body>,
    peer: SocketAddr,
    path: &str,
    body: &impl Serialize,
) -> Result<(StatusCode, Bytes), Failure> {
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| Failure::Broken(peer, error);
    let json = serde_json::to_vec(body).map_err(|error| broken(Box::new(error)))?;
    let request = Request::post(path)
        .header(HOST, peer.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Body::new(Full::new(Bytes::from(json))))
        .map_err(|error| broken(Box::new(error)))?;
    let response = sender.send_request(request).await.map_err(|error| broken(Box::new(error)))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_REPLY).collect().await.map_err(broken)?;
    Ok((status, body.to_bytes()))
}

/// Passes a request on as it is and returns the answer with its body still coming.
pub(crate) async fn forward(
    peer: SocketAddr,
    request: Request<Body>,
    connecting: Duration,
    reading: Duration,
) -> Result<Response<Body>, Failure> {
    let (mut sender, connection) = connect(peer, connecting).await?;
    tokio::spawn(connection);
    let response = timeout(reading, sender.send_request(request))
        .await
        .map_err(|_| Failure::Deadline(peer))?
        .map_err(|error| Failure::Broken(peer, Box::new(error)))?;
    Ok(response.map(Body::new))
}

/// Serves until the daemon ends.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> std::io::Error {
    match axum::serve(listener, router).await {
        Err(error) => error,
        Ok(()) => std::io::Error::other("the server stopped"),
    }
}

/// Listens at `address`. A port just left by a killed daemon is taken over.
pub(crate) async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}
