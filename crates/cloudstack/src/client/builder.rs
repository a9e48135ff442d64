//! Settings of a client, and their defaults.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use super::counts::Counter;
use super::pace::{Pace, Rank};
use super::{Client, Clock, Core, retry};
use crate::credentials::Credentials;
use crate::jobs::Jobs;
use crate::transport::{HttpSettings, HttpTransport, Transport};

/// The largest page a server gives by default (`default.page.size`).
const PAGE_SIZE: u32 = 500;

/// A client cannot be built from its settings.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The address of the API is not one.
    #[error("the address of the API cannot be used: {problem}")]
    Endpoint {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file of certificate authorities cannot be read.
    #[error("the file of certificate authorities cannot be used: {problem}")]
    CaFile {
        /// What is wrong with it.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] Arc<rustls::Error>),
    /// HTTP cannot be set up.
    #[error("HTTP cannot be set up")]
    Http(#[source] Arc<reqwest::Error>),
}

/// Builds a [`Client`].
#[must_use]
pub struct ClientBuilder {
    endpoint: Url,
    credentials: Credentials,
    http: HttpSettings,
    transport: Option<Arc<dyn Transport>>,
    clock: Clock,
    signature_lifetime: Duration,
    concurrent_calls: usize,
    calls_per_second: Option<f64>,
    attempts: u32,
    jitter_seed: Option<u64>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(super) fn new(endpoint: Url, credentials: Credentials) -> Self {
        Self {
            endpoint,
            credentials,
            http: HttpSettings::default(),
            transport: None,
            clock: Arc::new(Timestamp::now),
            signature_lifetime: Duration::from_secs(600),
            concurrent_calls: 32,
            calls_per_second: None,
            attempts: 5,
            jitter_seed: None,
        }
    }

    /// Trusts the authorities in this PEM text beside the host's own.
    pub fn ca_file(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.ca_pem = Some(pem.into());
        self
    }

    /// Accepts any certificate. Whoever stands between can then read and change everything, keys of new machines
    /// included; prefer [`ClientBuilder::ca_file`].
    pub fn danger_accept_invalid_certificates(mut self, accept: bool) -> Self {
        self.http.accept_invalid_certificates = accept;
        self
    }

    /// How long one call may take in all, by whatever transport; 2 min by default. It does not bound the wait for a job.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.http.call_timeout = timeout;
        self
    }

    /// How long a connection may take to be made; 10 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connect_timeout = timeout;
        self
    }

    /// Sends requests another way than by HTTP to the endpoint; settings about connections and
    /// certificates have no effect then.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// What time it is; the system's clock by default. Signatures expire after it.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How long a signature is valid; 10 min by default. A server that enforces time stamps takes 15 at most.
    pub fn signature_lifetime(mut self, lifetime: Duration) -> Self {
        self.signature_lifetime = lifetime;
        self
    }

    /// How many calls may be under way at once, at least 1; 32 by default: what 10,000 machines and all
    /// else of their network take in pages of 500, so that they are read in one round trip. Looks at jobs do not count.
    pub fn concurrent_calls(mut self, most: usize) -> Self {
        self.concurrent_calls = most.max(1);
        self
    }

    /// Spaces calls so that no more than this many a second begin, looks at jobs included. Without limit by default; a
    /// server that throttles takes 25 a second from one account (`api.throttling.max`).
    pub fn calls_per_second(mut self, most: f64) -> Self {
        self.calls_per_second = Some(most);
        self
    }

    /// How often a read is sent at most when it fails for a passing reason, at least 1; 5 by default.
    pub fn attempts(mut self, most: u32) -> Self {
        self.attempts = most.max(1);
        self
    }

    /// Makes the jitter of waits repeatable, for tests.
    pub fn jitter_seed(mut self, seed: u64) -> Self {
        self.jitter_seed = Some(seed);
        self
    }

    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address or the certificates cannot be used.
    pub fn build(self) -> Result<Client, BuildError> {
        let call_timeout = self.http.call_timeout;
        let transport = match self.transport {
            Some(transport) => transport,
            None => Arc::new(HttpTransport::new(self.endpoint.clone(), &self.http)?),
        };
        let core = Arc::new(Core {
            endpoint: self.endpoint,
            credentials: self.credentials,
            transport,
            call_timeout,
            clock: self.clock,
            signature_lifetime: self.signature_lifetime,
            retry: retry::Policy::new(self.attempts, self.jitter_seed),
            pace: Pace::new(self.concurrent_calls, self.calls_per_second),
            counts: Counter::default(),
            page_size: AtomicU32::new(PAGE_SIZE),
        });
        Ok(Client { jobs: Jobs::new(Arc::clone(&core)), core, fence: None, rank: Rank::default() })
    }
}
