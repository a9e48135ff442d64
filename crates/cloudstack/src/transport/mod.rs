//! The way requests take. A [`Transport`] carries one signed request and brings back one reply, whatever it says; what
//! requests mean, and whether to send one again, is decided above it.
//!
//! [`HttpTransport`] is the usual one. Another may call a server in the same process, or play a script in a test.

mod http;

use std::fmt;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::error::TransportError;

pub use http::{HttpSettings, HttpTransport};

/// The method a request is sent by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// The form is the query of the address.
    Get,
    /// The form is the body.
    Post,
}

/// A request, ready to be sent.
///
/// The form holds the API key, the signature and whatever secrets the command carries, so `Debug` does not show it.
#[derive(Clone)]
pub struct SignedRequest {
    /// By which method to send it.
    pub method: Method,
    /// The command's name, for logs; the form holds it as well.
    pub command: String,
    /// All parameters as `application/x-www-form-urlencoded`, signature included.
    pub form: Zeroizing<String>,
}

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("method", &self.method)
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

/// A reply, not looked into.
///
/// The body may hold secrets (a new private key), so `Debug` shows its length only.
#[derive(Clone, Default)]
pub struct RawReply {
    /// The HTTP status.
    pub status: u16,
    /// The content type, if one was given.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for RawReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawReply")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Carries signed requests to a CloudStack API and brings its replies back.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends one request, once, and waits for the whole reply.
    ///
    /// # Errors
    /// When no reply came back. The error's kind must tell the truth about how far the request came: a write is taken
    /// as not done only after [`TransportFailure::NotSent`](crate::TransportFailure::NotSent).
    async fn send(&self, request: SignedRequest) -> Result<RawReply, TransportError>;
}
