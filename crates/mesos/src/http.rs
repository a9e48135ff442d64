//! One HTTP/1.1 question over one fresh stream, with a deadline over all of it. No redirect is followed: whom a
//! non-leader points to is an answer in itself here.

use std::fmt;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST};
use hyper::http::request::Builder;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::error::excerpt;
use crate::{Address, Connect, Error, Peer, Service};

/// A larger reply is refused: the state of 10,000 agents is about 20 MB.
const LARGEST_REPLY: usize = 64 << 20;

/// A daemon that speaks HTTP, and the way to it.
#[derive(Clone)]
pub(crate) struct Daemon {
    connect: Arc<dyn Connect>,
    peer: Peer,
}

impl fmt::Debug for Daemon {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Daemon").field(&self.peer).finish()
    }
}

/// What came back, together with what was asked of whom.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) peer: Peer,
    pub(crate) question: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Daemon {
    pub(crate) fn new(service: Service, connect: Arc<dyn Connect>, address: Address) -> Self {
        Self { connect, peer: Peer { service, address } }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.peer.address
    }

    /// Asks `GET path` (path and query, as they go on the wire).
    pub(crate) async fn get(&self, path: &str, deadline: Instant) -> Result<Answer, Error> {
        self.ask(Request::get(path), Bytes::new(), format!("GET {path}"), deadline).await
    }

    /// Posts `body`, JSON, to `path`. The question, as an error tells it, is named by `what`.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
        what: &str,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        // Without the type a Mesos master answers 415, and 400 without any.
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        self.ask(request, body.to_string().into(), format!("POST {path} {what}"), deadline).await
    }

    async fn ask(
        &self,
        request: Builder,
        body: Bytes,
        question: String,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        match timeout_at(deadline, self.exchange(request, body, &question)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Deadline { peer: self.peer.clone(), question }),
        }
    }

    async fn exchange(&self, request: Builder, body: Bytes, question: &str) -> Result<Answer, Error> {
        let Address { host, port } = &self.peer.address;
        let stream = self.connect.connect(host, *port).await.map_err(|source| Error::Connect {
            peer: self.peer.clone(),
            question: question.to_owned(),
            source,
        })?;
        let request = request
            .header(HOST, self.peer.address.to_string())
            .header(ACCEPT, "application/json, text/plain;q=0.5, */*;q=0.1")
            .header(CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|error| self.broken(question, error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(question, error))?;
        let exchange =
            async {
                let response =
                    sender.send_request(request).await.map_err(|error| self.broken(question, error))?;
                let (head, body) = response.into_parts();
                let body = Limited::new(body, LARGEST_REPLY).collect().await.map_err(|source| {
                    Error::Broken { peer: self.peer.clone(), question: question.to_owned(), source }
                })?;
                Ok(Answer {
                    peer: self.peer.clone(),
                    question: question.to_owned(),
                    status: head.status,
                    headers: head.headers,
                    body: body.to_bytes(),
                })
            };
        // The connection only moves while it is polled; when it ends first (`Connection: close`), the rest of the
        // reply is already buffered, and its error, if any, reaches the exchange.
        tokio::pin!(exchange, connection);
        let mut connected = true;
        loop {
            tokio::select! {
                answer = &mut exchange => return answer,
                _ = &mut connection, if connected => connected = false,
            }
        }
    }

    fn broken(&self, question: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Broken { peer: self.peer.clone(), question: question.to_owned(), source: Box::new(source) }
    }
}

impl Answer {
    /// The reply's body as JSON, when the status is 200.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        self.ok()?.decode()
    }

    /// The reply itself, when the status is 200.
    pub(crate) fn ok(self) -> Result<Self, Error> {
        if self.status == StatusCode::OK { Ok(self) } else { Err(self.refused()) }
    }

    pub(crate) fn decode<T: DeserializeOwned>(self) -> Result<T, Error> {
        from_json(&self.body).map_err(|reason| self.unreadable(reason))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The error for a status that is no answer to the question.
    pub(crate) fn refused(self) -> Error {
        let text = excerpt(&self.body);
        Error::Status { peer: self.peer, question: self.question, status: self.status.as_u16(), text }
    }

    pub(crate) fn unreadable(self, reason: String) -> Error {
        let text = excerpt(&self.body);
        Error::Unreadable { peer: self.peer, question: self.question, reason, text }
    }
}

/// Reads JSON; the error names the field.
pub(crate) fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        if path == "." { error.inner().to_string() } else { format!("{path}: {}", error.inner()) }
    })
}
